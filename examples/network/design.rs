//! `network design`: gradients through time decide where coupling helps.

use std::error::Error;

use kuramoto::network::{Scheme, State};
use kuramoto::{DType, Storage, Tape};
use serde::Serialize;

use super::arguments::Design;
use super::files;
use super::load::{Loaded, load};
use super::plots::{self, Series};
use super::progress::Progress;
use super::simulate::{self, Model, Plan, Point, Stepping, simulate};

#[derive(Serialize)]
struct Summary {
    network: String,
    nodes: usize,
    edges: usize,
    adapter: String,
    seconds: f64,
    /// Order parameter at the end of the time, mean over initial states that were not designed for.
    order_before: f64,
    order_after: f64,
    edges_switched_off: usize,
    /// Correlation of an edge's weight with the distance of its ends' natural frequencies.
    correlation_with_detuning: f64,
}

/// Runs the command.
///
/// # Errors
/// In words.
pub fn run(args: &Design) -> Result<(), Box<dyn Error>> {
    let Loaded { network, name: what, .. } = load(&args.source, args.time.seed)?;
    let (nodes, edges) = (network.graph.nodes(), network.graph.edge_count());
    if edges == 0 {
        return Err("the network has no edges to design".into());
    }
    if network.weights.iter().any(|w| *w < 0.0) {
        return Err("design keeps weights at or above 0, and this network has some below".into());
    }
    let mut model = Model::new(network, &args.source, &args.model)?;
    model.uniform = false;
    if model.delays.is_some() {
        return Err("a network with delays has no gradient; leave --speed and --delay out".into());
    }
    if args.model.noise != 0.0 {
        return Err("design follows gradients, which noise has none of here; leave --noise out".into());
    }
    let (mut tape, adapter) = args.time.machine.tape()?;
    say!("{what}: {nodes} nodes, {edges} edges; on {adapter}");
    let folder = &args.output.out;
    std::fs::create_dir_all(folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    // One set of frequencies, many initial states.
    let omega = simulate::frequencies(&model.frequencies, nodes, args.time.seed);
    model.frequencies = simulate::Frequencies::Given(omega.clone());
    let points = |first: u64| -> Vec<Point> {
        let point = |seed| Point { coupling: args.coupling, lag: args.lag, noise: 0.0, seed };
        (first..first + u64::from(args.starts)).map(point).collect()
    };
    let (seen, unseen) = (points(args.time.seed), points(args.time.seed + u64::from(args.starts)));
    let before = curve(&mut tape, &model, &unseen, args)?;
    let budget: f64 = model.network.weights.iter().map(|w| f64::from(*w)).sum();
    let clock = std::time::Instant::now();
    let mut bar = Progress::new("rounds");
    for round in 0..args.rounds {
        let gradient = gradient(&mut tape, &model, &seen, args)?;
        ascend(&mut model.network.weights, &gradient, args.rate as f32, budget);
        bar.at(round as usize + 1, args.rounds as usize);
    }
    drop(bar);
    let seconds = clock.elapsed().as_secs_f64();
    let after = curve(&mut tape, &model, &unseen, args)?;
    let last = |v: &[f64]| v.last().copied().unwrap_or(f64::NAN);
    let detuning: Vec<f64> = model.network.graph.edges().map(|(i, j)| f64::from((omega[i] - omega[j]).abs())).collect();
    let weights: Vec<f64> = model.network.weights.iter().map(|w| f64::from(*w)).collect();
    let summary = Summary {
        network: what.clone(),
        nodes,
        edges,
        adapter,
        seconds,
        order_before: last(&before),
        order_after: last(&after),
        edges_switched_off: weights.iter().filter(|w| **w == 0.0).count(),
        correlation_with_detuning: correlation(&weights, &detuning),
    };
    files::write(&folder.join("design.npz"), &model.network)?;
    let times: Vec<f64> = (0..before.len()).map(|k| k as f64 * args.time.step * stride(args) as f64).collect();
    let series = [Series { name: "before", values: &before }, Series { name: "designed", values: &after }];
    plots::order(&folder.join("order.png"), &what, &times, &series)?;
    let text = serde_json::to_string_pretty(&summary)?;
    std::fs::write(folder.join("summary.json"), &text)?;
    if args.output.json {
        say!("{text}");
    } else {
        say!(
            "{} rounds in {seconds:.1} s; order parameter of other initial states {:.4} before, {:.4} after, of the same budget",
            args.rounds,
            summary.order_before,
            summary.order_after
        );
        say!(
            "{} of {edges} edges are switched off; weights and detuning correlate by {:.2}",
            summary.edges_switched_off,
            summary.correlation_with_detuning
        );
        say!("{}", folder.display());
    }
    Ok(())
}

/// Steps that a gradient passes through.
fn steps(args: &Design) -> usize {
    (args.time.time / args.time.step).round().max(1.0) as usize
}

/// Steps between two samples of a curve.
fn stride(args: &Design) -> usize {
    (steps(args) / 100).max(1)
}

fn stepping(model: &Model) -> Scheme {
    if model.inertia.is_some() { Scheme::Splitting } else { Scheme::Rk4 }
}

/// The order parameter over time, mean over the points.
fn curve(tape: &mut Tape, model: &Model, points: &[Point], args: &Design) -> Result<Vec<f64>, Box<dyn Error>> {
    let every = stride(args);
    let stepping = Stepping::Fixed(stepping(model));
    let plan = Plan {
        stepping,
        step: args.time.step as f32,
        samples: steps(args) / every,
        every,
        done: 0,
        keep: false,
        communities: None,
    };
    let start = simulate::start(model, points);
    let outcome = simulate(tape, model, points, &start, &plan, &mut |_, _| ())?;
    if let Some(at) = outcome.breakdown {
        return Err(format!("the network goes non-finite at step {}; take a smaller --step", at.step).into());
    }
    let samples = outcome.order.first().map_or(0, Vec::len);
    let mean = |k: usize| outcome.order.iter().map(|r| r[k]).sum::<f64>() / outcome.order.len() as f64;
    Ok((0..samples).map(mean).collect())
}

/// The gradient, by the weights, of the mean squared order parameter at the end.
fn gradient(tape: &mut Tape, model: &Model, points: &[Point], args: &Design) -> Result<Vec<f32>, Box<dyn Error>> {
    let (nodes, batch) = (model.network.graph.nodes(), points.len());
    let start = simulate::start(model, points);
    let network = simulate::describe(tape, model, points)?;
    let data = tape.apart(|tape| {
        // The weights are the second value: frequencies come first.
        let mut which = 0;
        let network = network.try_map(|value| {
            which += 1;
            Ok(if which == 2 { tape.leaf(value.clone()) } else { tape.constant(value.clone()) })
        })?;
        let weights = network.values()[1];
        let mut constant = |data: &[f32], shape: &[usize]| -> kuramoto::Result<kuramoto::Var> {
            let value = tape.upload(data, shape, DType::F32)?;
            Ok(tape.constant(value))
        };
        let theta = constant(&start.theta, &[batch, nodes])?;
        let state = match model.inertia {
            None => State::at(theta),
            Some(_) => State::moving(theta, constant(&start.velocity, &[batch, nodes])?),
        };
        let h = constant(&vec![args.time.step as f32; batch], &[batch])?;
        let storage = Storage::balanced(steps(args));
        let end = network.steps(tape, &state, h, stepping(model), steps(args), storage)?;
        let phasors = tape.phasors(end.theta, 1)?;
        let z = tape.mean_nodes(phasors)?;
        let square = tape.dot(z, z)?;
        tape.backward(square)?.read(tape, weights)
    })?;
    Ok(data.into_iter().map(|v| v as f32).collect())
}

/// One step along the gradient, then back to weights at or above 0 of the same sum.
fn ascend(weights: &mut [f32], gradient: &[f32], rate: f32, budget: f64) {
    let largest = gradient.iter().fold(0.0f32, |m, g| m.max(g.abs()));
    if largest == 0.0 {
        return;
    }
    let mean = gradient.iter().map(|g| f64::from(*g)).sum::<f64>() as f32 / gradient.len() as f32;
    let step = rate * (budget / weights.len() as f64) as f32 / largest;
    // Along the plane of equal sums.
    weights.iter_mut().zip(gradient).for_each(|(w, g)| *w = (*w + step * (g - mean)).max(0.0));
    let sum: f64 = weights.iter().map(|w| f64::from(*w)).sum();
    if sum > 0.0 {
        weights.iter_mut().for_each(|w| *w = (f64::from(*w) * budget / sum) as f32);
    }
}

/// Pearson's correlation.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let sum = |f: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(a, b)| f(a - ma, b - mb)).sum::<f64>();
    sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascent_keeps_the_budget_and_the_sign() {
        let mut weights = vec![1.0f32, 0.05, 1.95, 1.0];
        ascend(&mut weights, &[1.0, -1.0, 0.0, 0.0], 0.5, 4.0);
        assert!((weights.iter().sum::<f32>() - 4.0).abs() < 1e-6, "{weights:?}");
        assert!(weights[0] > 1.0 && weights[1] == 0.0, "{weights:?}");
        let same = weights.clone();
        ascend(&mut weights, &[0.0; 4], 0.5, 4.0);
        assert_eq!(weights, same);
    }

    #[test]
    fn correlation_is_that_of_pearson() {
        assert!((correlation(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]) - 1.0).abs() < 1e-12);
        assert!((correlation(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]) + 1.0).abs() < 1e-12);
    }
}
