//! Which boards a step sees, and under which names for their digits: a matter of seed and position alone, so that a run
//! that is resumed sees what it would have seen.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

use super::board::Board;

/// Rounds through the boards, each in an order of its own.
pub struct Order {
    seed: u64,
    count: usize,
    relabel: bool,
    /// The round that `order` is of.
    round: Option<u64>,
    order: Vec<usize>,
}

/// Tells the random numbers of orders from those of names.
const ROUNDS: u64 = 1 << 63;

impl Order {
    pub fn new(seed: u64, count: usize, relabel: bool) -> Order {
        Order { seed, count, relabel, round: None, order: vec![] }
    }

    /// The `count` boards after the first `seen`.
    pub fn batch(&mut self, seen: u64, count: usize, boards: &[Board]) -> Vec<Board> {
        (seen..seen + count as u64).map(|position| self.at(position, boards)).collect()
    }

    fn at(&mut self, position: u64, boards: &[Board]) -> Board {
        let round = position / self.count as u64;
        if self.round != Some(round) {
            let mut rng = self.rng(ROUNDS | round);
            self.order = (0..self.count).collect();
            self.order.shuffle(&mut rng);
            self.round = Some(round);
        }
        let board = &boards[self.order[(position % self.count as u64) as usize]];
        match self.relabel {
            true => {
                let digits = board.solution.iter().copied().max().unwrap_or(0);
                let mut names: Vec<u32> = (1..=digits).collect();
                names.shuffle(&mut self.rng(position));
                board.renamed(&names)
            }
            false => board.clone(),
        }
    }

    fn rng(&self, stream: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(stream);
        rng
    }
}
