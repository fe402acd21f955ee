//! Boards to train and to test on, made here from a seed and kept in a file.
//!
//! A hash of the solution, taken of the grid with its digits renamed in the order of their appearance, decides whether a
//! board is for training or for testing: no test solution is a training solution with other names for its digits.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::board::{self, Board};
use super::solver::Grid;

/// Which boards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Split {
    /// To train on: 31 to 42 givens.
    Train,
    /// Held out, of the same kind.
    Test,
    /// Held out and harder: 22 to 34 givens, cells given back to a puzzle that has none to spare.
    Hard,
}

impl Split {
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Test => "test",
            Split::Hard => "hard",
        }
    }

    /// The fewest and the most givens.
    pub fn givens(self, side: usize) -> (usize, usize) {
        match (side, self) {
            (9, Split::Hard) => (22, 34),
            (9, _) => (31, 42),
            (_, Split::Hard) => (4, 6),
            _ => (5, 8),
        }
    }
}

/// Written at the head of a file; other files are made again.
const VERSION: &str = "kuramoto sudoku boards 1";

/// Where boards are kept unless said otherwise.
pub const FOLDER: &str = "target/sudoku";

/// The first `count` boards of a split, from the file in `folder` if they are there, else made and added to it. Board `k`
/// depends on side, split, seed and `k` alone.
///
/// # Errors
/// For another side than 4 and 9, a file that cannot be read or written, or one that is damaged.
pub fn boards_in(
    folder: &Path,
    side: usize,
    split: Split,
    count: usize,
    seed: u64,
) -> Result<Vec<Board>, Box<dyn Error>> {
    board::side(side * side)?;
    let path = folder.join(format!("{side}x{side}-{}-{seed}.txt", split.name()));
    let mut boards = read(&path)?;
    if boards.len() < count {
        boards.extend(make(side, split, boards.len()..count, seed));
        write(&path, &boards)?;
    }
    boards.truncate(count);
    Ok(boards)
}

/// What a file of boards holds; nothing if it is not there or of another version.
///
/// # Errors
/// For a file that cannot be read or is damaged.
pub fn read(path: &Path) -> Result<Vec<Board>, Box<dyn Error>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        Err(why) => return Err(format!("{}: {why}", path.display()).into()),
    };
    let mut lines = text.lines();
    let Some(count) = lines.next().and_then(|head| head.strip_prefix(VERSION)?.trim().parse::<usize>().ok()) else {
        return Ok(vec![]);
    };
    let damaged =
        |line: usize, why: String| format!("{}, line {line}: {why}; delete the file to make it anew", path.display());
    let boards = lines.enumerate().map(|(at, line)| one(line).map_err(|why| damaged(at + 2, why)));
    let boards = boards.collect::<Result<Vec<_>, _>>()?;
    match boards.len() == count {
        true => Ok(boards),
        false => Err(damaged(1, format!("{count} boards are announced, {} are there", boards.len())).into()),
    }
}

/// The board of a line: puzzle, space, solution.
fn one(line: &str) -> Result<Board, String> {
    let (puzzle, solution) = line.split_once(' ').ok_or("expected a puzzle, a space and its solution")?;
    let (puzzle, solution) = (board::parse(puzzle)?, board::parse(solution)?);
    let fits = |(given, digit): (&u32, &u32)| *given == 0 || given == digit;
    match board::is_solved(&solution) && puzzle.len() == solution.len() && puzzle.iter().zip(&solution).all(fits) {
        true => Ok(Board { puzzle, solution }),
        false => Err("the solution is not one of this puzzle".into()),
    }
}

/// Writes a file of boards: one of another name first, so that a half-written one is never found.
///
/// # Errors
/// If it cannot be written.
pub fn write(path: &Path, boards: &[Board]) -> Result<(), Box<dyn Error>> {
    let mut text = format!("{VERSION} {}\n", boards.len());
    for Board { puzzle, solution } in boards {
        text.push_str(&format!("{} {}\n", board::line(puzzle), board::line(solution)));
    }
    let part = PathBuf::from(format!("{}.{}.part", path.display(), std::process::id()));
    let done = path.parent().map_or(Ok(()), fs::create_dir_all);
    let done = done.and_then(|()| fs::write(&part, text)).and_then(|()| fs::rename(&part, path));
    done.map_err(|why| format!("{}: cannot be written ({why})", path.display()).into())
}

/// Makes boards on all cores: each has random numbers of its own.
fn make(side: usize, split: Split, which: std::ops::Range<usize>, seed: u64) -> Vec<Board> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = which.len().div_ceil(threads).max(1);
    let starts: Vec<usize> = which.clone().step_by(share).collect();
    std::thread::scope(|scope| {
        let one = |start: usize| {
            let end = (start + share).min(which.end);
            scope.spawn(move || (start..end).map(|k| generate(side, split, seed, k)).collect::<Vec<_>>())
        };
        let threads: Vec<_> = starts.into_iter().map(one).collect();
        // A thread that panicked has a bug to show, as it would without threads.
        let join = |thread: std::thread::ScopedJoinHandle<'_, Vec<Board>>| match thread.join() {
            Ok(boards) => boards,
            Err(why) => std::panic::resume_unwind(why),
        };
        threads.into_iter().flat_map(join).collect()
    })
}

/// Board `k`.
fn generate(side: usize, split: Split, seed: u64, k: usize) -> Board {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream((k as u64) << 3 | (split as u64) << 1 | u64::from(side == 9));
    let (least, most) = split.givens(side);
    let wanted = rng.random_range(least..=most);
    loop {
        let grid = Grid::random(side, &mut rng);
        if is_held_out(grid.cells()) != (split != Split::Train) {
            continue;
        }
        let solution = grid.cells().to_vec();
        let puzzle = match split {
            Split::Hard => harder(grid, wanted, &mut rng),
            _ => thinned(grid, wanted, &mut rng),
        };
        let givens = puzzle.iter().filter(|digit| **digit != 0).count();
        if (least..=most).contains(&givens) && (split == Split::Hard || givens == wanted) {
            return Board { puzzle, solution };
        }
    }
}

/// Takes cells away, in random order, until `wanted` are left or each that is left is needed.
fn thinned(mut grid: Grid, wanted: usize, rng: &mut ChaCha8Rng) -> Vec<u32> {
    let mut order: Vec<usize> = (0..grid.cells().len()).collect();
    order.shuffle(rng);
    let mut left = order.len();
    for cell in order {
        if left == wanted {
            break;
        }
        let digit = grid.cells()[cell];
        grid.clear(cell);
        if grid.has_other(cell, digit) {
            grid.place(cell, digit);
        } else {
            left -= 1;
        }
    }
    grid.cells().to_vec()
}

/// A puzzle of which each given is needed, with cells given back until there are `wanted`.
fn harder(grid: Grid, wanted: usize, rng: &mut ChaCha8Rng) -> Vec<u32> {
    let solution = grid.cells().to_vec();
    let mut puzzle = thinned(grid, 0, rng);
    let mut blanks: Vec<usize> = (0..puzzle.len()).filter(|cell| puzzle[*cell] == 0).collect();
    blanks.shuffle(rng);
    let missing = wanted.saturating_sub(puzzle.len() - blanks.len());
    blanks.into_iter().take(missing).for_each(|cell| puzzle[cell] = solution[cell]);
    puzzle
}

/// Whether a solution is for testing: a third of all, the same for all names of its digits. Of the 12 grids of 4 x 4
/// that differ in more than names, 4 are.
pub fn is_held_out(solution: &[u32]) -> bool {
    // FNV-1a: any hash serves that does not change with the compiler.
    let hash = board::canonical(solution)
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, digit| (hash ^ u64::from(*digit)).wrapping_mul(0x0100_0000_01b3));
    (hash >> 32).is_multiple_of(3)
}
