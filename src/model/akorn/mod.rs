//! AKOrN, Artificial Kuramoto Oscillatory Neurons (arXiv 2410.13821): the layer, the readout, the published networks.
//!
//! Images are `[B, C, H, W]`; oscillator `g` of a position holds the channels `g n .. (g + 1) n`. Parameters carry the
//! names of the published checkpoints.

mod block;
mod classifier;
mod coupling;
mod itrsa;
mod layer;
mod object;
mod readout;
mod sudoku;

pub use classifier::{Classified, Classifier, ClassifierConfig, ClassifierMode};
pub use coupling::Coupling;
pub use itrsa::{Itrsa, ItrsaConfig};
pub use layer::{DriveNorm, KuramotoLayer, LayerConfig, Run, Trajectory};
pub use object::{ObjectConfig, ObjectCoupling, ObjectNet, Objects};
pub use readout::Readout;
pub use sudoku::{Drawn, Solved, Sudoku, SudokuConfig};
