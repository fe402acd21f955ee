//! One puzzle at a time: random starts, the vote among them, and how the elected one came to its answer.

use kuramoto::model::Placed;
use kuramoto::model::vote::{Ballot, Statistic};
use kuramoto::{Result, Stream, Tape};

use super::board::{self, Board};
use super::draws::{draw, winner};
use super::network::{JUDGING, Network};

/// A network on a backend.
pub struct Solver {
    pub network: Network,
    pub tape: Tape,
    pub placed: Placed,
}

/// How puzzles are solved.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Steps of the oscillators.
    pub steps: usize,
    /// Random starts of a puzzle.
    pub draws: usize,
    /// By what one of them is elected.
    pub ballot: Ballot,
    pub seed: u64,
}

/// What came of a puzzle.
#[derive(Clone, Debug)]
pub struct Voted {
    pub puzzle: Vec<u32>,
    /// Answer and score of each draw; the smaller score wins.
    pub draws: Vec<(Vec<u32>, f64)>,
    /// The draw that won.
    pub elected: usize,
}

/// A board while it forms.
#[derive(Clone, Debug)]
pub struct Trace {
    /// What is read off the state before the first step, and after each.
    pub boards: Vec<Vec<u32>>,
    /// Of each state but the last, for which there is none; empty for the baseline.
    pub energies: Vec<f64>,
}

impl Voted {
    /// The answer of the draw that won.
    pub fn answer(&self) -> &[u32] {
        &self.draws[self.elected].0
    }

    /// Whether the answer obeys the rules. Givens are kept, so it is the solution then.
    pub fn solved(&self) -> bool {
        board::is_solved(self.answer())
    }
}

impl Solver {
    /// Draws answers for puzzles of one size, all at once, and elects one for each. Draw `k` of puzzle `b` starts at
    /// sample `first + b K + k` of the noise.
    ///
    /// # Errors
    /// Whatever the network returns.
    pub fn solve(&mut self, puzzles: &[Vec<u32>], first: usize, effort: &Effort) -> Result<Vec<Voted>> {
        let repeated: Vec<u32> = puzzles.iter().flat_map(|puzzle| puzzle.repeat(effort.draws)).collect();
        let Solver { network, tape, placed } = self;
        let stream = noise(effort.seed, first);
        let drawn = draw(network, tape, placed, &repeated, stream, &[effort.steps], &[effort.ballot])?;
        let mut drawn = drawn.into_iter().flatten().map(|drawn| (drawn.answer, drawn.scores[0]));
        let one = |puzzle: &Vec<u32>| {
            let draws: Vec<(Vec<u32>, f64)> = drawn.by_ref().take(effort.draws).collect();
            let elected = winner(draws.iter().map(|draw| draw.1));
            Voted { puzzle: puzzle.clone(), draws, elected }
        };
        Ok(puzzles.iter().map(one).collect())
    }

    /// The way of one draw: of the puzzle that starts at sample `sample` of the noise.
    ///
    /// # Errors
    /// Whatever the network returns.
    pub fn trace(&mut self, puzzle: &[u32], sample: usize, effort: &Effort) -> Result<Trace> {
        let stops: Vec<usize> = (0..=effort.steps).collect();
        let Solver { network, tape, placed } = self;
        let ballots = [Ballot::Energy(Statistic::Last)];
        let drawn = draw(network, tape, placed, puzzle, noise(effort.seed, sample), &stops, &ballots)?;
        let drawn = drawn.into_iter().flatten();
        let (boards, scores): (Vec<_>, Vec<_>) = drawn.map(|drawn| (drawn.answer, drawn.scores[0])).unzip();
        // What is published with a step is the energy of the state before it.
        let energies = match network {
            Network::Akorn(_) => scores[1..].to_vec(),
            Network::Itrsa(_) => vec![],
        };
        Ok(Trace { boards, energies })
    }

    /// The first of `boards` whose first draw is wrong and whose vote is right, and which it is. Boards are asked
    /// `at_once` at a time, board `b` from sample `b K` of the noise; `said` is told how many are done.
    ///
    /// # Errors
    /// Whatever the network returns.
    pub fn saved_by_vote(
        &mut self,
        boards: &[Board],
        at_once: usize,
        effort: &Effort,
        mut said: impl FnMut(usize),
    ) -> Result<Option<(usize, Voted)>> {
        for (chunk, boards) in boards.chunks(at_once.max(1)).enumerate() {
            let first = chunk * at_once.max(1);
            said(first);
            let puzzles: Vec<Vec<u32>> = boards.iter().map(|board| board.puzzle.clone()).collect();
            let voted = self.solve(&puzzles, first * effort.draws, effort)?;
            let saved = |(voted, board): (&Voted, &Board)| {
                voted.draws[0].0 != board.solution && voted.answer() == board.solution
            };
            if let Some(at) = voted.iter().zip(boards).position(saved) {
                return Ok(voted.into_iter().nth(at).map(|voted| (first + at, voted)));
            }
        }
        Ok(None)
    }
}

fn noise(seed: u64, first: usize) -> Stream {
    Stream { seed, first_sample: first as u32, step: 0, stream: JUDGING }
}

#[cfg(test)]
mod tests {
    use super::super::network::{Model, Options};
    use super::*;

    fn solver(model: Model) -> Solver {
        let options = Options { model, side: 4, channels: 8, n: 4, heads: 2, layers: 1, frequency: 0.5 };
        let network = Network::new(&options).unwrap();
        let mut tape = Tape::reference();
        let mut parameters = network.parameters(5).unwrap();
        if model == Model::Akorn {
            // Else the answers of all draws are those of the bias.
            parameters.set("out.1.bias", &[0.0; 4]).unwrap();
        }
        let placed = parameters.place(&mut tape).unwrap();
        Solver { network, tape, placed }
    }

    const EFFORT: Effort = Effort { steps: 3, draws: 4, ballot: Ballot::Energy(Statistic::Last), seed: 2 };

    fn puzzles() -> Vec<Vec<u32>> {
        vec![board::parse("1.34 34.. .143 4.2.").unwrap(), board::parse("12.. .... ..4. 4..1").unwrap()]
    }

    #[test]
    fn the_trace_of_a_draw_ends_where_the_draw_did() {
        let mut solver = solver(Model::Akorn);
        let voted = solver.solve(&puzzles(), 0, &EFFORT).unwrap();
        for (at, voted) in voted.iter().enumerate() {
            assert_eq!(voted.draws.len(), 4);
            let best = voted.draws.iter().map(|draw| draw.1).fold(f64::INFINITY, f64::min);
            assert_eq!(voted.draws[voted.elected].1, best);
            for (k, (answer, score)) in voted.draws.iter().enumerate() {
                let trace = solver.trace(&voted.puzzle, 4 * at + k, &EFFORT).unwrap();
                assert_eq!((trace.boards.len(), trace.energies.len()), (4, 3));
                assert_eq!((&trace.boards[3], trace.energies[2]), (answer, *score));
                for board in &trace.boards {
                    assert!(board.iter().zip(&voted.puzzle).all(|(digit, given)| *given == 0 || digit == given));
                }
            }
        }
        // The second puzzle by itself, from where it stood in the noise.
        let alone = solver.solve(&puzzles()[1..], 4, &EFFORT).unwrap();
        assert_eq!(alone[0].draws, voted[1].draws);
    }

    #[test]
    fn the_baseline_has_a_trace_without_energies() {
        let effort = Effort { draws: 1, ballot: Ballot::Confidence, ..EFFORT };
        let mut solver = solver(Model::Itrsa);
        let voted = &solver.solve(&puzzles(), 0, &effort).unwrap()[0];
        let trace = solver.trace(&voted.puzzle, 0, &effort).unwrap();
        assert_eq!((trace.boards.len(), trace.energies.len()), (4, 0));
        assert_eq!(trace.boards[3], voted.answer());
    }

    #[test]
    fn a_board_that_the_vote_saves_is_found_in_order() {
        let mut solver = solver(Model::Akorn);
        let boards = |voted: &[Voted], wanted: &dyn Fn(&Voted) -> Vec<u32>| -> Vec<Board> {
            voted.iter().map(|v| Board { puzzle: v.puzzle.clone(), solution: wanted(v) }).collect()
        };
        let puzzles: Vec<Vec<u32>> = puzzles().into_iter().cycle().take(6).collect();
        let voted = solver.solve(&puzzles, 0, &EFFORT).unwrap();
        // Let the elected answers be the solutions: a board is saved if another draw than the first won.
        let elected = boards(&voted, &|voted| voted.answer().to_vec());
        let wanted = voted.iter().position(|voted| voted.draws[0].0 != voted.answer());
        assert!(wanted.is_some_and(|at| at > 0), "{wanted:?}: choose another seed");
        for at_once in [1, 4, 6] {
            let mut said = vec![];
            let found = solver.saved_by_vote(&elected, at_once, &EFFORT, |done| said.push(done)).unwrap();
            assert_eq!(found.map(|(at, voted)| (at, voted.draws)), wanted.map(|at| (at, voted[at].draws.clone())));
            assert_eq!(said, (0..=wanted.unwrap()).step_by(at_once).collect::<Vec<_>>());
        }
        // Where the first draws are right there is nothing to save.
        let first = boards(&voted, &|voted| voted.draws[0].0.clone());
        assert!(solver.saved_by_vote(&first, 4, &EFFORT, |_| ()).unwrap().is_none());
    }
}
