//! The embedded Runge-Kutta pair of Dormand and Prince, orders 5 and 4, with the error control on the device: every sample has
//! its own step.

use super::observe::Observable;
use super::run::{Observed, Record, RunProgress, observe, read_all};
use super::state::State;
use super::terms::Network;
use crate::cpu::step_control::CLOCK;
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::tape::{Tape, Value, Var};

/// Where the stages begin. The last row is the solution of order 5, whose rate is the seventh stage.
const STAGES: &[&[f32]] = &[
    &[],
    &[1.0 / 5.0],
    &[3.0 / 40.0, 9.0 / 40.0],
    &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
    &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
    &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
    FIFTH,
];
const FIFTH: &[f32] = &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0];
/// Order 5 minus order 4.
const ERROR: &[f32] =
    &[71.0 / 57600.0, 0.0, -71.0 / 16695.0, 71.0 / 1920.0, -17253.0 / 339200.0, 22.0 / 525.0, -1.0 / 40.0];

/// How an adaptive run goes.
#[derive(Clone, Debug)]
pub struct AdaptiveOptions {
    tolerance: f32,
    interval: f32,
    samples: usize,
    first: f32,
    attempts: usize,
}

impl AdaptiveOptions {
    /// `samples` intervals of `interval` time units each, after each of which the observables are sampled. `tolerance` bounds
    /// the root mean square over the nodes of one step's error estimate, in radians (and, of velocities, radians per time).
    pub fn new(tolerance: f32, interval: f32, samples: usize) -> AdaptiveOptions {
        AdaptiveOptions { tolerance, interval, samples, first: interval / 100.0, attempts: 100_000 }
    }

    /// The first step to try, a hundredth of the interval unless said otherwise.
    pub fn first_step(self, first: f32) -> AdaptiveOptions {
        AdaptiveOptions { first, ..self }
    }

    /// Attempted steps in one interval at most, 100,000 unless said otherwise.
    pub fn attempts(self, attempts: usize) -> AdaptiveOptions {
        AdaptiveOptions { attempts, ..self }
    }

    fn check(&self) -> Result<()> {
        let refuse = |argument: &str, got: f32| {
            let wanted = "a positive finite number";
            Err(Error::argument(ErrorKind::Param, "run_adaptive", argument, got, wanted))
        };
        for (argument, value) in [("interval", self.interval), ("first step", self.first)] {
            if !(value.is_finite() && value > 0.0) {
                return refuse(argument, value);
            }
        }
        Ok(())
    }
}

/// Attempts between two looks at the clocks.
const BETWEEN: usize = 8;

/// Runs a network from `start` with steps that each sample chooses by itself, and samples `observables` at the start and after
/// each interval; the record counts intervals where that of [`run`](super::run()) counts steps.
///
/// # Errors
/// `Param` for options that are not positive or weights that adapt; `NotConverged` if a sample needs more attempts than allowed or a step that f32
/// cannot add to the time, naming the sample and the interval; `NonFinite` if the start is not finite; `Shape`; as
/// [`Network::rate`].
pub fn run_adaptive(
    tape: &mut Tape,
    network: &Network<Value>,
    start: &State<Value>,
    options: &AdaptiveOptions,
    observables: &[Observable],
    progress: &mut dyn FnMut(RunProgress),
) -> Result<Record> {
    options.check()?;
    if network.adapts() {
        let wanted = "network::run, which keeps weights that adapt";
        return Err(Error::argument(ErrorKind::Param, "run_adaptive", "a term", "adaptive", wanted));
    }
    let shape = start.theta.spec().shape;
    let &[batch, nodes] = shape.as_slice() else {
        let got = format!("{shape:?}");
        return Err(Error::argument(ErrorKind::Shape, "run_adaptive", "theta", got, "[samples, nodes]"));
    };
    let fresh = |o: &Observable| Observed { name: o.name().to_owned(), shape: vec![], samples: vec![] };
    let observables_of = observables.iter().map(fresh).collect();
    let mut record = Record {
        steps: vec![],
        observables: observables_of,
        end: start.clone(),
        network: network.clone(),
        windings: None,
        breakdown: None,
    };
    let mut state = start.clone();
    let mut liked = vec![options.first; batch];
    for interval in 0..=options.samples {
        if interval > 0 {
            let clocks: Vec<f32> =
                liked.iter().flat_map(|next| [options.interval, next.min(options.interval), *next]).collect();
            let clock = tape.upload(&clocks, &[batch, CLOCK], DType::F32)?;
            let (next, clocks) = to_the_end(tape, network, state, clock, nodes, options, interval)?;
            state = next;
            liked = clocks.chunks(CLOCK).map(|c| c[2] as f32).collect();
        }
        let values = observe(tape, network, &state, observables)?;
        let numbers = read_all(tape.backend(), &values)?;
        let mut at = 0;
        for (observed, value) in record.observables.iter_mut().zip(&values) {
            let spec = value.spec();
            observed.samples.push(numbers.get(at..at + spec.len()).unwrap_or_default().to_vec());
            at += spec.len();
            observed.shape = spec.shape;
        }
        record.steps.push(interval);
        progress(RunProgress { done: interval, total: options.samples });
    }
    record.end = state;
    Ok(record)
}

/// Attempts steps until no sample has time left; the state then, and the clocks.
fn to_the_end(
    tape: &mut Tape,
    network: &Network<Value>,
    mut state: State<Value>,
    mut clock: Value,
    nodes: usize,
    options: &AdaptiveOptions,
    interval: usize,
) -> Result<(State<Value>, Vec<f64>)> {
    let mut attempts = 0;
    loop {
        for _ in 0..BETWEEN {
            (state, clock) = attempt(tape, network, &state, &clock, nodes, options.tolerance)?;
        }
        attempts += BETWEEN;
        let clocks = tape.backend().read(&clock)?;
        // The smallest step that still moves a clock which has the whole interval left.
        let least = f64::from(options.interval) * f64::powi(2.0, -24);
        let stuck = clocks.chunks(CLOCK).position(|c| {
            let running = c[0] > 0.0;
            c.iter().any(|v| !v.is_finite()) || (running && (attempts >= options.attempts || c[2] < least))
        });
        if let Some(sample) = stuck {
            let left = clocks[CLOCK * sample];
            let message = format!(
                "run_adaptive: sample {sample} has {left} of interval {interval} left after {attempts} attempted steps; \
                 the tolerance is {}, in f32 about 1e-6 can be had",
                options.tolerance
            );
            return Err(Error::new(ErrorKind::NotConverged, message));
        }
        if clocks.chunks(CLOCK).all(|c| c[0] <= 0.0) {
            return Ok((state, clocks));
        }
    }
}

/// One attempted step of every sample.
fn attempt(
    tape: &mut Tape,
    network: &Network<Value>,
    state: &State<Value>,
    clock: &Value,
    nodes: usize,
    tolerance: f32,
) -> Result<(State<Value>, Value)> {
    tape.apart(|tape| {
        let network = network.constant(tape)?;
        let state = state.constant(tape);
        let clock = tape.constant(clock.clone());
        let h = tape.clock_column(clock, 1)?;
        let (mut rates, mut accelerations) = (Vec::new(), Vec::new());
        for row in STAGES {
            let theta = tape.combine(state.theta, &rates, h, row, false)?;
            let force = network.rate(tape, theta)?;
            match (&network.swing, state.velocity) {
                (Some(swing), Some(velocity)) => {
                    let moving = tape.combine(velocity, &accelerations, h, row, false)?;
                    accelerations.push(tape.swing_rate(force, moving, swing.inertia, swing.damping)?);
                    rates.push(moving);
                }
                _ => rates.push(force),
            }
        }
        let mut square = tape.error_square(&rates, h)?;
        if !accelerations.is_empty() {
            let of_velocities = tape.error_square(&accelerations, h)?;
            square = tape.add(square, of_velocities)?;
        }
        let [clock, taken] = tape.step_control(square, clock, nodes, tolerance)?;
        let theta = tape.combine(state.theta, &rates, taken, FIFTH, true)?;
        let next = match state.velocity {
            Some(velocity) => State::moving(theta, tape.combine(velocity, &accelerations, taken, FIFTH, false)?),
            None => State::at(theta),
        };
        Ok((next.value(tape)?, tape.value(clock)?.clone()))
    })
}

impl Tape {
    /// Column `which` of clocks, `[B]`: a product with a unit vector, exact.
    fn clock_column(&mut self, clock: Var, which: usize) -> Result<Var> {
        let unit: Vec<f32> = (0..CLOCK).map(|c| if c == which { 1.0 } else { 0.0 }).collect();
        let unit = self.upload(&unit, &[1, CLOCK], DType::F32)?;
        let unit = self.constant(unit);
        let column = self.linear(clock, unit, None, 1)?;
        let samples = self.spec(clock)?.shape[0];
        self.reshape(column, &[samples])
    }

    /// Minus the sum over nodes of the squared difference of the two solutions, `[B]`.
    fn error_square(&mut self, rates: &[Var], h: Var) -> Result<Var> {
        let shape = self.spec(rates[0])?.shape;
        let zero = self.fill(0.0, &shape, DType::F32)?;
        let error = self.combine(zero, &rates[..rates.len() - 1], h, &ERROR[..ERROR.len() - 1], false)?;
        let error = self.combine(error, &rates[rates.len() - 1..], h, &ERROR[ERROR.len() - 1..], false)?;
        self.energy(error, error, None)
    }
}
