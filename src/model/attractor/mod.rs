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
//! [`AttractorLm`] reads tokens, [`AttractorPuzzle`] boards, [`AttractorReasoner`] boards again and again; all share
//! [`Refine`], which says how many iterations are made and how they are differentiated: [`Refine::Settle`] takes the
//! options of [`fixed_point`](crate::solve::fixed_point), [`Refine::Steps`] with 0 steps takes the solver out and decodes
//! the proposal.
//!
//! The gates leave room for a map that does not contract on inputs that training never saw: `jacobian_penalty` of both models,
//! added to the loss, keeps it flat where it settles. With [`Positions::Board`](crate::model::transformer::Positions::Board)
//! a puzzle model knows cells by where others are from them.
//!
//! The paper differentiates in one step, `u = v` ([`Adjoint::one_step`](crate::solve::Adjoint::one_step)), its code with
//! `u = v + Jᵀ v` and a bound on `|Jᵀ v|` ([`Adjoint::neumann_clipped`](crate::solve::Adjoint::neumann_clipped) of 1), its
//! largest network exactly.

mod boards;
mod core;
mod language;
mod puzzle;
mod reasoner;

pub use self::core::{AttractorConfig, Refine, Refined};
pub use language::{AttractorLm, AttractorLmConfig, Predicted};
pub use puzzle::{AttractorPuzzle, AttractorPuzzleConfig, PuzzleAnswer};
pub use reasoner::{AttractorReasoner, AttractorReasonerConfig, Carried, ReasonerAnswer};
