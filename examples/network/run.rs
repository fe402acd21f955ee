//! `network run`: one network over time.

use std::error::Error;

use kuramoto::network::{Scheme, StepBound, chimera_index, metastability, step_bound};
use serde::Serialize;

use super::arguments::Run;
use super::files;
use super::graph::Network;
use super::load::{self, Loaded, load};
use super::plots::{self, Series};
use super::progress::Progress;
use super::simulate::{self, Model, Outcome, Plan, Point, Start, Stepping, simulate};
use super::state::Checkpoint;
use super::values::Trip;

#[derive(Serialize)]
struct Summary {
    network: String,
    nodes: usize,
    edges: usize,
    components: usize,
    adapter: String,
    steps: usize,
    seconds: f64,
    microseconds_per_step: f64,
    order_start: f64,
    order_end: f64,
    order_mean_of_second_half: f64,
    mean_rate_end: Option<f64>,
    /// Of the second half, where there are communities.
    metastability: Option<f64>,
    chimera_index: Option<f64>,
    broke_down: Option<String>,
}

/// Phases that are kept at most: 64 million numbers are 256 MiB.
const KEPT: usize = 64 << 20;

/// Runs the command.
///
/// # Errors
/// In words; for a run that went non-finite after its results are written.
pub fn run(args: &Run) -> Result<(), Box<dyn Error>> {
    let Loaded { network, name: what, .. } = load(&args.source, args.time.seed)?;
    let (nodes, edges) = (network.graph.nodes(), network.graph.edge_count());
    if nodes == 0 {
        return Err("the network has no nodes".into());
    }
    let cuts = args.trip.map(|trip| cut(&network, trip)).transpose()?.unwrap_or_default();
    let components = network.components().into_iter().max().map_or(0, |last| last + 1);
    let mut model = Model::new(network, &args.source, &args.model)?;
    let stepping = model.stepping(&args.time, args.model.noise);
    let step = args.time.step as f32;
    judge(&model, args.coupling, step, stepping, args.force)?;
    let (every, samples) = simulate::samples(&args.time);
    let (mut tape, adapter) = args.time.machine.tape()?;
    say!("{what}: {nodes} nodes, {edges} edges, {components} connected; on {adapter}");
    let folder = &args.output.out;
    std::fs::create_dir_all(folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    let settings =
        format!("{:?} {:?} {} {} {} {step}", args.source, args.model, args.coupling, args.lag, args.time.seed);
    let checkpoint = folder.join("state.json");
    let point = Point {
        coupling: args.coupling,
        lag: args.lag,
        noise: simulate::strength(args.model.noise),
        seed: args.time.seed,
    };
    let mut past = Checkpoint { settings: settings.clone(), ..Checkpoint::default() };
    let mut start = simulate::start(&model, &[point]);
    if args.output.resume {
        if model.delays.is_some() || !cuts.is_empty() {
            return Err(
                "a run with delays or tripped edges has more of a past than a checkpoint holds; run it anew".into()
            );
        }
        past = Checkpoint::read(&checkpoint, &settings)?;
        start = past.start();
    } else if args.settle > 0.0 {
        start = settle(&mut tape, &model, point, &start, args)?;
    }
    let labels = match &args.output.communities {
        Some(path) => Some(labels(path, nodes)?),
        None => load::communities(&args.source),
    };
    let keep = nodes * (samples + 1) <= KEPT;
    let mut plan = Plan { stepping, step, samples, every, done: past.done, keep, communities: labels.as_deref() };
    let clock = std::time::Instant::now();
    let mut bar = Progress::new("steps");
    let mut parts = vec![];
    let per_sample = f64::from(plan.step) * every as f64;
    let at = args.trip.map_or(0.0, |trip| trip.time);
    let first = ((at / per_sample).round() as usize).clamp(1, samples);
    let segments = if cuts.is_empty() || first == samples { vec![samples] } else { vec![first, samples - first] };
    for (k, samples) in segments.iter().enumerate() {
        if k == 1 {
            for edge in &cuts {
                model.network.weights[*edge] = 0.0;
            }
        }
        plan.samples = *samples;
        let outcome = simulate(&mut tape, &model, &[point], &start, &plan, &mut |done, of| bar.at(done, of))?;
        start = outcome.end.clone();
        let broke = outcome.breakdown.is_some();
        parts.push((plan.times(), plan.done, outcome));
        plan.done += samples * every;
        if broke {
            break;
        }
    }
    drop(bar);
    let seconds = clock.elapsed().as_secs_f64();
    let done = plan.done - past.done;
    let joined = join(&past, parts, nodes);
    let breakdown = joined.breakdown.map(|(step, node)| {
        format!(
            "at step {step}, node {} (number {node}); a smaller --step or --scheme dopri may help",
            model.network.name(node)
        )
    });
    let last = |v: &[f64]| v.last().copied().unwrap_or(f64::NAN);
    let late = &joined.order[joined.order.len() / 2..];
    let groups = &joined.communities[joined.communities.len() / 2..];
    let late_groups = (groups.len() > 1).then_some(groups);
    let summary = Summary {
        network: what.clone(),
        nodes,
        edges,
        components,
        adapter,
        steps: done,
        seconds,
        microseconds_per_step: 1e6 * seconds / done as f64,
        order_start: joined.order.first().copied().unwrap_or(f64::NAN),
        order_end: last(&joined.order),
        order_mean_of_second_half: late.iter().sum::<f64>() / late.len() as f64,
        mean_rate_end: joined.rate.last().copied(),
        metastability: late_groups.map(metastability),
        chimera_index: late_groups.map(chimera_index),
        broke_down: breakdown.clone(),
    };
    write(args, &joined, &what, &start, past, plan.done)?;
    let text = serde_json::to_string_pretty(&summary)?;
    std::fs::write(folder.join("summary.json"), &text)?;
    if args.output.json {
        say!("{text}");
    } else {
        say!(
            "{done} steps in {seconds:.2} s; order parameter {:.4} at the start, {:.4} at the end, {:.4} over the second half",
            summary.order_start,
            summary.order_end,
            summary.order_mean_of_second_half
        );
        say!("{}", folder.display());
    }
    match breakdown {
        None => Ok(()),
        Some(at) => Err(format!("the run went non-finite {at}; what was sampled before is kept").into()),
    }
}

/// The communities of a file, one whole number per node.
fn labels(path: &std::path::Path, nodes: usize) -> Result<Vec<usize>, String> {
    let whole = |v: &f32| {
        let wanted = || format!("{}: `{v}` is no number of a community, expected 0, 1, 2, ..", path.display());
        if *v >= 0.0 && v.fract() == 0.0 && *v < nodes as f32 { Ok(*v as usize) } else { Err(wanted()) }
    };
    files::values(path, nodes)?.iter().map(whole).collect()
}

/// The edges between two nodes.
fn cut(network: &Network, trip: Trip) -> Result<Vec<usize>, String> {
    let [a, b] = trip.ends;
    let between = |(_, (i, j)): &(usize, (usize, usize))| (*i, *j) == (a, b) || (*i, *j) == (b, a);
    let edges: Vec<usize> = network.graph.edges().enumerate().filter(between).map(|(e, _)| e).collect();
    if edges.is_empty() { Err(format!("--trip {a},{b}: no edge joins the two nodes")) } else { Ok(edges) }
}

/// Refuses a step that is provably unstable, and warns of one that is not known to be stable.
fn judge(model: &Model, coupling: f64, step: f32, stepping: Stepping, force: bool) -> Result<(), String> {
    let Stepping::Fixed(scheme) = stepping else { return Ok(()) };
    if let Some(inertia) = model.inertia {
        let reach = match scheme {
            Scheme::Euler | Scheme::Heun => 2.0,
            Scheme::Rk4 => 2.785,
            _ => return Ok(()),
        };
        let bound = reach * inertia.inertia / inertia.damping.max(f32::MIN_POSITIVE);
        if step > bound && !force {
            return Err(format!(
                "with {scheme:?} and --step {step} velocities grow without end: --step must be below {bound}"
            ));
        }
        return Ok(());
    }
    let StepBound { stable_up_to, unstable_above } =
        step_bound(&model.network.graph, &model.network.weights, coupling, 1, scheme);
    match unstable_above {
        Some(bound) if f64::from(step) > bound && !force => Err(format!(
            "with {scheme:?} and --step {step} a synchronised state is unstable: above {bound:.3} it is for certain, up to \
             {stable_up_to:.3} it is stable; --force runs it"
        )),
        _ if f64::from(step) > stable_up_to => {
            eprintln!("--step {step} is above {stable_up_to:.3}, up to which {scheme:?} is known to be stable here");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The state after some time without noise.
fn settle(
    tape: &mut kuramoto::Tape,
    model: &Model,
    point: Point,
    start: &Start,
    args: &Run,
) -> Result<Start, Box<dyn Error>> {
    let steps = (args.settle / args.time.step).ceil() as usize;
    let stepping = model.stepping(&args.time, 0.0);
    let plan = Plan {
        stepping,
        step: args.time.step as f32,
        samples: 1,
        every: steps,
        done: 0,
        keep: false,
        communities: None,
    };
    let quiet = Point { noise: 0.0, ..point };
    let mut bar = Progress::new("steps of settling");
    let outcome = simulate(tape, model, &[quiet], start, &plan, &mut |done, of| bar.at(done, of))?;
    match outcome.breakdown {
        None => Ok(outcome.end),
        Some(at) => Err(format!("the network went non-finite while it settled, at step {}", at.step).into()),
    }
}

/// All parts of a run after each other.
struct Joined {
    times: Vec<f64>,
    order: Vec<f64>,
    rate: Vec<f64>,
    phases: Option<Vec<f32>>,
    velocities: Option<Vec<f32>>,
    /// `[samples][communities]`, of this run.
    communities: Vec<Vec<f64>>,
    /// Step and node.
    breakdown: Option<(usize, usize)>,
    /// Where the phases of this run begin among the times.
    from: usize,
}

fn join(past: &Checkpoint, parts: Vec<(Vec<f64>, usize, Outcome)>, nodes: usize) -> Joined {
    let mut joined = Joined {
        times: past.times.clone(),
        order: past.order.clone(),
        rate: past.rate.clone(),
        phases: Some(vec![]),
        velocities: Some(vec![]),
        communities: vec![],
        breakdown: None,
        from: past.times.len(),
    };
    for (k, (times, before, outcome)) in parts.into_iter().enumerate() {
        // A later part begins with the sample that the earlier one ended with.
        let skip = usize::from(k > 0 || joined.from > 0);
        let have = outcome.order.first().map_or(0, Vec::len);
        joined.times.extend(times.iter().take(have).skip(skip));
        joined.order.extend(outcome.order.iter().flatten().skip(skip));
        joined.rate.extend(outcome.rate.iter().flatten().skip(skip));
        let append = |all: &mut Option<Vec<f32>>, part: Option<Vec<f32>>| match (all.as_mut(), part) {
            (Some(all), Some(part)) => all.extend(part.into_iter().skip(skip * nodes)),
            _ => *all = None,
        };
        append(&mut joined.phases, outcome.phases);
        append(&mut joined.velocities, outcome.velocities);
        joined.communities.extend(outcome.communities.into_iter().skip(skip));
        joined.breakdown = outcome.breakdown.map(|b| (before + b.step, b.node));
    }
    joined
}

/// Writes the results into the folder.
fn write(
    args: &Run,
    joined: &Joined,
    what: &str,
    end: &Start,
    past: Checkpoint,
    done: usize,
) -> Result<(), Box<dyn Error>> {
    let out = |name: &str| args.output.out.join(name);
    let from = joined.from;
    let results =
        files::Results { times: &joined.times[from..], order: &joined.order[from..], phases: joined.phases.as_deref() };
    files::write_results(&out("run.npz"), &results)?;
    let mut columns: Vec<(&str, &[f64])> = vec![("time", &joined.times), ("order_parameter", &joined.order)];
    if joined.rate.len() == joined.times.len() {
        columns.push(("mean_rate", &joined.rate));
    }
    files::write_series(&out("run.csv"), &columns)?;
    // At most five communities have a curve each: more lines are no picture.
    let count = joined.communities.first().map_or(0, Vec::len).min(5);
    let curves: Vec<(String, Vec<f64>)> =
        (0..count).map(|c| (format!("community {c}"), joined.communities.iter().map(|row| row[c]).collect())).collect();
    match curves.is_empty() || joined.communities.len() != joined.times.len() {
        true => plots::order(&out("order.png"), what, &joined.times, &[Series { name: "r", values: &joined.order }])?,
        false => {
            let mut series = vec![Series { name: "all", values: &joined.order }];
            series.extend(curves.iter().map(|(name, values)| Series { name, values }));
            plots::order(&out("order.png"), what, &joined.times, &series)?;
        }
    }
    if let Some(phases) = &joined.phases {
        plots::raster(&out("raster.png"), what, &joined.times[from..], phases)?;
    }
    if let Some(velocities) = joined.velocities.as_ref().filter(|v| !v.is_empty()) {
        let count = joined.times.len() - from;
        let nodes = velocities.len() / count.max(1);
        let worst: Vec<f64> =
            velocities.chunks(nodes.max(1)).map(|row| row.iter().fold(0.0f32, |m, v| m.max(v.abs())).into()).collect();
        plots::deviation(&out("velocity.png"), what, &joined.times[from..], &worst)?;
    }
    if joined.breakdown.is_none() {
        let state = Checkpoint {
            done,
            theta: end.theta.clone(),
            velocity: end.velocity.clone(),
            times: joined.times.clone(),
            order: joined.order.clone(),
            rate: joined.rate.clone(),
            ..past
        };
        state.write(&out("state.json"))?;
    }
    Ok(())
}
