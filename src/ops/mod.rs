//! The ops: one file per stem with its kernels' contracts, its `Commands` and `Tape` methods and its cases.
//!
//! An op is added by four files and three lines: `shaders/x.wgsl`, `shaders/x_bwd.wgsl`, `src/ops/x.rs`,
//! `src/cpu/x.rs`; `pub mod x;` and `&x::SPEC,` here; `pub mod x;` in `src/cpu/mod.rs`.

pub mod adam;
pub mod adapt_coupling;
pub mod add;
mod anchors;
mod any_op;
mod attention;
pub mod axpy;
pub mod blend;
pub mod boundary;
#[cfg(feature = "gpu")]
mod call;
mod case;
pub mod cast;
mod channel_sums;
pub mod check;
pub mod concat;
pub mod conv2d;
mod cooperative;
pub mod couple_anchors;
pub mod couple_attention;
pub mod couple_conv2d;
pub mod couple_delayed;
pub mod couple_dense;
pub mod couple_energy;
pub mod couple_lattice;
pub mod couple_phases;
pub mod couple_sparse;
pub mod couple_tangent;
pub mod couple_triangles;
pub mod cross_entropy;
pub mod decay;
pub mod dot;
pub mod ema;
pub mod embedding;
pub mod energy;
pub mod equilibrate;
pub mod fill;
pub mod gate;
pub mod gelu;
pub mod graph;
#[cfg(any(feature = "petgraph", feature = "sprs"))]
mod graph_crates;
pub mod kuramoto_attention;
pub mod kuramoto_attention_weights;
pub mod layer_scale;
mod layout;
pub mod linear;
pub mod linear_u1;
pub mod lohe_rate;
pub mod loops;
pub mod matmul;
pub mod mean_field;
pub mod mean_nodes;
pub mod narrow;
mod nodes;
pub mod noise;
pub mod norm_batch;
pub mod norm_batch_inference;
pub mod norm_group;
pub mod norm_heads;
pub mod norm_layer;
pub mod norm_rms;
mod over_edges;
pub mod phase_features;
pub mod phase_histogram;
pub mod phase_network;
pub mod phase_rate;
pub mod phase_step;
pub mod phase_wrap;
pub mod phasors;
pub mod pool_average;
pub mod pool_max;
#[cfg(feature = "gpu")]
mod prewarm;
pub mod radial_tanh;
pub mod readout_anchors;
pub mod readout_norm;
pub mod relu;
pub mod relu_squared;
pub mod resize_bilinear;
mod row_moment;
mod rows;
pub mod scale;
pub mod scale_bias;
pub mod silu;
pub mod softplus;
pub mod solve_clip;
pub mod solve_judge;
pub mod solve_mix;
pub mod solve_residual;
pub mod solve_secant;
pub mod spec;
pub mod sphere_normalize;
pub mod sphere_rotate;
pub mod sphere_step;
pub mod sphere_turn;
pub mod step_control;
mod sum_columns;
mod sum_rows;
pub mod swiglu;
pub mod swing_drift;
pub mod swing_kick;
pub mod swing_rate;
pub mod symlog;
pub mod tanh;
mod term_sums;
pub mod time_multiplexed;
pub mod triangles;
#[cfg(feature = "gpu")]
mod tune;
mod unary;
mod variant;
pub mod winding;

use crate::error::{Error, ErrorKind, Result};
use crate::kernel::Kernel;
use spec::{Case, OpSpec};

#[cfg(feature = "gpu")]
pub use cooperative::{self_test, trusted_tile};
#[cfg(feature = "gpu")]
pub use prewarm::{Prewarmed, prewarm};
#[cfg(feature = "gpu")]
pub use tune::{Tunable, Tuned, tune};

/// Every op.
pub static ALL: &[&OpSpec] = &[
    &adam::SPEC,
    &adapt_coupling::SPEC,
    &add::SPEC,
    &axpy::SPEC,
    &blend::SPEC,
    &cast::SPEC,
    &concat::SPEC,
    &conv2d::SPEC,
    &couple_anchors::SPEC,
    &couple_attention::SPEC,
    &couple_conv2d::SPEC,
    &couple_delayed::SPEC,
    &couple_dense::SPEC,
    &couple_energy::SPEC,
    &couple_lattice::SPEC,
    &couple_phases::SPEC,
    &couple_sparse::SPEC,
    &couple_tangent::SPEC,
    &couple_triangles::SPEC,
    &cross_entropy::SPEC,
    &decay::SPEC,
    &dot::SPEC,
    &ema::SPEC,
    &embedding::SPEC,
    &energy::SPEC,
    &equilibrate::SPEC,
    &fill::SPEC,
    &gate::SPEC,
    &gelu::SPEC,
    &kuramoto_attention::SPEC,
    &kuramoto_attention_weights::SPEC,
    &layer_scale::SPEC,
    &linear::SPEC,
    &linear_u1::SPEC,
    &lohe_rate::SPEC,
    &matmul::SPEC,
    &mean_field::SPEC,
    &mean_nodes::SPEC,
    &narrow::SPEC,
    &noise::SPEC,
    &norm_batch::SPEC,
    &norm_batch_inference::SPEC,
    &norm_group::SPEC,
    &norm_heads::SPEC,
    &norm_layer::SPEC,
    &norm_rms::SPEC,
    &phase_features::SPEC,
    &phase_histogram::SPEC,
    &phase_network::SPEC,
    &phase_rate::SPEC,
    &phase_step::SPEC,
    &phase_wrap::SPEC,
    &phasors::SPEC,
    &pool_average::SPEC,
    &pool_max::SPEC,
    &radial_tanh::SPEC,
    &readout_anchors::SPEC,
    &readout_norm::SPEC,
    &relu::SPEC,
    &relu_squared::SPEC,
    &resize_bilinear::SPEC,
    &scale::SPEC,
    &scale_bias::SPEC,
    &silu::SPEC,
    &softplus::SPEC,
    &solve_clip::SPEC,
    &solve_judge::SPEC,
    &solve_mix::SPEC,
    &solve_residual::SPEC,
    &solve_secant::SPEC,
    &sphere_normalize::SPEC,
    &sphere_rotate::SPEC,
    &sphere_step::SPEC,
    &sphere_turn::SPEC,
    &step_control::SPEC,
    &swiglu::SPEC,
    &swing_drift::SPEC,
    &swing_kick::SPEC,
    &swing_rate::SPEC,
    &symlog::SPEC,
    &tanh::SPEC,
    &time_multiplexed::SPEC,
    &winding::SPEC,
];

/// Every kernel of the library, once each, in the order of [`ALL`].
pub fn kernels() -> Vec<&'static Kernel> {
    let mut kernels: Vec<&'static Kernel> = Vec::new();
    for kernel in ALL.iter().flat_map(|op| op.kernels) {
        if !kernels.iter().any(|k| k.name == kernel.name) {
            kernels.push(kernel);
        }
    }
    kernels.extend([&check::CHECK_FINITE, &check::CHECK_UNIT]);
    kernels
}

/// Refuses a scalar argument that is NaN or infinite.
fn finite(op: &str, argument: &str, value: f32) -> Result<()> {
    if value.is_finite() {
        return Ok(());
    }
    Err(Error::argument(ErrorKind::Param, op, argument, value, "a finite number"))
}

/// Extents of elementwise cases and whether they are edge cases: around the workgroup's size and an odd number of
/// f16; the last is for benches.
fn elementwise_sizes() -> Vec<(Vec<usize>, bool)> {
    let mut sizes: Vec<(Vec<usize>, bool)> = [0, 1, 2, 3, 63, 64, 65, 127, 257].map(|len| (vec![len], true)).into();
    sizes.push((vec![3, 5, 7], true));
    sizes.push((vec![1 << 20], false));
    sizes
}

/// The elementwise maps here are linear; the smallest sizes climb the ladder, the largest is timed.
fn finish_elementwise(case: Case, edge: bool) -> Case {
    let small = case.op.outputs()[0].len() <= 3;
    let case = case.linear();
    match (edge, small) {
        (false, _) => case.bench(),
        (true, true) => case.ladder(),
        (true, false) => case,
    }
}

/// Every oscillator of the first output has norm 1: the ratio of the largest deviation to `4 u` (and, for f16, to one
/// rounding of each component, which moves the norm by at most `2^-10`).
fn unit_norm_law(_: &[Vec<f64>], outputs: &[Vec<f64>], case: &Case, dtype: crate::kernel::DType) -> f64 {
    let Some(at) = case.oscillators else { return f64::NAN };
    let allowed = match dtype {
        crate::kernel::DType::F16 => f64::powi(2.0, -10),
        _ => 4.0 * f64::powi(2.0, -23),
    };
    (0..at.count())
        .map(|i| {
            let square: f64 = at.gather(&outputs[0], i).iter().map(|v| v * v).sum();
            (square.sqrt() - 1.0).abs() / allowed
        })
        .fold(0.0, |worst, ratio| if ratio.is_nan() || ratio > worst { ratio } else { worst })
}
