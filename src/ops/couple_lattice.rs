//! Kuramoto coupling of phases on a square lattice by one stencil of weights.

pub use super::boundary::Boundary;
use super::layout::indexable;
use super::spec::{Op, OpSpec, Port};
#[cfg(feature = "gpu")]
use super::sum_columns::sum_columns;
use crate::cpu::Real;
use crate::cpu::couple_lattice::{self as cpu, Extents, Operands};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::DType;
use crate::tape::{Tape, Var};

#[path = "couple_lattice_cases.rs"]
mod cases;
#[path = "couple_lattice_contracts.rs"]
mod contracts;
#[cfg(feature = "gpu")]
#[path = "couple_lattice_device.rs"]
mod device;

#[cfg(feature = "gpu")]
use contracts::Params;
pub use contracts::{BACKWARD, BACKWARD_SAMPLES, BACKWARD_W, FORWARD};

/// What a coupling on a lattice has besides its phases, as tensors or variables, all of them f32.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LatticeCoupling<T> {
    /// `[kh, kw]`, both odd: the weight of each tap; the centre is the place itself.
    pub weights: T,
    /// `[B]`: the strength of all taps of a sample, in radians per unit of time.
    pub strength: T,
    /// `[B]`: the lag of the phases, in radians; zero for none.
    pub lag: T,
}

/// A coupling on a lattice of fixed extents.
#[derive(Clone, Debug)]
pub struct CoupleLattice {
    at: Extents,
}

impl CoupleLattice {
    /// A coupling of phases `theta`, `[B, H, W]`, with rates `base`, `[H, W]` or `[B, H, W]`, by a stencil `weights`,
    /// `[kh, kw]`.
    ///
    /// # Errors
    /// `Shape` for other extents or a stencil that reaches further than once around a periodic lattice, `Param` for even
    /// ones, `Index` for more elements than 32-bit indices reach.
    pub fn new(theta: &[usize], base: &[usize], weights: &[usize], boundary: Boundary) -> Result<CoupleLattice> {
        let refuse = |argument: &str, got: &[usize], wanted: String| {
            Err(Error::argument(ErrorKind::Shape, "couple_lattice", argument, format!("{got:?}"), wanted))
        };
        let &[batch, height, width] = theta else { return refuse("theta", theta, "[B, H, W]".into()) };
        let own_base = match base {
            [h, w] if [*h, *w] == [height, width] => false,
            [b, h, w] if [*b, *h, *w] == [batch, height, width] => true,
            _ => return refuse("base", base, format!("[{height}, {width}] or [{batch}, {height}, {width}]")),
        };
        let &[kh, kw] = weights else { return refuse("weights", weights, "[kh, kw]".into()) };
        if kh % 2 == 0 || kw % 2 == 0 {
            let wanted = "odd, so that it has a centre";
            return Err(Error::argument(ErrorKind::Param, "couple_lattice", "weights", format!("{kh} x {kw}"), wanted));
        }
        let periodic = boundary == Boundary::Periodic;
        let empty = height * width == 0;
        if periodic && !empty && (kh / 2 >= height || kw / 2 >= width) {
            let wanted =
                format!("at most [{}, {}] on a periodic lattice of {height} x {width}", 2 * height - 1, 2 * width - 1);
            return refuse("weights", weights, wanted);
        }
        indexable("couple_lattice", theta)?;
        indexable("couple_lattice: the weights", weights)?;
        Ok(CoupleLattice { at: Extents { batch, height, width, kh, kw, periodic, own_base } })
    }

    fn theta_shape(&self) -> [usize; 3] {
        [self.at.batch, self.at.height, self.at.width]
    }

    fn base_shape(&self) -> Vec<usize> {
        let shape = self.theta_shape();
        if self.at.own_base { shape.to_vec() } else { shape[1..].to_vec() }
    }
}

fn operands<'a, R>(inputs: &[&'a [R]]) -> Operands<'a, R> {
    Operands { theta: inputs[0], base: inputs[1], weights: inputs[2], strength: inputs[3], lag: inputs[4] }
}

impl Op for CoupleLattice {
    fn name(&self) -> &'static str {
        "couple_lattice"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![
            Port::f32("theta", &self.theta_shape()),
            Port::f32("base", &self.base_shape()),
            Port::f32("weights", &[self.at.kh, self.at.kw]),
            Port::f32("strength", &[self.at.batch]),
            Port::f32("lag", &[self.at.batch]),
        ]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("rate", &self.theta_shape())]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(&operands(inputs), &self.at)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(&operands(inputs), cotangents[0], &self.at).into()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let &[theta, base, weights, strength, lag] = inputs else { return Ok(vec![]) };
        let rate = commands.empty(&self.theta_shape(), DType::F32)?;
        let [height, width, kh, kw] = self.extents();
        let params = Params {
            len: rate.len() as u32,
            height,
            width,
            kh,
            kw,
            periodic: self.at.periodic.into(),
            base_stride: if self.at.own_base { self.at.plane() as u32 } else { 0 },
        };
        let binds = [read(theta), read(base), read(weights), read(strength), read(lag), write(&rate)];
        let work = Work::invocations(rate.len()).rounds(self.rounds()).flops(31 * self.taps() * rate.len());
        commands.dispatch(&FORWARD, DType::F32, &[], &params, &binds, work)?;
        Ok(vec![rate])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        needs: &[bool],
        _: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        let mut all = vec![None; inputs.len()];
        let (&[theta, _, weights, strength, lag], Some(g)) = (inputs, cotangents[0]) else { return Ok(all) };
        if needs[0] {
            all[0] = Some(self.theta_bar(commands, [theta, weights, strength, lag], g)?);
        }
        if needs[1] {
            let rows = g.reshape(&[self.at.batch, self.at.plane()])?;
            let shared = !self.at.own_base;
            all[1] = Some(if shared { sum_columns(commands, &rows, 0, &self.base_shape())? } else { g.clone() });
        }
        if needs[2] {
            all[2] = Some(self.weights_bar(commands, [theta, strength, lag], g)?);
        }
        if needs[3] || needs[4] {
            let [strength_bar, lag_bar] = self.sample_bars(commands, [theta, weights, strength, lag], g)?;
            all[3] = needs[3].then_some(strength_bar);
            all[4] = needs[4].then_some(lag_bar);
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// The rates of phases `theta`, `[B, H, W]` in radians, coupled to the places around them, all f32:
    /// `base_p + K_b sum_t w_t sin(theta_{p + t} - theta_p - a_b)` over the taps `t` of a stencil. `base`, `[H, W]` or
    /// `[B, H, W]`, are the rates without a coupling, in radians per unit of time. Sines are within 3e-7 for arguments of
    /// at most 10,000.
    /// Source: Sakaguchi, Shinomoto and Kuramoto, Prog. Theor. Phys. 77 (1987) 1005.
    ///
    /// # Errors
    /// `Shape`, `Param`, `Index`, `DType`; `Limit` for a stencil of more than 65535 taps on drivers that end loops there;
    /// as [`Commands::apply`].
    pub fn couple_lattice(
        &mut self,
        theta: &Tensor,
        base: &Tensor,
        coupling: &LatticeCoupling<&Tensor>,
        boundary: Boundary,
    ) -> Result<Tensor> {
        let LatticeCoupling { weights, strength, lag } = *coupling;
        let op = CoupleLattice::new(theta.shape(), base.shape(), weights.shape(), boundary)?;
        Ok(self.apply(&op, &[theta, base, weights, strength, lag])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::couple_lattice`](crate::Commands::couple_lattice), differentiable in all five operands. Sines and
    /// cosines are computed again in the backward pass, nothing of their number is stored.
    ///
    /// # Errors
    /// As [`Commands::couple_lattice`](crate::Commands::couple_lattice).
    pub fn couple_lattice(
        &mut self,
        theta: Var,
        base: Var,
        coupling: &LatticeCoupling<Var>,
        boundary: Boundary,
    ) -> Result<Var> {
        let LatticeCoupling { weights, strength, lag } = *coupling;
        let [of_theta, of_base, of_weights] =
            [self.spec(theta)?.shape, self.spec(base)?.shape, self.spec(weights)?.shape];
        let op = CoupleLattice::new(&of_theta, &of_base, &of_weights, boundary)?;
        self.apply_one(op, &[theta, base, weights, strength, lag])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "couple_lattice",
    formula: "rate_p = base_p + K sum over taps t of w[t] sin(theta_{p+t} - theta_p - lag)",
    differentiable: true,
    kernels: &[
        &FORWARD,
        &BACKWARD,
        &BACKWARD_W,
        &BACKWARD_SAMPLES,
        &super::sum_columns::KERNEL,
        &super::sum_rows::KERNEL,
    ],
    cases: cases::cases,
};
