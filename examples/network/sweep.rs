//! `network sweep`: many parameters as one batch.

use std::error::Error;

use serde::Serialize;

use super::arguments::Sweep;
use super::files;
use super::load::{Loaded, load};
use super::plots::{self, Axis};
use super::progress::Progress;
use super::simulate::{self, Frequencies, Model, Plan, Point, simulate};

#[derive(Serialize)]
struct Summary {
    network: String,
    nodes: usize,
    edges: usize,
    adapter: String,
    points: usize,
    steps: usize,
    seconds: f64,
    nanoseconds_per_node_and_step: f64,
    coupling: Vec<f64>,
    lag: Vec<f64>,
    /// `[coupling][lag]`, means over seeds and the second half of the time.
    order: Vec<Vec<f64>>,
}

/// Runs the command.
///
/// # Errors
/// In words.
pub fn run(args: &Sweep) -> Result<(), Box<dyn Error>> {
    let Loaded { network, name: what, .. } = load(&args.source, args.time.seed)?;
    let (nodes, edges) = (network.graph.nodes(), network.graph.edge_count());
    if nodes == 0 {
        return Err("the network has no nodes".into());
    }
    let model = Model::new(network, &args.source, &args.model)?;
    let (couplings, lags) = (args.coupling.values(), args.lag.values());
    let noise = simulate::strength(args.model.noise);
    let mut points = Vec::new();
    for coupling in &couplings {
        for lag in &lags {
            let seeds = args.time.seed..args.time.seed + u64::from(args.seeds);
            points.extend(seeds.map(|seed| Point { coupling: *coupling, lag: *lag, noise, seed }));
        }
    }
    let (every, samples) = simulate::samples(&args.time);
    let stepping = model.stepping(&args.time, args.model.noise);
    let plan = Plan { stepping, step: args.time.step as f32, samples, every, done: 0, keep: false, communities: None };
    let (mut tape, adapter) = args.time.machine.tape()?;
    say!("{what}: {nodes} nodes, {edges} edges; {} points on {adapter}", points.len());
    let start = simulate::start(&model, &points);
    let clock = std::time::Instant::now();
    let mut bar = Progress::new("steps");
    let outcome = simulate(&mut tape, &model, &points, &start, &plan, &mut |done, of| bar.at(done, of))?;
    drop(bar);
    let seconds = clock.elapsed().as_secs_f64();
    if let Some(at) = outcome.breakdown {
        let p = points[at.sample];
        let hint = "a smaller --step or --scheme dopri may help";
        return Err(format!("the point {p:?} went non-finite at step {}, node {}; {hint}", at.step, at.node).into());
    }
    let late: Vec<f64> = outcome
        .order
        .iter()
        .map(|r| {
            let half = &r[r.len() / 2..];
            half.iter().sum::<f64>() / half.len() as f64
        })
        .collect();
    let seeds = args.seeds as usize;
    let mean: Vec<f64> = late.chunks(seeds).map(|r| r.iter().sum::<f64>() / seeds as f64).collect();
    let folder = &args.output.out;
    std::fs::create_dir_all(folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    write(args, &model, &points, &late, &mean, &what)?;
    let steps = samples * every;
    let summary = Summary {
        network: what,
        nodes,
        edges,
        adapter,
        points: points.len(),
        steps,
        seconds,
        nanoseconds_per_node_and_step: 1e9 * seconds / (points.len() * nodes * steps) as f64,
        order: mean.chunks(lags.len()).map(<[f64]>::to_vec).collect(),
        coupling: couplings,
        lag: lags,
    };
    let text = serde_json::to_string_pretty(&summary)?;
    std::fs::write(folder.join("summary.json"), &text)?;
    if args.output.json {
        say!("{text}");
    } else {
        say!("     K      lag        r");
        for (p, r) in points.chunks(seeds).zip(&mean) {
            say!("{:>6.3} {:>8.3} {r:>8.4}", p[0].coupling, p[0].lag);
        }
        say!("{steps} steps of {} points in {seconds:.2} s; {}", summary.points, folder.display());
    }
    Ok(())
}

fn write(
    args: &Sweep,
    model: &Model,
    points: &[Point],
    late: &[f64],
    mean: &[f64],
    what: &str,
) -> Result<(), Box<dyn Error>> {
    let out = |name: &str| args.output.out.join(name);
    let (couplings, lags) = (&args.coupling.values(), &args.lag.values());
    let seeds: Vec<f64> = (0..args.seeds).map(|k| (args.time.seed + u64::from(k)) as f64).collect();
    let axes: [(&str, &[f64]); 3] = [("coupling", couplings), ("lag", lags), ("seed", &seeds)];
    files::write_grid(&out("sweep.npz"), &axes, late)?;
    let column = |f: &dyn Fn(&Point) -> f64| points.iter().map(f).collect::<Vec<f64>>();
    let columns =
        [("coupling", column(&|p| p.coupling)), ("lag", column(&|p| p.lag)), ("seed", column(&|p| p.seed as f64))];
    let mut named: Vec<(&str, &[f64])> = columns.iter().map(|(name, values)| (*name, values.as_slice())).collect();
    named.push(("order_parameter", late));
    files::write_series(&out("sweep.csv"), &named)?;
    if lags.len() == 1 && couplings.len() > 1 {
        let ranges: Vec<plots::Point> = couplings
            .iter()
            .zip(late.chunks(args.seeds as usize))
            .map(|(coupling, r)| plots::Point {
                coupling: *coupling,
                mean: r.iter().sum::<f64>() / r.len() as f64,
                low: r.iter().copied().fold(f64::INFINITY, f64::min),
                high: r.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            })
            .collect();
        let known = model.uniform && model.inertia.is_none() && lags == &[0.0] && args.model.noise == 0.0;
        let curve = if known { theory(&model.frequencies, couplings) } else { None };
        let curve = curve.as_ref().map(|(name, points)| (name.as_str(), points.as_slice()));
        plots::transition(&out("transition.png"), what, &ranges, curve)?;
    }
    if lags.len() > 1 && couplings.len() > 1 {
        // Rows are lags.
        let rows: Vec<f64> =
            (0..lags.len()).flat_map(|l| (0..couplings.len()).map(move |k| mean[k * lags.len() + l])).collect();
        let x = Axis { name: "coupling strength K", values: couplings };
        plots::phase_diagram(&out("diagram.png"), what, x, Axis { name: "phase lag", values: lags }, &rows)?;
    }
    Ok(())
}

/// The order parameter of infinitely many oscillators without noise, everybody coupled to everybody.
fn theory(frequencies: &Frequencies, couplings: &[f64]) -> Option<(String, Vec<(f64, f64)>)> {
    let Frequencies::Lorentz(width, _) = frequencies else { return None };
    let (from, to) = (couplings.first()?, couplings.last()?);
    let r = |k: f64| if k > 2.0 * width { (1.0 - 2.0 * width / k).sqrt() } else { 0.0 };
    let at = |i: usize| from + (to - from) * i as f64 / 400.0;
    Some(("theory: sqrt(1 - K_c / K)".into(), (0..=400).map(|i| (at(i), r(at(i)))).collect()))
}
