//! Linear maps between neurons, with and without a symmetry.

use crate::error::{Error, ErrorKind, Result};
use crate::model::parameters::{Bound, Builder, Initial, Role};
use crate::tape::{Tape, Var};

/// With which rotations of all neurons at once a network commutes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Symmetry {
    /// Phases: complex neurons, complex weights.
    U1,
    /// Rotations and reflections of `k` components: one real weight for a pair of neurons.
    Orthogonal {
        /// Components of a neuron.
        k: usize,
    },
    /// None: every component is connected with every other. The baseline; with `k = 1` a common `tanh` network.
    Generic {
        /// Components of a neuron.
        k: usize,
    },
}

impl Symmetry {
    /// Components of a neuron.
    pub fn components(self) -> usize {
        match self {
            Symmetry::U1 => 2,
            Symmetry::Orthogonal { k } | Symmetry::Generic { k } => k,
        }
    }

    /// The deviation of a weight at which `E |z|² = sigma_w² E |phi|²` after a map of so many neurons: `sigma_w / sqrt(N)`
    /// with `N` the real features for U(1) and without a symmetry, the neurons for O(k).
    pub fn deviation(self, sigma_w: f32, neurons: usize) -> f32 {
        let terms = match self {
            Symmetry::U1 => 2 * neurons,
            Symmetry::Orthogonal { .. } => neurons,
            Symmetry::Generic { k } => k * neurons,
        };
        sigma_w / (terms.max(1) as f32).sqrt()
    }
}

/// A map without bias from `[B, inputs k, ..]` to `[B, outputs k, ..]`. Parameters: `w1` and `w2` `[outputs, inputs]` for
/// U(1), `w` `[outputs, inputs]` for O(k), `weight` `[outputs k, inputs k]` without a symmetry.
#[derive(Clone, Debug)]
pub struct EquivariantLinear {
    symmetry: Symmetry,
    inputs: usize,
    outputs: usize,
    prefix: String,
}

impl EquivariantLinear {
    /// A map between so many neurons, whose parameters' names begin with `prefix` (`"layers.0."`).
    ///
    /// # Errors
    /// `Param` without neurons or components.
    pub fn new(
        symmetry: Symmetry,
        inputs: usize,
        outputs: usize,
        prefix: impl Into<String>,
    ) -> Result<EquivariantLinear> {
        if inputs * outputs * symmetry.components() == 0 {
            let got = format!("{inputs} to {outputs} neurons of {} components", symmetry.components());
            return Err(Error::argument(ErrorKind::Param, "EquivariantLinear", "extents", got, "none of them zero"));
        }
        Ok(EquivariantLinear { symmetry, inputs, outputs, prefix: prefix.into() })
    }

    fn name(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }

    /// Adds the weights, normal with the deviation of `sigma_w`.
    pub fn parameters(&self, builder: &mut Builder, sigma_w: f32) {
        let normal = || Initial::Normal(self.symmetry.deviation(sigma_w, self.inputs));
        let shape = [self.outputs, self.inputs];
        match self.symmetry {
            Symmetry::U1 => {
                builder.add(self.name("w1"), &shape, Role::Learned, normal());
                builder.add(self.name("w2"), &shape, Role::Learned, normal());
            }
            Symmetry::Orthogonal { .. } => builder.add(self.name("w"), &shape, Role::Learned, normal()),
            Symmetry::Generic { k } => {
                builder.add(self.name("weight"), &shape.map(|neurons| neurons * k), Role::Learned, normal());
            }
        }
    }

    /// `[B, inputs k, ..]` to `[B, outputs k, ..]`.
    ///
    /// # Errors
    /// `Shape`, `DType`; `Param` if `bound` lacks a parameter.
    pub fn forward(&self, tape: &mut Tape, bound: &Bound, x: Var) -> Result<Var> {
        let get = |rest: &str| bound.get(&self.name(rest));
        match self.symmetry {
            Symmetry::U1 => tape.linear_u1(x, get("w1")?, get("w2")?, 1),
            Symmetry::Orthogonal { k } => tape.linear_ok(x, get("w")?, 1, k),
            Symmetry::Generic { .. } => tape.linear(x, get("weight")?, None, 1),
        }
    }
}
