//! The pictures.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use crate::evaluate::{Effort, Evaluation, Row};
use crate::plots::{Axis, Curve, Point, Scale, curves};
use crate::statistics::Share;
use crate::train::Moment;

/// Draws all of them into `folder`.
pub fn draw(folder: &Path, after: &Evaluation, effort: &Effort, history: &[Moment]) -> Result<(), Box<dyn Error>> {
    let place = |row: &Row| row.name.parse::<f64>().unwrap_or(after.effort.mean());
    let curve = |name: &str, colour: usize, share: fn(&Row) -> Share| {
        let point = |row: &Row| {
            let Share { share, low, high } = share(row);
            Point { x: place(row), y: share, low, high }
        };
        let mut points: Vec<Point> = after.rows.iter().map(point).collect();
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        Curve { name: name.into(), colour, points }
    };
    let lines = [curve("blanks", 2, |row| row.blanks), curve("whole boards", 0, |row| row.boards)];
    let across = Axis { name: "iterations (the fixed point at its mean)", scale: Scale::Linear };
    let up = Axis { name: "share that is right", scale: Scale::Linear };
    curves(&folder.join("accuracy.png"), "Unseen boards of 4 x 4, 0: the proposal alone", across, up, &lines)?;

    let mut by_blanks: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for (blanks, iterations) in effort.blanks.iter().zip(&effort.iterations) {
        by_blanks.entry(*blanks).or_default().push(*iterations as f64);
    }
    let points = by_blanks.into_iter().map(|(blanks, mut taken)| {
        taken.sort_by(f64::total_cmp);
        let at = |share: f64| taken[((taken.len() - 1) as f64 * share).round() as usize];
        Point { x: blanks as f64, y: taken.iter().sum::<f64>() / taken.len() as f64, low: at(0.1), high: at(0.9) }
    });
    let line = Curve { name: "mean, and the middle 80 % of boards".into(), colour: 0, points: points.collect() };
    let across = Axis { name: "blanks", scale: Scale::Linear };
    let up = Axis { name: "iterations to a residual of 1e-4", scale: Scale::Log10 };
    curves(&folder.join("iterations.png"), "How long the fixed point takes", across, up, &[line])?;

    let moments = |value: fn(&Moment) -> f64| {
        let point = |moment: &Moment| {
            let y = value(moment);
            Point { x: moment.step as f64, y, low: y, high: y }
        };
        history.iter().map(point).collect::<Vec<Point>>()
    };
    let lines = [
        Curve { name: "loss".into(), colour: 1, points: moments(|moment| moment.loss) },
        Curve { name: "iterations".into(), colour: 0, points: moments(|moment| moment.iterations) },
    ];
    let across = Axis { name: "steps of the optimiser", scale: Scale::Linear };
    let up = Axis { name: "mean since the last point", scale: Scale::Log10 };
    curves(&folder.join("training.png"), "Training", across, up, &lines)
}
