//! How fast neighbouring states of a network part: its largest Lyapunov exponent.

use super::scheme::RK4;
use super::state::State;
use super::terms::Network;
use crate::cpu::noise::{Distribution, Stream};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::tape::{Tape, Value};

/// How an exponent is measured.
#[derive(Clone, Debug)]
pub struct LyapunovOptions {
    step: f32,
    steps: usize,
    transient: usize,
    renormalise: usize,
    transversal: bool,
}

impl LyapunovOptions {
    /// A mean over `steps` steps of the size `step`; without a transient, along all directions, renormalised every 10 steps.
    pub fn new(step: f32, steps: usize) -> LyapunovOptions {
        LyapunovOptions { step, steps, transient: 0, renormalise: 10, transversal: false }
    }

    /// Lets `steps` steps pass first: the state comes to its attractor, the tangent to the direction that grows fastest.
    pub fn transient(self, steps: usize) -> LyapunovOptions {
        LyapunovOptions { transient: steps, ..self }
    }

    /// Brings the tangent back to the length 1 after every `steps` steps, which must not let it leave the range of f32.
    pub fn renormalise(self, steps: usize) -> LyapunovOptions {
        LyapunovOptions { renormalise: steps, ..self }
    }

    /// Leaves out the shift of all phases, which neither grows nor decays: tangents have no mean. Whether a synchronised
    /// state is stable is the sign of this exponent.
    pub fn transversal(self) -> LyapunovOptions {
        LyapunovOptions { transversal: true, ..self }
    }
}

/// The largest Lyapunov exponent of each sample of a first-order network over edges, per unit of time: state and tangent
/// advance together by the classical Runge-Kutta scheme.
///
/// In transversal form the mean is taken out of the tangent whenever it is renormalised. Where receivers' weights are not
/// symmetric the tangent regains a mean in between; what counts is its part without.
///
/// Source: Benettin, Galgani, Giorgilli and Strelcyn, Meccanica 15 (1980) 9.
///
/// # Errors
/// `Param` for a network with inertia or terms other than [`Coupling::Edges`](super::Coupling::Edges), a step that is not
/// positive and finite, no steps, renormalisation every 0 steps, a transversal exponent of fewer than two nodes; `NonFinite`
/// for a tangent that left the range of f32; `Shape`; as [`Network::rate`].
pub fn lyapunov(
    tape: &mut Tape,
    network: &Network<Value>,
    start: &State<Value>,
    options: &LyapunovOptions,
) -> Result<Vec<f64>> {
    let [batch, nodes] = check(network, start, options)?;
    let h = tape.upload(&vec![options.step; batch], &[batch], DType::F32)?;
    let stream = Stream { seed: 0, first_sample: 0, step: 0, stream: 0 };
    let tangent = tape.apart(|tape| {
        let draw = tape.noise(stream, Distribution::Gaussian, &[batch, nodes], DType::F32)?;
        Ok(tape.value(draw)?.clone())
    })?;
    let mut theta = start.theta.clone();
    let mut tangent = tape.backend().read(&tangent)?;
    normalise(&mut tangent, nodes, options.transversal)?;
    let mut growth = vec![0.0; batch];
    let (mut done, total) = (0, options.transient.saturating_add(options.steps));
    while done < total {
        let until = if done < options.transient { options.transient } else { total };
        let count = options.renormalise.min(until - done);
        let mut moving = [theta, tape.upload(&tangent, &[batch, nodes], DType::F32)?];
        for _ in 0..count {
            moving = advance(tape, network, moving, &h)?;
        }
        let [next, stretched] = moving;
        theta = next;
        tangent = tape.backend().read(&stretched)?;
        let lengths = normalise(&mut tangent, nodes, options.transversal)?;
        if done >= options.transient {
            growth.iter_mut().zip(lengths).for_each(|(sum, length)| *sum += length.ln());
        }
        done += count;
    }
    let time = f64::from(options.step) * options.steps as f64;
    Ok(growth.into_iter().map(|sum| sum / time).collect())
}

/// Samples and nodes, if all fits.
fn check(network: &Network<Value>, start: &State<Value>, options: &LyapunovOptions) -> Result<[usize; 2]> {
    let refuse = |argument: &str, got: String, wanted: &str| {
        Err(Error::argument(ErrorKind::Param, "network::lyapunov", argument, got, wanted))
    };
    let shape = start.theta.spec().shape;
    let &[batch, nodes] = shape.as_slice() else {
        let got = format!("{shape:?}");
        return Err(Error::argument(ErrorKind::Shape, "network::lyapunov", "theta", got, "[samples, nodes]"));
    };
    if network.swing.is_some() || start.velocity.is_some() {
        return refuse("network", "second order".into(), "a network without inertia");
    }
    if !(options.step.is_finite() && options.step > 0.0) {
        return refuse("step", options.step.to_string(), "a positive finite time");
    }
    if options.steps == 0 {
        return refuse("steps", "0".into(), "at least 1");
    }
    if options.renormalise == 0 {
        return refuse("renormalise", "0".into(), "at least 1");
    }
    let least = if options.transversal { 2 } else { 1 };
    if nodes < least {
        return refuse("nodes", nodes.to_string(), "a direction that a tangent may have");
    }
    Ok([batch, nodes])
}

/// One step of the phases and of the tangent, whose stages see the phases of the same stages.
fn advance(tape: &mut Tape, network: &Network<Value>, moving: [Value; 2], h: &Value) -> Result<[Value; 2]> {
    tape.apart(|tape| {
        let network = network.constant(tape)?;
        let [theta, tangent] = moving.map(|value| tape.constant(value));
        let h = tape.constant(h.clone());
        let (mut rates, mut slopes) = (Vec::new(), Vec::new());
        for row in RK4.stages {
            let at = tape.combine(theta, &rates, h, row, false)?;
            let along = tape.combine(tangent, &slopes, h, row, false)?;
            rates.push(network.rate(tape, at)?);
            slopes.push(network.rate_along(tape, at, along)?);
        }
        let theta = tape.combine(theta, &rates, h, RK4.weights, true)?;
        let tangent = tape.combine(tangent, &slopes, h, RK4.weights, false)?;
        Ok([tape.value(theta)?.clone(), tape.value(tangent)?.clone()])
    })
}

/// Brings the tangent of each sample to the length 1 and tells what it was.
fn normalise(tangent: &mut [f64], nodes: usize, transversal: bool) -> Result<Vec<f64>> {
    let mut lengths = Vec::new();
    for sample in tangent.chunks_mut(nodes) {
        if transversal {
            let mean = sample.iter().sum::<f64>() / nodes as f64;
            sample.iter_mut().for_each(|v| *v -= mean);
        }
        let length = sample.iter().map(|v| v * v).sum::<f64>().sqrt();
        if !(length.is_finite() && length > 0.0) {
            let message = format!(
                "network::lyapunov: the tangent of sample {} has the length {length}; renormalise more often",
                lengths.len()
            );
            return Err(Error::new(ErrorKind::NonFinite, message));
        }
        sample.iter_mut().for_each(|v| *v /= length);
        lengths.push(length);
    }
    Ok(lengths)
}
