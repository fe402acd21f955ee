//! Kuramoto coupling of phases by threes, over directed triangles.

use super::layout::indexable;
use super::spec::{Op, OpSpec, Port};
#[cfg(feature = "gpu")]
use super::sum_columns::sum_columns;
#[cfg(feature = "gpu")]
use super::term_sums;
use super::triangles::Triangles;
use crate::cpu::Real;
use crate::cpu::couple_triangles::{self as cpu, Extents, Operands};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::DType;
use crate::tape::{Tape, Var};

#[path = "couple_triangles_cases.rs"]
mod cases;
#[path = "couple_triangles_contracts.rs"]
mod contracts;

pub use contracts::{BACKWARD, BACKWARD_TERMS, FORWARD};
#[cfg(feature = "gpu")]
use contracts::{Params, ParamsBackward};

/// A coupling over fixed triangles with fixed extents.
#[derive(Clone, Debug)]
pub struct CoupleTriangles {
    triangles: Triangles,
    at: Extents,
}

impl CoupleTriangles {
    /// A coupling of phases `theta`, `[B, N]`, with rates `base`, `[N]` or `[B, N]`, over `triangles`.
    ///
    /// # Errors
    /// `Shape` for other extents, `Index` for more elements than 32-bit indices reach.
    pub fn new(theta: &[usize], base: &[usize], triangles: &Triangles) -> Result<CoupleTriangles> {
        let refuse = |argument: &str, got: &[usize], wanted: String| {
            Err(Error::argument(ErrorKind::Shape, "couple_triangles", argument, format!("{got:?}"), wanted))
        };
        let nodes = triangles.nodes();
        let &[batch, theta_nodes] = theta else { return refuse("theta", theta, format!("[B, {nodes}]")) };
        if theta_nodes != nodes {
            return refuse("theta", theta, format!("[B, {nodes}] for triangles between {nodes} nodes"));
        }
        let own_base = match base {
            [n] if *n == nodes => false,
            [b, n] if [*b, *n] == [batch, nodes] => true,
            _ => return refuse("base", base, format!("[{nodes}] or [{batch}, {nodes}]")),
        };
        indexable("couple_triangles", theta)?;
        Ok(CoupleTriangles { triangles: triangles.clone(), at: Extents { batch, nodes, own_base } })
    }

    fn theta_shape(&self) -> [usize; 2] {
        [self.at.batch, self.at.nodes]
    }

    fn base_shape(&self) -> Vec<usize> {
        if self.at.own_base { self.theta_shape().to_vec() } else { vec![self.at.nodes] }
    }

    fn list(&self) -> Vec<[usize; 3]> {
        self.triangles.list().collect()
    }
}

fn operands<'a, R>(inputs: &[&'a [R]]) -> Operands<'a, R> {
    Operands { theta: inputs[0], base: inputs[1], weights: inputs[2], strength: inputs[3] }
}

#[cfg(feature = "gpu")]
impl CoupleTriangles {
    fn triangles_of_samples(&self) -> usize {
        self.at.batch * self.triangles.count()
    }

    fn params(&self, len: usize) -> ParamsBackward {
        let [nodes, triangles] = [self.at.nodes, self.triangles.count()].map(|v| v as u32);
        ParamsBackward { len: len as u32, nodes, triangles }
    }

    /// The terms of all gradients, `[batch, triangles, 2]`.
    fn terms(&self, commands: &mut Commands, theta: &Tensor, g: &Tensor) -> Result<Tensor> {
        let shape = [self.at.batch, self.triangles.count(), 2];
        indexable("couple_triangles: the terms of the gradients", &shape)?;
        let on = self.triangles.on(commands.context())?;
        let terms = commands.empty(&shape, DType::F32)?;
        let binds = [read(theta), read(g), read(&on.receivers), read(&on.senders), write(&terms)];
        let len = self.triangles_of_samples();
        let work = Work::invocations(len).flops(34 * len);
        commands.dispatch(&BACKWARD_TERMS, DType::F32, &[], &self.params(len), &binds, work)?;
        Ok(terms)
    }

    fn theta_bar(&self, commands: &mut Commands, coupling: [&Tensor; 2], terms: &Tensor) -> Result<Tensor> {
        let [weights, strength] = coupling;
        let on = self.triangles.on(commands.context())?;
        let theta_bar = commands.empty(&self.theta_shape(), DType::F32)?;
        let structure = [read(&on.indptr), read(&on.indptr_t), read(&on.triangles_t)];
        let binds =
            [&[read(weights), read(strength), read(terms)], structure.as_slice(), &[write(&theta_bar)]].concat();
        let [into, out] = self.triangles.longest();
        let work = Work::invocations(theta_bar.len()).rounds(into + out).flops(6 * self.triangles_of_samples());
        commands.dispatch(&BACKWARD, DType::F32, &[], &self.params(theta_bar.len()), &binds, work)?;
        Ok(theta_bar)
    }
}

impl Op for CoupleTriangles {
    fn name(&self) -> &'static str {
        "couple_triangles"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![
            Port::f32("theta", &self.theta_shape()),
            Port::f32("base", &self.base_shape()),
            Port::f32("weights", &[self.triangles.count()]),
            Port::f32("strength", &[self.at.batch]),
        ]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("rate", &self.theta_shape())]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(&operands(inputs), &self.list(), &self.at)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(&operands(inputs), cotangents[0], &self.list(), &self.at).into()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let &[theta, base, weights, strength] = inputs else { return Ok(vec![]) };
        let on = self.triangles.on(commands.context())?;
        let rate = commands.empty(&self.theta_shape(), DType::F32)?;
        let params = Params {
            len: rate.len() as u32,
            nodes: self.at.nodes as u32,
            base_stride: if self.at.own_base { self.at.nodes as u32 } else { 0 },
        };
        let inputs = [read(theta), read(base), read(weights), read(strength)];
        let binds = [inputs.as_slice(), &[read(&on.indptr), read(&on.senders), write(&rate)]].concat();
        let flops = 33 * self.triangles_of_samples() + 2 * rate.len();
        let work = Work::invocations(rate.len()).rounds(self.triangles.longest()[0]).flops(flops);
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
        let (&[theta, _, weights, strength], Some(g)) = (inputs, cotangents[0]) else { return Ok(all) };
        if needs[1] {
            let shared = !self.at.own_base;
            all[1] = Some(if shared { sum_columns(commands, g, 0, &self.base_shape())? } else { g.clone() });
        }
        if ![0, 2, 3].iter().any(|at| needs[*at]) {
            return Ok(all);
        }
        let terms = self.terms(commands, theta, g)?;
        if needs[0] {
            all[0] = Some(self.theta_bar(commands, [weights, strength], &terms)?);
        }
        if needs[2] {
            let weights_bar = term_sums::over_samples(commands, strength, &terms, false)?;
            all[2] = Some(weights_bar.reshape(&[self.triangles.count()])?);
        }
        if needs[3] {
            let [strength_bar, _] = term_sums::over_edges(commands, [weights, strength], &terms)?;
            all[3] = Some(strength_bar);
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// The rates of phases `theta`, `[B, N]` in radians, coupled by threes, all f32:
    /// `base_i + K_b sum_t w_t sin(theta_j + theta_k - 2 theta_i)` over the triangles `t` from `j` and `k` to `i`. `base`,
    /// `[N]` or `[B, N]`, are the rates without a coupling, in radians per unit of time; `weights` are `[T]` in the order of
    /// [`Triangles::list`], `strength` is `[B]`. Sines are within 3e-7 for arguments of at most 10,000. The triangles are
    /// uploaded at their first use with a context.
    /// Source: Tanaka and Aoyagi, Phys. Rev. Lett. 106 (2011) 224101; Skardal and Arenas, Phys. Rev. Lett. 122 (2019)
    /// 248301.
    ///
    /// # Errors
    /// `Shape`, `Index`, `DType`; `Limit` for a node of more than 65535 triangles on drivers that end loops there; as
    /// [`Commands::apply`].
    pub fn couple_triangles(
        &mut self,
        theta: &Tensor,
        base: &Tensor,
        weights: &Tensor,
        strength: &Tensor,
        triangles: &Triangles,
    ) -> Result<Tensor> {
        let op = CoupleTriangles::new(theta.shape(), base.shape(), triangles)?;
        Ok(self.apply(&op, &[theta, base, weights, strength])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::couple_triangles`](crate::Commands::couple_triangles), differentiable in all four operands. The
    /// backward pass needs `2 B T` numbers for its own.
    ///
    /// # Errors
    /// As [`Commands::couple_triangles`](crate::Commands::couple_triangles).
    pub fn couple_triangles(
        &mut self,
        theta: Var,
        base: Var,
        weights: Var,
        strength: Var,
        triangles: &Triangles,
    ) -> Result<Var> {
        let op = CoupleTriangles::new(&self.spec(theta)?.shape, &self.spec(base)?.shape, triangles)?;
        self.apply_one(op, &[theta, base, weights, strength])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "couple_triangles",
    formula: "rate_i = base_i + K sum over triangles t into i of w[t] sin(theta_j + theta_k - 2 theta_i)",
    differentiable: true,
    kernels: &[
        &FORWARD,
        &BACKWARD_TERMS,
        &BACKWARD,
        &super::term_sums::SAMPLES,
        &super::term_sums::EDGES,
        &super::sum_columns::KERNEL,
        &super::sum_rows::KERNEL,
    ],
    cases: cases::cases,
};
