//! Laws of networks of phase oscillators, first order.

#![cfg(feature = "gpu")]

mod common;

use std::f64::consts::{PI, TAU};

use common::device;
use kuramoto::network::{
    Coupling, Network, RunOptions, Scheme, State, Term, mean_rate, order_parameter, phases, run, step_bound,
};
use kuramoto::{DType, Graph, Result, Tape, Value};

/// Deterministic numbers in [0, 1) that look random.
pub fn uniform(seed: u64, len: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..len).map(|_| next()).collect()
}

/// A symmetric graph: a ring, and chords drawn with probability `p`; with weights that are equal both ways.
fn symmetric(nodes: usize, p: f64, seed: u64) -> (Graph, Vec<f64>) {
    let draw = uniform(seed, nodes * nodes);
    let linked = |i: usize, j: usize| {
        let (a, b) = (i.min(j), i.max(j));
        a != b && (b - a == 1 || b - a == nodes - 1 || draw[a * nodes + b] < p)
    };
    let edges: Vec<(usize, usize)> =
        (0..nodes).flat_map(|i| (0..nodes).filter(move |j| linked(i, *j)).map(move |j| (i, j))).collect();
    let graph = Graph::from_edges(nodes, &edges).unwrap();
    let weights = graph.edges().map(|(i, j)| 0.2 + draw[i.max(j) * nodes + i.min(j)]).collect();
    (graph, weights)
}

fn f32s(tape: &mut Tape, data: &[f64], shape: &[usize]) -> Result<Value> {
    tape.upload(data, shape, DType::F32)
}

/// Couplings over the edges of a graph, of one strength.
fn over_edges(tape: &mut Tape, graph: &Graph, weights: &[f64], batch: usize) -> Result<Term<Value>> {
    let coupling = Coupling::Edges {
        graph: graph.clone(),
        weights: f32s(tape, weights, &[1, weights.len()])?,
        lag: f32s(tape, &vec![0.0; batch], &[batch, 1])?,
        harmonic: 1,
    };
    Ok(Term { coupling, strength: f32s(tape, &vec![1.0; batch], &[batch])? })
}

fn mean_field(tape: &mut Tape, strengths: &[f64]) -> Result<Term<Value>> {
    let lag = f32s(tape, &vec![0.0; strengths.len()], &[strengths.len()])?;
    let strength = f32s(tape, strengths, &[strengths.len()])?;
    Ok(Term { coupling: Coupling::MeanField { lag, harmonic: 1 }, strength })
}

fn wrapped(x: f64) -> f64 {
    x - TAU * (x / TAU).round()
}

/// Moduli of the order parameter of one sample over time.
fn moduli(samples: &[Vec<f64>], sample: usize) -> Vec<f64> {
    samples.iter().map(|z| z[2 * sample].hypot(z[2 * sample + 1])).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

// K1.
#[test]
fn a_shift_of_all_phases_stays_a_shift() -> Result<()> {
    let mut tape = Tape::new(&device());
    let (graph, weights) = symmetric(60, 0.1, 1);
    let frequencies: Vec<f64> = uniform(2, 60).iter().map(|u| 2.0 * u - 1.0).collect();
    let term = over_edges(&mut tape, &graph, &weights, 2)?;
    let network = Network::first_order(f32s(&mut tape, &frequencies, &[60])?, vec![term]);
    let one: Vec<f64> = uniform(3, 60).iter().map(|u| TAU * u - PI).collect();
    let shift = 1.25;
    let both: Vec<f64> = one.iter().copied().chain(one.iter().map(|t| t + shift)).collect();
    let start = State::at(f32s(&mut tape, &both, &[2, 60])?);
    let options = RunOptions::new(Scheme::Rk4, 0.05, 100);
    let record = run(&mut tape, &network, &start, &options, &[phases()], &mut |_| ())?;
    let last = record.observables[0].samples.last().unwrap();
    for i in 0..60 {
        let off = wrapped(last[60 + i] - last[i] - shift);
        assert!(off.abs() < 1e-5, "node {i} is off by {off:.1e} rad");
    }
    Ok(())
}

// K2.
#[test]
fn symmetric_couplings_leave_the_mean_frequency_alone() -> Result<()> {
    let mut tape = Tape::new(&device());
    let (graph, weights) = symmetric(100, 0.2, 4);
    let frequencies: Vec<f64> = uniform(5, 100);
    let term = over_edges(&mut tape, &graph, &weights, 1)?;
    let network = Network::first_order(f32s(&mut tape, &frequencies, &[100])?, vec![term]);
    let theta: Vec<f64> = uniform(6, 100).iter().map(|u| TAU * u).collect();
    let start = State::at(f32s(&mut tape, &theta, &[1, 100])?);
    let options = RunOptions::new(Scheme::Heun, 0.02, 50).every(10);
    let record = run(&mut tape, &network, &start, &options, &[mean_rate()], &mut |_| ())?;
    let mut rows = vec![0.0f64; 100];
    graph.edges().zip(&weights).for_each(|((i, _), w)| rows[i] += w);
    // Each of the 100 rates is a sum of rounded terms; their mean is off by no more than one of them.
    let allowed = f64::powi(2.0, -23) * 3.0 * rows.iter().copied().fold(1.0, f64::max);
    for sample in &record.observables[0].samples {
        assert!((sample[0] - mean(&frequencies)).abs() < allowed, "{} against {}", sample[0], mean(&frequencies));
    }
    Ok(())
}

fn energy(graph: &Graph, weights: &[f64], theta: &[f64]) -> f64 {
    graph.edges().zip(weights).map(|((i, j), w)| -0.5 * w * (theta[i] - theta[j]).cos()).sum()
}

// K3, and the bound of the step that the library computes.
#[test]
fn euler_descends_the_energy_below_its_bound_and_not_far_above() -> Result<()> {
    let mut tape = Tape::new(&device());
    let (graph, weights) = symmetric(50, 0.2, 7);
    let narrow: Vec<f32> = weights.iter().map(|w| *w as f32).collect();
    let bound = step_bound(&graph, &narrow, 1.0, 1, Scheme::Euler);
    let above = bound.unstable_above.expect("the weights are positive");
    assert!(bound.stable_up_to < above, "{bound:?}");
    let term = over_edges(&mut tape, &graph, &weights, 2)?;
    let network = Network::first_order(f32s(&mut tape, &[0.0; 50], &[50])?, vec![term]);
    // Near a synchronised state a step above the second bound must let perturbations grow.
    let theta: Vec<f64> = uniform(8, 50).iter().map(|u| 1e-2 * (u - 0.5)).collect();
    let wide: Vec<f64> = uniform(9, 50).iter().map(|u| TAU * u).collect();
    let start = State::at(f32s(&mut tape, &[wide, theta.clone()].concat(), &[2, 50])?);
    let sizes = [bound.stable_up_to as f32, (1.05 * above) as f32];
    let options = RunOptions::new(Scheme::Euler, 1.0, 200).step_sizes(&sizes).every(1);
    let record = run(&mut tape, &network, &start, &options, &[phases()], &mut |_| ())?;
    let samples = &record.observables[0].samples;
    let energies: Vec<f64> = samples.iter().map(|s| energy(&graph, &weights, &s[..50])).collect();
    for pair in energies.windows(2) {
        assert!(pair[1] <= pair[0] + 1e-6 * (1.0 + pair[0].abs()), "the energy rose from {} to {}", pair[0], pair[1]);
    }
    assert!(energies[200] < energies[0] - 1.0, "{} to {}", energies[0], energies[200]);
    let spread = |s: &[f64]| s.iter().map(|t| wrapped(t - s[0]).abs()).fold(0.0, f64::max);
    assert!(spread(&samples[200][50..]) > 10.0 * spread(&theta), "{}", spread(&samples[200][50..]));
    Ok(())
}

// K4.
#[test]
fn two_oscillators_lock_or_beat() -> Result<()> {
    let mut tape = Tape::new(&device());
    let strength = 2.0;
    let graph = Graph::from_edges(2, &[(0, 1), (1, 0)])?;
    let term = over_edges(&mut tape, &graph, &[strength / 2.0; 2], 2)?;
    let (locked, beating) = (1.1, 3.0);
    let frequencies = f32s(&mut tape, &[locked, 0.0, beating, 0.0], &[2, 2])?;
    let network = Network::first_order(frequencies, vec![term]);
    let start = State::at(f32s(&mut tape, &[0.0; 4], &[2, 2])?);
    let (h, steps) = (0.02, 10_000);
    let options = RunOptions::new(Scheme::Rk4, h, steps).windings();
    let record = run(&mut tape, &network, &start, &options, &[phases()], &mut |_| ())?;
    let last = record.observables[0].samples.last().unwrap();
    let difference = wrapped(last[0] - last[1]);
    assert!((difference.sin() - locked / strength).abs() < 1e-5, "sin of {difference}");
    let turns = record.windings.unwrap();
    // Locked: the pair goes round together, whole turns counted.
    let together = last[0] - last[1] + TAU * (turns[0] - turns[1]) as f64;
    assert!((together - difference).abs() < 1e-4, "{together} against {difference}");
    let unwrapped = last[2] - last[3] + TAU * (turns[2] - turns[3]) as f64;
    let beat = unwrapped / (f64::from(h) * steps as f64);
    let expected = (beating * beating - strength * strength).sqrt();
    // One beat more or less over the whole run.
    assert!((beat - expected).abs() < TAU / (f64::from(h) * steps as f64), "{beat} against {expected}");
    Ok(())
}

fn lorentzian(nodes: usize) -> Vec<f64> {
    (0..nodes).map(|k| (PI * ((k as f64 + 0.5) / nodes as f64 - 0.5)).tan()).collect()
}

// K5 and the acceptance line of the order parameter.
#[test]
fn the_order_parameter_of_lorentzian_frequencies_follows_the_exact_curve() -> Result<()> {
    let mut tape = Tape::new(&device());
    let (nodes, strengths) = (4096, [1.0, 3.0, 4.0, 8.0]);
    let term = mean_field(&mut tape, &strengths)?;
    let frequencies = f32s(&mut tape, &lorentzian(nodes), &[nodes])?;
    let network = Network::first_order(frequencies, vec![term]);
    let theta: Vec<f64> = uniform(10, 4 * nodes).iter().map(|u| TAU * u - PI).collect();
    let start = State::at(f32s(&mut tape, &theta, &[4, nodes])?);
    let options = RunOptions::new(Scheme::Heun, 0.02, 4000).every(20);
    let record = run(&mut tape, &network, &start, &options, &[order_parameter(1)], &mut |_| ())?;
    for (b, strength) in strengths.iter().enumerate() {
        let r = mean(&moduli(&record.observables[0].samples[100..], b));
        let exact: f64 = 1.0 - 2.0 / strength;
        match exact > 0.0 {
            true => assert!((r - exact.sqrt()).abs() < 0.01, "K = {strength}: r = {r}, exact {}", exact.sqrt()),
            false => assert!(r < 0.1, "K = {strength}: r = {r} below the critical coupling"),
        }
    }
    Ok(())
}

// K6: Gaussian frequencies against the self-consistent solution.
#[test]
fn gaussian_frequencies_satisfy_the_self_consistency_equation() -> Result<()> {
    let mut tape = Tape::new(&device());
    let (nodes, strengths) = (4096, [2.0, 3.0]);
    // Quantiles of the standard normal distribution by bisection of its distribution function.
    let density = |x: f64| (-0.5 * x * x).exp() / TAU.sqrt();
    let simpson = |f: &dyn Fn(f64) -> f64, a: f64, b: f64| {
        let n = 400;
        let h = (b - a) / n as f64;
        let weight = |i: usize| if i == 0 || i == n { 1.0 } else { 2.0 + 2.0 * (i % 2) as f64 };
        (0..=n).map(|i| weight(i) * f(a + h * i as f64)).sum::<f64>() * h / 3.0
    };
    let grid: Vec<f64> = (0..=12_000).map(|i| -6.0 + 1e-3 * f64::from(i)).collect();
    let mut cumulated = vec![0.0];
    for pair in grid.windows(2) {
        cumulated.push(cumulated[cumulated.len() - 1] + 5e-4 * (density(pair[0]) + density(pair[1])));
    }
    let quantile = |p: f64| grid[cumulated.partition_point(|c| *c < p).min(grid.len() - 1)];
    let frequencies: Vec<f64> = (0..nodes).map(|k| quantile((k as f64 + 0.5) / nodes as f64)).collect();
    let term = mean_field(&mut tape, &strengths)?;
    let network = Network::first_order(f32s(&mut tape, &frequencies, &[nodes])?, vec![term]);
    let theta: Vec<f64> = uniform(11, 2 * nodes).iter().map(|u| 0.5 * TAU * u).collect();
    let start = State::at(f32s(&mut tape, &theta, &[2, nodes])?);
    let options = RunOptions::new(Scheme::Heun, 0.05, 1000).every(20);
    let record = run(&mut tape, &network, &start, &options, &[order_parameter(1)], &mut |_| ())?;
    for (b, strength) in strengths.iter().enumerate() {
        let map = |r: f64| {
            let inner = |phi: f64| phi.cos().powi(2) * density(strength * r * phi.sin());
            strength * r * simpson(&inner, -PI / 2.0, PI / 2.0)
        };
        let mut exact = 1.0;
        for _ in 0..500 {
            exact = map(exact);
        }
        let r = mean(&moduli(&record.observables[0].samples[25..], b));
        assert!((r - exact).abs() < 0.01, "K = {strength}: r = {r}, self-consistent {exact}");
    }
    Ok(())
}

// K7.
#[test]
fn the_transient_follows_the_ott_antonsen_equation() -> Result<()> {
    let mut tape = Tape::new(&device());
    let (nodes, strength, start_r) = (16_384, 4.0, 0.2f64);
    // Phases of density (1 - r^2) / (1 - 2 r cos + r^2): the manifold. A stride without common factor mixes them with the
    // frequencies.
    let phase = |p: f64| 2.0 * ((1.0 - start_r) / (1.0 + start_r) * (PI * (p - 0.5)).tan()).atan();
    let theta: Vec<f64> =
        (0..nodes).map(|k| phase(((k * 6113) % nodes) as f64 / nodes as f64 + 0.5 / nodes as f64)).collect();
    let term = mean_field(&mut tape, &[strength])?;
    let network = Network::first_order(f32s(&mut tape, &lorentzian(nodes), &[nodes])?, vec![term]);
    let start = State::at(f32s(&mut tape, &theta, &[1, nodes])?);
    let h = 0.01;
    let options = RunOptions::new(Scheme::Rk4, h, 400).every(10);
    let record = run(&mut tape, &network, &start, &options, &[order_parameter(1)], &mut |_| ())?;
    let slope = |r: f64| -r + 0.5 * strength * r * (1.0 - r * r);
    let mut r = start_r;
    for (k, got) in moduli(&record.observables[0].samples, 0).iter().enumerate() {
        assert!((got - r).abs() < 0.02, "t = {}: {got} against {r}", k as f64 * 0.1);
        for _ in 0..100 {
            let middle = r + 5e-4 * slope(r);
            r += 1e-3 * slope(middle);
        }
    }
    assert!(r > 0.7, "the reduced equation went nowhere: {r}");
    Ok(())
}

// K8.
#[test]
fn identical_oscillators_keep_their_cross_ratios() -> Result<()> {
    let mut tape = Tape::new(&device());
    let mut terms = vec![mean_field(&mut tape, &[-0.7])?];
    let lag = f32s(&mut tape, &[0.4], &[1])?;
    terms.push(Term { coupling: Coupling::MeanField { lag, harmonic: 1 }, strength: f32s(&mut tape, &[0.5], &[1])? });
    let field = f32s(&mut tape, &[0.8, 0.6], &[1, 1, 2])?;
    let lag = f32s(&mut tape, &[0.0], &[1])?;
    terms
        .push(Term { coupling: Coupling::Field { field, lag, harmonic: 1 }, strength: f32s(&mut tape, &[0.2], &[1])? });
    let network = Network::first_order(f32s(&mut tape, &[0.3; 8], &[8])?, terms);
    let theta: Vec<f64> = (0..8).map(|i| -2.8 + 0.75 * f64::from(i)).collect();
    let start = State::at(f32s(&mut tape, &theta, &[1, 8])?);
    let options = RunOptions::new(Scheme::Rk4, 0.01, 300).every(100);
    let record = run(&mut tape, &network, &start, &options, &[phases()], &mut |_| ())?;
    let ratio = |t: &[f64], [i, j, k, l]: [usize; 4]| {
        let s = |a: usize, b: usize| ((t[a] - t[b]) / 2.0).sin();
        s(i, j) * s(k, l) / (s(i, k) * s(j, l))
    };
    let samples = &record.observables[0].samples;
    for four in [[0, 1, 2, 3], [4, 2, 7, 1], [0, 3, 5, 7]] {
        let first = ratio(&samples[0], four);
        for sample in samples {
            let now = ratio(sample, four);
            assert!((now / first - 1.0).abs() < 1e-4, "{four:?}: {now} after {first}");
        }
    }
    assert!((samples[3][0] - samples[0][0]).abs() > 0.1, "nothing moved");
    Ok(())
}

// K9.
#[test]
fn all_forms_of_all_to_all_coupling_agree() -> Result<()> {
    let mut tape = Tape::new(&device());
    let nodes = 37;
    let pairs: Vec<(usize, usize)> = (0..nodes).flat_map(|i| (0..nodes).map(move |j| (i, j))).collect();
    let graph = Graph::from_edges(nodes, &pairs)?;
    let (strength, lag, harmonic) = (1.7, 0.3, 2);
    let theta: Vec<f64> = uniform(12, nodes).iter().map(|u| TAU * u - PI).collect();
    let theta = f32s(&mut tape, &theta, &[1, nodes])?;
    let frequencies = f32s(&mut tape, &uniform(13, nodes), &[nodes])?;
    let each = 1.0 / nodes as f64;
    let couplings = [
        Coupling::MeanField { lag: f32s(&mut tape, &[lag], &[1])?, harmonic },
        Coupling::Dense {
            weights: f32s(&mut tape, &vec![each; nodes * nodes], &[nodes, nodes])?,
            lag: f32s(&mut tape, &[lag], &[1])?,
            harmonic,
        },
        Coupling::Edges {
            graph: graph.clone(),
            weights: f32s(&mut tape, &vec![each; nodes * nodes], &[1, nodes * nodes])?,
            lag: f32s(&mut tape, &[lag], &[1, 1])?,
            harmonic,
        },
    ];
    let mut rates = Vec::new();
    for coupling in couplings {
        let term = Term { coupling, strength: f32s(&mut tape, &[strength], &[1])? };
        let network = Network::first_order(frequencies.clone(), vec![term]).constant(&mut tape)?;
        let theta = tape.constant(theta.clone());
        let rate = network.rate(&mut tape, theta)?;
        rates.push(tape.read(rate)?);
    }
    for other in &rates[1..] {
        for (a, b) in rates[0].iter().zip(other) {
            assert!((a - b).abs() < 1e-5 * (1.0 + a.abs()), "{a} against {b}");
        }
    }
    Ok(())
}

// K10.
#[test]
fn phases_of_a_ring_decay_at_the_second_eigenvalue_of_its_laplacian() -> Result<()> {
    let mut tape = Tape::new(&device());
    let nodes = 8;
    let edges: Vec<(usize, usize)> = (0..nodes).flat_map(|i| [(i, (i + 1) % nodes), ((i + 1) % nodes, i)]).collect();
    let graph = Graph::from_edges(nodes, &edges)?;
    let term = over_edges(&mut tape, &graph, &[1.0; 16], 1)?;
    let network = Network::first_order(f32s(&mut tape, &[0.0; 8], &[8])?, vec![term]);
    let theta: Vec<f64> = (0..nodes).map(|i| 1e-2 * (TAU * i as f64 / nodes as f64).cos()).collect();
    let start = State::at(f32s(&mut tape, &theta, &[1, nodes])?);
    let options = RunOptions::new(Scheme::Rk4, 0.05, 100);
    let record = run(&mut tape, &network, &start, &options, &[phases(), order_parameter(1)], &mut |_| ())?;
    let last = record.observables[0].samples.last().unwrap();
    let rate = (theta[0] / last[0]).ln() / 5.0;
    let eigenvalue = 2.0 - 2.0 * (TAU / nodes as f64).cos();
    assert!((rate / eigenvalue - 1.0).abs() < 1e-3, "{rate} against {eigenvalue}");
    // From within a half circle everything synchronises.
    let wide: Vec<f64> = (0..nodes).map(|i| 2.9 * i as f64 / nodes as f64).collect();
    let start = State::at(f32s(&mut tape, &wide, &[1, nodes])?);
    let options = RunOptions::new(Scheme::Rk4, 0.05, 800);
    let record = run(&mut tape, &network, &start, &options, &[order_parameter(1)], &mut |_| ())?;
    let r = moduli(&record.observables[0].samples, 0);
    assert!(r[0] < 0.8 && (r[1] - 1.0).abs() < 1e-6, "{r:?}");
    Ok(())
}
