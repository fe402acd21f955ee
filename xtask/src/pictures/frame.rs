//! One state of the grid, and what all pictures of it share.

use super::PictureError;
use super::silhouette::{Silhouette, check_size};

/// The state of a `size` x `size` grid of vectors at one time step.
#[derive(Clone, Debug)]
pub struct Frame {
    step: u64,
    size: usize,
    dimension: usize,
    state: Vec<f32>,
}

impl Frame {
    /// Takes the components of each oscillator in turn, oscillators row by
    /// row: component `k` of oscillator `i` is `state[i * dimension + k]`.
    pub fn new(step: u64, size: usize, dimension: usize, state: Vec<f32>) -> Result<Self, PictureError> {
        check_size(size)?;
        if dimension == 0 || (size * size).checked_mul(dimension) != Some(state.len()) {
            return Err(PictureError::Shape(format!(
                "step {step}: {} numbers do not make a {size} x {size} grid of vectors with \
                 {dimension} components",
                state.len()
            )));
        }
        Ok(Self { step, size, dimension, state })
    }

    /// The time step the state belongs to.
    pub(super) fn step(&self) -> u64 {
        self.step
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn dimension(&self) -> usize {
        self.dimension
    }

    /// One slice of components for each oscillator.
    pub(super) fn vectors(&self) -> impl Iterator<Item = &[f32]> {
        self.state.chunks_exact(self.dimension)
    }

    /// Refuses a frame that does not belong to the same run as `first`.
    pub(super) fn check_like(&self, first: (usize, usize)) -> Result<(), PictureError> {
        if (self.size, self.dimension) == first {
            return Ok(());
        }
        Err(PictureError::Shape(format!(
            "step {}: a grid of size {} with {} components follows one of size {} with {}",
            self.step, self.size, self.dimension, first.0, first.1
        )))
    }
}

/// The factor that makes a grid at least `width` pixels wide.
pub(super) fn scale_for(size: usize, width: usize) -> usize {
    width.div_ceil(size).max(1)
}

/// Which pixels of an enlarged grid draw the border of a silhouette: the
/// pixels inside it that lie within `thickness` of a cell outside it.
/// Row by row, `size * scale` pixels each.
pub(super) fn outline(
    silhouette: &Silhouette,
    size: usize,
    scale: usize,
    thickness: usize,
) -> Result<Vec<bool>, PictureError> {
    if silhouette.size != size || silhouette.inside.len() != size * size {
        return Err(PictureError::Shape(format!(
            "a silhouette of size {} with {} cells does not fit a grid of size {size}",
            silhouette.size,
            silhouette.inside.len()
        )));
    }
    let side = size * scale;
    let mut line = vec![false; side * side];
    for (pixel, drawn) in line.iter_mut().enumerate() {
        let (x, y) = (pixel % side, pixel / side);
        // Cells beyond the grid do not count: no line runs along the rim.
        let near = |at: usize| at.saturating_sub(thickness) / scale..=(at + thickness).min(side - 1) / scale;
        *drawn = silhouette.inside[y / scale * size + x / scale]
            && near(y).any(|row| near(x).any(|column| !silhouette.inside[row * size + column]));
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_hold_exactly_one_grid() {
        assert!(Frame::new(0, 2, 2, vec![0.0; 8]).is_ok());
        assert!(Frame::new(0, 2, 2, vec![0.0; 7]).is_err());
        assert!(Frame::new(0, 2, 0, vec![]).is_err());
        assert!(Frame::new(0, 0, 2, vec![]).is_err());
        assert!(Frame::new(0, 2, usize::MAX, vec![]).is_err());
    }

    #[test]
    fn the_line_runs_inside_the_shape() {
        let mut inside = vec![false; 9];
        inside[4] = true;
        let one = Silhouette { size: 3, inside };
        let line = outline(&one, 3, 4, 1).unwrap();
        assert_eq!(line.iter().filter(|&&l| l).count(), 12);
        assert!(line[4 * 12 + 4] && !line[5 * 12 + 5] && !line[3 * 12 + 4]);
        assert!(outline(&one, 4, 4, 1).is_err());
    }

    #[test]
    fn an_empty_silhouette_has_no_line() {
        let none = Silhouette::none(3).unwrap();
        let line = outline(&none, 3, 2, 1).unwrap();
        assert!(line.iter().all(|&l| !l));
    }
}
