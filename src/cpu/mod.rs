//! References: what every kernel must compute, in plain loops over [`Real`] numbers.
//!
//! A reference reads and writes whole slices, imports nothing but this module and `std`, and shares
//! no text with the shaders. Its doc comment carries the formula, its source and the derivation of
//! its backward pass. Functions trust their callers: the op checks shapes before.
//!
//! Cotangents are called `*_bar`, as in the shaders.

pub mod add;
pub mod axpy;
pub mod cast;
pub mod conv2d;
pub mod couple_attention;
pub mod couple_conv2d;
pub mod dot;
pub mod energy;
pub mod fill;
mod layout;
pub mod linear;
pub mod noise;
mod real;
pub mod resize_bilinear;
pub mod scale;
pub mod sphere_normalize;
pub mod sphere_step;

pub use layout::Oscillators;
pub use real::{Bound, Dual, Real, Tier};
