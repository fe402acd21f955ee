//! The reasoning model: two states that settle together, carried from one step of supervision to the next.

use std::sync::Arc;

use super::boards::Boards;
use super::core::{Refine, run_stack, stack_operands};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::model::parameters::{Bound, Builder, Initial, Parameters, Role};
use crate::model::transformer::{Mlp, Placement, Positions, TransformerBlock, TransformerConfig};
use crate::solve::{Adjoint, Equilibrium, Joint, Method, SolveOptions, fixed_point};
use crate::tape::{Stepped, Tape, Value, Var};

/// Options of the reasoning model.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct AttractorReasonerConfig {
    /// Each of the blocks that refine.
    pub block: TransformerConfig,
    /// How many there are.
    pub blocks: usize,
    /// Cells of a board.
    pub cells: usize,
    /// Symbols that a cell may hold, from 1; 0 is a blank.
    pub symbols: usize,
}

impl AttractorReasonerConfig {
    /// Two blocks of `width` channels in `heads` heads as published: normalised after each branch, a gated perceptron of
    /// three times as many hidden channels, no biases. Each cell has an embedding of its own and attention no positions.
    pub fn new(cells: usize, symbols: usize, width: usize, heads: usize) -> AttractorReasonerConfig {
        let block = TransformerConfig {
            hidden: 3 * width,
            placement: Placement::After,
            positions: Positions::None,
            mlp: Mlp::Swiglu,
            ..TransformerConfig::new(width, heads)
        };
        AttractorReasonerConfig { block, blocks: 2, cells, symbols }
    }

    /// The solve and the gradient as published: Anderson's method of five pairs, 4 to 8 iterations, a residual of 1e-3, and
    /// what two steps at the fixed point pass on.
    pub fn published_refinement() -> Refine {
        let options = SolveOptions { min_iterations: 4, ..SolveOptions::new(Method::anderson(5), 1e-3, 8) };
        Refine::settle(options, Adjoint::Phantom { steps: 2, tau: 1.0, clip: None })
    }
}

/// A network that solves boards by the equilibrium of an answer `y` and a thought `z`, `[B, cells, width]` each, under one
/// stack of blocks `L`, from the embedded board `x`:
/// ```text
/// (y, z) = (L(y + z), L(x + y + z))
/// ```
/// which is the tiny recursive model's update of both (arXiv 2510.04871), made at once.
///
/// Under *deep supervision* a board is seen several times in a row, with a loss and an update of the parameters each time;
/// the states that one time ended in are where the next one's solve begins ([`ReasonerAnswer::carry`]). The first begins at
/// two learned vectors. These get a gradient from steps ([`Refine::Steps`]) and unrolled solves alone: a fixed point does not
/// depend on where the solve begins, so that otherwise they stay what they are drawn as.
///
/// A map of the answer's first cell says how likely the board is solved, `halt`: a program may stop there.
///
/// Source: arXiv 2605.12466, the reasoning version as the paper has it; the released code settles `z` alone, from buffers
/// that are not learned.
#[derive(Clone, Debug)]
pub struct AttractorReasoner {
    config: AttractorReasonerConfig,
    boards: Boards,
    blocks: Arc<[TransformerBlock]>,
}

/// States to begin at: what an earlier step of supervision ended in.
#[derive(Clone, Debug)]
pub struct Carried {
    /// The answer `y` and the thought `z`, f32 `[B, cells, width]`.
    pub states: [Value; 2],
}

/// What the model computed.
#[derive(Clone, Debug)]
pub struct ReasonerAnswer {
    /// `[B, cells, symbols]`; symbol `s` is at `s - 1`.
    pub logits: Var,
    /// `[B]`: the logit of the board being solved.
    pub halt: Var,
    /// The answer `y` and the thought `z`, `[B, cells, width]`.
    pub states: [Var; 2],
    /// What became of the solve; nothing after plain steps, which measure nothing.
    pub equilibrium: Option<Equilibrium>,
}

impl ReasonerAnswer {
    /// The states, without their history: a gradient of what begins at them ends there.
    ///
    /// # Errors
    /// `Foreign` on another tape than the answer's.
    pub fn carry(&self, tape: &Tape) -> Result<Carried> {
        Ok(Carried { states: [tape.value(self.states[0])?.clone(), tape.value(self.states[1])?.clone()] })
    }
}

impl AttractorReasoner {
    /// The model of `config`.
    ///
    /// # Errors
    /// `Param` without cells, symbols or blocks; as [`TransformerBlock::new`].
    pub fn new(config: AttractorReasonerConfig) -> Result<AttractorReasoner> {
        let AttractorReasonerConfig { block, blocks, cells, symbols } = config;
        if blocks == 0 {
            return Err(Error::argument(ErrorKind::Param, "AttractorReasoner", "blocks", 0, "at least one"));
        }
        let boards = Boards::new("AttractorReasoner", cells, symbols, block.width, block.positions)?;
        let blocks = (0..blocks).map(|at| TransformerBlock::new(block, format!("blocks.{at}.")));
        Ok(AttractorReasoner { config, boards, blocks: blocks.collect::<Result<Vec<_>>>()?.into() })
    }

    /// The options.
    pub fn config(&self) -> &AttractorReasonerConfig {
        &self.config
    }

    /// Initial parameters, drawn from `seed`: embeddings and where states begin normal, the blocks as in
    /// [`TransformerBlock::parameters`].
    ///
    /// # Errors
    /// None for the options that [`AttractorReasoner::new`] accepts.
    pub fn parameters(&self, seed: u64) -> Result<Parameters> {
        let mut builder = Builder::new(seed);
        self.boards.parameters(&mut builder);
        builder.add("start.weight", &[2, self.boards.width], Role::Learned, Initial::Normal(1.0));
        self.blocks.iter().for_each(|block| block.parameters(&mut builder));
        builder.affine("out", &[self.boards.symbols, self.boards.width], true);
        builder.affine("halt", &[1, self.boards.width], true);
        builder.finish()
    }

    /// Answers for `boards`, `B * cells` symbols with 0 for a blank, from the states of an earlier step of supervision or,
    /// without, from the learned ones.
    ///
    /// # Errors
    /// `Shape` if these are no whole boards or the states are of other boards, `Index` for a symbol past the last; as
    /// [`fixed_point`].
    pub fn forward(
        &self,
        tape: &mut Tape,
        bound: &Bound,
        boards: &[u32],
        carried: Option<&Carried>,
        refine: &Refine,
    ) -> Result<ReasonerAnswer> {
        let x = self.boards.embed(tape, bound, boards)?;
        let batch = boards.len() / self.boards.cells;
        let start = self.start(tape, bound, batch, carried)?;
        let params = stack_operands(&self.blocks, tape, bound, x, self.boards.cells)?;
        let blocks = self.blocks.clone();
        let f = move |tape: &mut Tape, states: &[Var], params: &[Var]| update(&blocks, tape, states, params);
        let (states, equilibrium) = match refine {
            Refine::Settle { options, adjoint, strict } => {
                let joint = Joint::of(tape, &start)?;
                let packed = joint.pack(tape, &start)?;
                let found = fixed_point(tape, packed, &params, joint.step(f), options, adjoint)?;
                let best = if *strict { found.converged()? } else { found.best() };
                (joint.unpack(tape, best)?, Some(found))
            }
            Refine::Steps { count, storage } => {
                let step = move |tape: &mut Tape, carried: &[Var], params: &[Var]| {
                    Ok(Stepped { carried: f(tape, carried, params)?, emitted: vec![] })
                };
                (tape.repeat(*count, *storage, &start, &params, step)?.carried, None)
            }
        };
        let states = [states[0], states[1]];
        let read = |tape: &mut Tape, x: Var, name: &str| {
            tape.linear(x, bound.get(&format!("{name}.weight"))?, Some(bound.get(&format!("{name}.bias"))?), 2)
        };
        let logits = read(tape, states[0], "out")?;
        let first = tape.narrow(states[0], 1, 0, 1)?;
        let halt = read(tape, first, "halt")?;
        let halt = tape.reshape(halt, &[batch])?;
        Ok(ReasonerAnswer { logits, halt, states, equilibrium })
    }

    /// Mean cross entropy over all cells, givens included; `solutions` are full boards.
    ///
    /// # Errors
    /// `Shape`, `Index` for a blank or a symbol past the last.
    pub fn loss(&self, tape: &mut Tape, answer: &ReasonerAnswer, solutions: &[u32]) -> Result<Var> {
        self.boards.loss(tape, answer.logits, solutions)
    }

    /// The same with the weights of "stablemax" in place of exponentials, the published loss: they grow no faster than the
    /// logits, so that a network that is right cannot lower the loss without end by scaling them.
    ///
    /// # Errors
    /// As [`AttractorReasoner::loss`].
    pub fn stable_loss(&self, tape: &mut Tape, answer: &ReasonerAnswer, solutions: &[u32]) -> Result<Var> {
        let logits = tape.symlog(answer.logits)?;
        self.boards.loss(tape, logits, solutions)
    }

    /// Mean binary cross entropy of `halt` with whether each board's answer is right as a whole, `[1]`; half of it belongs to
    /// the published loss.
    ///
    /// # Errors
    /// `Shape` for another number of boards.
    pub fn halt_loss(&self, tape: &mut Tape, answer: &ReasonerAnswer, solved: &[bool]) -> Result<Var> {
        let batch = tape.spec(answer.halt)?.len();
        if solved.len() != batch {
            return Err(Error::argument(ErrorKind::Shape, "AttractorReasoner", "solved", solved.len(), batch));
        }
        // -log sigma(q) = softplus(q) - q, -log (1 - sigma(q)) = softplus(q).
        let solved: Vec<f32> = solved.iter().map(|solved| if *solved { 1.0 } else { 0.0 }).collect();
        let (solved, ones) = (tape.upload(&solved, &[batch], DType::F32)?, tape.fill(1.0, &[batch], DType::F32)?);
        let solved = tape.constant(solved);
        let size = tape.softplus(answer.halt)?;
        let (sum, right) = (tape.dot(size, ones)?, tape.dot(answer.halt, solved)?);
        let total = tape.axpy(-1.0, right, sum)?;
        tape.scale(1.0 / batch.max(1) as f32, total)
    }

    /// The states to begin at.
    fn start(&self, tape: &mut Tape, bound: &Bound, batch: usize, carried: Option<&Carried>) -> Result<[Var; 2]> {
        let shape = [batch, self.boards.cells, self.boards.width];
        if let Some(Carried { states }) = carried {
            for state in states {
                let spec = state.spec();
                if spec.shape != shape {
                    let wanted = format!("the states of these boards, {shape:?}");
                    return Err(Error::argument(ErrorKind::Shape, "AttractorReasoner", "carried", spec, wanted));
                }
            }
            return Ok([tape.constant(states[0].clone()), tape.constant(states[1].clone())]);
        }
        let begun = |tape: &mut Tape, row: u32| {
            let rows = vec![row; batch * self.boards.cells];
            self.boards.rows(tape, bound, &rows, batch, "start.weight")
        };
        Ok([begun(tape, 0)?, begun(tape, 1)?])
    }
}

/// The next answer and thought; `params` begins with the embedded boards.
fn update(blocks: &[TransformerBlock], tape: &mut Tape, states: &[Var], params: &[Var]) -> Result<Vec<Var>> {
    let (&[y, z], Some((x, operands))) = (states, params.split_first()) else {
        let got = format!("{} states, {} operands", states.len(), params.len());
        return Err(Error::argument(
            ErrorKind::Param,
            "AttractorReasoner",
            "operands",
            got,
            "two states, x and the blocks'",
        ));
    };
    let both = tape.add(y, z)?;
    let driven = tape.add(both, *x)?;
    Ok(vec![run_stack(blocks, tape, both, operands)?, run_stack(blocks, tape, driven, operands)?])
}
