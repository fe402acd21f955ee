//! Accuracy over training, and oscillators on their circle.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use crate::canvas::{FINE, draw, legend, mesh, size};
use crate::grammar::{Sentence, text, word};
use crate::train::{Kind, Outcome, Phases};

/// Told apart by people who do not see all colours (Okabe and Ito).
const BLUE: RGBColor = RGBColor(0, 114, 178);
const ORANGE: RGBColor = RGBColor(213, 94, 0);
const GREY: RGBColor = RGBColor(110, 110, 110);

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

fn colour(kind: Kind) -> RGBColor {
    if kind == Kind::Oscillators { BLUE } else { ORANGE }
}

/// Hard sentences answered right over training, a line for each network.
pub fn accuracy(path: &Path, outcomes: &[Outcome]) -> Result {
    let steps = outcomes.iter().map(|outcome| outcome.last().step).max().unwrap_or(1).max(1);
    draw(path, 460, |area| {
        let mut chart = ChartBuilder::on(area)
            .caption("Hard sentences answered right, a line for each seed", size(17))
            .margin(12 * FINE)
            .x_label_area_size(40 * FINE)
            .y_label_area_size(60 * FINE)
            .build_cartesian_2d(0.0..steps as f64, 0.4..1.01)?;
        mesh(&mut chart).x_desc("step of training").y_desc("fraction right").draw()?;
        for kind in [Kind::Softmax, Kind::Oscillators] {
            for (at, outcome) in outcomes.iter().filter(|outcome| outcome.kind == kind).enumerate() {
                let style = colour(kind).stroke_width(2 * FINE);
                let points = outcome.looks.iter().map(|look| (look.step as f64, look.hard));
                let line = chart.draw_series(LineSeries::new(points, style))?;
                if at == 0 {
                    let name = if kind == Kind::Oscillators { "fixed-query oscillators" } else { "softmax" };
                    let long = 16 * FINE as i32;
                    line.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + long, y)], style));
                }
            }
        }
        // Below this a network has failed.
        let limit = [(0.0, 0.85), (steps as f64, 0.85)];
        chart.draw_series(DashedLineSeries::new(limit, 6 * FINE, 4 * FINE, GREY.stroke_width(FINE)))?;
        legend(&mut chart, SeriesLabelPosition::LowerRight)?;
        Ok(())
    })
}

/// The circle: anchors with the words at their positions, as large as the verb's place reads them, and the oscillators.
pub fn circle(path: &Path, sentence: &Sentence, phases: &Phases) -> Result {
    let number = if sentence.number == 1 { "plural" } else { "singular" };
    let title = format!("{} ({number})", text(sentence));
    let reach = phases.anchors.iter().flatten().fold(1.0f64, |reach, a| reach.max(a.abs())) * 1.25;
    draw(path, 760, |area| {
        let mut chart = ChartBuilder::on(area)
            .caption(title, size(15))
            .margin(12 * FINE)
            .build_cartesian_2d(-reach..reach, -reach..reach)?;
        let turn = (0..=180).map(|at| f64::from(at) * std::f64::consts::PI / 90.0);
        chart.draw_series(LineSeries::new(turn.map(|a| (a.cos(), a.sin())), GREY.stroke_width(FINE)))?;
        let last = phases.states.len() - 1;
        for (at, [x, y]) in phases.states.iter().enumerate() {
            let style = if at == last { BLUE.stroke_width(4 * FINE) } else { BLUE.mix(0.25).stroke_width(FINE) };
            chart.draw_series([PathElement::new([(0.0, 0.0), (*x, *y)], style)])?;
        }
        let largest = phases.weights.iter().fold(1e-9f64, |m, w| m.max(*w));
        for (at, [x, y]) in phases.anchors.iter().enumerate() {
            let token = sentence.tokens[at];
            let radius = (2.0 + 10.0 * phases.weights[at] / largest) * f64::from(FINE);
            let place = (*x, *y);
            chart.draw_series([Circle::new(place, radius as i32, ORANGE.mix(0.7).filled())])?;
            let label = format!("{at} {}", word(token));
            let style = size(13).into_font().color(&BLACK);
            chart.draw_series([Text::new(label, (x + 0.03 * reach, y + 0.03 * reach), style)])?;
        }
        Ok(())
    })
}
