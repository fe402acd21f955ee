//! Networks that commute with a rotation common to all neurons, U(1) or O(k), and keep what the rotation cannot take:
//! spontaneous symmetry breaking as a way through great depth (arXiv 2605.14685).
//!
//! A state is `[B, neurons k]`: the `k` components of a neuron lie side by side, a complex neuron as `(Re, Im)`. A layer is
//! ```text
//! z_i = sum_j W_ij phi(z_j),   phi(z) = tanh(|z|) / |z| z
//! ```
//! without a bias, and `f(R x) = R f(x)` for every rotation `R` of all neurons at once. With weights of scaled deviation
//! `sigma_w` the order parameter `c = E |phi(z)|²` tends to 0 for `sigma_w <= 1` and to [`MeanField::fixed_point`] above;
//! there the relative phase of two inputs, or the polar factor of their covariance, survives any number of layers.

mod linear;
mod mean_field;
mod network;
mod observe;
mod recurrent;

pub use linear::{EquivariantLinear, Symmetry};
pub use mean_field::MeanField;
pub use network::{DeepConfig, EquivariantBlock, EquivariantNet, Propagated};
pub use observe::{Order, Polar, covariance, order, polar, relative_phase};
pub use recurrent::{EquivariantRnn, RecurrentConfig};
