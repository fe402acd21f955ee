//! The table, the pictures and the JSON.

use std::error::Error;
use std::path::Path;

use serde_json::json;

use crate::network::Kind;
use crate::plots::{Axis, Curve, Point, Scale, curves};
use crate::study::Outcome;

/// Lengths of the table and the curve: doublings of the training length, and the last place.
fn lengths(trained: usize, tested: usize) -> Vec<usize> {
    let doublings = (0..).map(|k| trained << k).take_while(|length| *length < tested);
    doublings.chain([tested]).collect()
}

fn of(kind: Kind, outcomes: &[Outcome]) -> impl Iterator<Item = &Outcome> {
    outcomes.iter().filter(move |outcome| outcome.kind == kind)
}

/// Mean, least and most.
fn spread(values: &[f64]) -> [f64; 3] {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let least = values.iter().fold(f64::INFINITY, |a, b| a.min(*b));
    [mean, least, values.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b))]
}

fn tested(outcomes: &[Outcome]) -> usize {
    outcomes.first().map_or(0, |outcome| outcome.right.len())
}

/// Percent of strings that are right from their start up to some lengths: mean of the seeds, least and most.
pub fn print(kinds: &[Kind], outcomes: &[Outcome], trained: usize) {
    let lengths = lengths(trained, tested(outcomes));
    println!("\nstrings that are right from their start, % (least to most of the seeds)");
    print!("{:<22} {:>9} {:>9}", "", "numbers", "s");
    lengths.iter().for_each(|length| print!(" {length:>15}"));
    println!();
    for kind in kinds {
        let all: Vec<&Outcome> = of(*kind, outcomes).collect();
        let seconds = spread(&all.iter().map(|o| o.seconds).collect::<Vec<_>>())[0];
        print!("{:<22} {:>9} {:>9.0}", kind.name(), all[0].learned, seconds);
        for length in &lengths {
            let values: Vec<f64> = all.iter().map(|o| 100.0 * o.unbroken[length - 1]).collect();
            let [mean, least, most] = spread(&values);
            print!(" {:>15}", format!("{mean:.1} ({least:.0}-{most:.0})"));
        }
        println!();
    }
    println!("brackets that are right in the last quarter of the test strings, %");
    for kind in kinds {
        let last = |o: &Outcome| {
            let quarter = &o.right[o.right.len() * 3 / 4..];
            100.0 * quarter.iter().sum::<f64>() / quarter.len() as f64
        };
        let [mean, least, most] = spread(&of(*kind, outcomes).map(last).collect::<Vec<_>>());
        println!("{:<22} {mean:.2} ({least:.2}-{most:.2})", kind.name());
    }
}

/// `length.png` and `loss.png`.
pub fn draw(folder: &Path, kinds: &[Kind], outcomes: &[Outcome], trained: usize) -> Result<(), Box<dyn Error>> {
    let places = lengths(trained, tested(outcomes));
    let curve = |(colour, kind): (usize, &Kind), point: &dyn Fn(usize) -> Option<Point>, count: usize| Curve {
        name: kind.name(),
        colour,
        points: (0..count).filter_map(point).collect(),
    };
    let point = |x: usize, values: Vec<f64>| {
        let [y, low, high] = spread(&values);
        Some(Point { x: x as f64, y, low, high })
    };
    let by_length = kinds.iter().enumerate().map(|entry| {
        let at = |i: usize| point(places[i], of(*entry.1, outcomes).map(|o| o.unbroken[places[i] - 1]).collect());
        curve(entry, &at, places.len())
    });
    let x = Axis { name: "brackets", scale: Scale::Log2 };
    let y = Axis { name: "strings right from their start", scale: Scale::Linear };
    let title = format!("trained on {trained} brackets; bars: least to most of the seeds");
    curves(&folder.join("length.png"), &title, x, y, &by_length.collect::<Vec<_>>())?;

    let by_step = kinds.iter().enumerate().map(|entry| {
        let all: Vec<&Outcome> = of(*entry.1, outcomes).collect();
        let at = |i: usize| point(all[0].losses[i].0, all.iter().map(|o| o.losses[i].1).collect());
        curve(entry, &at, all[0].losses.len())
    });
    let x = Axis { name: "steps of the optimiser", scale: Scale::Linear };
    let y = Axis { name: "cross entropy", scale: Scale::Log10 };
    curves(
        &folder.join("loss.png"),
        "training loss; bars: least to most of the seeds",
        x,
        y,
        &by_step.collect::<Vec<_>>(),
    )
}

/// The networks of a file that [`json`] made, and the length that they were trained on.
pub fn read(path: &Path) -> Result<(Vec<Outcome>, usize), Box<dyn Error>> {
    let file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let outcome = |network: &serde_json::Value| -> Option<Outcome> {
        Some(Outcome {
            kind: Kind::named(network["network"].as_str()?)?,
            seed: network["seed"].as_u64()?,
            learned: network["learned"].as_u64()? as usize,
            losses: serde_json::from_value(network["losses"].clone()).ok()?,
            right: serde_json::from_value(network["right"].clone()).ok()?,
            unbroken: serde_json::from_value(network["unbroken"].clone()).ok()?,
            seconds: network["seconds"].as_f64()?,
        })
    };
    let networks = file["networks"].as_array().map(|networks| networks.iter().map(outcome).collect::<Option<Vec<_>>>());
    match (networks.flatten(), file["trained_on"].as_u64()) {
        (Some(networks), Some(length)) if !networks.is_empty() => Ok((networks, length as usize)),
        _ => Err(format!("{} is not what --json wrote", path.display()).into()),
    }
}

/// Everything.
pub fn json(outcomes: &[Outcome], trained: usize, took: f64) -> serde_json::Value {
    let networks = outcomes.iter().map(|o| {
        json!({
            "network": o.kind.name(),
            "seed": o.seed,
            "learned": o.learned,
            "losses": o.losses,
            "right": o.right,
            "unbroken": o.unbroken,
            "seconds": o.seconds,
        })
    });
    json!({ "trained_on": trained, "networks": networks.collect::<Vec<_>>(), "seconds": took })
}
