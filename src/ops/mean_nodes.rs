//! Means over the nodes of each sample, `[B, N, n] -> [B, 1, n]`.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Real, mean_nodes as cpu};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::WORKGROUP;
use crate::kernel::{DType, Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the forward kernel.
    struct Params { samples: u32, nodes: u32, n: u32, tiles: u32, alpha: f32 }
}

crate::params! {
    /// Parameters of the backward kernel.
    struct ParamsBwd { len: u32, nodes: u32, n: u32, share: f32 }
}

/// Partial sums; `sum_rows` adds them.
pub static FORWARD: Kernel = Kernel {
    name: "mean_nodes",
    source: source!("mean_nodes", "grid", "reduce"),
    params: Params::FIELDS,
    bindings: &[input("x", Elem::F32, "[samples, nodes, n]"), output("partial", Elem::F32, "[samples, n, tiles]")],
    constants: &[],
};

/// Backward.
pub static BACKWARD: Kernel = Kernel {
    name: "mean_nodes_bwd",
    source: source!("mean_nodes_bwd", "grid"),
    params: ParamsBwd::FIELDS,
    bindings: &[input("mean_bar", Elem::F32, "[samples, 1, n]"), output("x_bar", Elem::F32, "[samples, nodes, n]")],
    constants: &[],
};

/// Means of nodes with fixed extents.
#[derive(Clone, Debug)]
pub struct MeanNodes {
    shape: [usize; 3],
}

impl MeanNodes {
    /// Means over the middle axis of `shape`.
    ///
    /// # Errors
    /// `Shape` if there are not three axes or no nodes, `Index` past 32 bits.
    pub fn new(shape: &[usize]) -> Result<MeanNodes> {
        let refuse = || {
            let wanted = "[B, N, n] with at least one node";
            Err(Error::argument(ErrorKind::Shape, "mean_nodes", "x", format!("{shape:?}"), wanted))
        };
        let &[samples, nodes, n] = shape else { return refuse() };
        if nodes == 0 {
            return refuse();
        }
        super::layout::indexable("mean_nodes", shape)?;
        Ok(MeanNodes { shape: [samples, nodes, n] })
    }

    fn mean(&self) -> [usize; 3] {
        let [samples, _, n] = self.shape;
        [samples, 1, n]
    }

    #[cfg(feature = "gpu")]
    fn share(&self) -> f32 {
        (1.0 / self.shape[1] as f64) as f32
    }
}

impl Op for MeanNodes {
    fn name(&self) -> &'static str {
        "mean_nodes"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::f32("x", &self.shape)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("mean", &self.mean())]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], self.shape)]
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::backward(cotangents[0], self.shape)]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let [samples, nodes, n] = self.shape;
        let tiles = nodes.div_ceil(super::nodes::TILE);
        let partial = commands.empty(&[samples, n, tiles], DType::F32)?;
        let params = Params {
            samples: samples as u32,
            nodes: nodes as u32,
            n: n as u32,
            tiles: tiles as u32,
            alpha: if tiles == 1 { self.share() } else { 1.0 },
        };
        let rounds = super::nodes::TILE / WORKGROUP as usize + 8;
        let work = Work::workgroups(partial.len()).rounds(rounds).flops(inputs[0].len());
        commands.dispatch(&FORWARD, DType::F32, &[], &params, &[read(inputs[0]), write(&partial)], work)?;
        Ok(vec![match tiles {
            1 => partial.reshape(&self.mean())?,
            _ => super::sum_rows::sum_rows_times(commands, &partial, 0, tiles, &self.mean(), self.share())?,
        }])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        _: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        _: &[bool],
        _: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = cotangents[0] else { return Ok(vec![None]) };
        let x_bar = commands.empty(&self.shape, DType::F32)?;
        let [_, nodes, n] = self.shape.map(|v| v as u32);
        let params = ParamsBwd { len: x_bar.len() as u32, nodes, n, share: self.share() };
        let work = Work::invocations(x_bar.len()).flops(x_bar.len());
        commands.dispatch(&BACKWARD, DType::F32, &[], &params, &[read(g), write(&x_bar)], work)?;
        Ok(vec![Some(x_bar)])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// The mean of `x` `[B, N, n]` over the nodes of each sample, `[B, 1, n]`, all f32: the order parameter, if `x` is
    /// [`Commands::phasors`].
    ///
    /// # Errors
    /// `Shape`, also without nodes; `DType`, `Index`; as [`Commands::apply`].
    pub fn mean_nodes(&mut self, x: &Tensor) -> Result<Tensor> {
        Ok(self.apply(&MeanNodes::new(x.shape())?, &[x])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::mean_nodes`](crate::Commands::mean_nodes), differentiable.
    ///
    /// # Errors
    /// As [`Commands::mean_nodes`](crate::Commands::mean_nodes).
    pub fn mean_nodes(&mut self, x: Var) -> Result<Var> {
        let op = MeanNodes::new(&self.spec(x)?.shape)?;
        self.apply_one(op, &[x])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "mean_nodes",
    formula: "mean[b,c] = 1/N sum_i x[b,i,c]",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD, &super::sum_rows::KERNEL],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |shape: &[usize], label: &str, fill: Fill| {
        let op = MeanNodes::new(shape).ok()?;
        let case = Case::new(format!("{shape:?}{label}"), op, vec![fill]);
        // The mean of integers is exact where the number of nodes is a power of two.
        Some(if shape[1].is_power_of_two() { case.linear() } else { case })
    };
    let mut cases = Vec::new();
    for shape in [
        [0, 3, 2],
        [2, 1, 0],
        [1, 1, 1],
        [2, 63, 2],
        [3, 64, 1],
        [1, 65, 2],
        [2, 1024, 2],
        [2, 1025, 3],
        [1, 4096, 2],
        [65, 2, 5],
    ] {
        cases.extend(case(&shape, "", Fill::Uniform));
    }
    cases.extend(case(&[2, 90, 2], ", mixed scales", Fill::Mixed(20)));
    cases.extend(case(&[2, 130, 2], ", one of all", Fill::OneHot));
    cases.extend(case(&[2, 3, 2], " ladder", Fill::Uniform).map(Case::ladder));
    cases.extend(case(&[1, 1_000_000, 2], "", Fill::Uniform).map(Case::bench));
    cases
}
