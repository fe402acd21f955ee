//! Accuracies of sets of boards, by steps and by draws, with what a vote gains.

use kuramoto::Result;
use kuramoto::model::vote::Ballot;
use serde::Serialize;

use super::board::Board;
use super::draws::{Ask, Draws};
use super::progress::Progress;
use super::solving::Solver;
use super::statistics::{Gain, Share, clustered, gain, wilson};

/// Boards that are judged together.
#[derive(Clone, Debug)]
pub struct Set {
    pub name: String,
    pub boards: Vec<Board>,
}

impl Set {
    /// The rungs that it has: how many givens boards have, as ranges.
    pub fn rungs(&self) -> String {
        ranges(self.boards.iter().map(Board::givens).collect())
    }

    /// Draws answers for all boards and judges the votes among them. `name` tells who waits what is under way.
    ///
    /// # Errors
    /// Whatever the network returns.
    pub fn judge(
        &self,
        solver: &mut Solver,
        ask: &Ask,
        votes: &[usize],
        ballot: Ballot,
        name: &str,
    ) -> Result<(Judged, Draws)> {
        let mut progress = Progress::new(name);
        let Solver { network, tape, placed } = solver;
        let draws = Draws::measure(network, tape, placed, &self.boards, ask, |done, of| progress.at(done, of))?;
        drop(progress);
        let rows = rows(&draws, votes, ballot, ask.seed);
        let judged = Judged { set: self.name.clone(), givens: self.rungs(), boards: self.boards.len(), rows };
        Ok((judged, draws))
    }
}

/// `17, 22-34`.
pub fn ranges(mut numbers: Vec<usize>) -> String {
    numbers.sort_unstable();
    numbers.dedup();
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some(run) if run.1 + 1 == number => run.1 = number,
            _ => runs.push((number, number)),
        }
    }
    let one = |(from, to): (usize, usize)| if from == to { from.to_string() } else { format!("{from}-{to}") };
    runs.into_iter().map(one).collect::<Vec<_>>().join(", ")
}

/// One line of a table.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Row {
    pub steps: usize,
    pub draws: usize,
    /// Boards of which the elected draw has every blank cell right.
    pub boards: Share,
    /// Blank cells that the elected draw has right.
    pub cells: Share,
    /// The mean over the draws of what each solves alone.
    pub singles: f64,
    /// What the vote adds to that; absent for one draw.
    pub gain: Option<Gain>,
}

/// The rows of all stops and of votes over so many draws.
pub fn rows(draws: &Draws, votes: &[usize], ballot: Ballot, seed: u64) -> Vec<Row> {
    let stops = 0..draws.stops.len();
    stops.flat_map(|stop| votes.iter().map(move |votes| row(draws, stop, *votes, ballot, seed))).collect()
}

fn row(draws: &Draws, stop: usize, votes: usize, ballot: Ballot, seed: u64) -> Row {
    let boards = 0..draws.boards();
    let elected: Vec<_> = boards.clone().map(|board| *draws.elected(stop, board, votes, ballot)).collect();
    let single = |board: usize| {
        let solved = draws.of(stop, board, votes).iter().filter(|outcome| outcome.solved()).count();
        solved as f64 / votes as f64
    };
    let singles: Vec<f64> = boards.map(single).collect();
    let pairs: Vec<(bool, f64)> = elected.iter().map(|outcome| outcome.solved()).zip(singles.iter().copied()).collect();
    Row {
        steps: draws.stops[stop],
        draws: votes,
        boards: wilson(elected.iter().filter(|outcome| outcome.solved()).count(), elected.len()),
        cells: clustered(&elected.iter().map(|outcome| (outcome.right, outcome.blanks)).collect::<Vec<_>>()),
        singles: singles.iter().sum::<f64>() / singles.len().max(1) as f64,
        gain: (votes > 1).then(|| gain(&pairs, seed)),
    }
}

/// A set with its rows.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Judged {
    pub set: String,
    /// How many givens its boards have.
    pub givens: String,
    pub boards: usize,
    pub rows: Vec<Row>,
}

impl Judged {
    /// The numbers of draws that votes were held among, in order.
    pub fn draws(&self) -> Vec<usize> {
        let mut draws: Vec<usize> = self.rows.iter().map(|row| row.draws).collect();
        draws.sort_unstable();
        draws.dedup();
        draws
    }
}

/// A table for people.
impl std::fmt::Display for Judged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}: {} boards; rungs: {} givens", self.set, self.boards, self.givens)?;
        let head = ["boards solved", "blank cells right", "mean of single draws", "gain of the vote"];
        let [boards, cells, singles, gain] = head;
        writeln!(f, "{:>5} {:>5} {boards:>24} {cells:>24} {singles:>21} {gain:>23} {:>9}", "T", "draws", "p")?;
        for row in &self.rows {
            let (boards, cells) = (interval(&row.boards), interval(&row.cells));
            let singles = format!("{:.1} %", 100.0 * row.singles);
            write!(f, "{:>5} {:>5} {boards:>24} {cells:>24} {singles:>21}", row.steps, row.draws)?;
            match &row.gain {
                Some(Gain { gain, low, high, p }) => {
                    let gain = format!("{:+.1} ({:+.1} to {:+.1})", 100.0 * gain, 100.0 * low, 100.0 * high);
                    writeln!(f, " {gain:>23} {:>9}", chance(*p))?;
                }
                None => writeln!(f, " {:>23} {:>9}", "-", "-")?,
            }
        }
        Ok(())
    }
}

fn interval(share: &Share) -> String {
    format!("{:.1} % ({:.1} to {:.1})", 100.0 * share.share, 100.0 * share.low, 100.0 * share.high)
}

/// A chance with two digits.
fn chance(p: f64) -> String {
    match p {
        p if p < 1e-99 => "< 1e-99".into(),
        p if p < 1e-3 => format!("{p:.1e}"),
        p => format!("{p:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use kuramoto::model::vote::Statistic;

    use super::*;

    const LAST: Ballot = Ballot::Energy(Statistic::Last);
    const SUM: Ballot = Ballot::Energy(Statistic::Sum);

    /// Two boards of three draws, at two stops.
    fn draws() -> Draws {
        let wrong = |last: f64, sum: f64| (false, [last, sum, 0.0]);
        let right = |last: f64, sum: f64| (true, [last, sum, 0.0]);
        Draws::known(
            &[4, 8],
            3,
            &[
                vec![
                    wrong(1.0, 0.0),
                    right(0.5, 3.0),
                    wrong(0.0, 5.0),
                    right(2.0, 2.0),
                    wrong(3.0, 1.0),
                    wrong(2.0, 3.0),
                ],
                vec![right(0.0, 0.0); 6],
            ],
        )
    }

    #[test]
    fn rows_count_what_the_vote_elects() {
        let rows = rows(&draws(), &[1, 2, 3], LAST, 1);
        let found: Vec<(usize, usize, f64, f64)> =
            rows.iter().map(|row| (row.steps, row.draws, row.boards.share, row.singles)).collect();
        let half = 1.0 / 2.0;
        assert_eq!(found[..3], [(4, 1, half, half), (4, 2, 1.0, half), (4, 3, half, 1.0 / 3.0)]);
        assert_eq!(found[3..], [(8, 1, 1.0, 1.0), (8, 2, 1.0, 1.0), (8, 3, 1.0, 1.0)]);
        // Draw 2 of the first board or draw 1 of the second at random: both with a chance of 1/4.
        assert_eq!((rows[0].gain, rows[1].gain.map(|gain| (gain.gain, gain.p))), (None, Some((0.5, 0.25))));
        assert_eq!(rows[1].boards, wilson(2, 2));
        // By the sums the vote of two elects a wrong draw of each board.
        let sums = super::rows(&draws(), &[2], SUM, 1);
        assert_eq!(sums[0].boards.share, 0.0);
    }

    #[test]
    fn rungs_are_ranges() {
        assert_eq!(ranges(vec![22, 17, 23, 24, 22]), "17, 22-24");
        assert_eq!((ranges(vec![]), ranges(vec![5])), (String::new(), "5".into()));
    }

    #[test]
    fn the_table_has_a_line_for_each_row() {
        let rows = rows(&draws(), &[1, 3], LAST, 1);
        let judged = Judged { set: "OOD".into(), givens: "22-34".into(), boards: 2, rows };
        let text = judged.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "OOD: 2 boards; rungs: 22-34 givens");
        assert_eq!(lines.len(), 6);
        assert!(lines[1..].iter().all(|line| line.chars().count() == lines[1].chars().count()), "{text}");
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(lines[2])[..7], ["4", "1", "50.0", "%", "(9.5", "to", "90.5)"]);
        assert_eq!(words(lines[2])[14..], ["-", "-"]);
        assert_eq!(words(lines[3])[14..16], ["+16.7", "(-33.3"]);
        assert_eq!(
            (chance(0.04567), chance(3.21e-7), chance(0.0)),
            ("0.046".into(), "3.2e-7".into(), "< 1e-99".into())
        );
    }
}
