//! Animations of the grid.

use std::path::Path;
use std::time::Duration;

use ::gif::{Encoder, Frame as Picture, Repeat};

use super::colour::Palette;
use super::error::write_file;
use super::frame::{outline, scale_for};
use super::{Frame, PictureError, Silhouette};

/// The least width of an animation in pixels.
const WIDTH: usize = 384;

/// How long the last frame stays, in hundredths of a second.
const HOLD: u16 = 150;

/// Writes frames of one run as an animated GIF that loops for ever.
///
/// Each cell becomes a square of whole pixels. `pause` is the time between
/// frames; viewers do not show less than 20 ms, so shorter ones are raised to
/// that. With an `edge`, a dark line one pixel wide marks the silhouette.
pub fn write_gif(
    path: &Path,
    frames: impl IntoIterator<Item = Frame>,
    pause: Duration,
    edge: Option<&Silhouette>,
) -> Result<(), PictureError> {
    let mut frames = frames.into_iter().peekable();
    let first = frames.peek().ok_or(PictureError::Empty("the animation has no frames"))?;
    let (size, dimension) = (first.size(), first.dimension());
    let scale = scale_for(size, WIDTH);
    // The grid size has a limit far below 65 536, so the side always fits.
    let side = u16::try_from(size * scale).map_err(|why| PictureError::Draw(why.to_string()))?;
    let line = edge.map(|silhouette| outline(silhouette, size, scale, 1)).transpose()?;
    let pause = u16::try_from(pause.as_millis() / 10).unwrap_or(u16::MAX).max(2);

    let palette = Palette::new(dimension);
    let mut encoder = Encoder::new(Vec::new(), side, side, &palette.rgb()).map_err(refused)?;
    encoder.set_repeat(Repeat::Infinite).map_err(refused)?;
    let mut shown: Option<Vec<u8>> = None;
    while let Some(frame) = frames.next() {
        frame.check_like((size, dimension))?;
        let cells: Vec<u8> = frame.vectors().map(|x| palette.index(x)).collect();
        let part = Part::changed(shown.as_deref(), &cells, size);
        let mut picture = part.enlarge(&cells, line.as_deref(), size, scale);
        picture.delay = if frames.peek().is_some() { pause } else { HOLD };
        encoder.write_frame(&picture).map_err(refused)?;
        shown = Some(cells);
    }
    let bytes = encoder.into_inner().map_err(|why| PictureError::Draw(why.to_string()))?;
    write_file(path, &bytes)
}

fn refused(why: ::gif::EncodingError) -> PictureError {
    PictureError::Draw(why.to_string())
}

/// The cells that a frame redraws. Once the outside is locked only the
/// silhouette moves, which keeps the file small.
struct Part {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl Part {
    /// The smallest rectangle that holds all differences, at least one cell
    /// since a frame cannot be empty.
    fn changed(before: Option<&[u8]>, now: &[u8], size: usize) -> Self {
        let Some(before) = before else {
            return Self { left: 0, top: 0, width: size, height: size };
        };
        let differences = (0..now.len()).filter(|&cell| before[cell] != now[cell]);
        let corners = differences.fold(None, |corners, cell| {
            let (x, y) = (cell % size, cell / size);
            let (left, top, right, bottom) = corners.unwrap_or((x, y, x, y));
            Some((left.min(x), top.min(y), right.max(x), bottom.max(y)))
        });
        let (left, top, right, bottom) = corners.unwrap_or((0, 0, 0, 0));
        Self { left, top, width: right - left + 1, height: bottom - top + 1 }
    }

    /// The pixels of this part. All numbers fit, since those of the whole
    /// picture do.
    fn enlarge(&self, cells: &[u8], line: Option<&[bool]>, size: usize, scale: usize) -> Picture<'static> {
        let columns = self.left * scale..(self.left + self.width) * scale;
        let rows = self.top * scale..(self.top + self.height) * scale;
        let mut buffer = Vec::with_capacity(columns.len() * rows.len());
        for y in rows.clone() {
            for x in columns.clone() {
                let drawn = line.is_some_and(|line| line[y * size * scale + x]);
                buffer.push(if drawn { Palette::OUTLINE } else { cells[y / scale * size + x / scale] });
            }
        }
        Picture {
            left: columns.start as u16,
            top: rows.start as u16,
            width: columns.len() as u16,
            height: rows.len() as u16,
            buffer: buffer.into(),
            ..Picture::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scratch;
    use super::*;

    fn frame(step: u64, phase: f32) -> Frame {
        let mut state: Vec<f32> = [1.0, 0.0].repeat(9);
        state[8..10].copy_from_slice(&[phase.cos(), phase.sin()]);
        Frame::new(step, 3, 2, state).unwrap()
    }

    fn write(name: &str, frames: Vec<Frame>) -> Result<Vec<u8>, PictureError> {
        let path = scratch(name);
        let fish = Silhouette { size: 3, inside: (0..9).map(|cell| cell == 4).collect() };
        write_gif(&path, frames, Duration::from_millis(40), Some(&fish))?;
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        Ok(bytes)
    }

    #[test]
    fn animations_loop_and_hold_the_last_frame() {
        let frames = || vec![frame(0, 0.0), frame(1, 1.0), frame(2, 1.0)];
        let bytes = write("loop.gif", frames()).unwrap();
        assert_eq!(bytes, write("again.gif", frames()).unwrap());

        let mut decoder = ::gif::Decoder::new(&bytes[..]).unwrap();
        assert_eq!((decoder.width(), decoder.height()), (384, 384));
        assert_eq!(decoder.repeat(), Repeat::Infinite);
        let mut seen = Vec::new();
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            seen.push((frame.left, frame.width, frame.delay));
        }
        assert_eq!(seen, [(0, 384, 4), (128, 128, 4), (0, 128, 150)]);
    }

    #[test]
    fn frames_that_do_not_fit_are_refused() {
        assert!(matches!(write("none.gif", vec![]), Err(PictureError::Empty(_))));
        let other = Frame::new(1, 2, 2, vec![1.0; 8]).unwrap();
        assert!(write("mixed.gif", vec![frame(0, 0.0), other.clone()]).is_err());
        assert!(write("edge.gif", vec![other]).is_err());
        let nowhere = scratch("no-such-folder").join("a.gif");
        let why = write_gif(&nowhere, [frame(0, 0.0)], Duration::ZERO, None).unwrap_err();
        assert!(matches!(why, PictureError::Write(..)));
    }
}
