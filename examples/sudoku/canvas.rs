//! The paper that plots are drawn on, and the look that they share.

use std::error::Error;
use std::path::Path;

use image::{RgbImage, imageops};
use plotters::chart::MeshStyle;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

const FONT: &str = "ubuntu";
pub const WIDTH: u32 = 800;
/// Drawn so many times larger, then made smaller, which smooths the edges.
pub const FINE: u32 = 2;

pub type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;
pub type Chart<'a, 'b> = ChartContext<'a, BitMapBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Mesh<'a, 'b, 'c> = MeshStyle<'a, 'c, RangedCoordf64, RangedCoordf64, BitMapBackend<'b>>;

/// The typeface at a size in points.
pub fn size(points: u32) -> (&'static str, u32) {
    (FONT, points * FINE)
}

/// Writes what `paint` draws, `height` pixels high.
pub fn draw(
    path: &Path,
    height: u32,
    paint: impl FnOnce(&Area) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT)
        .map_err(|_| "the typeface is damaged")?;
    let size = (WIDTH * FINE, height * FINE);
    let mut fine = RgbImage::new(size.0, size.1);
    {
        let area = BitMapBackend::with_buffer(&mut fine, size).into_drawing_area();
        area.fill(&WHITE)?;
        paint(&area)?;
        area.present()?;
    }
    imageops::thumbnail(&fine, WIDTH, height).save(path).map_err(|why| format!("{}: {why}", path.display()).into())
}

/// The lines behind a chart and the texts of its axes.
pub fn mesh<'a, 'b, 'c>(chart: &'c mut Chart<'a, 'b>) -> Mesh<'a, 'b, 'c> {
    let mut mesh = chart.configure_mesh();
    mesh.light_line_style(WHITE)
        .bold_line_style(RGBColor(225, 225, 225))
        .label_style(size(13))
        .axis_desc_style(size(14));
    mesh
}

/// Draws the names of a chart's series.
pub fn legend<'a, 'b: 'a>(chart: &mut Chart<'a, 'b>, position: SeriesLabelPosition) -> Result<(), Box<dyn Error>> {
    chart
        .configure_series_labels()
        .position(position)
        .background_style(WHITE.mix(0.8))
        .legend_area_size(20 * FINE)
        .label_font(size(13))
        .draw()?;
    Ok(())
}
