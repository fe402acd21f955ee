//! What attractor models share: the backbone, the head, and the fixed point between them.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::model::parameters::{Bound, Builder, Initial, Role};
use crate::model::transformer::{BlockNorm, Gate, Mlp, Placement, Positions, TransformerBlock, TransformerConfig};
use crate::solve::{Adjoint, Equilibrium, SolveOptions, fixed_point, jacobian_penalty};
use crate::tape::{Stepped, Storage, Tape, Var};

/// Options that attractor models share.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct AttractorConfig {
    /// Channels, a multiple of `heads`.
    pub width: usize,
    /// Heads of the attention.
    pub heads: usize,
    /// Hidden channels of the perceptrons.
    pub hidden: usize,
    /// Blocks that propose; 0 proposes the embedding.
    pub backbone: usize,
    /// Blocks of the attractor module.
    pub head: usize,
    /// Whether a token sees only those up to itself.
    pub causal: bool,
    /// How attention knows where tokens are.
    pub positions: Positions,
    /// Added to mean squares.
    pub norm_eps: f32,
    /// Gates of the attractor module, which keep its map from stretching.
    pub gate: Gate,
}

impl AttractorConfig {
    /// One block that proposes and one that refines, each of `width` channels in `heads` heads with four times as many
    /// hidden channels; gates below 0.75 that begin at 0.2.
    pub fn new(width: usize, heads: usize) -> AttractorConfig {
        AttractorConfig {
            width,
            heads,
            hidden: 4 * width,
            backbone: 1,
            head: 1,
            causal: false,
            positions: Positions::Rotary { base: 50_000.0 },
            norm_eps: 1e-5,
            gate: Gate { limit: 0.75, start: -1.0 },
        }
    }

    fn block(&self, gate: Option<Gate>) -> TransformerConfig {
        TransformerConfig {
            width: self.width,
            heads: self.heads,
            hidden: self.hidden,
            norm: BlockNorm::Rms { eps: self.norm_eps },
            placement: Placement::Before,
            causal: self.causal,
            positions: self.positions,
            head_norm: Some(f32::EPSILON),
            mlp: Mlp::ReluSquared,
            gate,
            bias: false,
        }
    }
}

/// What is done with the proposal.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Refine {
    /// So many plain iterations, differentiated step by step; with 0 the proposal is decoded as it is.
    Steps {
        /// Iterations of `f` from the proposal.
        count: usize,
        /// What is kept for the backward pass.
        storage: Storage,
    },
    /// The fixed point.
    Settle {
        /// How it is found.
        options: SolveOptions,
        /// How it is differentiated.
        adjoint: Adjoint,
        /// Whether a sample that does not converge is an error; else its state of least residual is read out.
        strict: bool,
    },
}

impl Refine {
    /// `count` plain iterations that keep every intermediate.
    pub fn steps(count: usize) -> Refine {
        Refine::Steps { count, storage: Storage::Everything }
    }

    /// The fixed point, or what comes closest to it.
    pub fn settle(options: SolveOptions, adjoint: Adjoint) -> Refine {
        Refine::Settle { options, adjoint, strict: false }
    }

    /// The fixed point; a sample that does not converge is an error.
    pub fn settle_strictly(options: SolveOptions, adjoint: Adjoint) -> Refine {
        Refine::Settle { options, adjoint, strict: true }
    }
}

/// What refining came to.
#[derive(Clone, Debug)]
pub struct Refined {
    /// The proposal `c` `[B, T, D]`.
    pub proposal: Var,
    /// What is read out, `[B, T, D]`.
    pub state: Var,
    /// What became of the solve; nothing after plain steps, which measure nothing.
    pub equilibrium: Option<Equilibrium>,
}

/// The backbone and the head.
#[derive(Clone, Debug)]
pub(super) struct Core {
    backbone: Vec<TransformerBlock>,
    head: Arc<[TransformerBlock]>,
    eps: f32,
    prefix: &'static str,
    width: usize,
}

impl Core {
    pub fn new(config: &AttractorConfig, prefix: &'static str) -> Result<Core> {
        if config.head == 0 {
            return Err(Error::argument(ErrorKind::Param, "Attractor", "head", 0, "at least one block"));
        }
        let stack = |name: &str, count: usize, gate: Option<Gate>| {
            let block = |at: usize| TransformerBlock::new(config.block(gate), format!("{prefix}{name}.{at}."));
            (0..count).map(block).collect::<Result<Vec<_>>>()
        };
        Ok(Core {
            backbone: stack("prelude", config.backbone, None)?,
            head: stack("core_block", config.head, Some(config.gate))?.into(),
            eps: config.norm_eps,
            prefix,
            width: config.width,
        })
    }

    pub fn parameters(&self, builder: &mut Builder) {
        self.backbone.iter().chain(self.head.iter()).for_each(|block| block.parameters(builder));
        builder.add(format!("{}ln_f.weight", self.prefix), &[self.width], Role::Learned, Initial::Constant(1.0));
    }

    /// Proposes from the embedded tokens `x` and refines.
    pub fn refine(&self, tape: &mut Tape, bound: &Bound, x: Var, refine: &Refine) -> Result<Refined> {
        let proposal = self.backbone.iter().try_fold(x, |x, block| block.forward(tape, bound, x))?;
        let params = self.operands(tape, bound, proposal)?;
        let head = self.head.clone();
        let step = move |tape: &mut Tape, y: Var, params: &[Var]| evaluate(&head, tape, y, params);
        let (state, equilibrium) = match refine {
            Refine::Settle { options, adjoint, strict } => {
                let found = fixed_point(tape, proposal, &params, step, options, adjoint)?;
                (if *strict { found.converged()? } else { found.best() }, Some(found))
            }
            Refine::Steps { count, storage } => {
                let step = move |tape: &mut Tape, carried: &[Var], params: &[Var]| {
                    Ok(Stepped { carried: vec![step(tape, carried[0], params)?], emitted: vec![] })
                };
                (tape.repeat(*count, *storage, &[proposal], &params, step)?.carried[0], None)
            }
        };
        Ok(Refined { proposal, state, equilibrium })
    }

    /// What [`evaluate`] needs besides the state.
    fn operands(&self, tape: &mut Tape, bound: &Bound, proposal: Var) -> Result<Vec<Var>> {
        let tokens = tape.spec(proposal)?.shape.get(1).copied().unwrap_or(0);
        stack_operands(&self.head, tape, bound, proposal, tokens)
    }

    /// How steep the map is at the state that is read out, with a gradient in the parameters of head and backbone.
    pub fn penalty(&self, tape: &mut Tape, bound: &Bound, refined: &Refined, step: f32, seed: u64) -> Result<Var> {
        let params = self.operands(tape, bound, refined.proposal)?;
        let state = tape.value(refined.state)?.clone();
        jacobian_penalty(tape, &state, &params, |tape, y, params| evaluate(&self.head, tape, y, params), step, seed)
    }

    /// The normalised state that is read out.
    pub fn normed(&self, tape: &mut Tape, bound: &Bound, state: Var) -> Result<Var> {
        let weight = bound.get(&format!("{}ln_f.weight", self.prefix))?;
        tape.norm_rms(state, Some(weight), 2, self.eps)
    }
}

/// `f(y) = Head(y + c) - y`.
fn evaluate(head: &[TransformerBlock], tape: &mut Tape, y: Var, params: &[Var]) -> Result<Var> {
    let Some((proposal, operands)) = params.split_first() else {
        return Err(Error::argument(ErrorKind::Param, "Attractor", "operands", 0, "the proposal first"));
    };
    let z = tape.add(y, *proposal)?;
    let z = run_stack(head, tape, z, operands)?;
    tape.axpy(-1.0, y, z)
}

/// What a map of blocks is handed as its parameters: its input, then what [`run_stack`] needs.
pub(super) fn stack_operands(
    blocks: &[TransformerBlock],
    tape: &mut Tape,
    bound: &Bound,
    input: Var,
    tokens: usize,
) -> Result<Vec<Var>> {
    let mut params = vec![input];
    for block in blocks {
        params.extend(block.operands(tape, bound, tokens)?);
    }
    Ok(params)
}

/// One block after the other, each with its own part of `operands`.
pub(super) fn run_stack(blocks: &[TransformerBlock], tape: &mut Tape, mut z: Var, operands: &[Var]) -> Result<Var> {
    let mut rest = operands;
    for block in blocks {
        let (own, others) = rest.split_at(block.operand_count().min(rest.len()));
        z = block.run(tape, z, own)?;
        rest = others;
    }
    Ok(z)
}
