//! The Kuramoto-Lohe model: oscillators on a sphere of any dimension.

use crate::cpu::equilibrate::{FlowMethod, FlowOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::ops::graph::Graph;
use crate::tape::{Tape, Var};

/// How oscillators on a sphere act on each other; a row of a matrix or graph is a receiver.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LoheCoupling {
    /// `sum over edges e into i of w_e x_j`: weights `[edges]`, or `[edges, n, n]` for matrices.
    Edges {
        /// Who listens to whom.
        graph: Graph,
        /// In the graph's order.
        weights: Var,
    },
    /// `sum_j w_ij x_j`, weights `[N, N]`.
    Dense {
        /// Receivers first.
        weights: Var,
    },
    /// `1/N sum_j x_j`, in time proportional to `N`.
    MeanField,
}

/// A step of [`Lohe`], with time step `gamma`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LoheScheme {
    /// `normalize(x + gamma (Omega x + P_x h))`, AKOrN's step; order 1.
    Projected,
    /// `exp(gamma Omega) normalize(x + gamma P_x h)`: the frame of the rotation does not matter; order 1.
    Splitting,
    /// Along the great circle of `gamma (Omega x + P_x h)`; order 1.
    Geodesic,
    /// `exp(gamma Omega)` after the exact flow of the field held constant; order 1, no gradient.
    Flow,
    /// The classical Runge-Kutta scheme in the ambient space, then normalised; order 4.
    Rk4,
}

/// `dx_i/dt = Omega_i x_i + P_x (strength (coupling) + field)` for unit vectors `x` `[B, N, n]`, `n >= 2` (Lohe 2009).
///
/// For `n = 2` and `x = (cos theta, sin theta)` it is the Kuramoto model, whose natural frequencies are minus those here: a
/// frequency `w` lets the angle fall.
#[derive(Clone, Debug)]
pub struct Lohe {
    /// `[N, n / 2]`, of pairs of components; without, nothing turns by itself.
    pub frequencies: Option<Var>,
    /// How oscillators act on each other.
    pub coupling: LoheCoupling,
    /// `K`.
    pub strength: f32,
    /// A field of each oscillator, `[B, N, n]`.
    pub field: Option<Var>,
}

impl Lohe {
    /// What drives each oscillator, `[B, N, n]`.
    ///
    /// # Errors
    /// `Shape`, naming the op and its argument; `Param` for a strength that is not finite.
    pub fn drive(&self, tape: &mut Tape, x: Var) -> Result<Var> {
        let coupled = match &self.coupling {
            LoheCoupling::Edges { graph, weights } => tape.couple_sparse(x, *weights, graph)?,
            LoheCoupling::Dense { weights } => tape.linear(x, *weights, None, 1)?,
            LoheCoupling::MeanField => {
                let nodes = self.nodes(tape, x)?;
                let mean = tape.mean_nodes(x)?;
                // The same for all: a product with a column of ones.
                let ones = tape.upload(&vec![1.0f32; nodes], &[nodes, 1], DType::F32)?;
                let ones = tape.constant(ones);
                tape.linear(mean, ones, None, 1)?
            }
        };
        let coupled = tape.scale(self.strength, coupled)?;
        match self.field {
            Some(field) => tape.add(coupled, field),
            None => Ok(coupled),
        }
    }

    /// The state a time `gamma` later, on the sphere.
    ///
    /// # Errors
    /// `Param` for a `gamma` that is not finite, or [`LoheScheme::Flow`] where a gradient is wanted; as [`Lohe::drive`].
    pub fn step(&self, tape: &mut Tape, x: Var, gamma: f32, scheme: LoheScheme) -> Result<Var> {
        let n = tape.spec(x)?.shape.last().copied().unwrap_or(0);
        match scheme {
            LoheScheme::Projected => {
                let rate = self.rate(tape, x)?;
                let moved = tape.axpy(gamma, rate, x)?;
                tape.sphere_normalize(moved, 2, n)
            }
            LoheScheme::Splitting => {
                let drive = self.drive(tape, x)?;
                let rate = tape.lohe_rate(x, drive, None)?;
                let moved = tape.axpy(gamma, rate, x)?;
                let moved = tape.sphere_normalize(moved, 2, n)?;
                self.rotated(tape, moved, gamma)
            }
            LoheScheme::Geodesic => {
                let rate = self.rate(tape, x)?;
                let along = tape.scale(gamma, rate)?;
                let turned = tape.sphere_turn(x, along)?;
                // A great circle stays on the sphere but for rounding, which would add up.
                tape.sphere_normalize(turned, 2, n)
            }
            LoheScheme::Flow => {
                let drive = self.drive(tape, x)?;
                let once = FlowOptions {
                    steps: 1,
                    tolerance: f32::MIN_POSITIVE,
                    ..FlowOptions::new(FlowMethod::Exact, gamma)
                };
                let flowed = tape.equilibrate(x, drive, &once)?.state;
                self.rotated(tape, flowed, gamma)
            }
            LoheScheme::Rk4 => {
                let k1 = self.rate(tape, x)?;
                let at = tape.axpy(0.5 * gamma, k1, x)?;
                let k2 = self.rate(tape, at)?;
                let at = tape.axpy(0.5 * gamma, k2, x)?;
                let k3 = self.rate(tape, at)?;
                let at = tape.axpy(gamma, k3, x)?;
                let k4 = self.rate(tape, at)?;
                let mut moved = x;
                for (weight, rate) in [(6.0, k1), (3.0, k2), (3.0, k3), (6.0, k4)] {
                    moved = tape.axpy(gamma / weight, rate, moved)?;
                }
                tape.sphere_normalize(moved, 2, n)
            }
        }
    }

    fn rate(&self, tape: &mut Tape, x: Var) -> Result<Var> {
        let drive = self.drive(tape, x)?;
        tape.lohe_rate(x, drive, self.frequencies)
    }

    fn rotated(&self, tape: &mut Tape, x: Var, gamma: f32) -> Result<Var> {
        match self.frequencies {
            Some(frequencies) => tape.sphere_rotate(x, frequencies, gamma),
            None => Ok(x),
        }
    }

    fn nodes(&self, tape: &Tape, x: Var) -> Result<usize> {
        match *tape.spec(x)?.shape {
            [_, nodes, _] => Ok(nodes),
            ref other => {
                let got = format!("{other:?}");
                Err(Error::argument(ErrorKind::Shape, "Lohe", "x", got, "[B, N, n]"))
            }
        }
    }
}
