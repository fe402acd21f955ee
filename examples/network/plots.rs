//! Pictures of runs and sweeps, as PNG files.

use std::error::Error;
use std::f64::consts::PI;
use std::ops::Range;
use std::path::Path;

use plotters::prelude::*;

use super::canvas::{Area, Chart, FINE, draw, legend, mesh, size};

const HEIGHT: u32 = 500;

/// Cells across and up at most: about one for each pixel of the picture.
const CELLS: (usize, usize) = (640, 400);

/// Told apart by people who do not see all colours (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(110, 110, 110),
];

/// Numbers with a name over the same times.
#[derive(Clone, Copy, Debug)]
pub struct Series<'a> {
    pub name: &'a str,
    pub values: &'a [f64],
}

/// A swept parameter and its values in increasing order.
#[derive(Clone, Copy, Debug)]
pub struct Axis<'a> {
    pub name: &'a str,
    pub values: &'a [f64],
}

/// A coupling strength with the order parameter's mean over seeds and its smallest and largest value.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Point {
    pub coupling: f64,
    pub mean: f64,
    pub low: f64,
    pub high: f64,
}

/// Order parameters over time, from 0 to 1. A single one needs no legend.
pub fn order(path: &Path, title: &str, times: &[f64], series: &[Series]) -> Result<(), Box<dyn Error>> {
    draw(path, HEIGHT, |area| {
        let mut chart = plane(area, title, ends(times), 0.0..1.02)?;
        mesh(&mut chart).x_labels(10).y_labels(6).x_desc("time").y_desc("order parameter r").draw()?;
        for (k, series) in series.iter().enumerate() {
            let points = times.iter().copied().zip(series.values.iter().copied()).filter(|(_, r)| r.is_finite());
            line(&mut chart, series.name, COLOURS[k % COLOURS.len()].stroke_width(2 * FINE), points)?;
        }
        let late = series.iter().flat_map(|s| &s.values[s.values.len() / 2..]).filter(|r| r.is_finite());
        let (sum, count) = late.fold((0.0, 0), |(sum, count), r| (sum + r, count + 1));
        match (series.len() > 1, sum > 0.5 * f64::from(count)) {
            (false, _) => Ok(()),
            (true, true) => legend(&mut chart, SeriesLabelPosition::LowerRight),
            (true, false) => legend(&mut chart, SeriesLabelPosition::UpperRight),
        }
    })
}

/// The largest speed of any node over time.
pub fn deviation(path: &Path, title: &str, times: &[f64], speeds: &[f64]) -> Result<(), Box<dyn Error>> {
    let known = || times.iter().copied().zip(speeds.iter().copied()).filter(|(_, v)| v.is_finite());
    let most = known().map(|(_, v)| v).fold(1e-6, f64::max);
    draw(path, HEIGHT, |area| {
        let mut chart = plane(area, title, ends(times), 0.0..1.05 * most)?;
        mesh(&mut chart).x_labels(10).y_labels(6).x_desc("time").y_desc("largest |velocity| of a node").draw()?;
        line(&mut chart, "", COLOURS[1].stroke_width(2 * FINE), known())
    })
}

/// The order parameter over the coupling strength: points with the range over seeds, and the curve of a theory.
pub fn transition(
    path: &Path,
    title: &str,
    points: &[Point],
    theory: Option<(&str, &[(f64, f64)])>,
) -> Result<(), Box<dyn Error>> {
    let couplings: Vec<f64> = points.iter().map(|point| point.coupling).collect();
    draw(path, HEIGHT, |area| {
        let mut chart = plane(area, title, ends(&couplings), 0.0..1.02)?;
        mesh(&mut chart).x_labels(10).y_labels(6).x_desc("coupling strength K").y_desc("order parameter r").draw()?;
        if let Some((name, curve)) = theory {
            line(&mut chart, name, COLOURS[1].stroke_width(2 * FINE), curve.iter().copied())?;
        }
        let colour = COLOURS[0];
        let known = || points.iter().filter(|point| point.mean.is_finite());
        chart.draw_series(
            known().map(|p| PathElement::new([(p.coupling, p.low), (p.coupling, p.high)], colour.stroke_width(FINE))),
        )?;
        let dots = known().map(|p| Circle::new((p.coupling, p.mean), 3 * FINE, colour.filled()));
        let middle = 8 * FINE as i32;
        let dot = move |(x, y): (i32, i32)| Circle::new((x + middle, y), 3 * FINE, colour.filled());
        chart.draw_series(dots)?.label("simulated").legend(dot);
        legend(&mut chart, SeriesLabelPosition::LowerRight)
    })
}

/// The phase of each node over time as a picture: `phases` is `[S, N]` in radians. Where there are more nodes or samples
/// than pixels, some are left out.
pub fn raster(path: &Path, title: &str, times: &[f64], phases: &[f32]) -> Result<(), Box<dyn Error>> {
    let nodes = phases.len() / times.len().max(1);
    if nodes == 0 || phases.len() != nodes * times.len() {
        return Err(format!("{} phases are no rows for {} times", phases.len(), times.len()).into());
    }
    let across = ends(times);
    let up = 0.0..nodes as f64;
    let (columns, rows) = (times.len().min(CELLS.0), nodes.min(CELLS.1));
    draw(path, HEIGHT, |area| {
        let (left, right) = area.split_horizontally(700 * FINE);
        let mut chart = plane(&left, title, across.clone(), up.clone())?;
        mesh(&mut chart).y_label_formatter(&|node| format!("{node:.0}")).x_desc("time").y_desc("node").draw()?;
        let (wide, high) = ((across.end - across.start) / columns as f64, nodes as f64 / rows as f64);
        chart.draw_series((0..columns * rows).map(|cell| {
            let (column, row) = (cell % columns, cell / columns);
            let phase = phases[column * times.len() / columns * nodes + row * nodes / rows];
            let corner = (across.start + column as f64 * wide, row as f64 * high);
            Rectangle::new([corner, (corner.0 + wide, corner.1 + high)], cyclic(f64::from(phase)).filled())
        }))?;
        let label = |half: &f64| match (half * 2.0).round() as i32 {
            -2 => "-π".into(),
            -1 => "-π/2".into(),
            0 => "0".into(),
            1 => "π/2".into(),
            _ => "π".into(),
        };
        key(&right, "phase", -1.0..1.0, 5, &label, |half| cyclic(PI * half))
    })
}

/// The order parameter over two swept parameters: `values` is `[y, x]`.
pub fn phase_diagram(path: &Path, title: &str, x: Axis, y: Axis, values: &[f64]) -> Result<(), Box<dyn Error>> {
    if values.is_empty() || values.len() != x.values.len() * y.values.len() {
        let wanted = format!("{} x {}", y.values.len(), x.values.len());
        return Err(format!("{} order parameters do not fill {wanted} places", values.len()).into());
    }
    let (across, up) = (edges(x.values), edges(y.values));
    let whole = |edges: &[f64]| edges[0]..edges[edges.len() - 1];
    draw(path, HEIGHT, |area| {
        let (left, right) = area.split_horizontally(700 * FINE);
        let mut chart = plane(&left, title, whole(&across), whole(&up))?;
        mesh(&mut chart).x_desc(x.name).y_desc(y.name).draw()?;
        chart.draw_series(values.iter().enumerate().filter(|(_, r)| r.is_finite()).map(|(at, r)| {
            let (row, column) = (at / x.values.len(), at % x.values.len());
            let corners = [(across[column], up[row]), (across[column + 1], up[row + 1])];
            Rectangle::new(corners, sequential(*r).filled())
        }))?;
        key(&right, "order parameter r", 0.0..1.0, 6, &|r| format!("{r:.1}"), sequential)
    })
}

/// An empty chart.
fn plane<'a, 'b>(
    area: &'a Area<'b>,
    title: &str,
    across: Range<f64>,
    up: Range<f64>,
) -> Result<Chart<'a, 'b>, Box<dyn Error>> {
    Ok(ChartBuilder::on(area)
        .caption(title, size(17))
        .margin(12 * FINE)
        .margin_right(24 * FINE)
        .x_label_area_size(40 * FINE)
        .y_label_area_size(60 * FINE)
        .build_cartesian_2d(across, up)?)
}

/// Points joined by a line, with a name in the legend.
fn line<'a, 'b: 'a>(
    chart: &mut Chart<'a, 'b>,
    name: &str,
    style: ShapeStyle,
    points: impl Iterator<Item = (f64, f64)>,
) -> Result<(), Box<dyn Error>> {
    let long = 16 * FINE as i32;
    let drawn = chart.draw_series(LineSeries::new(points, style))?;
    drawn.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + long, y)], style));
    Ok(())
}

/// A column of colours with their values.
fn key(
    area: &Area,
    name: &str,
    over: Range<f64>,
    labels: usize,
    label: &dyn Fn(&f64) -> String,
    colour: impl Fn(f64) -> RGBColor,
) -> Result<(), Box<dyn Error>> {
    const SHADES: usize = 128;
    // Clear of the marks.
    let label = |value: &f64| format!(" {}", label(value));
    let mut chart = ChartBuilder::on(area)
        // As high as the chart beside it, whose caption takes a line.
        .margin_top(30 * FINE)
        .margin_bottom(52 * FINE)
        .margin_right(8 * FINE)
        .set_label_area_size(LabelAreaPosition::Right, 60 * FINE)
        .build_cartesian_2d(0.0..1.0, over.clone())?;
    mesh(&mut chart)
        .disable_x_mesh()
        .disable_x_axis()
        .y_labels(labels)
        .y_label_formatter(&label)
        .y_desc(name)
        .draw()?;
    let high = (over.end - over.start) / SHADES as f64;
    chart.draw_series((0..SHADES).map(|k| {
        let from = over.start + k as f64 * high;
        Rectangle::new([(0.0, from), (1.0, from + high)], colour(from + 0.5 * high).filled())
    }))?;
    Ok(())
}

/// The ends of numbers, an interval around them where they are one or none.
fn ends(values: &[f64]) -> Range<f64> {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    match low.partial_cmp(&high) {
        Some(std::cmp::Ordering::Less) => low..high,
        Some(std::cmp::Ordering::Equal) => low - 0.5..high + 0.5,
        _ => 0.0..1.0,
    }
}

/// The edges of cells around increasing values: half way between neighbours.
fn edges(values: &[f64]) -> Vec<f64> {
    let (Some(first), Some(last)) = (values.first(), values.last()) else { return vec![0.0, 1.0] };
    let outer = |at: usize| values.get(at..at + 2).map_or(0.5, |pair| 0.5 * (pair[1] - pair[0]));
    let mut edges = vec![first - outer(0)];
    edges.extend(values.windows(2).map(|pair| 0.5 * (pair[0] + pair[1])));
    edges.push(last + outer(values.len().saturating_sub(2)));
    edges
}

/// Between colours at equal distances, `at` from 0 to 1.
fn between(colours: &[[f64; 3]], at: f64) -> RGBColor {
    let place = at.clamp(0.0, 1.0) * (colours.len() - 1) as f64;
    let k = (place as usize).min(colours.len() - 2);
    let part = place - k as f64;
    let [r, g, b] = [0, 1, 2].map(|c| (colours[k][c] * (1.0 - part) + colours[k + 1][c] * part).round() as u8);
    RGBColor(r, g, b)
}

/// The colour of a phase: light at half a turn, dark at 0, blue below, red above; the ends meet.
fn cyclic(phase: f64) -> RGBColor {
    const LIGHT: [f64; 3] = [226.0, 217.0, 226.0];
    let half = (phase / PI + 1.0).rem_euclid(2.0) / 2.0;
    between(&[LIGHT, [97.0, 118.0, 186.0], [48.0, 20.0, 55.0], [178.0, 88.0, 73.0], LIGHT], half)
}

/// From dark blue at 0 to yellow at 1, lighter all the way (after viridis).
fn sequential(value: f64) -> RGBColor {
    let colours =
        [[68.0, 1.0, 84.0], [59.0, 82.0, 139.0], [33.0, 145.0, 140.0], [94.0, 201.0, 98.0], [253.0, 231.0, 37.0]];
    between(&colours, value)
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    fn picture(name: &str, draw: impl FnOnce(&Path)) -> RgbImage {
        let path = std::env::temp_dir().join(format!("network-{name}-{}.png", std::process::id()));
        draw(&path);
        let picture = image::open(&path).unwrap().to_rgb8();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(picture.dimensions(), (super::super::canvas::WIDTH, HEIGHT));
        picture
    }

    fn near(pixel: &Rgb<u8>, colour: RGBColor) -> bool {
        pixel.0.iter().zip([colour.0, colour.1, colour.2]).all(|(a, b)| a.abs_diff(b) < 12)
    }

    #[test]
    fn cells_lie_around_their_values() {
        assert_eq!(edges(&[0.0, 1.0, 3.0]), [-0.5, 0.5, 2.0, 4.0]);
        assert_eq!((edges(&[2.0]), edges(&[])), (vec![1.5, 2.5], vec![0.0, 1.0]));
        assert_eq!((ends(&[1.0, 3.0, f64::NAN]), ends(&[2.0]), ends(&[])), (1.0..3.0, 1.5..2.5, 0.0..1.0));
    }

    #[test]
    fn colours_of_phases_meet() {
        let rgb = |phase: f64| {
            let colour = cyclic(phase);
            [colour.0, colour.1, colour.2]
        };
        assert_eq!((rgb(PI), rgb(0.0)), ([226, 217, 226], [48, 20, 55]));
        assert_eq!(rgb(-PI), rgb(3.0 * PI));
        assert_eq!(rgb(0.5), rgb(0.5 - 2.0 * PI));
        assert_ne!(rgb(0.5), rgb(-0.5));
    }

    #[test]
    fn rasters_show_each_phase() {
        // The lower nodes are at a quarter turn, the upper ones half a turn behind.
        let (samples, nodes) = (50, 1000);
        let times: Vec<f64> = (0..samples).map(f64::from).collect();
        let quarter = std::f32::consts::FRAC_PI_2;
        let phase = |at: usize| if at % nodes < 500 { quarter } else { -quarter };
        let phases: Vec<f32> = (0..samples as usize * nodes).map(phase).collect();
        let picture = picture("raster", |path| raster(path, "title", &times, &phases).unwrap());
        let of = |lower: bool, colour: RGBColor| {
            let half = |(x, y, _): &(u32, u32, &Rgb<u8>)| *x < 690 && (*y > 245) == lower;
            picture.enumerate_pixels().filter(half).filter(|(_, _, pixel)| near(pixel, colour)).count()
        };
        let (quarter, behind) = (RGBColor(178, 88, 73), RGBColor(97, 118, 186));
        assert!(of(true, quarter) > 90_000 && of(false, behind) > 90_000);
        assert!(of(true, behind) < 8_000 && of(false, quarter) < 8_000);
        let why = raster(Path::new("none.png"), "title", &times, &phases[1..]).unwrap_err();
        assert!(why.to_string().contains("49999 phases are no rows for 50 times"));
    }

    #[test]
    fn diagrams_have_rows_that_grow_upwards() {
        let (x, y) = (Axis { name: "x", values: &[0.0, 1.0] }, Axis { name: "y", values: &[0.0, 1.0] });
        let picture = picture("diagram", |path| phase_diagram(path, "t", x, y, &[0.0, 1.0, 0.5, f64::NAN]).unwrap());
        let at = |x: u32, y: u32| picture.get_pixel(x, y);
        assert!(near(at(200, 350), sequential(0.0)) && near(at(550, 350), sequential(1.0)));
        // What is not known stays white, but for the mesh.
        assert!(near(at(200, 150), sequential(0.5)) && at(560, 157).0.iter().all(|part| *part > 200));
        assert!(phase_diagram(Path::new("none.png"), "t", x, y, &[0.0; 3]).is_err());
    }

    #[test]
    fn curves_and_theory_are_drawn() {
        let times: Vec<f64> = (0..100).map(f64::from).collect();
        let rising: Vec<f64> = times.iter().map(|t| t / 100.0).collect();
        let count = |picture: &RgbImage, colour: usize| picture.pixels().filter(|p| near(p, COLOURS[colour])).count();
        let both = [Series { name: "a", values: &rising }, Series { name: "b", values: &[0.5; 100] }];
        let drawn = picture("order", |path| order(path, "title", &times, &both).unwrap());
        assert!(count(&drawn, 0) > 500 && count(&drawn, 1) > 500);
        let point = |coupling: f64| Point { coupling, mean: 0.1 * coupling, low: 0.0, high: 0.2 * coupling };
        let points: Vec<Point> = (0..5).map(f64::from).map(point).collect();
        let theory = [(0.0, 0.0), (2.0, 0.0), (4.0, 0.7)];
        let drawn = picture("transition", |path| transition(path, "t", &points, Some(("theory", &theory))).unwrap());
        assert!(count(&drawn, 0) > 100 && count(&drawn, 1) > 500);
        let drawn = picture("empty", |path| transition(path, "t", &[], None).unwrap());
        assert_eq!(count(&drawn, 1), 0);
    }
}
