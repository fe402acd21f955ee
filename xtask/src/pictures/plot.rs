//! Plots of quantities over time.

use std::path::Path;

use image::RgbImage;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::colour::oklch;
use super::text::{FINE, refused};
use super::{PictureError, axis, png, text};

/// The finished size in pixels; more than three panels make it higher.
const WIDTH: u32 = 900;
const HEIGHT: u32 = 700;

/// Quantities over time, in panels that share the x axis.
#[derive(Clone, Debug)]
pub struct Plot {
    /// The line above all panels.
    pub title: String,
    /// What the x axis counts.
    pub x_label: String,
    /// How far apart successive values are on the x axis.
    pub x_step: f64,
    /// From top to bottom.
    pub panels: Vec<Panel>,
}

/// Series that share a y axis.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What the y axis measures.
    pub y_label: String,
    /// The lines in this panel.
    pub series: Vec<Series>,
}

/// One line of a plot.
#[derive(Clone, Debug)]
pub struct Series {
    /// The name in the legend; an empty one gets no entry.
    pub name: String,
    /// One value for each step. Values that are not finite leave a gap.
    pub values: Vec<f64>,
}

/// Writes a plot as a PNG.
pub fn write_plot(path: &Path, plot: &Plot) -> Result<(), PictureError> {
    if plot.panels.is_empty() {
        return Err(PictureError::Empty("the plot has no panels"));
    }
    let panels = u32::try_from(plot.panels.len().min(100)).unwrap_or(100);
    let height = HEIGHT.max(100 + 200 * panels);
    let size = (WIDTH * FINE, height * FINE);
    let mut fine = RgbImage::new(size.0, size.1);
    {
        let area = BitMapBackend::with_buffer(&mut fine, size).into_drawing_area();
        draw(&area, plot, height, panels)?;
        area.present().map_err(refused)?;
    }
    png::save(path, &text::average(&fine))
}

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Lays out title and panels. The last panel is higher by the labels of the
/// shared x axis, so that all panels show their lines equally large.
fn draw(area: &Area, plot: &Plot, height: u32, panels: u32) -> Result<(), PictureError> {
    const TITLE: u32 = 46;
    const X_AXIS: u32 = 50;
    const BOTTOM: u32 = 12;
    area.fill(&WHITE).map_err(refused)?;
    let middle = ((WIDTH * FINE / 2) as i32, (TITLE * FINE / 2) as i32);
    area.draw_text(&plot.title, &text::centred(24 * FINE)?, middle).map_err(refused)?;
    let x_step = if plot.x_step.is_finite() && (1e-30..1e30).contains(&plot.x_step) { plot.x_step } else { 1.0 };
    let all = plot.panels.iter().flat_map(|panel| &panel.series);
    let longest = all.map(|series| series.values.len()).max().unwrap_or(0);
    let end = x_step * (longest.max(2) - 1) as f64;

    let each = (height - TITLE - X_AXIS - BOTTOM) / panels;
    let (_, mut rest) = area.split_vertically((TITLE * FINE) as i32);
    let mut first_colour = 0;
    for (i, panel) in (1..=panels).zip(&plot.panels) {
        let x_axis = if i == panels { X_AXIS } else { 0 };
        let (own, below) = rest.split_vertically(((each + x_axis) * FINE) as i32);
        let lines = Lines { panel, first_colour, x_step };
        let x_label = if i == panels { &plot.x_label } else { "" };
        lines.draw(&own, end, x_axis, x_label)?;
        first_colour += panel.series.len();
        rest = below;
    }
    Ok(())
}

/// One panel and what it takes to draw its lines.
struct Lines<'a> {
    panel: &'a Panel,
    first_colour: usize,
    x_step: f64,
}

impl Lines<'_> {
    fn draw(&self, area: &Area, end: f64, x_axis: u32, x_label: &str) -> Result<(), PictureError> {
        const LEFT: u32 = 10;
        const Y_AXIS: u32 = 80;
        const RIGHT: u32 = 28;
        const HEADER: u32 = 28;
        let (header, body) = area.split_vertically((HEADER * FINE) as i32);
        self.legend(&header, RIGHT)?;

        let (low, high) = axis::range(self.panel.series.iter().flat_map(|s| &s.values));
        let mut chart = ChartBuilder::on(&body)
            .margin_left(LEFT * FINE)
            .margin_right(RIGHT * FINE)
            .set_label_area_size(LabelAreaPosition::Left, Y_AXIS * FINE)
            .set_label_area_size(LabelAreaPosition::Bottom, x_axis * FINE)
            .build_cartesian_2d(0.0..end, low..high)
            .map_err(refused)?;
        let style = text::plain(15 * FINE)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(RGBColor(226, 228, 236).stroke_width(FINE))
            .axis_style(RGBColor(150, 153, 168).stroke_width(FINE))
            .set_all_tick_mark_size(4 * FINE)
            .x_labels(10)
            .y_labels(6)
            .x_label_formatter(&|x| axis::tick(*x, end))
            .y_label_formatter(&|y| axis::tick(*y, high - low))
            .label_style(style.clone())
            .axis_desc_style(text::plain(17 * FINE)?)
            .x_desc(x_label)
            .y_desc(&self.panel.y_label)
            .draw()
            .map_err(refused)?;
        for (i, series) in self.panel.series.iter().enumerate() {
            self.line(&mut chart, &series.values, self.colour(i))?;
        }
        Ok(())
    }

    /// Well apart in hue at one lightness; panels do not share colours.
    fn colour(&self, series: usize) -> RGBColor {
        const HUES: [f64; 6] = [258.0, 35.0, 150.0, 325.0, 85.0, 205.0];
        let hue = HUES[(self.first_colour + series) % HUES.len()];
        let [r, g, b] = oklch(0.60, 0.16, hue.to_radians());
        RGBColor(r, g, b)
    }

    /// Names the lines above the panel, where they hide no data.
    fn legend(&self, area: &Area, right: u32) -> Result<(), PictureError> {
        let fine = FINE as i32;
        let (swatch, space) = (22 * fine, 8 * fine);
        let style = text::plain(16 * FINE)?;
        let mut x = (WIDTH - right) as i32 * fine;
        let middle = 15 * fine;
        for (i, series) in self.panel.series.iter().enumerate().rev() {
            if series.name.is_empty() {
                continue;
            }
            let (width, height) = area.estimate_text_size(&series.name, &style).map_err(refused)?;
            x -= i32::try_from(width).map_err(refused)?;
            let top = middle - i32::try_from(height / 2).map_err(refused)?;
            area.draw_text(&series.name, &style, (x, top)).map_err(refused)?;
            let stroke = self.colour(i).stroke_width(2 * FINE);
            let (from, to) = (x - space - swatch, x - space);
            area.draw(&PathElement::new([(from, middle), (to, middle)], stroke)).map_err(refused)?;
            x = from - 3 * space;
        }
        Ok(())
    }

    /// Draws each unbroken run of values. The plotting library leaves spikes
    /// at the sharp corners of thick lines, so corners are round dots here.
    fn line<'b>(
        &self,
        chart: &mut ChartContext<'b, BitMapBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>,
        values: &[f64],
        colour: RGBColor,
    ) -> Result<(), PictureError> {
        for run in axis::runs(values, self.x_step) {
            let stroke = colour.stroke_width(2 * FINE);
            let pieces = run.windows(2).map(|p| PathElement::new([p[0], p[1]], stroke));
            chart.draw_series(pieces).map_err(refused)?;
            // A run of one value would not be seen at the width of a line.
            let radius = if run.len() == 1 { 4 * FINE } else { FINE };
            let dots = run.iter().map(|&p| Circle::new(p, radius, colour.filled()));
            chart.draw_series(dots).map_err(refused)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::scratch;
    use super::*;

    fn plot(series: Vec<Vec<f64>>) -> Plot {
        let named = |values| Series { name: "series".to_owned(), values };
        Plot {
            title: "title".to_owned(),
            x_label: "step".to_owned(),
            x_step: 1.0,
            panels: vec![Panel { y_label: "value".to_owned(), series: series.into_iter().map(named).collect() }],
        }
    }

    #[test]
    fn awkward_values_are_drawn_without_panic() {
        let path = scratch("plot.png");
        let awkward = vec![
            vec![],
            vec![vec![]],
            vec![vec![0.0]],
            vec![vec![7.0; 50], vec![f64::NAN; 3]],
            vec![vec![f64::NAN, 1.0, f64::INFINITY, 2.0, -f64::INFINITY]],
            vec![vec![-f64::MAX, f64::MAX, f64::MIN_POSITIVE, 0.0]],
            vec![vec![1e99, -1e99], vec![1.0, 1.0 + f64::EPSILON]],
            vec![vec![1e-300, 2e-300]],
            vec![(0..100_000).map(|i| f64::from(i).sin()).collect()],
        ];
        for series in awkward {
            let mut plot = plot(series);
            for x_step in [1.0, 0.0, f64::NAN, 1e-29, f64::INFINITY] {
                plot.x_step = x_step;
                if x_step != 1.0 && plot.panels[0].series.len() != 1 {
                    continue;
                }
                write_plot(&path, &plot).unwrap();
            }
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn plots_are_repeatable_and_grow_with_their_panels() {
        let (path, again) = (scratch("five.png"), scratch("five-again.png"));
        let mut plot = plot(vec![vec![0.0, 2.0, 1.0]]);
        plot.panels = vec![plot.panels[0].clone(); 5];
        write_plot(&path, &plot).unwrap();
        write_plot(&again, &plot).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes, std::fs::read(&again).unwrap());
        assert_eq!(image::image_dimensions(&path).unwrap(), (900, 1100));
        std::fs::remove_file(path).unwrap();
        std::fs::remove_file(again).unwrap();
        plot.panels.clear();
        assert!(write_plot(&scratch("empty.png"), &plot).is_err());
    }
}
