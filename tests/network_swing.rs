//! Laws of networks with inertia.

#![cfg(feature = "gpu")]

mod common;

use std::f64::consts::{PI, TAU};

use common::device;
use kuramoto::network::{
    Coupling, Network, RunOptions, Scheme, State, Term, decision, mean_rate, order_parameter, phases, run, velocities,
};
use kuramoto::{DType, Graph, Result, Tape, Value};

fn f32s(tape: &mut Tape, data: &[f64], shape: &[usize]) -> Result<Value> {
    tape.upload(data, shape, DType::F32)
}

/// A small world without randomness: a ring, and a chord from every third node. Equal both ways.
fn graph(nodes: usize) -> Graph {
    let mut edges = Vec::new();
    let mut link = |i: usize, j: usize| {
        if i != j && !edges.contains(&(i, j)) {
            edges.extend([(i, j), (j, i)]);
        }
    };
    (0..nodes).for_each(|i| link(i, (i + 1) % nodes));
    (0..nodes).step_by(3).for_each(|i| link(i, (i * 7 + 5) % nodes));
    Graph::from_edges(nodes, &edges).unwrap()
}

struct Grid {
    graph: Graph,
    nodes: usize,
    batch: usize,
}

impl Grid {
    fn network(
        &self,
        tape: &mut Tape,
        powers: &[f64],
        strength: f64,
        inertia: f64,
        damping: f64,
    ) -> Result<Network<Value>> {
        let edges = self.graph.edge_count();
        let coupling = Coupling::Edges {
            graph: self.graph.clone(),
            weights: f32s(tape, &vec![1.0; edges], &[1, edges])?,
            lag: f32s(tape, &[0.0], &[1, 1]).and_then(|_| f32s(tape, &vec![0.0; self.batch], &[self.batch, 1]))?,
            harmonic: 1,
        };
        let term = Term { coupling, strength: f32s(tape, &vec![strength; self.batch], &[self.batch])? };
        let each = |v: f64| vec![v; self.nodes];
        Ok(Network::second_order(
            f32s(tape, powers, &[self.nodes])?,
            vec![term],
            f32s(tape, &each(inertia), &[self.nodes])?,
            f32s(tape, &each(damping), &[self.nodes])?,
        ))
    }

    /// H with inertia 1, unit weights and no powers.
    fn energy(&self, theta: &[f64], velocity: &[f64]) -> f64 {
        let kinetic: f64 = velocity.iter().map(|v| 0.5 * v * v).sum();
        kinetic - self.graph.edges().map(|(i, j)| 0.5 * (theta[i] - theta[j]).cos()).sum::<f64>()
    }
}

fn wrapped(x: f64) -> f64 {
    x - TAU * (x / TAU).round()
}

fn ramp(nodes: usize, turns: f64) -> Vec<f64> {
    (0..nodes).map(|i| wrapped(turns * (i * i) as f64)).collect()
}

// S1.
#[test]
fn damping_never_adds_energy_and_without_it_the_splitting_keeps_it() -> Result<()> {
    let mut tape = Tape::new(&device());
    let grid = Grid { graph: graph(40), nodes: 40, batch: 1 };
    let start = State::moving(f32s(&mut tape, &ramp(40, 1.1), &[1, 40])?, f32s(&mut tape, &[0.0; 40], &[1, 40])?);
    let options = RunOptions::new(Scheme::Splitting, 0.02, 3000).every(10);
    let observed = [phases(), velocities()];
    let damped = grid.network(&mut tape, &[0.0; 40], 1.0, 1.0, 0.3)?;
    let record = run(&mut tape, &damped, &start, &options, &observed, &mut |_| ())?;
    let energies = |record: &kuramoto::network::Record| -> Vec<f64> {
        let [theta, velocity] = [&record.observables[0].samples, &record.observables[1].samples];
        theta.iter().zip(velocity).map(|(t, v)| grid.energy(t, v)).collect()
    };
    let h = energies(&record);
    for pair in h.windows(2) {
        assert!(pair[1] <= pair[0] + 1e-5 * (1.0 + pair[0].abs()), "the energy rose from {} to {}", pair[0], pair[1]);
    }
    assert!(h[h.len() - 1] < h[0] - 1.0, "{} to {}", h[0], h[h.len() - 1]);

    let free = grid.network(&mut tape, &[0.0; 40], 1.0, 1.0, 0.0)?;
    let mut worst = Vec::new();
    for step in [0.04f32, 0.02] {
        let options = RunOptions::new(Scheme::Splitting, step, (40.0 / step) as usize).every(10);
        let record = run(&mut tape, &free, &start, &options, &observed, &mut |_| ())?;
        let h = energies(&record);
        worst.push(h.iter().map(|e| (e - h[0]).abs()).fold(0.0, f64::max));
    }
    // Bounded, and by the square of the step.
    assert!(worst[0] < 0.05 && worst[1] < 0.35 * worst[0], "{worst:?}");
    Ok(())
}

// S1: time reversal.
#[test]
fn without_damping_time_can_be_turned_round() -> Result<()> {
    let mut tape = Tape::new(&device());
    let grid = Grid { graph: graph(20), nodes: 20, batch: 1 };
    let network = grid.network(&mut tape, &[0.0; 20], 1.0, 1.0, 0.0)?;
    let theta: Vec<f64> = ramp(20, 0.05);
    let start = State::moving(f32s(&mut tape, &theta, &[1, 20])?, f32s(&mut tape, &[0.0; 20], &[1, 20])?);
    let options = RunOptions::new(Scheme::Splitting, 0.02, 200);
    let there = run(&mut tape, &network, &start, &options, &[velocities()], &mut |_| ())?;
    let turned: Vec<f64> = there.observables[0].samples[1].iter().map(|v| -v).collect();
    assert!(turned.iter().any(|v| v.abs() > 0.1), "nothing moved");
    let back = State::moving(there.end.theta.clone(), f32s(&mut tape, &turned, &[1, 20])?);
    let home = run(&mut tape, &network, &back, &options, &[phases()], &mut |_| ())?;
    for (got, want) in home.observables[0].samples[1].iter().zip(&theta) {
        assert!(wrapped(got - want).abs() < 1e-4, "{got} against {want}");
    }
    Ok(())
}

// S2 and S5.
#[test]
fn equilibria_do_not_depend_on_inertia_or_damping_and_strong_damping_is_first_order() -> Result<()> {
    let mut tape = Tape::new(&device());
    let grid = Grid { graph: graph(12), nodes: 12, batch: 1 };
    let powers: Vec<f64> = (0..12).map(|i| if i % 2 == 0 { 0.3 } else { -0.3 }).collect();
    let theta = f32s(&mut tape, &[0.0; 12], &[1, 12])?;
    let still = State::moving(theta.clone(), f32s(&mut tape, &[0.0; 12], &[1, 12])?);
    let mut ends = Vec::new();
    for (inertia, damping) in [(1.0, 1.0), (0.3, 2.0), (2.0, 0.7)] {
        let network = grid.network(&mut tape, &powers, 2.0, inertia, damping)?;
        let options = RunOptions::new(Scheme::Splitting, 0.05, 2000);
        let record = run(&mut tape, &network, &still, &options, &[phases()], &mut |_| ())?;
        let end = record.observables[0].samples[1].clone();
        ends.push(end.iter().map(|t| wrapped(t - end[0])).collect::<Vec<f64>>());
    }
    for other in &ends[1..] {
        assert!(ends[0].iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-4), "{:?}\n{other:?}", ends[0]);
    }
    assert!(ends[0].iter().any(|t| t.abs() > 0.05), "the equilibrium is trivial");

    let damping = 50.0;
    let heavy = grid.network(&mut tape, &powers, 2.0, 1.0, damping)?;
    let mut light =
        grid.network(&mut tape, &powers.iter().map(|p| p / damping).collect::<Vec<_>>(), 2.0 / damping, 1.0, 1.0)?;
    light.swing = None;
    let wide = f32s(&mut tape, &ramp(12, 0.02), &[1, 12])?;
    let rest = State::moving(wide.clone(), f32s(&mut tape, &[0.0; 12], &[1, 12])?);
    // The splitting is off by the square of damping times step; Runge-Kutta by its fourth power.
    let slow = run(&mut tape, &heavy, &rest, &RunOptions::new(Scheme::Rk4, 0.02, 1000), &[phases()], &mut |_| ())?;
    let first =
        run(&mut tape, &light, &State::at(wide), &RunOptions::new(Scheme::Rk4, 0.1, 200), &[phases()], &mut |_| ())?;
    let pairs = slow.observables[0].samples[1].iter().zip(&first.observables[0].samples[1]);
    for (a, b) in pairs {
        // What is left is of the order inertia / damping^2 times the rate.
        assert!(wrapped(a - b).abs() < 2e-3, "{a} against {b}");
    }
    Ok(())
}

// S3.
#[test]
fn a_perturbed_pair_rings_as_its_linearisation_says() -> Result<()> {
    let mut tape = Tape::new(&device());
    let grid = Grid { graph: Graph::from_edges(2, &[(0, 1), (1, 0)])?, nodes: 2, batch: 1 };
    // The Laplacian's eigenvalue of the difference is 2 K.
    let (strength, inertia) = (1.5, 0.8);
    for damping in [0.4, 6.0] {
        let network = grid.network(&mut tape, &[0.0; 2], strength, inertia, damping)?;
        let small = 1e-2;
        let start = State::moving(
            f32s(&mut tape, &[small / 2.0, -small / 2.0], &[1, 2])?,
            f32s(&mut tape, &[0.0; 2], &[1, 2])?,
        );
        let options = RunOptions::new(Scheme::Rk4, 0.01, 400).every(50);
        let record = run(&mut tape, &network, &start, &options, &[phases()], &mut |_| ())?;
        let (a, b) = (damping / (2.0 * inertia), 2.0 * strength / inertia);
        for (k, sample) in record.observables[0].samples.iter().enumerate() {
            let t = 0.5 * k as f64;
            let exact = match a * a < b {
                true => {
                    let w = (b - a * a).sqrt();
                    (-a * t).exp() * ((w * t).cos() + a / w * (w * t).sin())
                }
                false => {
                    let s = (a * a - b).sqrt();
                    (-a * t).exp() * ((s * t).cosh() + a / s * (s * t).sinh())
                }
            };
            let got = (sample[0] - sample[1]) / small;
            assert!((got - exact).abs() < 1e-4, "damping {damping}, t = {t}: {got} against {exact}");
        }
    }
    Ok(())
}

// S4: at small damping a running state coexists with the locked one.
#[test]
fn a_pair_of_little_damping_has_hysteresis() -> Result<()> {
    let mut tape = Tape::new(&device());
    let grid = Grid { graph: Graph::from_edges(2, &[(0, 1), (1, 0)])?, nodes: 2, batch: 2 };
    let (inertia, damping): (f64, f64) = (1.0, 0.1);
    // The difference obeys m phi'' + d phi' = dw - 2 K sin phi: its K is 1.
    let start = |tape: &mut Tape| -> Result<State<Value>> {
        let theta = f32s(tape, &[0.0; 4], &[2, 2])?;
        // At rest, and running.
        Ok(State::moving(theta, f32s(tape, &[0.0, 0.0, 3.0, -3.0], &[2, 2])?))
    };
    let mut speeds = Vec::new();
    // (4 / pi) beta is 0.127 here.
    for dw in [0.05, 0.4, 1.2] {
        let network = grid.network(&mut tape, &[dw / 2.0, -dw / 2.0], 0.5, inertia, damping)?;
        let from = start(&mut tape)?;
        let options = RunOptions::new(Scheme::Splitting, 0.02, 8000).windings();
        let record = run(&mut tape, &network, &from, &options, &[phases()], &mut |_| ())?;
        let settled = run(&mut tape, &network, &record.end, &options, &[phases()], &mut |_| ())?;
        let turns = settled.windings.unwrap_or_default();
        speeds.push([turns[0] - turns[1], turns[2] - turns[3]]);
    }
    assert_eq!(speeds[0], [0, 0], "below the bound both lock");
    assert!(speeds[1][0] == 0 && speeds[1][1] > 20, "between, one locks and one runs: {:?}", speeds[1]);
    assert!(speeds[2][0] > 20 && speeds[2][1] > 20, "above the coupling none locks: {:?}", speeds[2]);
    Ok(())
}

/// Two informed agents that want `phi` and `-phi`, one sample per conflict.
fn two_modules(tape: &mut Tape, phis: &[f64], damping: f64) -> Result<Network<Value>> {
    let graph = Graph::from_edges(2, &[(0, 1), (1, 0)])?;
    let preferences: Vec<f64> = phis.iter().flat_map(|phi| [*phi, -*phi]).collect();
    decision(tape, &graph, &[1.0; 2], &preferences, &[1.5; 2], &[1.0; 2], &[damping; 2])
}

/// The conflict at which the compromise ends, for rho = 1.5 and K = 1.
const FOLD: f64 = 1.670_46;

fn compromise(tape: &mut Tape, batch: usize) -> Result<State<Value>> {
    let theta: Vec<f64> = [1.0, -1.0].repeat(batch);
    Ok(State::moving(f32s(tape, &theta, &[batch, 2])?, f32s(tape, &vec![0.0; 2 * batch], &[batch, 2])?))
}

// J2: one batch is the bisection.
#[test]
fn the_compromise_ends_at_the_same_fold_whatever_the_damping_is() -> Result<()> {
    let mut tape = Tape::new(&device());
    let phis: Vec<f64> = (0..33).map(|i| FOLD - 0.016 + 0.001 * f64::from(i)).collect();
    for damping in [1.0, 3.0] {
        let network = two_modules(&mut tape, &phis, damping)?;
        let start = compromise(&mut tape, phis.len())?;
        let steps = (400.0 * damping / 0.05) as usize;
        let options = RunOptions::new(Scheme::Splitting, 0.05, steps);
        let record = run(&mut tape, &network, &start, &options, &[phases()], &mut |_| ())?;
        let last = record.observables[0].samples.last().unwrap();
        let escaped: Vec<bool> = last.chunks(2).map(|pair| pair[0] > 1.5).collect();
        let fold = escaped.iter().position(|e| *e).map(|at| phis[at]).expect("the strongest conflict breaks it");
        assert!(escaped.iter().skip_while(|e| !**e).all(|e| *e), "{escaped:?}");
        assert!((fold / FOLD - 1.0).abs() < 0.01, "damping {damping}: {fold} against {FOLD}");
    }
    Ok(())
}

// J3.
#[test]
fn the_ghost_of_the_fold_delays_escape_in_proportion_to_the_damping() -> Result<()> {
    let mut tape = Tape::new(&device());
    let (beyond, x, h) = (0.002, 1.136_24f64, 0.05f32);
    let (a, b) = (1.5 * (FOLD - x).cos(), 0.5 * (-1.5 * (FOLD - x).sin() + 4.0 * (2.0 * x).sin()));
    let mut times = Vec::new();
    for damping in [1.0, 2.0] {
        let network = two_modules(&mut tape, &[FOLD + beyond, FOLD - beyond], damping)?;
        let start = compromise(&mut tape, 2)?;
        let expected = PI * damping / (a * b * beyond).sqrt();
        let options = RunOptions::new(Scheme::Splitting, h, (2.0 * expected / f64::from(h)) as usize).every(10);
        let record = run(&mut tape, &network, &start, &options, &[phases()], &mut |_| ())?;
        let samples = &record.observables[0].samples;
        assert!(samples.iter().all(|s| s[2] < 1.5), "below the fold nothing escapes");
        let at = samples.iter().position(|s| s[0] > 2.0).expect("beyond the fold it escapes");
        let time = record.steps[at] as f64 * f64::from(h);
        assert!((time / expected - 1.0).abs() < 0.1, "damping {damping}: {time} against {expected}");
        times.push(time);
    }
    assert!((times[1] / times[0] / 2.0 - 1.0).abs() < 0.1, "{times:?}");
    Ok(())
}

// J1 and J4.
#[test]
fn a_small_conflict_ends_in_one_compromise_from_everywhere_and_never_gains_energy() -> Result<()> {
    let mut tape = Tape::new(&device());
    // Two informed agents of each opinion, and six without one that listen to them.
    let graph = graph(10);
    let (rho, phi) = ([1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 0.4);
    let one = [phi, -phi, phi, -phi, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let weights = vec![1.0; graph.edge_count()];
    let batch = 6;
    let network = decision(&mut tape, &graph, &weights, &one.repeat(batch), &rho, &[1.0; 10], &[0.8; 10])?;
    // From anywhere within a half circle about the mean opinion.
    let theta: Vec<f64> = (0..10 * batch).map(|i| wrapped(2.399_963 * i as f64) * 0.45).collect();
    let start =
        State::moving(f32s(&mut tape, &theta, &[batch, 10])?, f32s(&mut tape, &vec![0.0; 10 * batch], &[batch, 10])?);
    let options = RunOptions::new(Scheme::Splitting, 0.02, 4000).every(20);
    let observed = [phases(), velocities(), order_parameter(1), mean_rate()];
    let record = run(&mut tape, &network, &start, &options, &observed, &mut |_| ())?;
    let energy = |k: usize, b: usize| {
        let theta = &record.observables[0].samples[k][10 * b..10 * b + 10];
        let velocity = &record.observables[1].samples[k][10 * b..10 * b + 10];
        let kinetic: f64 = velocity.iter().map(|v| 0.5 * v * v).sum();
        let pull: f64 = (0..10).map(|i| rho[i] * (one[i] - theta[i]).cos()).sum();
        kinetic - pull - graph.edges().map(|(i, j)| 0.5 * (theta[i] - theta[j]).cos()).sum::<f64>()
    };
    for b in 0..batch {
        for k in 1..record.steps.len() {
            let (before, after) = (energy(k - 1, b), energy(k, b));
            assert!(after <= before + 1e-5 * (1.0 + before.abs()), "sample {b}: {before} to {after}");
        }
    }
    let last = record.observables[0].samples.last().unwrap();
    for b in 1..batch {
        for i in 0..10 {
            let off = wrapped(last[10 * b + i] - last[i]);
            assert!(off.abs() < 1e-3, "sample {b}, node {i}: off by {off}");
        }
    }
    Ok(())
}
