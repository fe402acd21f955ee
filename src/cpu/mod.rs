//! References: what every kernel must compute, in plain loops over [`Real`] numbers.
//!
//! A reference reads and writes whole slices, imports nothing but this module and `std`, and shares
//! no text with the shaders. Its doc comment carries the formula, its source and the derivation of
//! its backward pass. Functions trust their callers: the op checks shapes before.
//!
//! Cotangents are called `*_bar`, as in the shaders.

pub mod adam;
pub mod adapt_coupling;
pub mod add;
mod attention;
pub mod axpy;
pub mod blend;
pub mod cast;
pub mod concat;
pub mod conv2d;
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
pub mod kuramoto_attention;
pub mod kuramoto_attention_weights;
pub mod layer_scale;
mod layout;
pub mod linear;
pub mod linear_u1;
pub mod lohe_rate;
pub mod matmul;
pub mod mean_field;
pub mod mean_nodes;
pub mod narrow;
pub mod noise;
pub mod norm_batch;
pub mod norm_batch_inference;
pub mod norm_group;
pub mod norm_heads;
pub mod norm_layer;
pub mod norm_rms;
pub mod phase_features;
pub mod phase_histogram;
pub mod phase_network;
pub mod phase_rate;
pub mod phase_step;
pub mod phase_wrap;
pub mod phasors;
pub mod pool_average;
pub mod pool_max;
pub mod radial_tanh;
pub mod readout_anchors;
pub mod readout_norm;
mod real;
pub mod relu;
pub mod relu_squared;
pub mod resize_bilinear;
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
pub mod sphere_normalize;
pub mod sphere_rotate;
pub mod sphere_step;
pub mod sphere_turn;
pub mod step_control;
pub mod swiglu;
pub mod swing_drift;
pub mod swing_kick;
pub mod swing_rate;
pub mod symlog;
pub mod tanh;
pub mod time_multiplexed;
pub mod winding;

pub use layout::{Channels, Oscillators, Window};
pub use real::{Bound, Dual, Real, Tier};
pub use rows::{Over, Rows, Statistics};
