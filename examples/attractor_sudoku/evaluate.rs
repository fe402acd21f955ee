//! What the fixed point is worth: accuracy after some iterations, after all of them and without any; how many it takes; how
//! much memory a training step needs.

use kuramoto::model::Parameters;
use kuramoto::model::attractor::{AttractorPuzzle, Refine};
use kuramoto::solve::{Adjoint, Method, Sample, SolveOptions, Status};
use kuramoto::{Context, Result, Tape};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use serde::Serialize;

use crate::board::Board;
use crate::rank::{Correlation, spearman};
use crate::statistics::{Share, clustered, wilson};
use crate::train::{cells, penalised, settle};

/// Plain iterations that are compared with the fixed point.
const STEPS: [usize; 5] = [0, 1, 2, 4, 8];

/// The residual in evaluation: smaller than in training, so that iterations can differ.
pub const TOLERANCE: f64 = 1e-4;

/// Iterations in evaluation at most.
const MOST: usize = 100;

/// Boards that are computed at once.
const CHUNK: usize = 128;

/// Accuracy after some iterations.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The number of iterations, or `all`.
    pub name: String,
    /// Boards without a wrong cell.
    pub boards: Share,
    /// Cells that the puzzle leaves blank.
    pub blanks: Share,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// One for each of [`STEPS`], then the fixed point.
    pub rows: Vec<Row>,
    /// What the fixed point took.
    pub effort: Effort,
}

/// What the fixed point took.
#[derive(Clone, Debug, Serialize)]
pub struct Effort {
    /// Blanks of each board.
    pub blanks: Vec<usize>,
    /// Iterations of each board.
    pub iterations: Vec<usize>,
    /// Boards whose fixed point was reached.
    pub converged: usize,
}

impl Evaluation {
    /// At the fixed point.
    pub fn full(&self) -> &Row {
        &self.rows[STEPS.len()]
    }
}

impl Effort {
    fn new(boards: &[Board], samples: &[Sample]) -> Effort {
        Effort {
            blanks: boards.iter().map(|board| board.puzzle.len() - board.givens()).collect(),
            iterations: samples.iter().map(|sample| sample.iterations).collect(),
            converged: samples.iter().filter(|sample| sample.status == Status::Converged).count(),
        }
    }

    pub fn mean(&self) -> f64 {
        self.iterations.iter().sum::<usize>() as f64 / self.iterations.len().max(1) as f64
    }

    /// Whether boards with more blanks take more iterations.
    pub fn difficulty(&self, seed: u64) -> Correlation {
        let numbers = |list: &[usize]| list.iter().map(|n| *n as f64).collect::<Vec<f64>>();
        spearman(&numbers(&self.blanks), &numbers(&self.iterations), seed)
    }
}

/// Boards of all difficulties: of board `k` some blanks are filled in, so that from one blank to all of them occur equally
/// often.
pub fn revealed(boards: &[Board], seed: u64) -> Vec<Board> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let reveal = |(at, board): (usize, &Board)| {
        let mut board = board.clone();
        let mut blanks: Vec<usize> = (0..board.puzzle.len()).filter(|cell| board.puzzle[*cell] == 0).collect();
        blanks.shuffle(&mut rng);
        let kept = 1 + at % blanks.len().max(1);
        for cell in blanks.iter().skip(kept) {
            board.puzzle[*cell] = board.solution[*cell];
        }
        board
    };
    boards.iter().enumerate().map(reveal).collect()
}

/// Accuracy after each number of iterations and at the fixed point.
pub fn evaluate(
    context: &Context,
    model: &AttractorPuzzle,
    parameters: &Parameters,
    boards: &[Board],
) -> Result<Evaluation> {
    let row = |name: String, groups: &[(usize, usize)]| {
        let solved = groups.iter().filter(|(right, of)| right == of).count();
        Row { name, boards: wilson(solved, boards.len()), blanks: clustered(groups) }
    };
    let mut rows = Vec::new();
    for count in STEPS {
        let (groups, _) = answers(context, model, parameters, boards, &Refine::steps(count))?;
        rows.push(row(count.to_string(), &groups));
    }
    let (groups, samples) = answers(context, model, parameters, boards, &all())?;
    rows.push(row("all".into(), &groups));
    Ok(Evaluation { rows, effort: Effort::new(boards, &samples) })
}

/// What the fixed point takes for each of `boards`.
pub fn effort(context: &Context, model: &AttractorPuzzle, parameters: &Parameters, boards: &[Board]) -> Result<Effort> {
    Ok(Effort::new(boards, &answers(context, model, parameters, boards, &all())?.1))
}

/// Plain iterations until nothing changes: what each adds is then comparable with what so many of them are worth.
pub fn all() -> Refine {
    let options = SolveOptions { check_every: 4, ..SolveOptions::new(Method::Picard, TOLERANCE, MOST) };
    Refine::settle(options, Adjoint::one_step())
}

/// For each board how many blanks are right, and of how many.
pub type Groups = Vec<(usize, usize)>;

/// The blanks that are right on each board, and what became of each solve.
pub fn answers(
    context: &Context,
    model: &AttractorPuzzle,
    parameters: &Parameters,
    boards: &[Board],
    refine: &Refine,
) -> Result<(Groups, Vec<Sample>)> {
    let placed = parameters.place(&mut Tape::new(context))?;
    let (mut groups, mut samples) = (Vec::new(), Vec::new());
    for chunk in boards.chunks(CHUNK) {
        let mut tape = Tape::new(context);
        let bound = placed.bind_constant(&mut tape);
        let answer = model.forward(&mut tape, &bound, &cells(chunk).0, refine)?;
        let logits = tape.read(answer.logits)?;
        if let Some(found) = answer.refined.equilibrium {
            samples.extend_from_slice(found.solution().samples());
        }
        let symbols = model.config().symbols;
        let per_board = logits.chunks(symbols * model.config().cells);
        groups.extend(chunk.iter().zip(per_board).map(|(board, logits)| right(board, logits, symbols)));
    }
    Ok((groups, samples))
}

/// How many blanks of a board are right, and of how many.
pub fn right(board: &Board, logits: &[f64], symbols: usize) -> (usize, usize) {
    let likeliest =
        |logits: &[f64]| (0..logits.len()).fold(0, |best, at| if logits[at] > logits[best] { at } else { best });
    let cells = logits.chunks(symbols).zip(board.puzzle.iter().zip(&board.solution));
    let blanks: Vec<bool> = cells
        .filter(|(_, (given, _))| **given == 0)
        .map(|(logits, (_, digit))| likeliest(logits) as u32 + 1 == *digit)
        .collect();
    (blanks.iter().filter(|right| **right).count(), blanks.len())
}

/// Bytes at the peak of one training step with exactly so many iterations, each on a device of its own.
pub fn memory(
    model: &AttractorPuzzle,
    parameters: &Parameters,
    boards: &[Board],
    penalty: f64,
) -> Result<Vec<(usize, u64)>> {
    let (puzzles, solutions) = cells(boards);
    let peak = |count: usize| {
        let context = Context::new()?;
        let mut tape = Tape::new(&context);
        let bound = parameters.place(&mut tape)?.bind(&mut tape);
        // A residual that no rounding reaches: every iteration is made.
        let answer = model.forward(&mut tape, &bound, &puzzles, &settle(count, 1e-30))?;
        let loss = model.loss(&mut tape, &answer, &solutions)?;
        let total = penalised(&mut tape, &bound, model, &answer, loss, penalty, 0)?;
        tape.backward(total)?;
        tape.read(loss)?;
        Ok((count, context.counters().peak_live_bytes))
    };
    [4, 16, 64].into_iter().map(peak).collect()
}
