//! The learning curves as a picture.

use std::error::Error;
use std::path::Path;

use image::{RgbImage, imageops};
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use crate::run::Record;

const FONT: &str = "ubuntu";
const SIZE: (u32, u32) = (800, 480);
/// Drawn so many times larger, then made smaller, which smooths the edges.
const FINE: u32 = 2;
/// Told apart by people who do not see all colours (Okabe and Ito).
const COLOURS: [RGBColor; 2] = [RGBColor(0, 114, 178), RGBColor(213, 94, 0)];

/// Draws held-out bits a character over steps, and a line for what frequencies alone give.
pub fn curves(path: &Path, records: &[Record], unigram: f64) -> Result<(), Box<dyn Error>> {
    register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT)
        .map_err(|_| "the typeface is damaged")?;
    let points = || records.iter().flat_map(|record| &record.curve);
    let last = points().map(|point| point.step).max().unwrap_or(1) as f64;
    let least = points().map(|point| point.held_out).fold(unigram, f64::min);
    let (wide, high) = (SIZE.0 * FINE, SIZE.1 * FINE);
    let font = |points: u32| (FONT, points * FINE);
    let mut fine = RgbImage::new(wide, high);
    {
        let area = BitMapBackend::with_buffer(&mut fine, (wide, high)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption("Held-out text", font(17))
            .margin(12 * FINE)
            .x_label_area_size(40 * FINE)
            .y_label_area_size(60 * FINE)
            .build_cartesian_2d(0.0..last, (least - 0.1).max(0.0)..unigram + 0.1)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .label_style(font(13))
            .axis_desc_style(font(14))
            .x_label_formatter(&|step| format!("{step:.0}"))
            .x_desc("steps")
            .y_desc("bits a character")
            .draw()?;
        for (record, colour) in records.iter().zip(COLOURS) {
            let style = colour.stroke_width(2 * FINE);
            let line = record.curve.iter().map(|point| (point.step as f64, point.held_out));
            let long = 16 * FINE as i32;
            chart
                .draw_series(LineSeries::new(line, style))?
                .label(record.settings.kind.name())
                .legend(move |(x, y)| PathElement::new([(x, y), (x + long, y)], style));
        }
        let grey = RGBColor(110, 110, 110).stroke_width(FINE);
        let long = 16 * FINE as i32;
        chart
            .draw_series(DashedLineSeries::new([(0.0, unigram), (last, unigram)], 6 * FINE, 4 * FINE, grey))?
            .label("frequencies of characters")
            .legend(move |(x, y)| PathElement::new([(x, y), (x + long, y)], grey));
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::MiddleRight)
            .background_style(WHITE.mix(0.8))
            .legend_area_size(20 * FINE)
            .label_font(font(13))
            .draw()?;
        area.present()?;
    }
    imageops::thumbnail(&fine, SIZE.0, SIZE.1).save(path).map_err(|why| format!("{}: {why}", path.display()).into())
}
