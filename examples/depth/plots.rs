//! Lines and dots as PNG files.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use super::canvas::{FINE, draw, legend, mesh, size};

/// Points joined by a line; without a name it is not in the legend.
#[derive(Clone, Debug)]
pub struct Line {
    pub name: String,
    pub colour: usize,
    pub points: Vec<(f64, f64)>,
}

/// Points on their own.
#[derive(Clone, Debug)]
pub struct Dots {
    pub name: String,
    pub colour: usize,
    pub points: Vec<(f64, f64)>,
}

/// What is drawn.
#[derive(Clone, Debug)]
pub struct Picture<'a> {
    pub title: &'a str,
    pub x: &'a str,
    pub y: &'a str,
    pub lines: Vec<Line>,
    pub dots: Vec<Dots>,
    /// Whether the names stand below, for curves that fall.
    pub falls: bool,
}

/// Told apart by people who do not see all colours (Okabe and Ito).
const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(110, 110, 110),
];

const HEIGHT: u32 = 500;

impl<'a> Picture<'a> {
    pub fn new(title: &'a str, x: &'a str, y: &'a str) -> Picture<'a> {
        Picture { title, x, y, lines: vec![], dots: vec![], falls: false }
    }

    /// The same with the names below.
    pub fn falling(self) -> Picture<'a> {
        Picture { falls: true, ..self }
    }

    /// Writes it. The vertical axis begins at 0.
    pub fn draw(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        let lines = self.lines.iter().flat_map(|line| &line.points);
        let all = lines.chain(self.dots.iter().flat_map(|dots| &dots.points));
        let finite = all.filter(|(x, y)| x.is_finite() && y.is_finite());
        let (low, high, top) = finite.fold((f64::INFINITY, f64::NEG_INFINITY, 0.0f64), |(low, high, top), (x, y)| {
            (low.min(*x), high.max(*x), top.max(*y))
        });
        let across = if low < high { low - 0.02 * (high - low)..high + 0.02 * (high - low) } else { 0.0..1.0 };
        let up = 0.0..1.05 * top.max(1e-6);
        draw(path, HEIGHT, |area| {
            let mut chart = ChartBuilder::on(area)
                .caption(self.title, size(17))
                .margin(12 * FINE)
                .x_label_area_size(40 * FINE)
                .y_label_area_size(60 * FINE)
                .build_cartesian_2d(across.clone(), up.clone())?;
            mesh(&mut chart).x_labels(10).y_labels(8).x_desc(self.x).y_desc(self.y).draw()?;
            let long = 16 * FINE as i32;
            for line in &self.lines {
                let style = COLOURS[line.colour % COLOURS.len()].stroke_width(2 * FINE);
                let drawn = chart.draw_series(LineSeries::new(line.points.iter().copied(), style))?;
                if !line.name.is_empty() {
                    drawn.label(&line.name).legend(move |(x, y)| PathElement::new([(x, y), (x + long, y)], style));
                }
            }
            for dots in &self.dots {
                let style = COLOURS[dots.colour % COLOURS.len()].filled();
                let drawn = chart.draw_series(dots.points.iter().map(|at| Circle::new(*at, 4 * FINE, style)))?;
                let mark = move |(x, y): (i32, i32)| Circle::new((x + long / 2, y), 4 * FINE, style);
                drawn.label(&dots.name).legend(mark);
            }
            let corner = if self.falls { SeriesLabelPosition::LowerLeft } else { SeriesLabelPosition::UpperLeft };
            legend(&mut chart, corner)
        })
    }
}
