//! Which oscillators lie inside the shape and which outside.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use image::codecs::png::PngDecoder;
use image::{DynamicImage, ImageDecoder, Limits, RgbaImage};

use super::PictureError;

/// The largest grid side: 16 million oscillators, beyond any demo.
pub(super) const MAX_SIZE: usize = 4096;

/// The largest picture that is decoded.
const MAX_PIXELS: u64 = 64_000_000;

/// A shape on a square grid of oscillators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silhouette {
    /// Cells along each side.
    pub size: usize,
    /// Whether each cell is inside the shape, row by row from the top left.
    pub inside: Vec<bool>,
}

impl Silhouette {
    /// The built-in shape: an elliptic body with a triangular tail.
    pub fn fish(size: usize) -> Result<Self, PictureError> {
        check_size(size)?;
        // Both axes run over [-1, 1] with the end points included, as in the
        // published experiment; pixel centres would give a larger fish.
        let coordinate = |i: usize| -1.0 + 2.0 * i as f64 / (size.max(2) - 1) as f64;
        let inside = (0..size * size)
            .map(|cell| {
                let (x, y) = (coordinate(cell % size), coordinate(cell / size));
                let body = ((x + 0.1) / 0.55).powi(2) + (y / 0.3).powi(2) < 1.0;
                let tail = x > 0.35 && x < 0.8 && y.abs() < 0.8 * (x - 0.35);
                body || tail
            })
            .collect();
        Self { size, inside }.with_both_sides("the built-in fish")
    }

    /// No shape at all, for the control run.
    pub fn none(size: usize) -> Result<Self, PictureError> {
        check_size(size)?;
        Ok(Self { size, inside: vec![false; size * size] })
    }

    /// Reads a shape from a PNG file and fits it into the grid.
    ///
    /// With transparency in the picture, the shape is what is at least half
    /// opaque. Without, the picture is split at its Otsu threshold and the
    /// shape is the side that touches the border of the picture less. The
    /// aspect ratio is kept; the bars this leaves are outside.
    pub fn from_png(path: &Path, size: usize) -> Result<Self, PictureError> {
        check_size(size)?;
        let picture = decode(path)?;
        let fit = Fit::new(picture.width() as usize, picture.height() as usize, size);
        let see_through = picture.pixels().any(|p| p.0[3] < u8::MAX);
        let fitted = if see_through {
            fit.resample(|x, y| f64::from(picture.get_pixel(x, y).0[3]))
                .into_iter()
                .map(|alpha| alpha >= 127.5)
                .collect()
        } else {
            split(&fit.resample(|x, y| luminance(picture.get_pixel(x, y).0)), &fit)
        };
        let mut inside = vec![false; size * size];
        let rows = inside.chunks_exact_mut(size).skip(fit.top);
        for (row, line) in rows.zip(fitted.chunks_exact(fit.width)) {
            row[fit.left..fit.left + fit.width].copy_from_slice(line);
        }
        Self { size, inside }.with_both_sides(&path.display().to_string())
    }

    /// Refuses a shape that is all inside or all outside.
    fn with_both_sides(self, source: &str) -> Result<Self, PictureError> {
        let count = self.inside.iter().filter(|&&inside| inside).count();
        if count == 0 {
            Err(PictureError::NothingInside(format!("{source} at size {}", self.size)))
        } else if count == self.inside.len() {
            Err(PictureError::NothingOutside(format!("{source} at size {}", self.size)))
        } else {
            Ok(self)
        }
    }
}

pub(super) fn check_size(size: usize) -> Result<(), PictureError> {
    match size {
        1..=MAX_SIZE => Ok(()),
        _ => Err(PictureError::Size(size)),
    }
}

fn decode(path: &Path) -> Result<RgbaImage, PictureError> {
    let file = File::open(path).map_err(|why| PictureError::Read(path.to_owned(), why))?;
    let refused = |why: image::ImageError| PictureError::Decode(path.to_owned(), why.to_string());
    // The header alone tells the dimensions, before any pixel costs memory.
    // 64 megapixels of 16-bit RGBA need half a gibibyte.
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(1 << 30);
    let decoder = PngDecoder::with_limits(BufReader::new(file), limits).map_err(refused)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(PictureError::TooManyPixels { path: path.to_owned(), width, height });
    }
    Ok(DynamicImage::from_decoder(decoder).map_err(refused)?.into_rgba8())
}

/// Rec. 709 luma of the encoded values, from 0 to 255.
fn luminance([r, g, b, _]: [u8; 4]) -> f64 {
    0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b)
}

/// Where a picture lands in the grid.
struct Fit {
    source: (usize, usize),
    width: usize,
    height: usize,
    left: usize,
    top: usize,
}

impl Fit {
    fn new(width: usize, height: usize, size: usize) -> Self {
        let longest = width.max(height);
        let scaled = |side: usize| {
            let cells = (side as f64 * size as f64 / longest as f64).round() as usize;
            cells.clamp(1, size)
        };
        let source = (width, height);
        let (width, height) = (scaled(width), scaled(height));
        Self { source, width, height, left: (size - width) / 2, top: (size - height) / 2 }
    }

    /// The mean over the area that each cell covers, row by row.
    fn resample(&self, sample: impl Fn(u32, u32) -> f64) -> Vec<f64> {
        let columns = coverage(self.source.0, self.width);
        let rows = coverage(self.source.1, self.height);
        let mut cells = Vec::with_capacity(self.width * self.height);
        for row in &rows {
            for column in &columns {
                let (mut sum, mut area) = (0.0, 0.0);
                for &(y, part_y) in row {
                    for &(x, part_x) in column {
                        sum += part_x * part_y * sample(x, y);
                        area += part_x * part_y;
                    }
                }
                cells.push(sum / area);
            }
        }
        cells
    }
}

/// For each of `cells` equal parts of a line of `pixels`: the pixels it
/// covers, and how much of each.
fn coverage(pixels: usize, cells: usize) -> Vec<Vec<(u32, f64)>> {
    (0..cells)
        .map(|cell| {
            // In units of 1 / cells of a pixel, where everything is whole.
            let (from, to) = (cell * pixels, (cell + 1) * pixels);
            (from / cells..to.div_ceil(cells))
                .map(|p| {
                    let part = to.min((p + 1) * cells) - from.max(p * cells);
                    (p as u32, part as f64)
                })
                .collect()
        })
        .collect()
}

/// Splits grey values into shape and ground: the side that has fewer cells
/// on the border is the shape, the dark one if both have as many.
fn split(grey: &[f64], fit: &Fit) -> Vec<bool> {
    let grey: Vec<u8> = grey.iter().map(|g| g.round() as u8).collect();
    let threshold = otsu(&grey);
    let on_border = |cell: usize| {
        let (x, y) = (cell % fit.width, cell / fit.width);
        x == 0 || y == 0 || x + 1 == fit.width || y + 1 == fit.height
    };
    let border = grey.iter().enumerate().filter(|&(cell, _)| on_border(cell));
    let (dark, light): (Vec<u8>, Vec<u8>) = border.map(|(_, &g)| g).partition(|&g| g <= threshold);
    let shape_is_dark = dark.len() <= light.len();
    grey.iter().map(|&g| (g <= threshold) == shape_is_dark).collect()
}

/// The grey value up to which pixels are dark, chosen so that the variance
/// between dark and light is largest (Otsu 1979).
fn otsu(grey: &[u8]) -> u8 {
    let mut histogram = [0.0_f64; 256];
    for &g in grey {
        histogram[usize::from(g)] += 1.0;
    }
    let count = grey.len() as f64;
    let total: f64 = (0..256).map(|g| g as f64 * histogram[g]).sum();
    let (mut dark, mut dark_sum) = (0.0, 0.0);
    let (mut best, mut threshold) = (-1.0, 0);
    for value in 0..=u8::MAX {
        dark += histogram[usize::from(value)];
        dark_sum += f64::from(value) * histogram[usize::from(value)];
        if dark == 0.0 || dark == count {
            continue;
        }
        let gap = dark_sum / dark - (total - dark_sum) / (count - dark);
        let variance = dark * (count - dark) * gap * gap;
        if variance > best {
            (best, threshold) = (variance, value);
        }
    }
    threshold
}

#[cfg(test)]
#[path = "silhouette_tests.rs"]
mod tests;
