//! Matrices that tell attention where tokens are: one 2 x 2 block per token and pair of head channels,
//! `[tokens, head_dim / 2, 2, 2]`, for [`AttentionWeights::positions`](crate::AttentionWeights::positions).
//!
//! Each producer returns rotations `[[cos a, -sin a], [sin a, cos a]]`. A published checkpoint carries matrices that were
//! trained from there and are rotations no more: load those instead of building them anew.

use crate::error::{Error, ErrorKind, Result};
use crate::tape::{Tape, Var};

/// Matrices of geometric transform attention on a grid of `height` x `width` tokens in row-major order: with
/// `F = ceil(head_dim / 4)` frequencies `10000^(-j / F)`, block `2 j` turns by the row and block `2 j + 1` by the column,
/// times frequency `j`; the first `head_dim / 2` blocks are kept. Where they start in AKOrN; the result's matrices start
/// at their [`transposed`].
///
/// # Errors
/// `Param` for an odd or zero `head_dim`, `Index` for more elements than 32-bit indices reach.
pub fn gta(height: usize, width: usize, head_dim: usize) -> Result<Vec<f32>> {
    let blocks = check("gta", height.checked_mul(width), head_dim)?;
    let frequencies = head_dim.div_ceil(4);
    let mut matrices = Vec::with_capacity(height * width * head_dim * 2);
    for token in 0..height * width {
        for m in 0..blocks {
            let coordinate = if m % 2 == 0 { token / width } else { token % width };
            let frequency = 10_000f64.powf(-((m / 2) as f64) / frequencies as f64);
            matrices.extend(rotation(coordinate as f64 * frequency));
        }
    }
    Ok(matrices)
}

/// Rotary matrices: block `j` of a token turns by its position times `base^(-2 j / head_dim)`. For queries and keys, so
/// that scores depend on differences of positions alone. Source: RoFormer (Su et al., 2021), equation 15.
///
/// # Errors
/// `Param` for an odd or zero `head_dim` and for a `base` that is not positive and finite, `Index` for more elements than
/// 32-bit indices reach.
pub fn rope(tokens: usize, head_dim: usize, base: f64) -> Result<Vec<f32>> {
    let blocks = check("rope", Some(tokens), head_dim)?;
    if !(base.is_finite() && base > 0.0) {
        return Err(Error::argument(ErrorKind::Param, "rope", "base", base, "a positive number"));
    }
    let mut matrices = Vec::with_capacity(tokens * head_dim * 2);
    for token in 0..tokens {
        for j in 0..blocks {
            let frequency = base.powf(-((2 * j) as f64) / head_dim as f64);
            matrices.extend(rotation(token as f64 * frequency));
        }
    }
    Ok(matrices)
}

/// Matrices of a board of `side` x `side` cells in boxes of `b` x `b`, `b * b = side`: each cell has four coordinates modulo
/// `b` (its row of boxes, its row in there, likewise its columns), and a block turns by `2 pi / b` times an integer combination
/// of them, so that scores depend on the differences of coordinates alone. The combinations are those that tell whether two
/// cells share a box, a row or a column: nothing, then all of the coordinates of a box, of a row, of a column, each and its
/// negative once; 8 for `side` 4, 11 for `side` 9. They repeat over the `head_dim / 2` blocks of a head.
///
/// # Errors
/// `Param` for a `side` that is no square number of at least 4, and for an odd or zero `head_dim`; `Index` for more elements
/// than 32-bit indices reach.
pub fn board(side: usize, head_dim: usize) -> Result<Vec<f32>> {
    let boxed = side.isqrt();
    if boxed < 2 || boxed * boxed != side {
        return Err(Error::argument(
            ErrorKind::Param,
            "board",
            "side",
            side,
            "the square of the side of a box, from 4",
        ));
    }
    let blocks = check("board", side.checked_mul(side), head_dim)?;
    let turns = combinations(boxed, blocks);
    let mut matrices = Vec::with_capacity(side * side * head_dim * 2);
    for cell in 0..side * side {
        let (row, column) = (cell / side, cell % side);
        let at = [row / boxed, row % boxed, column / boxed, column % boxed];
        for turn in turns.iter().cycle().take(blocks) {
            let steps = turn.iter().zip(at).map(|(k, x)| k * x).sum::<usize>() % boxed;
            matrices.extend(rotation(std::f64::consts::TAU * steps as f64 / boxed as f64));
        }
    }
    Ok(matrices)
}

/// The first `most` combinations of the coordinates of a cell that [`board`] turns by.
fn combinations(boxed: usize, most: usize) -> Vec<[usize; 4]> {
    let mut list = vec![[0; 4]];
    for [first, second] in [[0, 2], [0, 1], [2, 3]] {
        for a in 0..boxed {
            for b in 0..boxed {
                if list.len() >= most {
                    return list;
                }
                let mut turn = [0; 4];
                (turn[first], turn[second]) = (a, b);
                // A block turns one way for a combination and the other way for its negative.
                let negative = turn.map(|k| (boxed - k) % boxed);
                if !list.contains(&turn) && !list.contains(&negative) {
                    list.push(turn);
                }
            }
        }
    }
    list
}

/// Each block transposed; the inverse of rotations.
///
/// # Errors
/// `Shape` if the matrices are not whole blocks of four.
pub fn transposed(matrices: &[f32]) -> Result<Vec<f32>> {
    if !matrices.len().is_multiple_of(4) {
        let wanted = "a multiple of 4, blocks of 2 x 2";
        return Err(Error::argument(ErrorKind::Shape, "transposed", "number of elements", matrices.len(), wanted));
    }
    Ok(matrices.chunks_exact(4).flat_map(|m| [m[0], m[2], m[1], m[3]]).collect())
}

/// Matrices of a grid of `from` rows and columns on one of `to`: every entry resampled bilinearly, corners not aligned,
/// as the published code does when a model meets another grid than it was trained on. Differentiable.
///
/// # Errors
/// `Shape` if `matrices` is not `[rows * columns, head_dim / 2, 2, 2]`; as [`Tape::resize_bilinear`].
pub fn resized(tape: &mut Tape, matrices: Var, from: [usize; 2], to: [usize; 2]) -> Result<Var> {
    let shape = tape.spec(matrices)?.shape;
    let tokens = from[0].checked_mul(from[1]);
    let blocks = match shape.as_slice() {
        [rows, blocks, 2, 2] if Some(*rows) == tokens => *blocks,
        _ => {
            let wanted = format!("[{} * {}, head_dim / 2, 2, 2]", from[0], from[1]);
            return Err(Error::argument(ErrorKind::Shape, "resized", "matrices", format!("{shape:?}"), wanted));
        }
    };
    if from == to {
        return Ok(matrices);
    }
    let grid = tape.reshape(matrices, &[from[0], from[1], blocks * 4])?;
    let grid = tape.resize_bilinear(grid, 0, to)?;
    tape.reshape(grid, &[to[0] * to[1], blocks, 2, 2])
}

/// Blocks of a head, after checking extents.
fn check(name: &str, tokens: Option<usize>, head_dim: usize) -> Result<usize> {
    if head_dim == 0 || !head_dim.is_multiple_of(2) {
        return Err(Error::argument(ErrorKind::Param, name, "head_dim", head_dim, "even and at least 2"));
    }
    let elements = tokens.and_then(|tokens| tokens.checked_mul(head_dim)?.checked_mul(2));
    if elements.is_none_or(|n| u32::try_from(n).is_err()) {
        let message = format!("{name}: more matrices than 32-bit indices reach ({})", u32::MAX);
        return Err(Error::new(ErrorKind::Index, message));
    }
    Ok(head_dim / 2)
}

fn rotation(angle: f64) -> [f32; 4] {
    let (sin, cos) = angle.sin_cos();
    [cos, -sin, sin, cos].map(|v| v as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn angle(matrices: &[f32], block: usize) -> f64 {
        let m = &matrices[4 * block..];
        assert_eq!((m[0], m[1]), (m[3], -m[2]), "block {block} is no rotation");
        f64::from(m[2]).atan2(f64::from(m[0]))
    }

    #[test]
    fn gta_turns_even_blocks_by_the_row_and_odd_ones_by_the_column() {
        // head_dim 6: F = 2 frequencies, 3 of the 4 blocks.
        let (height, width, dim) = (3, 2, 6);
        let matrices = gta(height, width, dim).unwrap();
        assert_eq!(matrices.len(), 6 * 3 * 4);
        for row in 0..height {
            for column in 0..width {
                let first = (row * width + column) * 3;
                let wanted = [row as f64, column as f64, row as f64 * 0.01];
                for (m, wanted) in wanted.iter().enumerate() {
                    approx::assert_abs_diff_eq!(angle(&matrices, first + m), *wanted, epsilon = 1e-7);
                }
            }
        }
        // head_dim 2: the row alone. head_dim 10: F = 3.
        assert_eq!(gta(2, 5, 2).unwrap()[5 * 4..][..4], rotation(1.0));
        let last = gta(2, 1, 10).unwrap();
        approx::assert_abs_diff_eq!(angle(&last, 5 + 4), 10_000f64.powf(-2.0 / 3.0), epsilon = 1e-7);
    }

    #[test]
    fn rope_turns_block_j_by_a_power_of_the_base() {
        let matrices = rope(4, 6, 100.0).unwrap();
        for token in 0..4 {
            for j in 0..3 {
                let wanted = token as f64 * 100f64.powf(-(j as f64) / 3.0);
                approx::assert_abs_diff_eq!(angle(&matrices, token * 3 + j), wanted, epsilon = 1e-6);
            }
        }
    }

    /// What a score of one number per combination can express: which cells share a box, a row, a column.
    #[test]
    fn board_tells_which_cells_share_a_unit() {
        for (boxed, combinations) in [(2usize, 8), (3, 11)] {
            let side = boxed * boxed;
            let matrices = board(side, 2 * combinations).unwrap();
            let angles = |cell: usize| (0..combinations).map(move |m| (cell, m));
            let angles: Vec<Vec<f64>> = (0..side * side)
                .map(|cell| angles(cell).map(|(cell, m)| angle(&matrices, cell * combinations + m)).collect())
                .collect();
            let turns = super::combinations(boxed, usize::MAX);
            assert_eq!(turns.len(), combinations);
            for (unit, [first, second]) in [[0, 2], [0, 1], [2, 3]].into_iter().enumerate() {
                for i in 0..side * side {
                    for j in 0..side * side {
                        // The sum of all characters of a group is its order at the identity and 0 elsewhere.
                        let inside = |turn: &[usize; 4]| (0..4).all(|at| at == first || at == second || turn[at] == 0);
                        let sum: f64 = (0..combinations)
                            .filter(|m| inside(&turns[*m]))
                            .map(|m| {
                                let twice = turns[m].iter().any(|k| (2 * k) % boxed != 0);
                                (angles[i][m] - angles[j][m]).cos() * if twice { 2.0 } else { 1.0 }
                            })
                            .sum();
                        let names = |cell: usize| {
                            let (row, column) = (cell / side, cell % side);
                            [row / boxed * boxed + column / boxed, row, column]
                        };
                        let shared = if names(i)[unit] == names(j)[unit] { side as f64 } else { 0.0 };
                        approx::assert_abs_diff_eq!(sum, shared, epsilon = 1e-5);
                    }
                }
            }
        }
        // A head with room for fewer has the first, one with room for more has them again.
        let (two, ten) = (board(4, 4).unwrap(), board(4, 20).unwrap());
        assert_eq!(two[5 * 8..][..8], ten[5 * 40..][..8]);
        assert_eq!(ten[5 * 40..][..8], ten[5 * 40 + 32..][..8]);
    }

    #[test]
    fn transposing_inverts_a_rotation() {
        let matrices = gta(4, 3, 8).unwrap();
        let inverse = transposed(&matrices).unwrap();
        assert_eq!(transposed(&inverse).unwrap(), matrices);
        for (m, t) in matrices.chunks_exact(4).zip(inverse.chunks_exact(4)) {
            approx::assert_abs_diff_eq!(m[0] * t[0] + m[1] * t[2], 1.0, epsilon = 1e-6);
            approx::assert_abs_diff_eq!(m[0] * t[1] + m[1] * t[3], 0.0, epsilon = 1e-6);
        }
    }

    #[test]
    fn bad_extents_are_refused() {
        let kind = |result: Result<Vec<f32>>| result.map(|_| ()).unwrap_err().kind();
        assert_eq!(kind(gta(2, 2, 3)), ErrorKind::Param);
        assert_eq!(kind(gta(2, 2, 0)), ErrorKind::Param);
        assert_eq!(kind(gta(usize::MAX, 2, 4)), ErrorKind::Index);
        assert_eq!(kind(gta(1 << 20, 1 << 10, 4)), ErrorKind::Index);
        assert_eq!(kind(rope(4, 5, 10.0)), ErrorKind::Param);
        assert_eq!(kind(rope(1 << 31, 2, 10.0)), ErrorKind::Index);
        for base in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(kind(rope(4, 4, base)), ErrorKind::Param);
        }
        for side in [0, 1, 2, 8] {
            assert_eq!(kind(board(side, 4)), ErrorKind::Param);
        }
        assert_eq!(kind(board(4, 7)), ErrorKind::Param);
        assert_eq!(kind(board(1 << 16, 4)), ErrorKind::Index);
        assert_eq!(kind(transposed(&[1.0; 6])), ErrorKind::Shape);
        assert_eq!(gta(0, 3, 4).unwrap(), Vec::<f32>::new());
    }

    #[test]
    fn matrices_of_another_grid_are_resampled_entry_by_entry() {
        let mut tape = Tape::reference();
        // Entry e of block m at (r, c) is an affine function of the place: bilinear resampling finds it again.
        let place = |r: f64, c: f64, m: usize, e: usize| 1.0 + m as f64 - 0.5 * e as f64 + 2.0 * r - 3.0 * c;
        let data: Vec<f64> =
            (0..4 * 6 * 2 * 4).map(|i| place((i / 48) as f64, (i / 8 % 6) as f64, i / 4 % 2, i % 4)).collect();
        let value = tape.upload(&data, &[24, 2, 2, 2], crate::kernel::DType::F32).unwrap();
        let matrices = tape.leaf(value);
        assert_eq!(resized(&mut tape, matrices, [4, 6], [4, 6]).unwrap(), matrices);
        let halved = resized(&mut tape, matrices, [4, 6], [2, 3]).unwrap();
        assert_eq!(tape.spec(halved).unwrap().shape, [6, 2, 2, 2]);
        for (i, got) in tape.read(halved).unwrap().iter().enumerate() {
            let (r, c) = (0.5 + 2.0 * (i / 24) as f64, 0.5 + 2.0 * (i / 8 % 3) as f64);
            approx::assert_abs_diff_eq!(*got, place(r, c, i / 4 % 2, i % 4), epsilon = 1e-12);
        }
        let wrong = resized(&mut tape, matrices, [4, 5], [2, 3]).unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::Shape);
    }
}
