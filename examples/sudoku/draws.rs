//! Many random starts of many boards, each read out after several numbers of steps: everything that accuracies, votes and
//! histograms are made of, computed once.

use kuramoto::model::Placed;
use kuramoto::model::akorn::{Drawn, Run};
use kuramoto::model::vote::{Ballot, Statistic, confidence, fill};
use kuramoto::{Result, Stream, Tape};

use super::board::Board;
use super::network::{JUDGING, Network};

/// By what a vote can be held, in the order of [`Outcome::scores`].
pub const BALLOTS: [Ballot; 3] = [Ballot::Energy(Statistic::Last), Ballot::Energy(Statistic::Sum), Ballot::Confidence];

/// What is computed.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Numbers of steps after which answers are read, ascending.
    pub stops: Vec<usize>,
    /// Random starts of each board.
    pub draws: usize,
    /// Samples computed at a time; results do not depend on it.
    pub batch: usize,
    /// Of the random starts.
    pub seed: u64,
}

/// What came of one draw at one stop.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Outcome {
    /// Blank cells that are right.
    pub right: usize,
    /// Blank cells.
    pub blanks: usize,
    /// By each of [`BALLOTS`]; the smaller wins.
    pub scores: [f64; 3],
}

impl Outcome {
    /// Whether every blank cell is right.
    pub fn solved(&self) -> bool {
        self.right == self.blanks
    }

    fn new(board: &Board, drawn: &Drawn) -> Outcome {
        let blank = |cell: &usize| board.puzzle[*cell] == 0;
        let right = |cell: &usize| blank(cell) && board.solution[*cell] == drawn.answer[*cell];
        let cells = 0..board.puzzle.len();
        let mut scores = [0.0; 3];
        scores.iter_mut().zip(&drawn.scores).for_each(|(score, drawn)| *score = *drawn);
        Outcome { right: cells.clone().filter(right).count(), blanks: cells.filter(blank).count(), scores }
    }
}

/// The outcomes of all boards, draws and stops.
#[derive(Clone, Debug)]
pub struct Draws {
    pub stops: Vec<usize>,
    /// Of each board.
    pub draws: usize,
    /// By stop; draw `k` of board `b` is at `b * draws + k`.
    outcomes: Vec<Vec<Outcome>>,
}

impl Draws {
    /// Makes the draws. `said` is told how many samples of how many are done.
    ///
    /// # Errors
    /// Whatever the network returns.
    pub fn measure(
        network: &Network,
        tape: &mut Tape,
        placed: &Placed,
        boards: &[Board],
        ask: &Ask,
        mut said: impl FnMut(usize, usize),
    ) -> Result<Draws> {
        let total = boards.len() * ask.draws;
        let mut outcomes = vec![Vec::with_capacity(total); ask.stops.len()];
        for start in (0..total).step_by(ask.batch.max(1)) {
            said(start, total);
            let samples = start..(start + ask.batch.max(1)).min(total);
            let asked = || samples.clone().map(|sample| &boards[sample / ask.draws]);
            let puzzles: Vec<u32> = asked().flat_map(|board| board.puzzle.iter().copied()).collect();
            let stream = Stream { seed: ask.seed, first_sample: start as u32, step: 0, stream: JUDGING };
            let stages = draw(network, tape, placed, &puzzles, stream, &ask.stops, &BALLOTS)?;
            for (outcomes, stage) in outcomes.iter_mut().zip(&stages) {
                outcomes.extend(asked().zip(stage).map(|(board, drawn)| Outcome::new(board, drawn)));
            }
        }
        Ok(Draws { stops: ask.stops.clone(), draws: ask.draws, outcomes })
    }

    /// Boards.
    pub fn boards(&self) -> usize {
        self.outcomes.first().map_or(0, Vec::len) / self.draws.max(1)
    }

    /// The first `draws` draws of a board at stop number `stop`.
    pub fn of(&self, stop: usize, board: usize, draws: usize) -> &[Outcome] {
        &self.outcomes[stop][board * self.draws..][..draws]
    }

    /// Whom the first `draws` draws of a board elect at stop number `stop`: the first among those with the best score.
    pub fn elected(&self, stop: usize, board: usize, draws: usize, ballot: Ballot) -> &Outcome {
        let draws = self.of(stop, board, draws);
        &draws[winner(draws.iter().map(|outcome| outcome.scores[position(ballot)]))]
    }
}

/// The place of a ballot in [`BALLOTS`].
pub fn position(ballot: Ballot) -> usize {
    BALLOTS.iter().position(|other| *other == ballot).unwrap_or(0)
}

/// The first of the smallest scores.
pub fn winner(scores: impl Iterator<Item = f64>) -> usize {
    let better = |best: (usize, f64), (at, score): (usize, f64)| if score < best.1 { (at, score) } else { best };
    scores.enumerate().fold((0, f64::INFINITY), better).0
}

/// One draw for each of `boards`, digits one board after another, read out at each of `stops`. The baseline does not start
/// at random and has no energy: its scores by energy are 0.
///
/// # Errors
/// Whatever the network returns.
pub fn draw(
    network: &Network,
    tape: &mut Tape,
    placed: &Placed,
    boards: &[u32],
    stream: Stream,
    stops: &[usize],
    ballots: &[Ballot],
) -> Result<Vec<Vec<Drawn>>> {
    let network = match network {
        Network::Akorn(network) => return network.draw(tape, placed, boards, stream, stops, ballots),
        Network::Itrsa(network) => network,
    };
    let side = network.config().side;
    let cells = side * side;
    let one = |(logits, board): (&[f64], &[u32])| {
        let score = |ballot: &Ballot| match ballot {
            Ballot::Energy(_) => 0.0,
            Ballot::Confidence => -confidence(logits, side),
        };
        Drawn { answer: fill(logits, side, board), scores: ballots.iter().map(score).collect() }
    };
    tape.apart(|tape| {
        let bound = placed.bind_constant(tape);
        let stage = |stop: &usize| {
            let logits = network.forward(tape, &bound, boards, &Run::new(*stop))?;
            let logits = tape.read(logits)?;
            Ok(logits.chunks(side * cells).zip(boards.chunks(cells)).map(one).collect())
        };
        stops.iter().map(stage).collect()
    })
}

#[cfg(test)]
impl Draws {
    /// Draws whose outcomes are known: by stop, draw after draw, whether it solved one blank and its three scores.
    pub fn known(stops: &[usize], draws: usize, outcomes: &[Vec<(bool, [f64; 3])>]) -> Draws {
        let one =
            |(solved, scores): &(bool, [f64; 3])| Outcome { right: usize::from(*solved), blanks: 1, scores: *scores };
        let outcomes = outcomes.iter().map(|stage| stage.iter().map(one).collect()).collect();
        Draws { stops: stops.to_vec(), draws, outcomes }
    }
}

#[cfg(test)]
mod tests {
    use super::super::network::{Model, Options};
    use super::*;

    fn network(model: Model) -> Network {
        let options = Options { model, side: 4, channels: 8, n: 4, heads: 2, layers: 1, frequency: 0.5 };
        Network::new(&options).unwrap()
    }

    /// One solution of the small game, with cells taken away.
    fn boards() -> Vec<Board> {
        let solution = vec![1, 2, 3, 4, 3, 4, 1, 2, 2, 1, 4, 3, 4, 3, 2, 1];
        let without = |blanks: &[usize]| {
            let puzzle = (0..16).map(|cell| if blanks.contains(&cell) { 0 } else { solution[cell] }).collect();
            Board { puzzle, solution: solution.clone() }
        };
        vec![without(&[0, 5, 10]), without(&[1, 2, 3, 15]), without(&[7])]
    }

    fn measure(model: Model, ask: &Ask) -> Draws {
        let (network, mut tape) = (network(model), Tape::reference());
        let placed = network.parameters(3).unwrap().place(&mut tape).unwrap();
        let mut said = vec![];
        let draws = Draws::measure(&network, &mut tape, &placed, &boards(), ask, |done, of| said.push((done, of)));
        let total = 3 * ask.draws;
        assert_eq!(said, (0..total).step_by(ask.batch).map(|done| (done, total)).collect::<Vec<_>>());
        draws.unwrap()
    }

    #[test]
    fn a_vote_over_fewer_draws_and_steps_is_a_prefix() {
        let ask = Ask { stops: vec![1, 3], draws: 4, batch: 5, seed: 9 };
        let all = measure(Model::Akorn, &ask);
        assert_eq!((all.boards(), all.of(1, 2, 4).len()), (3, 4));
        // Steps: the shorter run alone.
        let short = measure(Model::Akorn, &Ask { stops: vec![1], batch: 12, ..ask.clone() });
        // Draws: those of a vote over the same noise.
        let (network, mut tape) = (network(Model::Akorn), Tape::reference());
        let placed = network.parameters(3).unwrap().place(&mut tape).unwrap();
        let Network::Akorn(akorn) = &network else { panic!("another network was asked for") };
        for (b, board) in boards().iter().enumerate() {
            assert_eq!(all.of(0, b, 4), short.of(0, b, 4));
            let noise = Stream { seed: 9, first_sample: 4 * b as u32, step: 0, stream: JUDGING };
            let two = akorn.draw(&mut tape, &placed, &board.puzzle.repeat(2), noise, &[3], &BALLOTS).unwrap();
            for ballot in BALLOTS {
                let scores = two[0].iter().map(|drawn| drawn.scores[position(ballot)]);
                let wanted = Outcome::new(board, &two[0][winner(scores)]);
                assert_eq!(*all.elected(1, b, 2, ballot), wanted, "board {b}, {ballot:?}");
            }
        }
        let scores: Vec<f64> = all.of(1, 0, 4).iter().map(|outcome| outcome.scores[0]).collect();
        assert!(scores.windows(2).all(|pair| pair[0] != pair[1]), "all draws are the same: {scores:?}");
    }

    #[test]
    fn the_baseline_has_one_answer_for_each_number_of_steps() {
        let draws = measure(Model::Itrsa, &Ask { stops: vec![0, 2], draws: 1, batch: 2, seed: 1 });
        let (network, mut tape) = (network(Model::Itrsa), Tape::reference());
        let placed = network.parameters(3).unwrap().place(&mut tape).unwrap();
        for (stop, steps) in [(0, 0), (1, 2)] {
            for (b, board) in boards().iter().enumerate() {
                let bound = placed.bind_constant(&mut tape);
                let answers = network.forward(&mut tape, &bound, &board.puzzle, Stream::default(), &Run::new(steps));
                let logits = tape.read(answers.unwrap().logits()).unwrap();
                let found = draws.of(stop, b, 1)[0];
                assert_eq!(found.scores, [0.0, 0.0, -confidence(&logits, 4)]);
                let answer = fill(&logits, 4, &board.puzzle);
                let right = (0..16).filter(|cell| board.puzzle[*cell] == 0);
                assert_eq!(found.right, right.filter(|cell| answer[*cell] == board.solution[*cell]).count());
            }
        }
    }

    #[test]
    fn outcomes_count_blanks_alone() {
        let boards = boards();
        let mut answer = boards[1].solution.clone();
        answer[2] = 1;
        // A given that was changed is not what the metric is about; answers keep givens anyway.
        answer[4] = 4;
        let drawn = Drawn { answer, scores: vec![1.0, 2.0, 3.0] };
        let outcome = Outcome::new(&boards[1], &drawn);
        assert_eq!(outcome, Outcome { right: 3, blanks: 4, scores: [1.0, 2.0, 3.0] });
        assert!(!outcome.solved());
        assert_eq!((winner([2.0, 1.0, 1.0].into_iter()), winner([f64::INFINITY; 2].into_iter())), (1, 0));
    }
}
