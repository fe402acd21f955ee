//! The Sudoku network: digits are embedded as drive and, where given, as initial state; blanks start at random.

use super::block::{Block, Mode, same};
use super::coupling::Coupling;
use super::layer::{KuramotoLayer, LayerConfig, Run, Trajectory};
use super::readout::Readout;
use crate::cpu::noise::{Distribution, Stream};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::model::parameters::{Bound, Builder, Initial, Parameters, Placed, Role};
use crate::model::vote::{Ballot, Draw, Elected, Statistic, VoteOptions, confidence, elect, fill};
use crate::tape::{Tape, Var};

/// Options of the Sudoku network.
#[derive(Clone, PartialEq, Debug)]
pub struct SudokuConfig {
    /// Cells along a side, which is also the number of digits: 9, or 4 for the small game.
    pub side: usize,
    /// Channels, a multiple of `n` and of `heads`.
    pub channels: usize,
    /// Components of one oscillator.
    pub n: usize,
    /// Heads of the attention.
    pub heads: usize,
    /// Kuramoto layers.
    pub layers: usize,
    /// Whether a residual block and a convolution follow the readout ("nl").
    pub nonlinear: bool,
    /// Whether the layer's one natural frequency learns.
    pub learn_frequency: bool,
    /// Where it begins.
    pub initial_frequency: f32,
}

impl Default for SudokuConfig {
    /// The published network.
    fn default() -> SudokuConfig {
        SudokuConfig {
            side: 9,
            channels: 512,
            n: 4,
            heads: 8,
            layers: 1,
            nonlinear: true,
            learn_frequency: true,
            initial_frequency: 0.5,
        }
    }
}

/// The network.
#[derive(Clone, Debug)]
pub struct Sudoku {
    config: SudokuConfig,
    layers: Vec<(KuramotoLayer, Readout, Vec<Block>)>,
}

/// What the network computed.
#[derive(Clone, Debug)]
pub struct Solved {
    /// `[B, digits, rows, columns]`; digit `d` is at `d - 1`.
    pub logits: Var,
    /// Of the last layer.
    pub trajectory: Trajectory,
}

impl Sudoku {
    /// The network of `config`.
    ///
    /// # Errors
    /// As [`KuramotoLayer::new`]; `Param` without cells or layers.
    pub fn new(config: SudokuConfig) -> Result<Sudoku> {
        let SudokuConfig { side, channels, n, heads, .. } = config;
        if side == 0 || config.layers == 0 {
            let got = format!("{side} cells a side, {} layers", config.layers);
            return Err(Error::argument(ErrorKind::Param, "Sudoku", "options", got, "at least one of each"));
        }
        let layers = (0..config.layers).map(|l| {
            let coupling = Coupling::Attention { heads, positions: Some([side, side]), causal: false };
            let options = LayerConfig {
                initial_frequency: config.initial_frequency,
                learn_frequency: config.learn_frequency,
                ..LayerConfig::new(channels, n, coupling)
            };
            let layer = KuramotoLayer::new(options, format!("layers.{l}.0."))?;
            let readout = Readout::new(channels, channels, n, 1, format!("layers.{l}.1.0."))?;
            let block = |rest: &str| Block {
                prefix: format!("layers.{l}.1.{rest}"),
                channels,
                out: channels,
                kernel: 1,
                norm: false,
            };
            let blocks = match config.nonlinear {
                true => vec![block("1.fn.fn.0.fn."), block("1.fn.fn.1.fn."), block("2.fn.")],
                false => vec![],
            };
            Ok((layer, readout, blocks))
        });
        let layers = layers.collect::<Result<_>>()?;
        Ok(Sudoku { config, layers })
    }

    /// The options.
    pub fn config(&self) -> &SudokuConfig {
        &self.config
    }

    /// Initial parameters, drawn from `seed`. The step size `gamma` learns.
    ///
    /// # Errors
    /// As [`KuramotoLayer::parameters`].
    pub fn parameters(&self, seed: u64) -> Result<Parameters> {
        let SudokuConfig { side, channels, .. } = self.config;
        let mut builder = Builder::new(seed);
        builder.add("x0", &[1, channels, side, side], Role::Unused, Initial::Constant(0.0));
        builder.add("embedding.weight", &[side + 1, channels], Role::Learned, Initial::Normal(1.0));
        builder.add("gamma", &[1], Role::Learned, Initial::Constant(1.0));
        for (layer, readout, blocks) in &self.layers {
            layer.parameters(&mut builder)?;
            readout.parameters(&mut builder);
            blocks.iter().for_each(|block| block.parameters(&mut builder));
        }
        builder.affine("out.1", &[side, channels, 1, 1], true);
        builder.finish()
    }

    /// Extents of a batch's noise.
    pub fn noise_shape(&self, batch: usize) -> [usize; 4] {
        [batch, self.config.channels, self.config.side, self.config.side]
    }

    /// Solves the boards `puzzles` (`B * side * side` numbers, row by row, 0 for a blank), starting blanks from `noise`
    /// `[B, channels, side, side]`, whose scale does not matter.
    ///
    /// # Errors
    /// `Shape` if the numbers are no whole boards or the noise is of another batch, `Index` for a digit past the last;
    /// as [`KuramotoLayer::forward`].
    pub fn forward(&self, tape: &mut Tape, bound: &Bound, puzzles: &[u32], noise: Var, run: &Run) -> Result<Solved> {
        let side = self.config.side;
        let batch = boards("Sudoku", "puzzles", self.config.side, puzzles, 0)?;
        let shape = [batch, side, side];
        let digits = tape.upload(puzzles, &shape, DType::U32)?;
        let digits = tape.constant(digits);
        let given: Vec<f32> = puzzles.iter().map(|digit| if *digit == 0 { 0.0 } else { 1.0 }).collect();
        let given = tape.upload(&given, &shape, DType::F32)?;
        let given = tape.constant(given);
        let mut c = tape.embedding(digits, bound.get("embedding.weight")?, 1)?;
        let mut x = tape.blend(c, noise, given, 1)?;
        let gamma = bound.get("gamma")?;
        let mut last = None;
        for (layer, readout, blocks) in &self.layers {
            let trajectory = layer.forward(tape, bound, x, c, gamma, run)?;
            x = trajectory.state;
            c = readout.forward(tape, bound, x)?;
            if let [first, second, third] = blocks.as_slice() {
                let none = &mut vec![];
                let inner = first.forward(tape, bound, c, Mode::Evaluate, none)?;
                let inner = second.forward(tape, bound, inner, Mode::Evaluate, none)?;
                c = tape.add(c, inner)?;
                c = third.forward(tape, bound, c, Mode::Evaluate, none)?;
            }
            last = Some(trajectory);
        }
        let hidden = tape.relu(c)?;
        let logits = tape.conv2d(hidden, bound.get("out.1.weight")?, Some(bound.get("out.1.bias")?), same(1))?;
        let trajectory = last.ok_or_else(|| Error::new(ErrorKind::Param, "Sudoku: no layers"))?;
        Ok(Solved { logits, trajectory })
    }

    /// Mean cross entropy over all cells, givens included; `solutions` are full boards.
    ///
    /// # Errors
    /// `Shape`, `Index` for a blank or a digit past the last.
    pub fn loss(&self, tape: &mut Tape, solved: &Solved, solutions: &[u32]) -> Result<Var> {
        cross_entropy(tape, "Sudoku", solved.logits, self.config.side, solutions)
    }

    /// Draws `options.draws` answers per puzzle and elects one. Givens stay as they are. The outcome does not depend on
    /// `options.batch`, to the bit on one device.
    ///
    /// # Errors
    /// `Param` without draws; as [`Sudoku::forward`].
    pub fn vote(
        &self,
        tape: &mut Tape,
        parameters: &Placed,
        puzzles: &[u32],
        options: &VoteOptions,
    ) -> Result<Vec<Elected>> {
        let cells = self.config.side * self.config.side;
        let count = boards("Sudoku", "puzzles", self.config.side, puzzles, 0)?;
        elect(count, options, |samples| {
            let boards: Vec<u32> = samples
                .clone()
                .flat_map(|sample| &puzzles[sample / options.draws * cells..][..cells])
                .copied()
                .collect();
            let (scores, logits) = tape.apart(|tape| {
                let bound = parameters.bind_constant(tape);
                let stream = Stream { seed: options.seed, first_sample: samples.start as u32, step: 0, stream: 0 };
                let shape = self.noise_shape(samples.len());
                let noise = tape.noise(stream, Distribution::Gaussian, &shape, DType::F32)?;
                let solved = self.forward(tape, &bound, &boards, noise, &Run::new(options.steps))?;
                let logits = tape.read(solved.logits)?;
                let scores = match options.ballot {
                    Ballot::Energy(statistic) => energy(tape, &solved.trajectory.energies, statistic)?,
                    Ballot::Confidence => None,
                };
                Ok((scores, logits))
            })?;
            let side = self.config.side;
            let draws =
                logits.chunks(side * cells).zip(boards.chunks(cells)).enumerate().map(|(at, (logits, board))| {
                    let score = scores.as_ref().map_or_else(|| -confidence(logits, side), |scores| scores[at]);
                    Draw { score, answer: fill(logits, side, board) }
                });
            Ok(draws.collect())
        })
    }
}

/// How many boards there are of `side * side` digits from `least`.
pub(super) fn boards(op: &str, argument: &str, side: usize, cells: &[u32], least: u32) -> Result<usize> {
    if cells.is_empty() || !cells.len().is_multiple_of(side * side) {
        let wanted = format!("boards of {side} x {side} cells");
        let got = format!("{} cells", cells.len());
        return Err(Error::argument(ErrorKind::Shape, op, argument, got, wanted));
    }
    if let Some(at) = cells.iter().position(|digit| *digit < least || *digit as usize > side) {
        let got = format!("{} at cell {at}", cells[at]);
        return Err(Error::argument(ErrorKind::Index, op, argument, got, format!("from {least} to {side}")));
    }
    Ok(cells.len() / (side * side))
}

/// The mean over all cells of full boards.
pub(super) fn cross_entropy(tape: &mut Tape, op: &str, logits: Var, side: usize, solutions: &[u32]) -> Result<Var> {
    let batch = boards(op, "solutions", side, solutions, 1)?;
    let labels: Vec<u32> = solutions.iter().map(|digit| digit - 1).collect();
    let labels = tape.upload(&labels, &[batch, side, side], DType::U32)?;
    let labels = tape.constant(labels);
    tape.cross_entropy(logits, labels, 1)
}

/// The statistic per sample, summed on the device in the order of the steps.
fn energy(tape: &mut Tape, energies: &[Var], statistic: Statistic) -> Result<Option<Vec<f64>>> {
    let Some((last, rest)) = energies.split_last() else { return Ok(None) };
    let mut total = *last;
    if statistic == Statistic::Sum {
        for energy in rest.iter().rev() {
            total = tape.add(total, *energy)?;
        }
    }
    Ok(Some(tape.read(total)?))
}
