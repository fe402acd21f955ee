//! What the pictures of a demo run show, in plain words. Every sentence follows from the run's numbers.

use super::Shown;
use crate::experiment::Settings;
use crate::say;

/// Regions above this are called locked: the angle of a typical oscillator to the mean is then below some 25 degrees.
const LOCKED: f64 = 0.9;

/// Regions below this are called not locked; in between they are partly so.
const LOOSE: f64 = 0.6;

pub(super) fn print(shown: &Shown) {
    let Settings { size, steps, n, .. } = shown.settings;
    say!("{size} x {size} oscillators of {n} components, {steps} steps in {:.2} s.", shown.run_seconds);
    let last = shown.run.last();
    let (outside, inside) = (last.outside, last.inside);
    say!("Outside of the shape the oscillators {} (|mean x| = {outside:.3}).", locked(outside));
    say!("Inside they {} (|mean x| = {inside:.3}).", locked(inside));
    say!("{}", verdict(shown.settings.silhouette, outside, inside));
    for sentence in energy(shown) {
        say!("{sentence}");
    }
}

fn locked(coherence: f64) -> &'static str {
    if coherence > LOCKED {
        "point the same way: they locked"
    } else if coherence < LOOSE {
        "point in different directions: they did not lock"
    } else {
        "agree in part"
    }
}

fn verdict(silhouette: bool, outside: f64, inside: f64) -> &'static str {
    match (silhouette, outside > LOCKED, inside < LOOSE) {
        (true, true, true) => "So the shape can be read off the state: order around it, disorder within.",
        (true, true, false) => {
            "The surroundings locked, and the inside followed: the shape stands out little or not at all."
        }
        (true, false, _) => "The surroundings did not lock: with this coupling the shape is not visible.",
        (false, true, false) if inside > LOCKED => {
            "This is the control: driven everywhere, all regions locked, so what shows a shape is the missing stimulus."
        }
        (false, ..) => "This is the control, driven everywhere; not all of it locked.",
    }
}

fn energy(shown: &Shown) -> Vec<String> {
    let run = &shown.run;
    let (Some(first), Some(last)) = (run.energy.first(), run.energy.last()) else { return vec![] };
    let rises = run.energy.windows(2).filter(|e| e[1] - e[0] > run.energy_rounding).count();
    let change = format!("The energy went from {first:.1} to {last:.1}");
    let mut sentences = vec![if rises == 0 {
        format!("{change} and never rose.")
    } else {
        format!("{change} and rose in {rises} of {} steps, by {:.3} at most.", run.energy.len() - 1, run.largest_rise())
    }];
    if !shown.settings.symmetric {
        sentences.push("(The coupling is not symmetric, so nothing forbids it to rise; see --symmetric.)".to_owned());
    }
    sentences
}
