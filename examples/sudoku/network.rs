//! The two networks behind one face: oscillators, and the self-attention they are compared with.

use clap::ValueEnum;
use kuramoto::model::akorn::{Itrsa, ItrsaConfig, Run, Solved, Sudoku, SudokuConfig};
use kuramoto::model::{Bound, Parameters, Placed};
use kuramoto::{DType, Distribution, Error, ErrorKind, Result, Stream, Tape, Var};
use serde::{Deserialize, Serialize};

use super::board::Board;
use super::tally::Tally;

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
