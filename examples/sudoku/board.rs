//! Boards: 9 x 9 with boxes of 3 x 3, or 4 x 4 with boxes of 2 x 2, as digits row by row; 0 is a blank.

use super::solver::Grid;

/// A puzzle with its one solution.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Board {
    /// Digits from 1, 0 for a blank, row by row.
    pub puzzle: Vec<u32>,
    pub solution: Vec<u32>,
}

impl Board {
    /// The board of a puzzle that has exactly one solution.
    ///
    /// # Errors
    /// For digits that break the rules, no solution, or more than one.
    pub fn new(puzzle: Vec<u32>) -> Result<Board, String> {
        let mut solutions = solutions(&puzzle, 2)?;
        match (solutions.pop(), solutions.is_empty()) {
            (Some(solution), true) => Ok(Board { puzzle, solution }),
            (Some(_), false) => Err("the puzzle has more than one solution; add givens until one is left".into()),
            (None, _) => Err("the puzzle has no solution; at least one given is wrong".into()),
        }
    }

    /// The same board with the name `names[d - 1]` for digit `d`.
    pub fn renamed(&self, names: &[u32]) -> Board {
        let rename = |digit: &u32| if *digit == 0 { 0 } else { names[*digit as usize - 1] };
        let all = |cells: &[u32]| cells.iter().map(rename).collect();
        Board { puzzle: all(&self.puzzle), solution: all(&self.solution) }
    }

    /// Number of givens.
    pub fn givens(&self) -> usize {
        self.puzzle.iter().filter(|digit| **digit != 0).count()
    }
}

/// The side of a board of so many cells.
///
/// # Errors
/// For other numbers than those of the two games.
pub fn side(cells: usize) -> Result<usize, String> {
    match cells {
        81 => Ok(9),
        16 => Ok(4),
        _ => Err(format!("a board has 81 cells (or 16, for the small game), not {cells}")),
    }
}

/// The digits of a board as text: 81 or 16 digits, `0` or `.` for a blank; spaces and line breaks are skipped.
///
/// # Errors
/// For other characters, another number of them, digits that the side does not have.
pub fn parse(text: &str) -> Result<Vec<u32>, String> {
    let mut cells = Vec::new();
    for (at, character) in text.chars().enumerate() {
        match character {
            '.' => cells.push(0),
            _ if character.is_whitespace() => {}
            _ => match character.to_digit(10) {
                Some(digit) => cells.push(digit),
                None => return Err(format!("character {} is {character:?}; expected a digit or `.`", at + 1)),
            },
        }
    }
    let side = side(cells.len())?;
    match cells.iter().position(|digit| *digit as usize > side) {
        Some(at) => Err(format!("{} is {}; digits go up to {side}", place(side, at), cells[at])),
        None => Ok(cells),
    }
}

/// The digits as one line, `.` for a blank.
pub fn line(cells: &[u32]) -> String {
    cells.iter().map(|digit| char::from_digit(*digit, 10).filter(|_| *digit != 0).unwrap_or('.')).collect()
}

/// Row and column of a cell, counted from 1, as people say them.
pub fn place(side: usize, cell: usize) -> String {
    format!("row {}, column {}", cell / side + 1, cell % side + 1)
}

/// Checks that no digit is twice in a row, column or box. Blanks are allowed.
///
/// # Errors
/// Which digit, where; for another number of cells or digits that the side does not have.
pub fn check(cells: &[u32]) -> Result<(), String> {
    grid(cells).map(|_| ())
}

/// Whether this is a full grid within the rules.
pub fn is_solved(cells: &[u32]) -> bool {
    !cells.contains(&0) && check(cells).is_ok()
}

/// Up to `limit` solutions of a puzzle.
///
/// # Errors
/// As [`check`].
pub fn solutions(puzzle: &[u32], limit: usize) -> Result<Vec<Vec<u32>>, String> {
    Ok(grid(puzzle)?.solutions(limit))
}

fn grid(cells: &[u32]) -> Result<Grid, String> {
    let side = side(cells.len())?;
    let mut grid = Grid::new(side);
    for (cell, digit) in cells.iter().enumerate().filter(|(_, digit)| **digit != 0) {
        if *digit as usize > side {
            return Err(format!("{} is {digit}; digits go up to {side}", place(side, cell)));
        }
        if !grid.place(cell, *digit) {
            let units = Grid::units(side, cell);
            let meets = |other: &usize| {
                cells[*other] == *digit && Grid::units(side, *other).iter().zip(units).any(|(a, b)| *a == b)
            };
            // `place` refused, so an earlier cell of one of the three units holds the digit.
            let other = (0..cell).find(meets).unwrap_or(cell);
            let unit = Grid::units(side, other).iter().zip(units).position(|(a, b)| *a == b).unwrap_or(0);
            let unit = ["row", "column", "box"][unit];
            let (here, there) = (place(side, cell), place(side, other));
            return Err(format!("{digit} is twice in one {unit}: at {there} and at {here}"));
        }
    }
    Ok(grid)
}

/// The grid with digits renamed in the order in which they first appear: equal for grids that differ in the names of
/// digits alone.
pub fn canonical(cells: &[u32]) -> Vec<u32> {
    let mut names = [0; 16];
    let mut next = 0;
    let rename = |digit: &u32| {
        let name = &mut names[*digit as usize % 16];
        if *digit != 0 && *name == 0 {
            next += 1;
            *name = next;
        }
        *name
    };
    cells.iter().map(rename).collect()
}
