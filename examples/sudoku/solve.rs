//! The command `solve`: a puzzle, its board forming over time, the vote, and the answer.

use std::error::Error;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::ValueEnum;

use super::board::{self, Board};
use super::data::{self, Split};
use super::eval::Poll;
use super::frames;
use super::machine::{Machine, shipped};
use super::network::Network;
use super::progress::Progress;
use super::settings::at_least_one;
use super::solving::{Effort, Solver, Voted};

/// Solves puzzles of 9 x 9 or 4 x 4 cells. The last line is the answer
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// 81 (or 16) digits, row by row, 0 or `.` for a blank; or a file with one puzzle a line [default: a sample]
    #[arg(conflicts_with = "sample")]
    pub puzzle: Option<String>,
    /// Solve a board that training never saw
    #[arg(long, value_enum, default_value = "id")]
    pub sample: Sample,
    /// Weights, or the folder of a run [default: those that come with this repository, for the puzzle's size]
    #[arg(long, value_name = "PATH")]
    pub weights: Option<PathBuf>,
    /// Steps of the oscillators
    #[arg(long, default_value_t = 32)]
    pub steps: usize,
    /// Random starts, of which one is elected
    #[arg(long, default_value_t = 8, value_parser = at_least_one)]
    pub draws: usize,
    #[command(flatten)]
    pub poll: Poll,
    /// Of the random starts
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Show how every board forms, also of a file with many
    #[arg(long)]
    pub show: bool,
    /// Where boards are kept that were made
    #[arg(long, default_value = data::FOLDER)]
    pub data: PathBuf,
    #[command(flatten)]
    pub machine: Machine,
}

/// Boards that training never saw.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sample {
    /// With as many givens as in training
    Id,
    /// With fewer givens
    Ood,
    /// With fewer givens, the first that one draw gets wrong and the vote right
    Vote,
}

/// Why nothing was solved.
#[derive(Debug)]
pub enum Failure {
    /// What was given is no puzzle with one solution.
    Input(String),
    /// Anything else.
    Other(Box<dyn Error>),
}

impl<E: Into<Box<dyn Error>>> From<E> for Failure {
    fn from(why: E) -> Failure {
        Failure::Other(why.into())
    }
}

/// Boards of a sample that are looked through for one that the vote saves.
const SEARCHED: usize = 500;

/// Samples that are computed at a time.
const AT_ONCE: usize = 64;

/// Whether every answer obeys the rules.
pub fn run(args: &Args) -> Result<bool, Failure> {
    // Before anything else: no network is needed to see that a puzzle is none.
    let given = args.puzzle.as_deref().map(puzzles).transpose().map_err(Failure::Input)?;
    let side = given.as_ref().and_then(|boards| boards.first()).map(|board| board.puzzle.len().isqrt());
    let weights = args.weights.clone().unwrap_or_else(|| shipped(side.unwrap_or(9)));
    let (mut solver, options, adapter) = args.machine.solver(&weights)?;
    if side.is_some_and(|side| side != options.side) {
        let why = format!("the weights are for boards of {0} x {0} cells; give others with --weights", options.side);
        return Err(Failure::Input(format!("{}: {why}", weights.display())));
    }
    let mut effort = Effort { steps: args.steps, draws: args.draws, ballot: args.poll.ballot(), seed: args.seed };
    if let Network::Itrsa(_) = solver.network {
        // It does not start at random: all its draws would be the same.
        effort.draws = 1;
    }
    say!("{adapter}; {}", weights.display());
    say!("{} steps, {} draws, elected by {}", effort.steps, effort.draws, args.poll.name());
    match given {
        Some(boards) => answer(args, &mut solver, &boards, &effort),
        None if args.sample == Sample::Vote => saved(args, &mut solver, options.side, &effort),
        None => {
            let split = if args.sample == Sample::Id { Split::Test } else { Split::Hard };
            let boards = data::boards_in(&args.data, options.side, split, 1, 1)?;
            answer(args, &mut solver, &boards, &effort)
        }
    }
}

/// Solves the boards, the first few at once, and prints what came of each.
fn answer(args: &Args, solver: &mut Solver, boards: &[Board], effort: &Effort) -> Result<bool, Failure> {
    let started = Instant::now();
    let (at_once, mut solved) = ((AT_ONCE / effort.draws).max(1), 0);
    for (chunk, some) in boards.chunks(at_once).enumerate() {
        let first = chunk * at_once;
        let puzzles: Vec<Vec<u32>> = some.iter().map(|board| board.puzzle.clone()).collect();
        for (at, voted) in solver.solve(&puzzles, first * effort.draws, effort)?.iter().enumerate() {
            solved += usize::from(voted.solved());
            if args.show || boards.len() == 1 {
                let sample = (first + at) * effort.draws + voted.elected;
                say!("\n{} givens: {}", some[at].givens(), board::line(&voted.puzzle));
                super::output::text(format_args!("\n{}", story(solver, voted, sample, effort)?));
                if boards.len() == 1 {
                    say!("{:.1} s", started.elapsed().as_secs_f64());
                }
            }
            let mark = if voted.solved() { "" } else { "  breaks the rules" };
            match boards.len() {
                1 => {}
                _ => say!("{}{mark}", digits(voted)),
            }
            if boards.len() == 1 {
                say!("{}", digits(voted));
            }
        }
    }
    if boards.len() > 1 {
        eprintln!("{solved} of {} solved, {:.1} s", boards.len(), started.elapsed().as_secs_f64());
    }
    Ok(solved == boards.len())
}

/// Looks for a board that the vote saves, and shows the draw that was wrong as well.
fn saved(args: &Args, solver: &mut Solver, side: usize, effort: &Effort) -> Result<bool, Failure> {
    let boards = data::boards_in(&args.data, side, Split::Hard, SEARCHED, 1)?;
    let mut progress = Progress::new("boards");
    let found = solver.saved_by_vote(&boards, AT_ONCE / effort.draws, effort, |done| progress.at(done, SEARCHED))?;
    drop(progress);
    let Some((at, voted)) = found else {
        let why = format!("the vote saves none of {SEARCHED} boards: no first draw is wrong where the vote is right");
        return Err(format!("{why}; try other --steps or more --draws").into());
    };
    say!("\nBoard {} of the harder ones is the first that one draw gets wrong and the vote right.", at + 1);
    say!("{} givens: {}", boards[at].givens(), board::line(&voted.puzzle));
    let alone = Voted { draws: voted.draws[..1].to_vec(), elected: 0, ..voted.clone() };
    say!("\nThe first draw alone:\n");
    super::output::text(format_args!("{}", story(solver, &alone, at * effort.draws, effort)?));
    say!("\nThe draw that the vote elects:\n");
    super::output::text(format_args!("{}", story(solver, &voted, at * effort.draws + voted.elected, effort)?));
    say!("{}", digits(&voted));
    Ok(voted.solved())
}

fn story(solver: &mut Solver, voted: &Voted, sample: usize, effort: &Effort) -> Result<String, Failure> {
    let trace = solver.trace(&voted.puzzle, sample, effort)?;
    Ok(frames::story(voted, &trace, effort.ballot, std::io::stdout().is_terminal()))
}

fn digits(voted: &Voted) -> String {
    board::line(voted.answer())
}

/// The boards that an argument means: digits, or a file.
fn puzzles(argument: &str) -> Result<Vec<Board>, String> {
    let path = Path::new(argument);
    if !path.is_file() {
        let digits = |character: char| character.is_ascii_digit() || character == '.' || character.is_whitespace();
        return match argument.chars().all(digits) {
            true => Ok(vec![board::parse(argument).and_then(Board::new)?]),
            false => Err(format!("`{argument}` is neither a puzzle nor a file; a puzzle is 81 or 16 digits or dots")),
        };
    }
    let text = std::fs::read_to_string(path).map_err(|why| format!("{argument}: {why}"))?;
    in_file(&text).map_err(|why| format!("{argument}: {why}"))
}

/// The boards of a file: one a line, as far as the first space or comma, `#` before a remark; or a row a line.
fn in_file(text: &str) -> Result<Vec<Board>, String> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.split('#').next().unwrap_or_default().trim()));
    let lines: Vec<(usize, &str)> = lines.filter(|(_, line)| !line.is_empty()).collect();
    let rows: Vec<String> = lines.iter().map(|(_, line)| line.split_whitespace().collect()).collect();
    if matches!(rows.len(), 4 | 9) && rows.iter().all(|row| row.chars().count() == rows.len()) {
        return Ok(vec![board::parse(&rows.concat()).and_then(Board::new)?]);
    }
    let one = |(at, line): &(usize, &str)| {
        let first = line.split([' ', ',', '\t']).next().unwrap_or_default();
        board::parse(first).and_then(Board::new).map_err(|why| format!("line {at}: {why}"))
    };
    let boards = lines.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    match boards.first() {
        None => Err("no puzzle in it; expected one a line".into()),
        Some(first) if boards.iter().any(|board| board.puzzle.len() != first.puzzle.len()) => {
            Err("boards of 9 x 9 and of 4 x 4 cells in one file; give each size a file of its own".into())
        }
        Some(_) => Ok(boards),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUZZLE: &str = "1.3..4....4.4..1";

    #[test]
    fn an_argument_is_a_puzzle_or_a_file() {
        let boards = puzzles("1.3. .4.. ..4. 4..1");
        assert_eq!(boards.map(|boards| board::line(&boards[0].puzzle)), Ok(PUZZLE.to_owned()));
        let why = |argument: &str| puzzles(argument).unwrap_err();
        assert!(why("nonsense").contains("neither a puzzle nor a file"));
        assert!(why("12345").contains("81"));
        assert!(why("1111............").contains("twice"));
        // Rows and columns 1 and 2 of an empty game: many solutions.
        assert!(why("................").contains("more than one solution"));
        // No digit fits into the last cell of the first row.
        assert!(why("123....4........").contains("no solution"));
    }

    #[test]
    fn a_puzzle_without_solution_is_told_soon() {
        // A search that looks at cells alone takes minutes to exclude every grid.
        let long = ".....5.8....6.1.43..........1.5........1.6...3.......553.....61........4.........";
        assert!(puzzles(long).unwrap_err().contains("no solution"));
    }

    #[test]
    fn a_file_has_one_puzzle_a_line_or_one_row() {
        let many = format!("# remark\n{PUZZLE} 1234\n\n{PUZZLE},x # more\n");
        assert_eq!(in_file(&many).map(|boards| boards.len()), Ok(2));
        // As boards are kept, with their solutions.
        let kept = format!("{PUZZLE} 1234123412341234\n").repeat(6);
        assert_eq!(in_file(&kept).map(|boards| boards.len()), Ok(6));
        let spread = "1.3.\n.4..\n..4.\n4. .1\n";
        assert_eq!(in_file(spread).map(|boards| board::line(&boards[0].puzzle)), Ok(PUZZLE.to_owned()));
        assert!(in_file("\n# nothing\n").unwrap_err().contains("no puzzle"));
        assert!(in_file(&format!("{PUZZLE}\n11..............\n")).unwrap_err().starts_with("line 2: "));
    }
}
