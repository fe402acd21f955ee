//! Histograms of phases, `[B, N] -> [B, bins]`.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Real, phase_histogram as cpu};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::WORKGROUP;
use crate::kernel::{DType, Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the kernel.
    struct Params { rows: u32, tiles: u32, nodes: u32, bins: u32, scale: f32 }
}

/// The most bins: lanes count them one after the other.
const BINS: usize = 2048;

/// Counts of each tile; `sum_rows` adds them.
pub static KERNEL: Kernel = Kernel {
    name: "phase_histogram",
    source: source!("phase_histogram", "grid", "sincos"),
    params: Params::FIELDS,
    bindings: &[input("theta", Elem::F32, "[batch, nodes]"), output("partial", Elem::F32, "[batch, bins, tiles]")],
    constants: &[],
};

/// A histogram of so many nodes in so many samples.
#[derive(Clone, Debug)]
pub struct PhaseHistogram {
    at: [usize; 2],
    bins: usize,
}

impl PhaseHistogram {
    /// A histogram of phases of extents `theta`, `[B, N]`.
    ///
    /// # Errors
    /// `Shape` if there are not two axes, `Param` for no bins or more than 2048, `Index` past 32 bits.
    pub fn new(theta: &[usize], bins: usize) -> Result<PhaseHistogram> {
        let at = super::nodes::extents("phase_histogram", "theta", theta)?;
        if bins == 0 || bins > BINS {
            let wanted = format!("from 1 to {BINS}");
            return Err(Error::argument(ErrorKind::Param, "phase_histogram", "bins", bins, wanted));
        }
        super::layout::indexable("phase_histogram: the counts", &[at[0], bins, at[1].div_ceil(1024)])?;
        Ok(PhaseHistogram { at, bins })
    }
}

impl Op for PhaseHistogram {
    fn name(&self) -> &'static str {
        "phase_histogram"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::f32("theta", &self.at)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("counts", &[self.at[0], self.bins])]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], self.at, self.bins)]
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], _: &[&[R]]) -> Vec<Vec<R>> {
        vec![]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let ([samples, nodes], bins) = (self.at, self.bins);
        let tiles = nodes.div_ceil(super::nodes::TILE).max(1);
        let partial = commands.empty(&[samples, bins, tiles], DType::F32)?;
        let params = Params {
            rows: (samples * tiles) as u32,
            tiles: tiles as u32,
            nodes: nodes as u32,
            bins: bins as u32,
            scale: (bins as f64 / std::f64::consts::TAU) as f32,
        };
        let (lanes, tile) = (WORKGROUP as usize, super::nodes::TILE);
        let rounds = tile / lanes + bins.div_ceil(lanes) * tile;
        let work = Work::workgroups(samples * tiles).rounds(rounds).flops(8 * inputs[0].len());
        commands.dispatch(&KERNEL, DType::F32, &[], &params, &[read(inputs[0]), write(&partial)], work)?;
        Ok(vec![super::nodes::add_tiles(commands, &partial, 0, tiles, &[samples, bins])?])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        _: &mut Commands,
        _: &[&Tensor],
        _: &[Option<&Tensor>],
        needs: &[bool],
        _: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![None; needs.len()])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// How many of the phases `theta`, `[B, N]` in radians and at most 10,000, are in each of `bins` equal bins of the
    /// circle, `[B, bins]` in f32: bin `k` holds wrapped phases from `-pi + 2 pi k / bins` on, below the next bin's. A phase
    /// within rounding of an edge may be in the bin on either side. Counts are exact up to `2^24`.
    ///
    /// # Errors
    /// `Param` for no bins or more than 2048; `Shape`, `Index`, `DType`; as [`Commands::apply`].
    pub fn phase_histogram(&mut self, theta: &Tensor, bins: usize) -> Result<Tensor> {
        Ok(self.apply(&PhaseHistogram::new(theta.shape(), bins)?, &[theta])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::phase_histogram`](crate::Commands::phase_histogram); no gradient passes through it.
    ///
    /// # Errors
    /// As [`Commands::phase_histogram`](crate::Commands::phase_histogram).
    pub fn phase_histogram(&mut self, theta: Var, bins: usize) -> Result<Var> {
        let op = PhaseHistogram::new(&self.spec(theta)?.shape, bins)?;
        self.apply_one(op, &[theta])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "phase_histogram",
    formula: "counts[b,k] = number of theta[b,i] in bin k of equal bins of [-pi, pi)",
    differentiable: false,
    kernels: &[&KERNEL, &super::sum_rows::KERNEL],
    cases,
};

/// Counts are integers that add up to the nodes.
fn counting_law(inputs: &[Vec<f64>], outputs: &[Vec<f64>], case: &Case, _: DType) -> f64 {
    let shape = &case.op.inputs()[0].shape;
    let nodes = shape.get(1).copied().unwrap_or(0);
    let samples = inputs[0].len().checked_div(nodes).unwrap_or(0);
    if samples == 0 {
        return if outputs[0].iter().all(|count| *count == 0.0) { 0.0 } else { f64::INFINITY };
    }
    let whole = outputs[0].iter().all(|count| *count >= 0.0 && count.fract() == 0.0);
    let all = outputs[0].chunks(outputs[0].len() / samples).all(|row| row.iter().sum::<f64>() == nodes as f64);
    if whole && all { 0.0 } else { f64::INFINITY }
}

fn cases() -> Vec<Case> {
    let case = |theta: [usize; 2], bins: usize, label: &str, fill: Fill| {
        let op = PhaseHistogram::new(&theta, bins).ok()?;
        Some(Case::new(format!("{theta:?} in {bins} bins{label}"), op, vec![fill]).law("counting", counting_law))
    };
    let circle = || Fill::Between(-std::f64::consts::PI, std::f64::consts::PI);
    let mut cases = Vec::new();
    for (theta, bins) in [
        ([0, 3], 4),
        ([2, 0], 5),
        ([1, 1], 1),
        ([3, 63], 2),
        ([2, 64], 64),
        ([1, 65], 65),
        ([2, 1025], 7),
        ([1, 4096], 36),
        ([130, 3], 8),
        ([1, 5], BINS),
    ] {
        cases.extend(case(theta, bins, "", circle()));
    }
    cases.extend(case([2, 300], 12, ", turned", Fill::Between(-300.0, 300.0)));
    cases.extend(case([2, 300], 12, ", mixed scales", Fill::Mixed(10)));
    // An edge of bins, the ends of the circle, and what is on no edge.
    let corners = vec![0.0, -0.0, 3.0, -3.0, 1.0, std::f64::consts::PI, -std::f64::consts::PI, 0.25];
    cases.extend(case([2, 80], 8, ", corners", Fill::Values(corners)));
    cases.extend(case([4, 1 << 16], 64, "", circle()).map(Case::bench));
    cases
}
