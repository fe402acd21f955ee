//! What can go wrong with a picture, said in one line.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a picture could not be read or made, and what to do about it.
#[derive(Debug)]
pub enum PictureError {
    /// A file cannot be opened for reading.
    Read(PathBuf, io::Error),
    /// A file cannot be written.
    Write(PathBuf, io::Error),
    /// A file is not a PNG, or is a damaged one.
    Decode(PathBuf, String),
    /// A PNG has more pixels than is sensible for a silhouette.
    TooManyPixels { path: PathBuf, width: u32, height: u32 },
    /// A grid size that is 0 or absurdly large.
    Size(usize),
    /// A silhouette covers no cell of the grid. Holds the name of its source.
    NothingInside(String),
    /// A silhouette covers every cell of the grid. Holds the name of its source.
    NothingOutside(String),
    /// The numbers handed in do not fit together.
    Shape(String),
    /// There is nothing to draw. Holds what is missing.
    Empty(&'static str),
    /// An encoder or the plotting library refused.
    Draw(String),
}

impl fmt::Display for PictureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, why) => write!(f, "{}: cannot be read ({why}); check the path", path.display()),
            Self::Write(path, why) => {
                write!(f, "{}: cannot be written ({why}); check that its folder exists and is writable", path.display())
            }
            Self::Decode(path, why) => {
                write!(f, "{}: cannot be decoded as PNG ({why}); save the picture as a PNG file", path.display())
            }
            Self::TooManyPixels { path, width, height } => write!(
                f,
                "{}: {width} x {height} pixels are more than 64 megapixels; scale the picture down",
                path.display()
            ),
            Self::Size(size) => write!(f, "grid size {size}: must be from 1 to {}", super::silhouette::MAX_SIZE),
            Self::NothingInside(source) => write!(
                f,
                "{source}: no pixel is inside the silhouette; the shape must be opaque on a \
                 transparent ground, or dark on a light ground, and large enough for the grid"
            ),
            Self::NothingOutside(source) => write!(
                f,
                "{source}: every pixel is inside the silhouette; leave some ground around the \
                 shape, transparent or of another lightness"
            ),
            Self::Shape(what) => f.write_str(what),
            Self::Empty(what) => write!(f, "there is nothing to draw: {what}"),
            Self::Draw(why) => write!(f, "the picture cannot be drawn: {why}"),
        }
    }
}

impl std::error::Error for PictureError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(_, why) | Self::Write(_, why) => Some(why),
            _ => None,
        }
    }
}

/// Writes a finished file in one go, so that a picture that fails half-way
/// leaves nothing behind.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), PictureError> {
    std::fs::write(path, bytes).map_err(|why| PictureError::Write(path.to_owned(), why))
}
