//! Whether a confidence of 80 % is right in 80 of 100 cases: the expected calibration error and its diagram.

use std::error::Error;
use std::path::Path;

use image::{RgbImage, imageops};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};
use serde::Serialize;

/// Bins of equal width over `(0, 1]`.
pub const BINS: usize = 15;

/// The predictions whose confidence lies in one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bin {
    /// How many there are.
    pub count: usize,
    /// Their mean confidence, 0 if there are none.
    pub confidence: f64,
    /// How many of them are right, from 0 to 1, 0 if there are none.
    pub accuracy: f64,
}

/// How well confidences tell accuracy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// The mean distance of a bin's confidence to its accuracy, weighted by its predictions.
    pub ece: f64,
    pub bins: [Bin; BINS],
}

/// The class of the largest logit (the first of several), and its softmax.
pub fn confidence(logits: &[f64]) -> (usize, f64) {
    let (mut class, mut largest) = (0, f64::NEG_INFINITY);
    for (index, logit) in logits.iter().enumerate() {
        if *logit > largest {
            (class, largest) = (index, *logit);
        }
    }
    (class, 1.0 / logits.iter().map(|logit| (logit - largest).exp()).sum::<f64>())
}

impl Calibration {
    /// Over predictions: each one's confidence, and whether it is right.
    pub fn new(predictions: impl IntoIterator<Item = (f64, bool)>) -> Calibration {
        let mut bins = [Bin::default(); BINS];
        let mut total = 0;
        for (confidence, right) in predictions {
            // Bin b holds what lies in (b / 15, (b + 1) / 15]; NaN counts as no confidence.
            let at = ((confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
            bins[at].count += 1;
            bins[at].confidence += confidence;
            bins[at].accuracy += f64::from(u8::from(right));
            total += 1;
        }
        let mut ece = 0.0;
        for bin in bins.iter_mut().filter(|bin| bin.count > 0) {
            let count = bin.count as f64;
            bin.confidence /= count;
            bin.accuracy /= count;
            ece += count / f64::from(total) * (bin.confidence - bin.accuracy).abs();
        }
        Calibration { ece, bins }
    }
}

/// Everything is drawn this many times larger and then averaged down, which gives smooth edges.
const FINE: u32 = 3;
const WIDTH: u32 = 460;
const HEIGHT: u32 = 470;
const INK: RGBColor = RGBColor(38, 40, 56);
const GRID: RGBColor = RGBColor(226, 228, 236);
const BAR: RGBColor = RGBColor(92, 132, 222);
const FONT: &str = "diagram";

/// Writes a PNG with one reliability diagram for each named calibration, side by side: the bars are accuracies, darker
/// where more of the predictions lie; on the diagonal confidence tells the truth.
pub fn draw(path: &Path, diagrams: &[(&str, &Calibration)]) -> Result<(), Box<dyn Error>> {
    register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT)
        .map_err(|_| "the typeface is damaged")?;
    let size = (WIDTH * FINE * diagrams.len().max(1) as u32, HEIGHT * FINE);
    let mut fine = RgbImage::new(size.0, size.1);
    {
        let area = BitMapBackend::with_buffer(&mut fine, size).into_drawing_area();
        area.fill(&WHITE)?;
        for (panel, (name, calibration)) in area.split_evenly((1, diagrams.len().max(1))).iter().zip(diagrams) {
            diagram(panel, name, calibration)?;
        }
        area.present()?;
    }
    imageops::thumbnail(&fine, size.0 / FINE, size.1 / FINE).save(path)?;
    Ok(())
}

type Area<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;

fn diagram(area: &Area, name: &str, calibration: &Calibration) -> Result<(), Box<dyn Error>> {
    let text = |height: u32| (FONT, height * FINE, &INK).into_text_style(&(0, 0));
    let middle = text(19).pos(Pos::new(HPos::Center, VPos::Center));
    let title = format!("{name}: ECE {:.1} %", 100.0 * calibration.ece);
    area.draw_text(&title, &middle, ((WIDTH * FINE / 2) as i32, (22 * FINE) as i32))?;
    let mut chart = ChartBuilder::on(area)
        .margin_top(44 * FINE)
        .margin_right(24 * FINE)
        .margin_left(8 * FINE)
        .margin_bottom(8 * FINE)
        .set_label_area_size(LabelAreaPosition::Left, 56 * FINE)
        .set_label_area_size(LabelAreaPosition::Bottom, 46 * FINE)
        .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(FINE))
        .axis_style(INK.stroke_width(FINE))
        .set_all_tick_mark_size(4 * FINE)
        .x_labels(6)
        .y_labels(6)
        .label_style(text(14))
        .axis_desc_style(text(16))
        .x_desc("confidence")
        .y_desc("accuracy")
        .draw()?;
    let most = calibration.bins.iter().map(|bin| bin.count).max().unwrap_or(0).max(1) as f64;
    let bars = calibration.bins.iter().enumerate().filter(|(_, bin)| bin.count > 0).map(|(at, bin)| {
        let (left, right) = (at as f64 / BINS as f64, (at + 1) as f64 / BINS as f64);
        let shade = BAR.mix(0.25 + 0.75 * (bin.count as f64 / most).sqrt());
        Rectangle::new([(left + 0.004, 0.0), (right - 0.004, bin.accuracy)], shade.filled())
    });
    chart.draw_series(bars)?;
    chart.draw_series([PathElement::new([(0.0, 0.0), (1.0, 1.0)], INK.stroke_width(FINE))])?;
    let means = calibration.bins.iter().filter(|bin| bin.count > 0);
    chart.draw_series(means.map(|bin| Circle::new((bin.confidence, bin.accuracy), 4 * FINE, INK.filled())))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn confidence_is_the_largest_softmax() {
        // e^0, e^ln 2, e^ln 5 of a sum of 8; the second set has two equal ones.
        let (class, p) = confidence(&[0.0, 2f64.ln(), 5f64.ln()]);
        assert!(class == 2 && (p - 0.625).abs() < 1e-15);
        assert_eq!(confidence(&[1.0, 1.0]), (0, 0.5));
        assert_eq!(confidence(&[1000.0, -1000.0]), (0, 1.0));
    }

    #[test]
    fn the_error_is_the_weighted_distance() {
        // Bin 11 (11/15 to 12/15): confidences 0.75 and 0.79, one right: |0.77 - 0.5| at weight 2/5.
        // Bin 14: 0.95, 0.97, 0.99, all right: |0.97 - 1| at weight 3/5.
        let predictions = [(0.75, true), (0.95, true), (0.79, false), (0.97, true), (0.99, true)];
        let calibration = Calibration::new(predictions);
        assert!((calibration.ece - (0.4 * 0.27 + 0.6 * 0.03)).abs() < 1e-12, "{}", calibration.ece);
        assert_eq!((calibration.bins[11].count, calibration.bins[14].count), (2, 3));
        assert!((calibration.bins[11].confidence - 0.77).abs() < 1e-12);
        assert_eq!(calibration.bins[11].accuracy, 0.5);
    }

    #[test]
    fn edges_belong_to_the_bin_below() {
        let at = |confidence: f64| {
            Calibration::new([(confidence, true)]).bins.iter().position(|bin| bin.count == 1).unwrap()
        };
        assert_eq!((at(1.0), at(0.2), at(0.21), at(0.0), at(f64::NAN)), (14, 2, 3, 0, 0));
        // A perfect bin costs nothing, and no predictions none either.
        assert_eq!(Calibration::new([(1.0, true); 7]).ece, 0.0);
        assert_eq!(Calibration::new([]).ece, 0.0);
    }

    #[test]
    fn diagrams_are_drawn() {
        let path = std::env::temp_dir().join(format!("calibration-{}.png", std::process::id()));
        let (some, none) = (Calibration::new([(0.6, true), (0.61, false), (0.9, true)]), Calibration::new([]));
        draw(&path, &[("some", &some), ("none", &none)]).unwrap();
        let picture = image::open(&path).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (2 * WIDTH, HEIGHT));
        // Bars on the left alone; text and axes on both sides.
        let count = |from: u32, wanted: fn(&Rgb<u8>) -> bool| {
            let here = picture.enumerate_pixels().filter(|(x, _, _)| (from..from + WIDTH).contains(x));
            here.filter(|(_, _, pixel)| wanted(pixel)).count()
        };
        let blue = |from| count(from, |p| p[2].saturating_sub(p[0]) > 60);
        let dark = |from| count(from, |p| p[0] < 90);
        assert!(blue(0) > 1000 && blue(WIDTH) == 0, "{} and {}", blue(0), blue(WIDTH));
        assert!(dark(0) > 200 && dark(WIDTH) > 200);
        std::fs::remove_file(path).unwrap();
    }
}
