//! `dst_i = value`. Nothing to differentiate.

use super::Real;

/// `len` times `value`.
pub fn forward<R: Real>(len: usize, value: f32) -> Vec<R> {
    vec![R::exact(value.into()); len]
}
