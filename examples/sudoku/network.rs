//! The two networks behind one face: oscillators, and the self-attention they are compared with.

use std::ops::Range;

use clap::ValueEnum;
use kuramoto::model::akorn::{Itrsa, ItrsaConfig, Run, Solved, Sudoku, SudokuConfig};
use kuramoto::model::vote::{Draw, Elected, VoteOptions, confidence, elect, fill};
use kuramoto::model::{Bound, Parameters, Placed};
use kuramoto::{DType, Distribution, Error, ErrorKind, Result, Stream, Tape, Var};
use serde::{Deserialize, Serialize};

use crate::board::Board;
use crate::tally::Tally;

/// Which network.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// Oscillators
    Akorn,
    /// Iterated self-attention, the baseline
    Itrsa,
}

/// What makes a network, as checkpoints and files of weights keep it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Options {
    pub model: Model,
    /// Cells a side: 9 or 4.
    pub side: usize,
    pub channels: usize,
    /// Components of an oscillator; the baseline has none.
    pub n: usize,
    pub heads: usize,
    /// Kuramoto layers, or blocks of the baseline.
    pub layers: usize,
    /// The natural frequency at the start, which is learned; the baseline has none.
    pub frequency: f32,
}

/// A network without its parameters.
#[derive(Clone, Debug)]
pub enum Network {
    Akorn(Sudoku),
    Itrsa(Itrsa),
}

/// What a network computed.
#[derive(Clone, Debug)]
pub enum Answers {
    Akorn(Solved),
    /// Logits.
    Itrsa(Var),
}

impl Answers {
    /// `[boards, digits, rows, columns]`; digit `d` is at `d - 1`.
    pub fn logits(&self) -> Var {
        match self {
            Answers::Akorn(solved) => solved.logits,
            Answers::Itrsa(logits) => *logits,
        }
    }
}

impl Network {
    /// The network of `options`.
    ///
    /// # Errors
    /// `Param` for options that do not fit each other.
    pub fn new(options: &Options) -> Result<Network> {
        let Options { side, channels, n, heads, layers, frequency, .. } = *options;
        match options.model {
            Model::Akorn => {
                let initial_frequency = frequency;
                let config = SudokuConfig { side, channels, n, heads, layers, initial_frequency, ..Default::default() };
                Sudoku::new(config).map(Network::Akorn)
            }
            Model::Itrsa => Itrsa::new(ItrsaConfig { side, channels, heads, blocks: layers }).map(Network::Itrsa),
        }
    }

    /// Cells a side.
    pub fn side(&self) -> usize {
        match self {
            Network::Akorn(network) => network.config().side,
            Network::Itrsa(network) => network.config().side,
        }
    }

    /// Initial parameters.
    ///
    /// # Errors
    /// Whatever the network returns.
    pub fn parameters(&self, seed: u64) -> Result<Parameters> {
        match self {
            Network::Akorn(network) => network.parameters(seed),
            Network::Itrsa(network) => network.parameters(seed),
        }
    }

    /// Solves the boards `puzzles`, digits one board after another, 0 for a blank. Oscillators on blanks start from the
    /// noise of `stream`; the baseline has no random start.
    ///
    /// # Errors
    /// Whatever the network returns.
    pub fn forward(
        &self,
        tape: &mut Tape,
        bound: &Bound,
        puzzles: &[u32],
        stream: Stream,
        run: &Run,
    ) -> Result<Answers> {
        match self {
            Network::Akorn(network) => {
                let boards = puzzles.len() / (self.side() * self.side());
                let noise = tape.noise(stream, Distribution::Gaussian, &network.noise_shape(boards), DType::F32)?;
                Ok(Answers::Akorn(network.forward(tape, bound, puzzles, noise, run)?))
            }
            Network::Itrsa(network) => Ok(Answers::Itrsa(network.forward(tape, bound, puzzles, run)?)),
        }
    }

    /// Mean cross entropy over all cells, givens included.
    ///
    /// # Errors
    /// `Foreign` for answers of the other network; whatever the network returns.
    pub fn loss(&self, tape: &mut Tape, answers: &Answers, solutions: &[u32]) -> Result<Var> {
        match (self, answers) {
            (Network::Akorn(network), Answers::Akorn(solved)) => network.loss(tape, solved, solutions),
            (Network::Itrsa(network), Answers::Itrsa(logits)) => network.loss(tape, *logits, solutions),
            _ => Err(Error::new(ErrorKind::Foreign, "loss: the answers are of another network")),
        }
    }

    /// Draws answers and elects one for each puzzle. The baseline has one answer, whose score is its confidence.
    ///
    /// # Errors
    /// `Param` for more than one draw of the baseline; whatever the network returns.
    pub fn vote(
        &self,
        tape: &mut Tape,
        placed: &Placed,
        puzzles: &[u32],
        options: &VoteOptions,
    ) -> Result<Vec<Elected>> {
        let network = match self {
            Network::Akorn(network) => return network.vote(tape, placed, puzzles, options),
            Network::Itrsa(network) => network,
        };
        if options.draws != 1 {
            let why = "the baseline does not start at random, so all its answers are the same: ask for 1 draw";
            return Err(Error::new(ErrorKind::Param, why));
        }
        let (side, cells) = (self.side(), self.side() * self.side());
        elect(puzzles.len() / cells, options, |samples: Range<usize>| {
            let boards = &puzzles[samples.start * cells..samples.end * cells];
            let logits = tape.apart(|tape| {
                let bound = placed.bind_constant(tape);
                let logits = network.forward(tape, &bound, boards, &Run::new(options.steps))?;
                tape.read(logits)
            })?;
            let draw = |(logits, board): (&[f64], &[u32])| Draw {
                score: -confidence(logits, side),
                answer: fill(logits, side, board),
            };
            Ok(logits.chunks(side * cells).zip(boards.chunks(cells)).map(draw).collect())
        })
    }
}

/// The oscillators' random starts: in training, and on boards that are only judged.
pub const TRAINING: u32 = 1;
pub const JUDGING: u32 = 2;

/// One answer for each board, computed `batch` boards at a time, which does not change them.
///
/// # Errors
/// Whatever the network returns.
pub fn judge(
    network: &Network,
    tape: &mut Tape,
    placed: &Placed,
    boards: &[Board],
    steps: usize,
    batch: usize,
    seed: u64,
) -> Result<Tally> {
    let mut tally = Tally::default();
    for (at, boards) in boards.chunks(batch.max(1)).enumerate() {
        let puzzles: Vec<u32> = boards.iter().flat_map(|board| board.puzzle.iter().copied()).collect();
        let stream = Stream { seed, first_sample: (at * batch.max(1)) as u32, step: 0, stream: JUDGING };
        let logits = tape.apart(|tape| {
            let bound = placed.bind_constant(tape);
            let answers = network.forward(tape, &bound, &puzzles, stream, &Run::new(steps))?;
            tape.read(answers.logits())
        })?;
        tally.add_logits(boards, &logits);
    }
    Ok(tally)
}
