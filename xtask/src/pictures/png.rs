//! Still pictures of the grid.

use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{Rgb, RgbImage};

use super::colour::{OUTLINE, phase_colour, vector_colour};
use super::error::write_file;
use super::frame::{outline, scale_for};
use super::{Frame, PictureError, Silhouette, text};

/// The least width of a single picture in pixels.
const WIDTH: usize = 640;

/// A contact sheet: the least width of a tile, the space around tiles, the
/// heights of captions and of the phase key, and the tiles in one row.
const TILE: usize = 256;
const GAP: u32 = 16;
const CAPTION: u32 = 30;
const KEY: u32 = 44;
const COLUMNS: usize = 6;

/// Writes one frame as a PNG, with the silhouette outlined if there is one.
pub fn write_png(path: &Path, frame: &Frame, edge: Option<&Silhouette>) -> Result<(), PictureError> {
    save(path, &render(frame, edge, WIDTH)?)
}

/// Writes frames of one run side by side, each below its step number, and a
/// key of the phase colours if phases are all there is to see.
pub fn write_contact_sheet(path: &Path, frames: &[Frame], edge: Option<&Silhouette>) -> Result<(), PictureError> {
    let first = frames.first().ok_or(PictureError::Empty("the contact sheet has no frames"))?;
    let shape = (first.size(), first.dimension());
    let columns = frames.len().min(COLUMNS) as u32;
    let rows = frames.len().div_ceil(COLUMNS) as u32;
    let tile = (first.size() * scale_for(first.size(), TILE)) as u32;
    let key = if shape.1 < 3 { KEY } else { 0 };
    let size = u32::checked_mul(rows, tile + CAPTION + GAP)
        .and_then(|height| Some((columns * (tile + GAP) + GAP, height.checked_add(key)?)))
        // More than a gigabyte of pixels is a slip of the caller.
        .filter(|&(width, height)| u64::from(width) * u64::from(height) < 1 << 28)
        .ok_or_else(|| {
            PictureError::Shape(format!("{} frames are too many for one contact sheet; pick fewer", frames.len()))
        })?;

    let mut sheet = RgbImage::from_pixel(size.0, size.1, Rgb([255; 3]));
    let mut captions = Vec::with_capacity(frames.len());
    for (i, frame) in frames.iter().enumerate() {
        frame.check_like(shape)?;
        let (column, row) = ((i % COLUMNS) as u32, (i / COLUMNS) as u32);
        let left = GAP + column * (tile + GAP);
        let top = row * (tile + CAPTION + GAP) + CAPTION;
        let picture = render(frame, edge, TILE)?;
        image::imageops::replace(&mut sheet, &picture, left.into(), top.into());
        let caption = format!("step {}", grouped(frame.step()));
        captions.push((caption, left + tile / 2, top - CAPTION / 2));
    }
    if key > 0 {
        captions.extend(phase_key(&mut sheet));
    }
    for (caption, x, y) in &captions {
        text::stamp(&mut sheet, caption, 17, (*x, *y))?;
    }
    save(path, &sheet)
}

/// One frame in true colour, each cell a square of whole pixels.
fn render(frame: &Frame, edge: Option<&Silhouette>, width: usize) -> Result<RgbImage, PictureError> {
    let size = frame.size();
    let scale = scale_for(size, width);
    let side = size * scale;
    let line = edge.map(|silhouette| outline(silhouette, size, scale, scale.div_ceil(6))).transpose()?;
    let colours: Vec<[u8; 3]> = frame.vectors().map(vector_colour).collect();
    Ok(RgbImage::from_fn(side as u32, side as u32, |x, y| {
        let (x, y) = (x as usize, y as usize);
        let drawn = line.as_ref().is_some_and(|line| line[y * side + x]);
        Rgb(if drawn { OUTLINE } else { colours[y / scale * size + x / scale] })
    }))
}

/// Draws the bar of all phases along the bottom and returns its labels.
fn phase_key(sheet: &mut RgbImage) -> Vec<(String, u32, u32)> {
    let (width, height) = sheet.dimensions();
    let length = (width - 2 * GAP).min(240);
    let left = (width - length) / 2;
    let (top, thickness) = (height - KEY + 4, 10);
    for x in 0..length {
        let turn = (f64::from(x) + 0.5) / f64::from(length) - 0.5;
        let colour = Rgb(phase_colour(std::f64::consts::TAU * turn));
        for y in top..top + thickness {
            sheet.put_pixel(left + x, y, colour);
        }
    }
    let labels = ["−180°", "−90°", "0°", "90°", "180°"];
    (0..)
        .zip(labels)
        .map(|(i, label)| {
            let x = left + length * i / 4;
            (label.to_owned(), x, top + thickness + 12)
        })
        .collect()
}

/// A number with thin gaps between groups of three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) && digits.len() > 4 {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Encodes a picture and writes it.
pub(super) fn save(path: &Path, picture: &RgbImage) -> Result<(), PictureError> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::Adaptive);
    picture.write_with_encoder(encoder).map_err(|why| PictureError::Draw(why.to_string()))?;
    write_file(path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::super::scratch;
    use super::*;

    fn frame(step: u64, dimension: usize) -> Frame {
        let state = (0..16 * dimension).map(|i| (i as f32).sin()).collect();
        Frame::new(step, 4, dimension, state).unwrap()
    }

    #[test]
    fn stills_are_enlarged_and_repeatable() {
        let (path, again) = (scratch("still.png"), scratch("still-again.png"));
        let fish = Silhouette { size: 4, inside: (0..16).map(|cell| cell == 5).collect() };
        for path in [&path, &again] {
            write_png(path, &frame(0, 2), Some(&fish)).unwrap();
        }
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes, std::fs::read(&again).unwrap());
        let picture = image::load_from_memory(&bytes).unwrap().into_rgb8();
        assert_eq!(picture.dimensions(), (640, 640));
        assert!(picture.pixels().any(|p| p.0 == OUTLINE));
        std::fs::remove_file(path).unwrap();
        std::fs::remove_file(again).unwrap();
    }

    #[test]
    fn contact_sheets_hold_any_number_of_frames() {
        let path = scratch("sheet.png");
        for (count, dimension) in [(1, 1), (3, 2), (13, 4)] {
            let frames: Vec<_> = (0..count).map(|i| frame(1000 * i, dimension)).collect();
            write_contact_sheet(&path, &frames, None).unwrap();
            let (width, _) = image::image_dimensions(&path).unwrap();
            assert_eq!(width, 16 + 272 * count.min(6) as u32);
        }
        std::fs::remove_file(&path).unwrap();
        assert!(write_contact_sheet(&path, &[], None).is_err());
        let mixed = [frame(0, 2), frame(1, 3)];
        assert!(write_contact_sheet(&path, &mixed, None).is_err());
    }

    #[test]
    fn long_numbers_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1200), "1200");
        assert_eq!(grouped(1_234_567), "1 234 567");
    }
}
