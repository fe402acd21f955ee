//! Curves with intervals, and histograms, as PNG files.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use super::canvas::{FINE, draw, legend, mesh, size};

/// How an axis is divided.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Scale {
    Linear,
    /// Doublings are equally far apart.
    Log2,
    Log10,
}

impl Scale {
    fn to(self, value: f64) -> f64 {
        match self {
            Scale::Linear => value,
            Scale::Log2 => value.log2(),
            Scale::Log10 => value.log10(),
        }
    }

    /// What stands at a place of the axis; nothing between powers of two.
    fn label(self, place: f64) -> String {
        let whole = (place - place.round()).abs() < 1e-6;
        match self {
            Scale::Linear => format!("{}", (place * 1e6).round() / 1e6),
            Scale::Log2 if whole => format!("{}", place.round().exp2()),
            Scale::Log2 => String::new(),
            // Two digits: an axis may span less than a power of ten.
            Scale::Log10 => {
                let value = 10f64.powf(place);
                let digits = 1.0 - value.log10().floor();
                format!("{}", (value * 10f64.powf(digits)).round() / 10f64.powf(digits))
            }
        }
    }
}

/// An axis.
#[derive(Clone, Copy, Debug)]
pub struct Axis<'a> {
    pub name: &'a str,
    pub scale: Scale,
}

/// A point with the ends of its interval.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    pub low: f64,
    pub high: f64,
}

/// Points joined by lines.
#[derive(Clone, Debug)]
pub struct Curve {
    pub name: String,
    /// Its colour among [`COLOURS`].
    pub colour: usize,
    pub points: Vec<Point>,
}

/// Two sets of numbers as bars over the same bins.
#[derive(Clone, Debug)]
pub struct Histogram<'a> {
    pub name: &'a str,
    pub right: &'a [f64],
    pub wrong: &'a [f64],
}

/// Told apart by people who do not see all colours (Okabe and Ito).
pub const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(110, 110, 110),
];

const HEIGHT: u32 = 500;
const BINS: usize = 40;

/// The ends of numbers, with some room; an interval around nothing where there are none.
fn range(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let finite = values.filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return 0.0..1.0;
    }
    let room = if high > low { 0.04 * (high - low) } else { 0.5 };
    low - room..high + room
}

/// Draws curves. What a logarithmic axis has no place for is left out.
pub fn curves(path: &Path, title: &str, x: Axis, y: Axis, curves: &[Curve]) -> Result<(), Box<dyn Error>> {
    let place = |point: &Point| {
        let at = |scale: Scale, value: f64| Some(scale.to(value)).filter(|at| at.is_finite());
        let (x, middle, high) = (at(x.scale, point.x)?, at(y.scale, point.y)?, at(y.scale, point.high)?);
        // The lower end of an error may be 0, which has no logarithm: the bar then ends at the point.
        Some(Point { x, y: middle, low: at(y.scale, point.low).unwrap_or(middle), high })
    };
    let placed: Vec<(&Curve, Vec<Point>)> =
        curves.iter().map(|curve| (curve, curve.points.iter().filter_map(place).collect())).collect();
    let all = || placed.iter().flat_map(|(_, points)| points);
    let across = range(all().map(|point| point.x));
    let up = match y.scale {
        Scale::Linear => 0.0..1.02,
        _ => range(all().flat_map(|point| [point.low, point.high])),
    };
    draw(path, HEIGHT, |area| {
        let mut chart = ChartBuilder::on(area)
            .caption(title, size(17))
            .margin(12 * FINE)
            .x_label_area_size(40 * FINE)
            .y_label_area_size(60 * FINE)
            .build_cartesian_2d(across.clone(), up.clone())?;
        mesh(&mut chart)
            .x_labels(12)
            .y_labels(8)
            .x_label_formatter(&|place| x.scale.label(*place))
            .y_label_formatter(&|place| y.scale.label(*place))
            .x_desc(x.name)
            .y_desc(y.name)
            .draw()?;
        for (curve, points) in placed.iter().filter(|(_, points)| !points.is_empty()) {
            let colour = COLOURS[curve.colour % COLOURS.len()];
            let style = colour.stroke_width(2 * FINE);
            let line = chart.draw_series(LineSeries::new(points.iter().map(|point| (point.x, point.y)), style))?;
            let long = 16 * FINE as i32;
            line.label(&curve.name).legend(move |(x, y)| PathElement::new([(x, y), (x + long, y)], style));
            let bar = |point: &Point| {
                PathElement::new([(point.x, point.low), (point.x, point.high)], colour.stroke_width(FINE))
            };
            chart.draw_series(points.iter().map(bar))?;
            chart.draw_series(points.iter().map(|point| Circle::new((point.x, point.y), 3 * FINE, colour.filled())))?;
        }
        // Where curves do not begin.
        let begins_high = placed.iter().any(|(_, points)| points.first().is_some_and(|point| point.y > 0.7));
        let position = match y.scale == Scale::Linear && !begins_high {
            true => SeriesLabelPosition::UpperLeft,
            false => SeriesLabelPosition::LowerLeft,
        };
        legend(&mut chart, position)?;
        Ok(())
    })
}

/// The share of the numbers in each of [`BINS`] equal parts of `over`.
fn shares(values: &[f64], over: &std::ops::Range<f64>) -> Vec<f64> {
    let mut shares = vec![0.0; BINS];
    for value in values {
        let at = (value - over.start) / (over.end - over.start) * BINS as f64;
        shares[(at.max(0.0) as usize).min(BINS - 1)] += 1.0 / values.len() as f64;
    }
    shares
}

/// Draws histograms next to each other.
pub fn histograms(path: &Path, title: &str, panels: &[Histogram]) -> Result<(), Box<dyn Error>> {
    draw(path, HEIGHT, |area| {
        let area = area.titled(title, size(17))?;
        for (area, panel) in area.split_evenly((1, panels.len().max(1))).iter().zip(panels) {
            let over = range(panel.right.iter().chain(panel.wrong).copied());
            let bars = [("right answers", 0, panel.right), ("wrong answers", 1, panel.wrong)]
                .map(|(name, colour, values)| (name, COLOURS[colour], values.len(), shares(values, &over)));
            let most = bars.iter().flat_map(|bars| &bars.3).copied().fold(0.01, f64::max);
            let mut chart = ChartBuilder::on(area)
                .margin(12 * FINE)
                .x_label_area_size(40 * FINE)
                .y_label_area_size(60 * FINE)
                .build_cartesian_2d(over.clone(), 0.0..1.05 * most)?;
            mesh(&mut chart).x_labels(5).x_desc(panel.name).y_desc("share of the answers").draw()?;
            let wide = (over.end - over.start) / BINS as f64;
            for (name, colour, count, shares) in bars {
                let bar = |(at, share): (usize, &f64)| {
                    let from = over.start + at as f64 * wide;
                    Rectangle::new([(from, 0.0), (from + wide, *share)], colour.mix(0.5).filled())
                };
                let series = chart.draw_series(shares.iter().enumerate().map(bar))?;
                let long = 16 * FINE as i32;
                let swatch = move |(x, y): (i32, i32)| {
                    Rectangle::new([(x, y - long / 4), (x + long, y + long / 4)], colour.mix(0.5).filled())
                };
                series.label(format!("{name}: {count}")).legend(swatch);
            }
            legend(&mut chart, SeriesLabelPosition::UpperRight)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::super::canvas::WIDTH;
    use super::*;

    fn file(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("sudoku-{name}-{}.png", std::process::id()))
    }

    /// Pixels near a colour, left and right of the middle.
    fn count(path: &Path, colour: [u8; 3]) -> [usize; 2] {
        let picture = image::open(path).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (WIDTH, HEIGHT));
        std::fs::remove_file(path).unwrap();
        let near = |pixel: &Rgb<u8>| pixel.0.iter().zip(colour).all(|(a, b)| a.abs_diff(b) < 30);
        let of =
            |left: bool| picture.enumerate_pixels().filter(|(x, _, p)| (*x < WIDTH / 2) == left && near(p)).count();
        [of(true), of(false)]
    }

    #[test]
    fn labels_stand_at_powers() {
        assert_eq!((Scale::Log2.label(7.0), Scale::Log2.label(0.5)), ("128".into(), String::new()));
        assert_eq!((Scale::Log10.label(-2.0), Scale::Log10.label(1.0)), ("0.01".into(), "10".into()));
        assert_eq!((Scale::Log10.label(-0.1), Scale::Log10.label(3.5)), ("0.79".into(), "3200".into()));
        assert_eq!(Scale::Linear.label(0.2), "0.2");
    }

    #[test]
    fn ranges_have_room() {
        assert_eq!(range([].into_iter()), 0.0..1.0);
        assert_eq!(range([2.0, f64::NEG_INFINITY].into_iter()), 1.5..2.5);
        assert_eq!(range([0.0, 100.0].into_iter()), -4.0..104.0);
        let shares = shares(&[0.0, 0.01, 9.99, 10.0], &(0.0..10.0));
        assert_eq!((shares[0], shares[BINS - 1], shares.iter().sum::<f64>()), (0.5, 0.5, 1.0));
    }

    #[test]
    fn curves_are_drawn_where_they_have_a_place() {
        let point = |x: f64, y: f64| Point { x, y, low: 0.0, high: (y + 0.1).min(1.0) };
        let one = |colour: usize, points: Vec<Point>| Curve { name: "a".into(), colour, points };
        let (x, y) = (Axis { name: "x", scale: Scale::Log2 }, Axis { name: "y", scale: Scale::Log10 });
        let path = file("curves");
        // The second has an error of 0 everywhere: a logarithmic axis has no place for it.
        let drawn =
            [one(0, vec![point(1.0, 0.9), point(128.0, 0.1)]), one(1, vec![point(1.0, 0.0), point(128.0, 0.0)])];
        curves(&path, "title", x, y, &drawn).unwrap();
        let copy = file("again");
        std::fs::copy(&path, &copy).unwrap();
        let blue = count(&path, [0, 114, 178]);
        assert!(blue[0] > 300 && blue[1] > 300, "{blue:?}");
        assert_eq!(count(&copy, [213, 94, 0]), [0, 0]);
        curves(&path, "nothing", x, y, &[]).unwrap();
        assert_eq!(count(&path, [0, 114, 178]), [0, 0]);
    }

    #[test]
    fn histograms_stand_next_to_each_other() {
        let (right, wrong) = (vec![-2.0; 30], vec![-1.0; 10]);
        let path = file("histograms");
        let panels = [
            Histogram { name: "one", right: &right, wrong: &wrong },
            Histogram { name: "none", right: &[], wrong: &[] },
        ];
        histograms(&path, "title", &panels).unwrap();
        // Half blue over white; the legend of the empty panel has a little of it.
        let blue = count(&path, [127, 184, 216]);
        assert!(blue[0] > 1000 && blue[1] < 500, "{blue:?}");
    }
}
