//! Contact sheets: tiles of square pictures in rows.

use std::path::Path;

use image::{Rgb, RgbImage};

/// The side of a tile in pixels, and the space between two.
const TILE: u32 = 96;
const SPACE: u32 = 4;
const PAPER: Rgb<u8> = Rgb([255, 255, 255]);

/// A square picture in colours of its own resolution.
pub struct Tile {
    side: usize,
    pixels: Vec<[u8; 3]>,
}

impl Tile {
    /// An image `[3, side, side]` with values in `[0, 1]`.
    pub fn photo(image: &[f32], side: usize) -> Tile {
        let area = side * side;
        let byte = |value: f32| (255.0 * value.clamp(0.0, 1.0)).round() as u8;
        let pixels = (0..area).map(|at| [0, 1, 2].map(|channel| byte(image[channel * area + at]))).collect();
        Tile { side, pixels }
    }

    /// One colour per label; 0 is black if it stands for a background.
    pub fn labels(labels: &[usize], side: usize, background: bool) -> Tile {
        let colour = |label: usize| match label {
            0 if background => [0; 3],
            // The golden ratio keeps the hues of neighbouring numbers apart.
            label => wheel(0.618_034 * label as f32, 0.6, if label % 2 == 0 { 0.95 } else { 0.75 }),
        };
        Tile { side, pixels: labels.iter().map(|label| colour(*label)).collect() }
    }

    /// The phases of oscillator `which` of `n` components in a state `[channels, side, side]` of any scale: the angle of
    /// the first two components is the hue, and their part of the whole length is how deep it is.
    pub fn phases(state: &[f32], side: usize, n: usize, which: usize) -> Tile {
        let area = side * side;
        let component = |at: usize, k: usize| state[(which * n + k) * area + at];
        let colour = |at: usize| {
            let whole = (0..n).map(|k| component(at, k).powi(2)).sum::<f32>().sqrt();
            let (x, y) = (component(at, 0), component(at, 1));
            let part = x.hypot(y) / whole;
            // What is no number, or no direction, is grey and not some phase.
            if !part.is_finite() {
                return [128; 3];
            }
            wheel(y.atan2(x) / std::f32::consts::TAU, part.min(1.0), 0.95)
        };
        Tile { side, pixels: (0..area).map(colour).collect() }
    }

    fn at(&self, x: u32, y: u32) -> Rgb<u8> {
        let place = |at: u32| at as usize * self.side / TILE as usize;
        Rgb(self.pixels[place(y) * self.side + place(x)])
    }
}

/// The colour of a hue, which is counted in turns.
fn wheel(turns: f32, saturation: f32, value: f32) -> [u8; 3] {
    let channel = |offset: f32| {
        let distance = ((turns + offset).rem_euclid(1.0) * 6.0 - 3.0).abs();
        let part = 1.0 - saturation + saturation * (distance - 1.0).clamp(0.0, 1.0);
        (255.0 * value * part).round() as u8
    };
    [channel(0.0), channel(2.0 / 3.0), channel(1.0 / 3.0)]
}

/// Writes rows of tiles as a PNG file; `None` leaves a place empty.
pub fn write(path: &Path, rows: &[Vec<Option<Tile>>]) -> image::ImageResult<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0) as u32;
    let extent = |count: u32| (count * (TILE + SPACE) + SPACE).max(1);
    let mut sheet = RgbImage::from_pixel(extent(columns), extent(rows.len() as u32), PAPER);
    for (row, tiles) in (0u32..).zip(rows) {
        for (column, tile) in (0u32..).zip(tiles) {
            let Some(tile) = tile else { continue };
            for y in 0..TILE {
                for x in 0..TILE {
                    let (left, top) = (SPACE + column * (TILE + SPACE), SPACE + row * (TILE + SPACE));
                    sheet.put_pixel(left + x, top + y, tile.at(x, y));
                }
            }
        }
    }
    sheet.save(path)
}
