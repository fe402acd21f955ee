//! From a network and numbers to a run of the library.

use kuramoto::network::{
    self, AdaptiveOptions, Breakdown, Coupling, Observable, RunOptions, Scheme, State, Stochastic, Term, communities,
    mean_rate, order_parameter, phases, run, run_adaptive, velocities,
};
use kuramoto::{DType, Stream, Tape, Value};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::arguments::{self, Source};
use super::files;
use super::graph::Network;
use super::values;

/// Natural frequencies: drawn about a mean, or given.
#[derive(Clone, PartialEq, Debug)]
pub enum Frequencies {
    /// Cauchy's distribution; half width at half maximum, mean.
    Lorentz(f64, f64),
    /// A normal distribution; standard deviation, mean.
    Gauss(f64, f64),
    /// Even; half the range, mean.
    Uniform(f64, f64),
    /// One per node.
    Given(Vec<f32>),
}

/// What makes a network second order.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Inertia {
    pub inertia: f32,
    pub damping: f32,
}

/// What all points of a sweep share.
#[derive(Clone, Debug)]
pub struct Model {
    pub network: Network,
    pub frequencies: Frequencies,
    pub inertia: Option<Inertia>,
    /// `[E]`, in the unit of time.
    pub delays: Option<Vec<f32>>,
    /// `[N]`: the phases that all points start with; at random where there are none.
    pub phases: Option<Vec<f32>>,
    /// Everybody is coupled to everybody with the same weight: computed from the mean, in time proportional to the nodes.
    pub uniform: bool,
}

/// One sample of the batch.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Point {
    pub coupling: f64,
    pub lag: f64,
    pub noise: f64,
    pub seed: u64,
}

/// How time is stepped.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Stepping {
    Fixed(Scheme),
    /// Dormand and Prince, with this tolerance.
    Adaptive(f32),
}

/// How long, how finely, and what is kept.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Plan<'a> {
    pub stepping: Stepping,
    pub step: f32,
    /// Sampled times after the start.
    pub samples: usize,
    /// Steps between two of them.
    pub every: usize,
    /// Steps that were done before, which the noise counts on from.
    pub done: usize,
    /// Whether all phases (and velocities) of all sampled times are kept.
    pub keep: bool,
    /// `[N]`: the community of each node, where order parameters of communities are wanted.
    pub communities: Option<&'a [usize]>,
}

impl Model {
    /// The model that the arguments say.
    ///
    /// # Errors
    /// In words: no power, no lengths, numbers that do not fit.
    pub fn new(network: Network, source: &Source, args: &arguments::Model) -> Result<Model, String> {
        let (width, mean, nodes) = (args.width, args.mean, network.graph.nodes());
        let power = || match &network.power {
            Some(power) => Ok(Frequencies::Given(power.clone())),
            None => Err("this network does not tell its power; take another of --frequencies".to_owned()),
        };
        let frequencies = match &args.frequencies {
            None if network.power.is_some() => power()?,
            Some(values::Frequencies::Power) => power()?,
            None | Some(values::Frequencies::Lorentz) => Frequencies::Lorentz(width, mean),
            Some(values::Frequencies::Gauss) => Frequencies::Gauss(width, mean),
            Some(values::Frequencies::Uniform) => Frequencies::Uniform(width, mean),
            Some(values::Frequencies::File(path)) => Frequencies::Given(files::values(path, nodes)?),
        };
        let inertia =
            (args.order == 2).then_some(Inertia { inertia: args.inertia as f32, damping: args.damping as f32 });
        let delays = match (args.delay, args.speed) {
            (None, None) => None,
            (Some(delay), _) => Some(vec![delay as f32; network.graph.edge_count()]),
            (None, Some(speed)) => {
                let Some(lengths) = &network.lengths else {
                    return Err(
                        "--speed needs the lengths of edges, which this network does not tell; --delay gives one"
                            .into(),
                    );
                };
                Some(lengths.iter().map(|length| length / speed as f32).collect())
            }
        };
        let phases = match &args.phases {
            Some(path) => Some(files::values(path, nodes)?),
            None => args.together.then(|| vec![0.0; nodes]),
        };
        let uniform = source.make == Some(arguments::Make::Complete) && source.normalise;
        Ok(Model { network, frequencies, inertia, delays, phases, uniform })
    }

    /// How time is stepped where the arguments leave it open.
    pub fn stepping(&self, time: &arguments::Time, noise: f64) -> Stepping {
        Stepping::Fixed(match time.scheme {
            None if noise != 0.0 || self.delays.is_some() => Scheme::Heun,
            None if self.inertia.is_some() => Scheme::Splitting,
            None | Some(arguments::Scheme::Rk4) => Scheme::Rk4,
            Some(arguments::Scheme::Euler) => Scheme::Euler,
            Some(arguments::Scheme::Heun) => Scheme::Heun,
            Some(arguments::Scheme::Splitting) => Scheme::Splitting,
            Some(arguments::Scheme::Dopri) => return Stepping::Adaptive(time.tolerance as f32),
        })
    }
}

/// The strength of white noise whose increments have the variance `2 D dt`.
pub fn strength(diffusion: f64) -> f64 {
    (2.0 * diffusion).sqrt()
}

/// Steps between samples, and samples, of the time that the arguments say.
pub fn samples(time: &arguments::Time) -> (usize, usize) {
    let steps = (time.time / time.step).round().max(1.0) as usize;
    let every = (time.every as usize).min(steps);
    (every, steps / every)
}

impl Plan<'_> {
    /// The sampled times.
    pub fn times(&self) -> Vec<f64> {
        (0..=self.samples).map(|k| (self.done + k * self.every) as f64 * f64::from(self.step)).collect()
    }
}

/// Where oscillators are: `[B, N]` each.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Start {
    pub theta: Vec<f32>,
    pub velocity: Vec<f32>,
}

/// What a run leaves, of each point of the batch.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// `[points][samples]`: moduli of the order parameter.
    pub order: Vec<Vec<f64>>,
    /// `[points][samples]`: mean rates of the nodes.
    pub rate: Vec<Vec<f64>>,
    /// `[samples][communities]` of the first point, if wanted: moduli of their order parameters.
    pub communities: Vec<Vec<f64>>,
    /// `[samples, N]` of the first point, if kept.
    pub phases: Option<Vec<f32>>,
    /// `[samples, N]` of the first point, if kept and of second order.
    pub velocities: Option<Vec<f32>>,
    pub end: Start,
    pub breakdown: Option<Breakdown>,
}

/// The natural frequencies of a seed, `[N]`.
pub fn frequencies(which: &Frequencies, nodes: usize, seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut unit = || random.random::<f64>();
    (0..nodes)
        .map(|i| match which {
            Frequencies::Lorentz(width, mean) => (mean + width * (std::f64::consts::PI * (unit() - 0.5)).tan()) as f32,
            // Box and Muller; 1 - u is never 0.
            Frequencies::Gauss(deviation, mean) => {
                let (u, v) = (unit(), unit());
                (mean + deviation * (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
            }
            Frequencies::Uniform(width, mean) => (mean + width * (2.0 * unit() - 1.0)) as f32,
            Frequencies::Given(values) => values[i],
        })
        .collect()
}

/// The phases that the points start with.
pub fn start(model: &Model, points: &[Point]) -> Start {
    let nodes = model.network.graph.nodes();
    let phases = |point: &Point| {
        if let Some(given) = &model.phases {
            return given.clone();
        }
        // Another stream than that of the frequencies.
        let mut random = ChaCha8Rng::seed_from_u64(point.seed);
        random.set_stream(1);
        (0..nodes).map(|_| (random.random::<f32>() - 0.5) * std::f32::consts::TAU).collect::<Vec<f32>>()
    };
    let theta: Vec<f32> = points.iter().flat_map(phases).collect();
    let velocity = if model.inertia.is_some() { vec![0.0; theta.len()] } else { vec![] };
    Start { theta, velocity }
}

fn upload(tape: &mut Tape, data: &[f32], shape: &[usize]) -> kuramoto::Result<Value> {
    tape.upload(data, shape, DType::F32)
}

/// The library's description of `points` of a model.
pub fn describe(tape: &mut Tape, model: &Model, points: &[Point]) -> kuramoto::Result<network::Network<Value>> {
    let (graph, batch) = (&model.network.graph, points.len());
    let (nodes, edges) = (graph.nodes(), graph.edge_count());
    let per_point = |f: &dyn Fn(&Point) -> f64| points.iter().map(|p| f(p) as f32).collect::<Vec<f32>>();
    let lags = per_point(&|p| p.lag);
    // Whole rows of weights 1 / (N - 1) are a mean over all N, the node itself adding nothing, times N / (N - 1).
    let uniform = model.uniform && model.delays.is_none() && points.iter().all(|p| p.lag == 0.0);
    let whole = if uniform { nodes as f64 / (nodes.max(2) - 1) as f64 } else { 1.0 };
    let coupling = match &model.delays {
        None if uniform => Coupling::MeanField { lag: upload(tape, &lags, &[batch])?, harmonic: 1 },
        None => Coupling::Edges {
            graph: graph.clone(),
            weights: upload(tape, &model.network.weights, &[1, edges])?,
            lag: upload(tape, &lags, &[batch, 1])?,
            harmonic: 1,
        },
        Some(delays) => {
            let links: Vec<f32> = model.network.weights.iter().zip(delays).flat_map(|(w, d)| [*w, *d]).collect();
            let lag = lags.first().copied().unwrap_or(0.0);
            Coupling::Delayed { graph: graph.clone(), links: upload(tape, &links, &[edges, 2])?, lag, harmonic: 1 }
        }
    };
    let strength = upload(tape, &per_point(&|p| p.coupling * whole), &[batch])?;
    let terms = vec![Term { coupling, strength }];
    let same = points.iter().all(|p| p.seed == points[0].seed) || matches!(model.frequencies, Frequencies::Given(_));
    let frequencies = match same {
        true => upload(tape, &frequencies(&model.frequencies, nodes, points[0].seed), &[nodes])?,
        false => {
            let all: Vec<f32> = points.iter().flat_map(|p| frequencies(&model.frequencies, nodes, p.seed)).collect();
            upload(tape, &all, &[batch, nodes])?
        }
    };
    Ok(match model.inertia {
        None => network::Network::first_order(frequencies, terms),
        Some(Inertia { inertia, damping }) => {
            let inertia = upload(tape, &vec![inertia; nodes], &[nodes])?;
            let damping = upload(tape, &vec![damping; nodes], &[nodes])?;
            network::Network::second_order(frequencies, terms, inertia, damping)
        }
    })
}

/// Runs all `points` as one batch.
///
/// # Errors
/// As the library; `Param` for delays together with different lags, which only one lag serves.
pub fn simulate(
    tape: &mut Tape,
    model: &Model,
    points: &[Point],
    start: &Start,
    plan: &Plan,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Outcome, Box<dyn std::error::Error>> {
    if model.delays.is_some() && points.iter().any(|p| p.lag != points[0].lag) {
        return Err("a network with delays has one lag; sweep another parameter".into());
    }
    let (nodes, batch) = (model.network.graph.nodes(), points.len());
    let network = describe(tape, model, points)?;
    let theta = upload(tape, &start.theta, &[batch, nodes])?;
    let state = match model.inertia {
        None => State::at(theta),
        Some(_) => State::moving(theta, upload(tape, &start.velocity, &[batch, nodes])?),
    };
    let mut observed: Vec<Observable> = vec![order_parameter(1)];
    // The rate of a network with delays needs its past.
    let rated = model.delays.is_none() || model.inertia.is_some();
    if rated {
        observed.push(mean_rate());
    }
    if plan.keep {
        observed.push(phases());
        if model.inertia.is_some() {
            observed.push(velocities());
        }
    }
    let count = plan.communities.map_or(0, |labels| labels.iter().max().map_or(0, |last| last + 1));
    if let Some(labels) = plan.communities {
        observed.push(communities(labels));
    }
    let record = match plan.stepping {
        Stepping::Fixed(scheme) => {
            let mut options = RunOptions::new(scheme, plan.step, plan.samples * plan.every).every(plan.every);
            if points.iter().any(|p| p.noise != 0.0) {
                let strength = points.iter().map(|p| p.noise as f32).collect();
                let stream = Stream { seed: points[0].seed, first_sample: 0, step: plan.done as u32, stream: 2 };
                options = options.noise(Stochastic { strength, stream });
            }
            run(tape, &network, &state, &options, &observed, &mut |p| progress(p.done, p.total))?
        }
        Stepping::Adaptive(tolerance) => {
            let interval = plan.step * plan.every as f32;
            let options = AdaptiveOptions::new(tolerance, interval, plan.samples).first_step(plan.step);
            run_adaptive(tape, &network, &state, &options, &observed, &mut |p| progress(p.done, p.total))?
        }
    };
    let mut rows = record.observables.into_iter();
    let mut next = |wanted: bool| if wanted { rows.next().map(|o| o.samples) } else { None };
    let complex = next(true).unwrap_or_default();
    let means = next(rated).unwrap_or_default();
    let first = |samples: Vec<Vec<f64>>| {
        samples.iter().flat_map(|s| s[..nodes].iter().map(|v| *v as f32)).collect::<Vec<f32>>()
    };
    let phases = next(plan.keep).map(first);
    let velocities = next(plan.keep && model.inertia.is_some()).map(first);
    let groups = next(plan.communities.is_some()).unwrap_or_default();
    let modulus = |z: &[f64]| (0..count).map(|c| z[2 * c].hypot(z[2 * c + 1])).collect();
    let narrow = |tape: &mut Tape, value: Option<&Value>| -> kuramoto::Result<Vec<f32>> {
        match value {
            Some(value) => Ok(tape.backend().read(value)?.into_iter().map(|v| v as f32).collect()),
            None => Ok(vec![]),
        }
    };
    let end =
        Start { theta: narrow(tape, Some(&record.end.theta))?, velocity: narrow(tape, record.end.velocity.as_ref())? };
    Ok(Outcome {
        order: (0..batch).map(|b| complex.iter().map(|z| z[2 * b].hypot(z[2 * b + 1])).collect()).collect(),
        rate: (0..batch).map(|b| means.iter().map(|m| m[b]).collect()).collect(),
        communities: groups.iter().map(|z| modulus(z)).collect(),
        phases,
        velocities,
        end,
        breakdown: record.breakdown,
    })
}
