//! Pictures for the demo: silhouettes in, animations, stills and plots out.
//!
//! Everything here is plain CPU code that knows nothing about the kernels: it
//! takes numbers and paths, never panics on what a user hands in, and is
//! deterministic, so the same input always gives the same bytes.

mod axis;
mod colour;
mod error;
mod frame;
mod gif;
mod plot;
mod png;
mod roofline;
mod silhouette;
mod text;

pub use error::PictureError;
pub use frame::Frame;
pub use gif::write_gif;
pub use plot::{Panel, Plot, Series, write_plot};
pub use png::{write_contact_sheet, write_png};
pub use roofline::{Point, Roofline, write_roofline};
pub use silhouette::Silhouette;

/// A path of its own for each unit test that writes a file.
#[cfg(test)]
fn scratch(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("kuramoto-pictures-{}-{name}", std::process::id()))
}
