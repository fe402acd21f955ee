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

/// What one random start came to.
#[derive(Clone, PartialEq, Debug)]
pub struct Drawn {
    /// The likeliest digit of each blank; givens as they are.
    pub answer: Vec<u32>,
    /// One for each ballot; the smaller wins.
    pub scores: Vec<f64>,
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
        let (mut x, mut c) = self.start(tape, bound, puzzles, noise)?;
        let gamma = bound.get("gamma")?;
        let mut last = None;
        for (at, (layer, ..)) in self.layers.iter().enumerate() {
            let trajectory = layer.forward(tape, bound, x, c, gamma, run)?;
            x = trajectory.state;
            c = self.features(tape, bound, at, x)?;
            last = Some(trajectory);
        }
        let trajectory = last.ok_or_else(|| Error::new(ErrorKind::Param, "Sudoku: no layers"))?;
        Ok(Solved { logits: self.logits(tape, bound, c)?, trajectory })
    }

    /// What [`Sudoku::forward`] computes in as many steps as each of `stops` says, which ascend: the same bits. With one
    /// layer that costs one run of the longest, and a readout for each; several layers are run anew for each.
    ///
    /// # Errors
    /// `Param` if `stops` do not ascend; as [`Sudoku::forward`].
    pub fn forward_at(
        &self,
        tape: &mut Tape,
        bound: &Bound,
        puzzles: &[u32],
        noise: Var,
        stops: &[usize],
    ) -> Result<Vec<Solved>> {
        if stops.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(Error::argument(
                ErrorKind::Param,
                "Sudoku",
                "stops",
                format!("{stops:?}"),
                "ascending numbers",
            ));
        }
        let [(layer, ..)] = self.layers.as_slice() else {
            return stops.iter().map(|stop| self.forward(tape, bound, puzzles, noise, &Run::new(*stop))).collect();
        };
        let (x, c) = self.start(tape, bound, puzzles, noise)?;
        let gamma = bound.get("gamma")?;
        let stages = layer.stages(tape, bound, [x, c, gamma], &Run::new(0), stops)?;
        let read_out = |trajectory: Trajectory| {
            let c = self.features(tape, bound, 0, trajectory.state)?;
            Ok(Solved { logits: self.logits(tape, bound, c)?, trajectory })
        };
        stages.into_iter().map(read_out).collect()
    }

    /// The first state and the drive.
    fn start(&self, tape: &mut Tape, bound: &Bound, puzzles: &[u32], noise: Var) -> Result<(Var, Var)> {
        let side = self.config.side;
        let batch = boards("Sudoku", "puzzles", self.config.side, puzzles, 0)?;
        let shape = [batch, side, side];
        let digits = tape.upload(puzzles, &shape, DType::U32)?;
        let digits = tape.constant(digits);
        let given: Vec<f32> = puzzles.iter().map(|digit| if *digit == 0 { 0.0 } else { 1.0 }).collect();
        let given = tape.upload(&given, &shape, DType::F32)?;
        let given = tape.constant(given);
        let c = tape.embedding(digits, bound.get("embedding.weight")?, 1)?;
        Ok((tape.blend(c, noise, given, 1)?, c))
    }

    /// What layer `at` makes of its last state: the drive of the next.
    fn features(&self, tape: &mut Tape, bound: &Bound, at: usize, x: Var) -> Result<Var> {
        let (_, readout, blocks) = &self.layers[at];
        let c = readout.forward(tape, bound, x)?;
        let [first, second, third] = blocks.as_slice() else { return Ok(c) };
        let none = &mut vec![];
        let inner = first.forward(tape, bound, c, Mode::Evaluate, none)?;
        let inner = second.forward(tape, bound, inner, Mode::Evaluate, none)?;
        let c = tape.add(c, inner)?;
        third.forward(tape, bound, c, Mode::Evaluate, none)
    }

    fn logits(&self, tape: &mut Tape, bound: &Bound, c: Var) -> Result<Var> {
        let hidden = tape.relu(c)?;
        tape.conv2d(hidden, bound.get("out.1.weight")?, Some(bound.get("out.1.bias")?), same(1))
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
            let start = Stream { seed: options.seed, first_sample: samples.start as u32, step: 0, stream: 0 };
            let stages = self.draw(tape, parameters, &boards, start, &[options.steps], &[options.ballot])?;
            let one = |drawn: Drawn| Draw { score: drawn.scores[0], answer: drawn.answer };
            Ok(stages.into_iter().flatten().map(one).collect())
        })
    }

    /// One random start for each of `boards`: sample `start.first_sample + b` of the noise is board `b`'s. For each of
    /// `stops`, what each had come to after that many steps, by every one of `ballots`. No gradients.
    ///
    /// # Errors
    /// As [`Sudoku::forward_at`].
    pub fn draw(
        &self,
        tape: &mut Tape,
        parameters: &Placed,
        boards: &[u32],
        start: Stream,
        stops: &[usize],
        ballots: &[Ballot],
    ) -> Result<Vec<Vec<Drawn>>> {
        let side = self.config.side;
        let cells = side * side;
        let batch = self::boards("Sudoku", "boards", side, boards, 0)?;
        tape.apart(|tape| {
            let bound = parameters.bind_constant(tape);
            let noise = tape.noise(start, Distribution::Gaussian, &self.noise_shape(batch), DType::F32)?;
            let stages = self.forward_at(tape, &bound, boards, noise, stops)?;
            // Everything is recorded before the first number is waited for.
            let mut totals = Vec::new();
            for solved in &stages {
                let total = |ballot: &Ballot| match ballot {
                    Ballot::Energy(statistic) => energy(tape, &solved.trajectory.energies, *statistic),
                    Ballot::Confidence => Ok(None),
                };
                totals.push(ballots.iter().map(total).collect::<Result<Vec<_>>>()?);
            }
            let mut drawn = Vec::new();
            for (solved, totals) in stages.iter().zip(totals) {
                let logits = tape.read(solved.logits)?;
                let totals = totals.into_iter().map(|total| total.map(|var| tape.read(var)).transpose());
                let totals = totals.collect::<Result<Vec<_>>>()?;
                let one = |(at, (logits, board)): (usize, (&[f64], &[u32]))| {
                    let score = |(ballot, total): (&Ballot, &Option<Vec<f64>>)| match (ballot, total) {
                        (Ballot::Confidence, _) => -confidence(logits, side),
                        (Ballot::Energy(_), Some(total)) => total[at],
                        // Without a step there is no energy.
                        (Ballot::Energy(_), None) => 0.0,
                    };
                    let scores = ballots.iter().zip(&totals).map(score).collect();
                    Drawn { answer: fill(logits, side, board), scores }
                };
                drawn.push(logits.chunks(side * cells).zip(boards.chunks(cells)).enumerate().map(one).collect());
            }
            Ok(drawn)
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

/// The statistic per sample, summed on the device from the last step back; nothing without steps.
fn energy(tape: &mut Tape, energies: &[Var], statistic: Statistic) -> Result<Option<Var>> {
    let Some((last, rest)) = energies.split_last() else { return Ok(None) };
    let mut total = *last;
    if statistic == Statistic::Sum {
        for energy in rest.iter().rev() {
            total = tape.add(total, *energy)?;
        }
    }
    Ok(Some(total))
}
