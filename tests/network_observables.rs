//! What is observed of networks: coherence, energy, histograms, windings, Lyapunov exponents; and weights that adapt.

#![cfg(feature = "gpu")]

mod common;

use std::f64::consts::{PI, TAU};

use common::{device, numbers, refused};
use kuramoto::network::{
    Adaptation, AdaptiveOptions, Coupling, LyapunovOptions, Network, Observable, RunOptions, Scheme, State, Term,
    coupling_energy, edge_coherence, histogram, lyapunov, phases, run, run_adaptive, winding,
};
use kuramoto::{Boundary, DType, EdgeCoupling, ErrorKind, Graph, Loops, Result, Tape, Tensor, Value};

fn f32s(tape: &mut Tape, data: &[f64], shape: &[usize]) -> Result<Value> {
    tape.upload(data, shape, DType::F32)
}

/// A network without lag over the edges of `graph`.
fn over_edges(
    tape: &mut Tape,
    graph: &Graph,
    frequencies: &[f64],
    weights: &[f64],
    strengths: &[f64],
) -> Result<Network<Value>> {
    let batch = strengths.len();
    let coupling = Coupling::Edges {
        graph: graph.clone(),
        weights: f32s(tape, weights, &[1, weights.len()])?,
        lag: f32s(tape, &vec![0.0; batch], &[batch, 1])?,
        harmonic: 1,
    };
    let term = Term { coupling, strength: f32s(tape, strengths, &[batch])? };
    Ok(Network::first_order(f32s(tape, frequencies, &[frequencies.len()])?, vec![term]))
}

/// What `observable` is of `theta` `[B, N]`.
fn observed(
    tape: &mut Tape,
    network: &Network<Value>,
    theta: &[f64],
    at: [usize; 2],
    o: Observable,
) -> Result<Vec<f64>> {
    let start = State::at(f32s(tape, theta, &at)?);
    let record = run(tape, network, &start, &RunOptions::new(Scheme::Euler, 0.1, 0), &[o], &mut |_| ())?;
    Ok(record.observables[0].samples[0].clone())
}

/// Everybody listens to both neighbours on a ring.
fn ring(nodes: usize) -> Graph {
    let edges: Vec<_> = (0..nodes).flat_map(|i| [(i, (i + 1) % nodes), (i, (i + nodes - 1) % nodes)]).collect();
    Graph::from_edges(nodes, &edges).unwrap()
}

#[test]
fn coherence_and_energy_of_twisted_states_are_cosines_of_the_twist() -> Result<()> {
    let mut tape = Tape::new(&device());
    let (nodes, strengths) = (24, [0.5, 2.0]);
    let graph = ring(nodes);
    let network = over_edges(&mut tape, &graph, &vec![0.0; nodes], &vec![1.0; 2 * nodes], &strengths)?;
    let twist = |turns: f64| (0..nodes).map(move |i| TAU * turns * i as f64 / nodes as f64);
    let theta: Vec<f64> = twist(0.0).chain(twist(3.0)).collect();
    let coherence = observed(&mut tape, &network, &theta, [2, nodes], edge_coherence(&graph))?;
    let energy = observed(&mut tape, &network, &theta, [2, nodes], coupling_energy())?;
    for (b, (turns, strength)) in [0.0, 3.0].iter().zip(strengths).enumerate() {
        let cosine = (TAU * turns / nodes as f64).cos();
        assert!((coherence[b] - cosine).abs() < 1e-6, "{} against {cosine}", coherence[b]);
        let wanted = -0.5 * strength * 48.0 * cosine;
        assert!((energy[b] - wanted).abs() < 1e-5 * wanted.abs(), "{} against {wanted}", energy[b]);
    }
    let empty = Graph::from_edges(nodes, &[])?;
    let message = "edge_coherence: graph is no edges, expected at least one";
    refused(observed(&mut tape, &network, &theta, [2, nodes], edge_coherence(&empty)), ErrorKind::Param, message);
    Ok(())
}

#[test]
fn the_negative_gradient_of_the_energy_is_the_coupling() -> Result<()> {
    let mut tape = Tape::new(&device());
    let graph = ring(40);
    // The same weight both ways.
    let weights: Vec<f64> = graph.edges().map(|(i, j)| 0.5 + 0.01 * (i * j % 37) as f64).collect();
    let network = over_edges(&mut tape, &graph, &[0.0; 40], &weights, &[0.75, 1.5])?.constant(&mut tape)?;
    let theta: Vec<f64> = numbers(5, 80).iter().map(|v| 3.0 * f64::from(*v)).collect();
    let theta = f32s(&mut tape, &theta, &[2, 40])?;
    let theta = tape.leaf(theta);
    let Coupling::Edges { weights, lag, harmonic, .. } = &network.terms[0].coupling else { panic!("edges") };
    let coupling = EdgeCoupling { weights: *weights, strength: network.terms[0].strength, lag: *lag };
    let energy = tape.couple_energy(theta, &coupling, &graph, *harmonic)?;
    let ones = f32s(&mut tape, &[1.0; 2], &[2])?;
    let gradient = tape.vjp(&[(energy, ones)])?.read(&mut tape, theta)?;
    let rate = network.rate(&mut tape, theta)?;
    let rate = tape.read(rate)?;
    let worst = gradient.iter().zip(&rate).map(|(g, r)| (g + r).abs()).fold(0.0, f64::max);
    assert!(worst < 2e-6 && rate.iter().any(|r| r.abs() > 0.5), "{worst:.1e}");
    Ok(())
}

#[test]
fn histograms_count_each_phase_once_in_the_bin_that_it_is_in() -> Result<()> {
    let mut tape = Tape::new(&device());
    let (nodes, bins) = (3000, 10);
    let network = over_edges(&mut tape, &ring(nodes), &vec![0.0; nodes], &vec![1.0; 2 * nodes], &[1.0])?;
    // Node i is in the middle of bin i^2 mod 10, some whole turns away.
    let bin = |i: usize| i * i % bins;
    let middle = |k: usize| -PI + TAU * (k as f64 + 0.5) / bins as f64;
    let theta: Vec<f64> = (0..nodes).map(|i| middle(bin(i)) + TAU * (i % 7) as f64).collect();
    let counts = observed(&mut tape, &network, &theta, [1, nodes], histogram(bins))?;
    let mut wanted = vec![0.0; bins];
    (0..nodes).for_each(|i| wanted[bin(i)] += 1.0);
    assert_eq!(counts, wanted);
    let message = "phase_histogram: bins is 0, expected from 1 to 2048";
    refused(observed(&mut tape, &network, &theta, [1, nodes], histogram(0)), ErrorKind::Param, message);
    Ok(())
}

#[test]
fn windings_count_twists_and_vortices() -> Result<()> {
    let mut tape = Tape::new(&device());
    let network = over_edges(&mut tape, &ring(60), &[0.0; 60], &[1.0; 120], &[1.0; 3])?;
    let twists = [-4.0, 0.0, 7.0];
    let theta: Vec<f64> = twists.iter().flat_map(|q| (0..60).map(move |i| 0.3 + TAU * q * i as f64 / 60.0)).collect();
    let around = observed(&mut tape, &network, &theta, [3, 60], winding(&Loops::ring(60)?))?;
    assert_eq!(around, twists);

    // The angle around a point between the nodes of a lattice is a vortex there and nowhere else.
    let (height, width, row, column) = (6, 10, 2, 6);
    let angle =
        |i: usize| (((i / width) as f64) - (row as f64 + 0.5)).atan2((i % width) as f64 - (column as f64 + 0.5));
    let theta: Vec<f64> = (0..60).map(angle).chain((0..60).map(|i| -angle(i))).chain([0.5; 60]).collect();
    let squares = Loops::plaquettes(height, width, Boundary::Open)?;
    assert_eq!(squares.count(), 45);
    let charges = observed(&mut tape, &network, &theta, [3, 60], winding(&squares))?;
    let at = row * (width - 1) + column;
    for (b, charge) in [1.0, -1.0, 0.0].into_iter().enumerate() {
        let wanted: Vec<f64> = (0..45).map(|l| if l == at { charge } else { 0.0 }).collect();
        assert_eq!(charges[45 * b..45 * (b + 1)], wanted, "sample {b}");
    }
    // On a torus the charges of any state add up to nothing.
    let squares = Loops::plaquettes(height, width, Boundary::Periodic)?;
    let theta: Vec<f64> = numbers(8, 180).iter().map(|v| PI * f64::from(*v)).collect();
    let charges = observed(&mut tape, &network, &theta, [3, 60], winding(&squares))?;
    assert!(charges.chunks(60).all(|sample| sample.iter().sum::<f64>() == 0.0));
    assert!(charges.iter().any(|charge| *charge != 0.0));
    Ok(())
}

#[test]
fn operands_that_do_not_fit_are_refused() -> Result<()> {
    let context = device();
    let mut commands = context.commands();
    let of = |shape: &[usize]| {
        let len = shape.iter().product();
        Tensor::from_slice(&context, &numbers(3, len), shape, DType::F32)
    };
    let graph = ring(4);
    let (theta, weights, strength, lag) = (of(&[2, 4])?, of(&[1, 8])?, of(&[2])?, of(&[2, 1])?);
    let (flat, short) = (of(&[4])?, of(&[1, 7])?);
    let (shape, param) = (ErrorKind::Shape, ErrorKind::Param);
    let fits = EdgeCoupling { weights: &weights, strength: &strength, lag: &lag };
    let wrong = EdgeCoupling { weights: &short, ..fits };
    let message = "couple_energy: theta is [4], expected [B, 4]";
    refused(commands.couple_energy(&flat, &fits, &graph, 1), shape, message);
    let message = "couple_energy: weights is [1, 7], expected [1, 8] or [2, 8] for 8 edges";
    refused(commands.couple_energy(&theta, &wrong, &graph, 1), shape, message);
    let message = "couple_tangent: harmonic is 0, expected 1 to 1000";
    refused(commands.couple_tangent(&theta, &theta, &fits, &graph, 0), param, message);
    let message = "couple_tangent: tangent is [4], expected [2, 4]";
    refused(commands.couple_tangent(&theta, &flat, &fits, &graph, 1), shape, message);
    let rule = Adaptation { rate: 1.0, decay: 1.0, lag: 0.0 };
    let message = "adapt_coupling: weights is [1, 7], expected [B, 8] for 8 edges";
    refused(commands.adapt_coupling(&short, &theta, &strength, &graph, &rule), shape, message);
    let message = "adapt_coupling: theta is [2, 4], expected [1, 4]";
    refused(commands.adapt_coupling(&weights, &theta, &strength, &graph, &rule), shape, message);
    let message = "winding: theta is [2, 4], expected [B, 5] for loops through 5 nodes";
    refused(commands.winding(&theta, &Loops::ring(5)?), shape, message);
    refused(commands.phase_histogram(&flat, 3), shape, "phase_histogram: theta is [4], expected [B, N]");
    Ok(())
}

#[test]
fn loops_that_are_none_are_refused() {
    let csr = ErrorKind::Csr;
    refused(Loops::ring(2), csr, "Loops::new: loop 0 is 2 nodes, expected at least three");
    let message = "Loops::new: loop 1 is through node 5, expected nodes below 5";
    refused(Loops::new(5, &[vec![0, 1, 2], vec![3, 5, 4]]), csr, message);
    refused(Loops::new(5, &[vec![0, 1, 2, 1]]), csr, "Loops::new: loop 0 is node 1 once more, expected each node once");
    let message = "Loops::new: a lattice is 2 x 5, expected extents of at least 3 where it is periodic";
    refused(Loops::plaquettes(2, 5, Boundary::Periodic), csr, message);
}

#[test]
fn a_synchronised_network_has_the_exponents_of_its_laplacian() -> Result<()> {
    let mut tape = Tape::new(&device());
    let nodes = 8;
    let network = over_edges(&mut tape, &ring(nodes), &vec![0.3; nodes], &vec![1.0; 2 * nodes], &[0.5, 1.0])?;
    let start = State::at(f32s(&mut tape, &vec![0.25; 2 * nodes], &[2, nodes])?);
    // The shift neither grows nor decays; of the rest the slowest mode is K (2 - 2 cos(2 pi / N)).
    let options = LyapunovOptions::new(0.1, 300).transient(700);
    let all = lyapunov(&mut tape, &network, &start, &options)?;
    let slowest = lyapunov(&mut tape, &network, &start, &options.transversal())?;
    for (b, strength) in [0.5, 1.0].into_iter().enumerate() {
        let decay = -strength * (2.0 - 2.0 * (TAU / nodes as f64).cos());
        assert!(all[b].abs() < 1e-4, "{all:?}");
        assert!((slowest[b] - decay).abs() < 1e-3, "{slowest:?} against {decay}");
    }
    Ok(())
}

/// A small directed network with weights of both signs, which is chaotic.
fn frustrated() -> (Graph, Vec<f64>, Vec<f64>) {
    let nodes = 20;
    let edges: Vec<_> = (0..nodes).flat_map(|i| (0..nodes).filter(move |j| i != *j).map(move |j| (i, j))).collect();
    let weights = numbers(36, edges.len()).iter().map(|v| f64::from(*v)).collect();
    let frequencies = numbers(136, nodes).iter().map(|v| 0.5 * f64::from(*v)).collect();
    (Graph::from_edges(nodes, &edges).unwrap(), weights, frequencies)
}

/// The exponent from two neighbouring trajectories in f64, integrated here: nothing of the library takes part.
fn exponent(graph: &Graph, weights: &[f64], frequencies: &[f64], theta: &[f64], h: f64, steps: [usize; 2]) -> f64 {
    let rate = |theta: &[f64]| {
        let mut rate = frequencies.to_vec();
        graph.edges().zip(weights).for_each(|((i, j), w)| rate[i] += w * (theta[j] - theta[i]).sin());
        rate
    };
    let step = |theta: &[f64]| -> Vec<f64> {
        let along = |k: &[f64], by: f64| -> Vec<f64> { theta.iter().zip(k).map(|(t, k)| t + by * k).collect() };
        let k1 = rate(theta);
        let k2 = rate(&along(&k1, 0.5 * h));
        let k3 = rate(&along(&k2, 0.5 * h));
        let k4 = rate(&along(&k3, h));
        (0..theta.len()).map(|i| theta[i] + h / 6.0 * (k1[i] + 2.0 * (k2[i] + k3[i]) + k4[i])).collect()
    };
    let apart = 1e-7;
    let (mut a, mut b) = (theta.to_vec(), theta.to_vec());
    b[0] += apart;
    let mut growth = 0.0;
    for k in 0..steps[0] + steps[1] {
        (a, b) = (step(&a), step(&b));
        let length = a.iter().zip(&b).map(|(a, b)| (b - a) * (b - a)).sum::<f64>().sqrt();
        b.iter_mut().zip(&a).for_each(|(b, a)| *b = a + (*b - a) * apart / length);
        growth += if k < steps[0] { 0.0 } else { (length / apart).ln() };
    }
    growth / (h * steps[1] as f64)
}

#[test]
fn a_frustrated_network_is_chaotic_and_as_much_as_neighbours_part() -> Result<()> {
    let (graph, weights, frequencies) = frustrated();
    // Sixteen starts are as many measurements of one exponent, which scatter by 8 % each.
    let starts: Vec<f64> = numbers(33, 16 * 20).iter().map(|v| 3.0 * f64::from(*v)).collect();
    let reference: Vec<f64> =
        starts.chunks(20).map(|s| exponent(&graph, &weights, &frequencies, s, 0.05, [1000, 4000])).collect();
    let mut tape = Tape::new(&device());
    let network = over_edges(&mut tape, &graph, &frequencies, &weights, &[1.0; 16])?;
    let start = State::at(f32s(&mut tape, &starts, &[16, 20])?);
    let options = LyapunovOptions::new(0.05, 4000).transient(1000);
    let measured = lyapunov(&mut tape, &network, &start, &options)?;
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (wanted, got) = (mean(&reference), mean(&measured));
    println!("{got:.4} by tangents, {wanted:.4} by neighbours");
    assert!(wanted > 0.3 && (got - wanted).abs() < 0.06 * wanted, "{got} against {wanted}");
    Ok(())
}

#[test]
fn exponents_of_what_has_none_are_refused() -> Result<()> {
    let mut tape = Tape::new(&device());
    let network = over_edges(&mut tape, &ring(4), &[0.0; 4], &[1.0; 8], &[1.0])?;
    let start = State::at(f32s(&mut tape, &[0.1, 0.2, 0.3, 0.4], &[1, 4])?);
    let options = LyapunovOptions::new(0.1, 10);
    let param = ErrorKind::Param;
    let message = "network::lyapunov: steps is 0, expected at least 1";
    refused(lyapunov(&mut tape, &network, &start, &LyapunovOptions::new(0.1, 0)), param, message);
    let message = "network::lyapunov: renormalise is 0, expected at least 1";
    refused(lyapunov(&mut tape, &network, &start, &options.clone().renormalise(0)), param, message);
    let message = "network::lyapunov: step is NaN, expected a positive finite time";
    refused(lyapunov(&mut tape, &network, &start, &LyapunovOptions::new(f32::NAN, 1)), param, message);
    let mut field = network.clone();
    let lag = f32s(&mut tape, &[0.0], &[1])?;
    field.terms[0].coupling = Coupling::MeanField { lag, harmonic: 1 };
    let message = "Network::rate_along: terms is another coupling, expected Coupling::Edges alone";
    refused(lyapunov(&mut tape, &field, &start, &options), param, message);
    let one = f32s(&mut tape, &[1.0; 4], &[4])?;
    field.swing = Some(kuramoto::network::Swing { inertia: one.clone(), damping: one });
    let message = "network::lyapunov: network is second order, expected a network without inertia";
    refused(lyapunov(&mut tape, &field, &start, &options), param, message);
    Ok(())
}

/// The network with weights `[B, E]` that adapt by `rule`.
fn adaptive(
    tape: &mut Tape,
    network: &Network<Value>,
    weights: &[f64],
    batch: usize,
    of: Adaptation,
) -> Result<Network<Value>> {
    let mut network = network.clone();
    if let Coupling::Edges { graph, lag, harmonic, .. } = network.terms[0].coupling.clone() {
        let weights = f32s(tape, weights, &[batch, graph.edge_count()])?;
        network.terms[0].coupling = Coupling::Adaptive { graph, weights, lag, harmonic, rule: of };
    }
    Ok(network)
}

fn weights(tape: &mut Tape, network: &Network<Value>) -> Result<Vec<f64>> {
    let (Coupling::Adaptive { weights, .. } | Coupling::Edges { weights, .. }) = &network.terms[0].coupling else {
        panic!("neither edges nor adaptive");
    };
    tape.backend().read(weights)
}

#[test]
fn weights_of_oscillators_at_rest_come_to_the_sine_of_their_difference_over_the_decay() -> Result<()> {
    let mut tape = Tape::new(&device());
    let graph = Graph::from_edges(2, &[(0, 1), (1, 0)])?;
    // Without strength nothing moves: each weight is a linear recurrence.
    let network = over_edges(&mut tape, &graph, &[0.0; 2], &[0.0; 2], &[0.0; 2])?;
    let rule = Adaptation { rate: 0.5, decay: 0.8, lag: 0.3 };
    let from = [0.25, -1.0, 2.0, 0.0];
    let network = adaptive(&mut tape, &network, &from, 2, rule)?;
    let theta = [0.2, 1.1, -2.0, 2.5];
    let start = State::at(f32s(&mut tape, &theta, &[2, 2])?);
    for (steps, tolerance) in [(7, 1e-6), (400, 2e-6)] {
        let options = RunOptions::new(Scheme::Rk4, 0.1, steps);
        let record = run(&mut tape, &network, &start, &options, &[], &mut |_| ())?;
        let got = weights(&mut tape, &record.network)?;
        for (k, w) in got.iter().enumerate() {
            let (b, receiver) = (k / 2, k % 2);
            let apart = theta[2 * b + 1 - receiver] - theta[2 * b + receiver];
            let fixed = (apart + 0.3).sin() / 0.8;
            let wanted = fixed + (from[k] - fixed) * (1.0f64 - 0.1 * 0.5 * 0.8).powi(steps as i32);
            assert!((w - wanted).abs() < tolerance, "weight {k} after {steps} steps: {w} against {wanted}");
        }
    }
    Ok(())
}

#[test]
fn weights_adapt_after_each_step_for_the_phases_that_it_began_with() -> Result<()> {
    let mut tape = Tape::new(&device());
    let (graph, nodes) = (ring(6), 6);
    let frequencies: Vec<f64> = numbers(41, nodes).iter().map(|v| f64::from(*v)).collect();
    let fixed = over_edges(&mut tape, &graph, &frequencies, &[0.5; 12], &[1.5])?;
    let rule = Adaptation { rate: 0.7, decay: 1.0, lag: 0.5 * std::f32::consts::PI };
    let following = adaptive(&mut tape, &fixed, &[0.5; 12], 1, rule)?;
    let theta: Vec<f64> = numbers(42, nodes).iter().map(|v| 3.0 * f64::from(*v)).collect();
    let start = State::at(f32s(&mut tape, &theta, &[1, nodes])?);
    for scheme in [Scheme::Euler, Scheme::Heun, Scheme::Rk4] {
        let options = RunOptions::new(scheme, 0.125, 2).every(1);
        let record = run(&mut tape, &following, &start, &options, &[phases()], &mut |_| ())?;
        // By hand: a step of fixed weights, a step of the weights, again a step of fixed weights.
        let one = RunOptions::new(scheme, 0.125, 1);
        let first = run(&mut tape, &fixed, &start, &one, &[phases()], &mut |_| ())?;
        assert_eq!(first.observables[0].samples[1], record.observables[0].samples[1], "{scheme:?}");
        let adapted: Vec<f64> =
            graph.edges().map(|(i, j)| 0.5 + 0.125 * 0.7 * ((theta[j] - theta[i] + 0.5 * PI).sin() - 0.5)).collect();
        let then = adaptive(&mut tape, &fixed, &adapted, 1, Adaptation { rate: 0.0, ..rule })?;
        let second = run(&mut tape, &then, &first.end, &one, &[phases()], &mut |_| ())?;
        let (got, wanted) = (&record.observables[0].samples[2], &second.observables[0].samples[1]);
        let worst = got.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < 2e-6, "{scheme:?}: {worst:.1e}");
        let unchanged = run(&mut tape, &fixed, &first.end, &one, &[phases()], &mut |_| ())?;
        let moved = got.iter().zip(&unchanged.observables[0].samples[1]).any(|(a, b)| (a - b).abs() > 1e-4);
        assert!(moved, "{scheme:?}: the weights have no effect");
    }
    Ok(())
}

#[test]
fn weights_that_nobody_would_adapt_are_refused() -> Result<()> {
    let mut tape = Tape::new(&device());
    let fixed = over_edges(&mut tape, &ring(4), &[0.0; 4], &[1.0; 8], &[1.0])?;
    let rule = Adaptation { rate: 0.5, decay: 1.0, lag: 0.0 };
    let network = adaptive(&mut tape, &fixed, &[1.0; 8], 1, rule)?;
    let start = State::at(f32s(&mut tape, &[0.1, 0.2, 0.3, 0.4], &[1, 4])?);
    let param = ErrorKind::Param;
    let options = RunOptions::new(Scheme::Splitting, 0.1, 1);
    let message = "network::run: scheme is Splitting, expected Euler, Heun or Rk4 for weights that adapt";
    refused(run(&mut tape, &network, &start, &options, &[], &mut |_| ()), param, message);
    let kept = "expected network::run, which keeps weights that adapt";
    let options = AdaptiveOptions::new(1e-3, 1.0, 1);
    let message = format!("run_adaptive: a term is adaptive, {kept}");
    refused(run_adaptive(&mut tape, &network, &start, &options, &[], &mut |_| ()), param, &message);
    let (at, on) = (start.constant(&mut tape), network.constant(&mut tape)?);
    let h = f32s(&mut tape, &[0.1], &[1])?;
    let h = tape.constant(h);
    let message = format!("Network::step: a term is adaptive, {kept}");
    refused(on.step(&mut tape, &at, h, Scheme::Euler), param, &message);
    let bad = adaptive(&mut tape, &fixed, &[1.0; 8], 1, Adaptation { decay: f32::NAN, ..rule })?;
    let message = "adapt_coupling: decay is NaN, expected a finite number";
    refused(run(&mut tape, &bad, &start, &RunOptions::new(Scheme::Euler, 0.1, 1), &[], &mut |_| ()), param, message);
    Ok(())
}
