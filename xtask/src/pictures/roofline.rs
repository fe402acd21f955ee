//! Rooflines: speed over how much is computed for a byte, under the ceilings of memory and arithmetic.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::PictureError;
use super::colour::oklch;
use super::text::{self, refused};

/// The finished size in pixels.
const SIZE: (u32, u32) = (1200, 800);

/// What a roofline shows.
#[derive(Clone, Debug)]
pub struct Roofline {
    /// The line above it.
    pub title: String,
    /// Bytes that memory moves, 10^9 a second.
    pub copy_gb_s: f64,
    /// Floating-point operations, 10^9 a second.
    pub peak_gflop_s: f64,
    /// What was measured.
    pub points: Vec<Point>,
}

/// A measurement.
#[derive(Clone, Debug)]
pub struct Point {
    /// Points of one name share a colour and a label.
    pub name: String,
    /// Floating-point operations for a byte; above 0.
    pub intensity: f64,
    /// Floating-point operations, 10^9 a second; above 0.
    pub gflop_s: f64,
    /// A ring in place of a disc.
    pub ring: bool,
}

/// Writes a roofline as an SVG.
pub fn write_roofline(path: &Path, roofline: &Roofline) -> Result<(), PictureError> {
    let all = roofline.points.iter().flat_map(|p| [p.intensity, p.gflop_s]);
    let bounded = |v: f64| v.is_finite() && (1e-12..1e15).contains(&v);
    if roofline.points.is_empty() || !all.chain([roofline.copy_gb_s, roofline.peak_gflop_s]).all(bounded) {
        return Err(PictureError::Empty("the roofline has no points, or some that are not positive numbers"));
    }
    draw(path, roofline).map_err(|why| refused(format!("{}: {why}", path.display())))
}

/// Powers of ten around the values.
fn decades(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, 0.0f64), |(low, high), v| (low.min(v), high.max(v)));
    (10f64.powf(low.log10().floor()), 10f64.powf((high * 1.05).log10().ceil()))
}

fn draw(path: &Path, roofline: &Roofline) -> Result<(), Box<dyn std::error::Error>> {
    let Roofline { title, copy_gb_s: copy, peak_gflop_s: peak, points } = roofline;
    let knee = peak / copy;
    let (left, right) = decades(points.iter().map(|p| p.intensity).chain([knee, 2.0 * knee]));
    let (bottom, top) = decades(points.iter().map(|p| p.gflop_s).chain([*peak]));
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let (head, body) = area.split_vertically(46);
    let middle = text::vector(19)?.pos(Pos::new(HPos::Center, VPos::Center));
    head.draw_text(title, &middle, (SIZE.0 as i32 / 2, 26))?;
    let mut chart = ChartBuilder::on(&body)
        .margin(14)
        .set_label_area_size(LabelAreaPosition::Left, 74)
        .set_label_area_size(LabelAreaPosition::Bottom, 52)
        .build_cartesian_2d((left..right).log_scale(), (bottom..top).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(226, 228, 236))
        .axis_style(RGBColor(150, 153, 168))
        .label_style(text::vector(14)?)
        .axis_desc_style(text::vector(16)?)
        .x_desc("floating-point operations for a byte")
        .y_desc("GFLOP/s")
        .x_label_formatter(&|x| power(*x))
        .y_label_formatter(&|y| power(*y))
        .draw()?;
    let roof = [(left, left * copy), (knee, *peak), (right, *peak)].map(|(x, y)| (x, y.max(bottom)));
    chart.draw_series(LineSeries::new(roof, RGBColor(38, 40, 56).stroke_width(2)))?;

    let mut names: Vec<&str> = points.iter().map(|point| point.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for (i, name) in names.iter().enumerate() {
        // Hues by the golden angle: neighbours in the alphabet lie far apart.
        let [r, g, b] = oklch(0.60, 0.15, i as f64 * 2.4);
        let colour = RGBColor(r, g, b);
        let own: Vec<&Point> = points.iter().filter(|point| point.name == *name).collect();
        chart.draw_series(own.iter().map(|p| {
            let style = if p.ring { colour.stroke_width(2) } else { colour.filled() };
            Circle::new((p.intensity, p.gflop_s), 4, style)
        }))?;
        // The name stands beside the fastest.
        let best = own.iter().max_by(|a, b| a.gflop_s.total_cmp(&b.gflop_s));
        let style = text::vector(11)?.color(&colour);
        let label =
            best.map(|p| EmptyElement::at((p.intensity, p.gflop_s)) + Text::new((*name).to_owned(), (7, -6), style));
        chart.draw_series(label)?;
    }
    area.present()?;
    Ok(())
}

fn power(value: f64) -> String {
    let exponent = value.log10().round();
    if (-3.0..=4.0).contains(&exponent) { format!("{}", 10f64.powf(exponent)) } else { format!("1e{exponent:.0}") }
}

#[cfg(test)]
mod tests {
    use super::super::scratch;
    use super::*;

    #[test]
    fn every_point_and_both_ceilings_are_drawn() {
        let path = scratch("roofline.svg");
        let point = |ring| Point { name: "scale".to_owned(), intensity: 0.25, gflop_s: 2.0, ring };
        let points = vec![point(false), point(true)];
        let mut roofline = Roofline { title: "title".to_owned(), copy_gb_s: 50.0, peak_gflop_s: 100.0, points };
        write_roofline(&path, &roofline).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(text.starts_with("<svg") && text.contains("GFLOP/s") && text.contains("scale"), "{text}");
        assert_eq!((text.matches("<circle").count(), text.matches("<polyline").count() > 0), (2, true));
        roofline.points[0].gflop_s = 0.0;
        assert!(write_roofline(&path, &roofline).is_err());
        roofline.points.clear();
        assert!(write_roofline(&path, &roofline).is_err());
    }
}
