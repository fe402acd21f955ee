//! Exhaustive search over the grids that the rules allow: candidates are sets of bits; the most constrained cell, or digit
//! of a row, column or box, is tried first.
//!
//! Written here because the generators among published crates take no seed, or no number of givens, or come under
//! licences that this repository cannot include.

use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

/// The largest side.
const SIDE: usize = 9;

/// A grid that obeys the rules so far. Digits count from 1, 0 is a blank.
#[derive(Clone)]
pub struct Grid {
    side: usize,
    cells: Vec<u32>,
    /// Bit `d - 1` of a row, column or box says that digit `d` is in it.
    used: [[u16; SIDE]; 3],
}

impl Grid {
    /// An empty grid of `side` (4 or 9) cells a side.
    pub fn new(side: usize) -> Grid {
        Grid { side, cells: vec![0; side * side], used: [[0; SIDE]; 3] }
    }

    pub fn cells(&self) -> &[u32] {
        &self.cells
    }

    /// Row, column and box of a cell.
    pub fn units(side: usize, cell: usize) -> [usize; 3] {
        let boxed = if side == 4 { 2 } else { 3 };
        let (row, column) = (cell / side, cell % side);
        [row, column, row / boxed * boxed + column / boxed]
    }

    /// The digits that row, column and box of `cell` leave, as bits.
    pub fn candidates(&self, cell: usize) -> u16 {
        let [row, column, boxed] = Grid::units(self.side, cell);
        let all = (1u16 << self.side) - 1;
        all & !(self.used[0][row] | self.used[1][column] | self.used[2][boxed])
    }

    /// Puts `digit` into the blank `cell`; false if the rules forbid that.
    pub fn place(&mut self, cell: usize, digit: u32) -> bool {
        let allowed = self.candidates(cell) & (1 << (digit - 1)) != 0;
        if allowed {
            self.turn(cell, digit);
            self.cells[cell] = digit;
        }
        allowed
    }

    /// Makes `cell` blank.
    pub fn clear(&mut self, cell: usize) {
        if self.cells[cell] != 0 {
            self.turn(cell, self.cells[cell]);
            self.cells[cell] = 0;
        }
    }

    fn turn(&mut self, cell: usize, digit: u32) {
        for (used, unit) in self.used.iter_mut().zip(Grid::units(self.side, cell)) {
            used[unit] ^= 1 << (digit - 1);
        }
    }

    fn blanks(&self) -> Vec<usize> {
        (0..self.cells.len()).filter(|cell| self.cells[*cell] == 0).collect()
    }

    /// Up to `limit` ways to fill the blanks.
    pub fn solutions(&self, limit: usize) -> Vec<Vec<u32>> {
        let (mut grid, mut found) = (self.clone(), Vec::new());
        grid.search(&mut self.blanks(), &mut None, &mut |cells| {
            found.push(cells.to_vec());
            found.len() >= limit
        });
        found
    }

    /// Whether the blank `cell` can hold a digit other than `digit` in some solution.
    pub fn has_other(&mut self, cell: usize, digit: u32) -> bool {
        let mut blanks = self.blanks();
        blanks.retain(|blank| *blank != cell);
        bits(self.candidates(cell) & !(1 << (digit - 1))).any(|other| {
            self.place(cell, other);
            let found = self.search(&mut blanks, &mut None, &mut |_| true);
            self.clear(cell);
            found
        })
    }

    /// A full grid; all are possible.
    pub fn random(side: usize, rng: &mut ChaCha8Rng) -> Grid {
        let mut grid = Grid::new(side);
        let mut found = grid.clone();
        let mut blanks = grid.blanks();
        grid.search(&mut blanks, &mut Some(rng), &mut |cells| {
            for (cell, digit) in cells.iter().enumerate() {
                found.place(cell, *digit);
            }
            true
        });
        found
    }

    /// Calls `visit` with each way to fill `blanks`, until it returns true, which this returns then. The grid and the
    /// set of blanks are afterwards as before.
    fn search(
        &mut self,
        blanks: &mut Vec<usize>,
        rng: &mut Option<&mut ChaCha8Rng>,
        visit: &mut impl FnMut(&[u32]) -> bool,
    ) -> bool {
        if blanks.is_empty() {
            return visit(&self.cells);
        }
        let mut ways = self.cell(blanks);
        match rng {
            Some(rng) => ways.shuffle(rng),
            // Where nothing is drawn the way does not matter: what is sought is found or excluded sooner.
            None if ways.len() > 1 => {
                if let Some(fewer) = self.unit(blanks, ways.len()) {
                    ways = fewer;
                }
            }
            None => {}
        }
        for (at, digit) in ways {
            let cell = blanks.swap_remove(at);
            self.place(cell, digit);
            let stop = self.search(blanks, rng, visit);
            self.clear(cell);
            blanks.push(cell);
            let last = blanks.len() - 1;
            blanks.swap(at, last);
            if stop {
                return true;
            }
        }
        false
    }

    /// The digits of the blank that has fewest, with its place among the blanks.
    fn cell(&self, blanks: &[usize]) -> Vec<(usize, u32)> {
        let mut best = (u32::MAX, 0, 0);
        for (at, cell) in blanks.iter().enumerate() {
            let candidates = self.candidates(*cell);
            let count = candidates.count_ones();
            if count < best.0 {
                best = (count, at, candidates);
                if count < 2 {
                    break;
                }
            }
        }
        bits(best.2).map(|digit| (best.1, digit)).collect()
    }

    /// The blanks of the digit that has fewest in some row, column or box, if those are fewer than `most`.
    fn unit(&self, blanks: &[usize], most: usize) -> Option<Vec<(usize, u32)>> {
        // By kind of unit, unit and digit: in how many blanks it can be.
        let mut places = [[[0u8; SIDE]; SIDE]; 3];
        for cell in blanks {
            for digit in bits(self.candidates(*cell)) {
                for (kind, unit) in Grid::units(self.side, *cell).into_iter().enumerate() {
                    places[kind][unit][digit as usize - 1] += 1;
                }
            }
        }
        let mut best = (most, None);
        for (kind, units) in places.iter().enumerate() {
            for (unit, counts) in units.iter().enumerate().take(self.side) {
                for digit in 1..=self.side as u32 {
                    let missing = self.used[kind][unit] & (1 << (digit - 1)) == 0;
                    let count = usize::from(counts[digit as usize - 1]);
                    if missing && count < best.0 {
                        best = (count, Some((kind, unit, digit)));
                    }
                }
            }
        }
        let (kind, unit, digit) = best.1?;
        let fits =
            |cell: usize| Grid::units(self.side, cell)[kind] == unit && self.candidates(cell) & (1 << (digit - 1)) != 0;
        Some((0..blanks.len()).filter(|at| fits(blanks[*at])).map(|at| (at, digit)).collect())
    }
}

/// The digits of a set of bits, in order.
pub fn bits(set: u16) -> impl Iterator<Item = u32> {
    (0..16).filter(move |bit| set & (1 << bit) != 0).map(|bit| bit + 1)
}
