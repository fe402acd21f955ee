//! The files of a demo run.

use std::path::Path;

use serde::Serialize;

use super::{Shown, pause};
use crate::experiment::{Order, Settings};
use crate::failure::Result;
use crate::output;
use crate::pictures::{Frame, Panel, Plot, Series, write_contact_sheet, write_gif, write_plot, write_png};

/// Moments on the contact sheet.
const MOMENTS: usize = 5;

/// What `run.json` holds.
#[derive(Serialize)]
struct Record<'a> {
    settings: &'a Settings,
    adapter: &'a str,
    driver: &'a str,
    backend: &'a str,
    seconds: Seconds,
    energy: &'a [f64],
    energy_rounding: f64,
    energy_never_rose: bool,
    order: &'a [Order],
    coherence_outside: f64,
    coherence_inside: f64,
    coherence_all: f64,
}

#[derive(Serialize)]
struct Seconds {
    set_up: f64,
    run: f64,
}

/// Writes every file and returns their names.
pub(super) fn write(shown: &Shown, folder: &Path) -> Result<Vec<&'static str>> {
    let edge = shown.settings.silhouette.then_some(&shown.shape);
    let frames = &shown.frames;
    write_gif(&folder.join("silhouette.gif"), frames.iter().cloned(), pause(frames.len()), edge)?;
    if let Some(last) = frames.last() {
        write_png(&folder.join("silhouette.png"), last, edge)?;
    }
    write_contact_sheet(&folder.join("frames.png"), &moments(frames), edge)?;
    write_plot(&folder.join("plot.png"), &plot(shown))?;
    let last = shown.run.last();
    let record = Record {
        settings: &shown.settings,
        adapter: &shown.machine.adapter,
        driver: &shown.machine.driver,
        backend: &shown.machine.backend,
        seconds: Seconds { set_up: shown.set_up_seconds, run: shown.run_seconds },
        energy: &shown.run.energy,
        energy_rounding: shown.run.energy_rounding,
        energy_never_rose: shown.run.energy_never_rose(),
        order: &shown.run.order,
        coherence_outside: last.outside,
        coherence_inside: last.inside,
        coherence_all: last.all,
    };
    output::write_json(&folder.join("run.json"), &record)?;
    Ok(vec!["silhouette.gif", "silhouette.png", "frames.png", "plot.png", "run.json"])
}

/// Frames from the first to the last, closer together early, where most happens.
fn moments(frames: &[Frame]) -> Vec<Frame> {
    let last = frames.len().saturating_sub(1);
    let mut chosen: Vec<usize> = (0..MOMENTS)
        .map(|i| {
            let along = i as f64 / (MOMENTS - 1) as f64;
            (along * along * last as f64).round() as usize
        })
        .collect();
    chosen.dedup();
    chosen.into_iter().filter_map(|i| frames.get(i).cloned()).collect()
}

fn plot(shown: &Shown) -> Plot {
    let order = |name: &str, of: fn(&Order) -> f64| Series {
        name: name.to_owned(),
        values: shown.run.order.iter().map(of).collect(),
    };
    let energy = Series { name: String::new(), values: shown.run.energy.clone() };
    Plot {
        title: format!("Energy and order, seed {}", shown.settings.seed),
        x_label: "step".to_owned(),
        x_step: 1.0,
        panels: vec![
            Panel { y_label: "energy".to_owned(), series: vec![energy] },
            Panel {
                y_label: "|mean x|".to_owned(),
                series: vec![order("outside", |o| o.outside), order("inside", |o| o.inside), order("all", |o| o.all)],
            },
        ],
    }
}
