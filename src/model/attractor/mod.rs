//! Attractor models: a backbone proposes, an attractor module refines the proposal until it changes no more, and the
//! fixed point is read out. Source: arXiv 2605.12466 and its released code.
//!
//! With the backbone's output `c` `[B, T, D]` and a head of gated residual blocks,
//! ```text
//! f(y) = Head(y + c) - y,   y_0 = c,   y* = f(y*)
//! ```
//! As `Head(z) = z + branches(z)`, `y` itself cancels: `f(y) = c + branches(y + c)`, and the gates bound how fast `f` can
//! stretch. At the fixed point `Head(y* + c) = 2 y*`.
//!
//! [`AttractorLm`] reads tokens, [`AttractorPuzzle`] boards; both share [`Refine`], which says how many iterations are
//! made and how they are differentiated. [`Refine::Steps`] with 0 steps takes the solver out and decodes the proposal.

mod core;
mod language;
mod puzzle;
mod settle;

pub use self::core::{AttractorConfig, Refine, Refined};
pub use language::{AttractorLm, AttractorLmConfig, Predicted};
pub use puzzle::{AttractorPuzzle, AttractorPuzzleConfig, PuzzleAnswer};
pub use settle::{Adjoint, Limits, Outcome, Settle, settle};
