//! Laws of attention between angles: symmetries of the torus, a step of Kuramoto's model, the softmax as a maximum, causality,
//! and its two forms.
#![cfg(feature = "gpu")]

mod common;

use std::f64::consts::{PI, TAU};

use common::{device, error_of, numbers};
use kuramoto::model::Builder;
use kuramoto::model::torus::{TorusBlock, TorusConfig, TorusLanguageModel};
use kuramoto::ops::couple_attention::{AttentionOptions, CoupleAttention};
use kuramoto::{DType, ErrorKind, PhaseCoupling, Result, Tape, Var};

/// Angles, parameters of heads and whether attention is causal.
#[derive(Clone)]
struct Instance {
    shape: [usize; 4],
    causal: bool,
    theta: Vec<f64>,
    gate: Vec<f64>,
    tau: Vec<f64>,
    eta: Vec<f64>,
    drift: Vec<f64>,
}

fn drawn(seed: u64, len: usize, low: f64, high: f64) -> Vec<f64> {
    numbers(seed, len).iter().map(|v| low + (high - low) * (f64::from(*v) * 0.5 + 0.5)).collect()
}

impl Instance {
    fn new(seed: u64, shape: [usize; 4], causal: bool) -> Instance {
        let [batch, tokens, heads, dim] = shape;
        Instance {
            shape,
            causal,
            theta: drawn(seed, batch * tokens * heads * dim, -PI, PI),
            gate: drawn(seed + 1, heads * dim, 0.1, 2.0),
            tau: drawn(seed + 2, heads, 0.5, 1.5),
            eta: drawn(seed + 3, heads, 0.3, 1.0),
            drift: drawn(seed + 4, heads * dim, -1.0, 1.0),
        }
    }

    /// Index of an angle.
    fn at(&self, b: usize, t: usize, h: usize, d: usize) -> usize {
        let [_, tokens, heads, dim] = self.shape;
        ((b * tokens + t) * heads + h) * dim + d
    }

    fn vars(&self, tape: &mut Tape) -> Result<[Var; 5]> {
        let [_, _, heads, dim] = self.shape;
        let mut put = |data: &[f64], shape: &[usize]| -> Result<Var> {
            let value = tape.upload(data, shape, DType::F32)?;
            Ok(tape.leaf(value))
        };
        Ok([
            put(&self.theta, &self.shape)?,
            put(&self.gate, &[heads, dim])?,
            put(&self.tau, &[heads])?,
            put(&self.eta, &[heads])?,
            put(&self.drift, &[heads, dim])?,
        ])
    }

    /// The angles after the step, on `tape`, and the gradients of all operands under a cotangent.
    fn run(&self, tape: &mut Tape, cotangent: &[f64]) -> Result<(Vec<f64>, Vec<Vec<f64>>)> {
        let vars = self.vars(tape)?;
        let [theta, gate, tau, eta, drift] = vars;
        let moved =
            tape.kuramoto_attention(theta, &PhaseCoupling { gate, tau, eta, drift, content: None }, self.causal)?;
        let seed = tape.upload(cotangent, &self.shape, DType::F32)?;
        let gradients = tape.vjp(&[(moved, seed)])?;
        let gradients = vars.iter().map(|var| gradients.read(tape, *var)).collect::<Result<_>>()?;
        Ok((tape.read(moved)?, gradients))
    }

    fn step(&self) -> Vec<f64> {
        self.run(&mut Tape::reference(), &vec![0.0; self.theta.len()]).unwrap().0
    }

    /// Row `(b, h, t)` of the weights.
    fn weights(&self) -> Vec<Vec<f64>> {
        let mut tape = Tape::reference();
        let [theta, gate, tau, eta, drift] = self.vars(&mut tape).unwrap();
        let coupling = PhaseCoupling { gate, tau, eta, drift, content: None };
        let weights = tape.kuramoto_attention_weights(theta, &coupling, self.causal).unwrap();
        tape.read(weights).unwrap().chunks_exact(self.shape[1]).map(<[f64]>::to_vec).collect()
    }

    /// A score, by differences of angles.
    fn score(&self, b: usize, h: usize, t: usize, u: usize) -> f64 {
        let dim = self.shape[3];
        let term = |d: usize| {
            let drifted = self.drift[h * dim + d] * (t as f64 - u as f64);
            self.gate[h * dim + d] * (self.theta[self.at(b, t, h, d)] - self.theta[self.at(b, u, h, d)] + drifted).cos()
        };
        (0..dim).map(term).sum::<f64>() / self.tau[h]
    }

    /// The keys that query `t` sees.
    fn seen(&self, t: usize) -> usize {
        if self.causal { t + 1 } else { self.shape[1] }
    }

    /// The step by the definition: differences of angles, a sum of sines.
    fn by_definition(&self) -> Vec<f64> {
        let [batch, tokens, heads, dim] = self.shape;
        let mut moved = self.theta.clone();
        for (b, h, t) in
            (0..batch * heads * tokens).map(|row| (row / tokens / heads, row / tokens % heads, row % tokens))
        {
            let scores: Vec<f64> = (0..self.seen(t)).map(|u| self.score(b, h, t, u)).collect();
            let sum: f64 = scores.iter().map(|s| s.exp()).sum();
            for d in 0..dim {
                let own = self.theta[self.at(b, t, h, d)];
                let pull = |(u, s): (usize, &f64)| s.exp() / sum * (self.theta[self.at(b, u, h, d)] - own).sin();
                moved[self.at(b, t, h, d)] += self.eta[h] * scores.iter().enumerate().map(pull).sum::<f64>();
            }
        }
        moved
    }
}

/// The largest distance of two lists of angles along the circle.
fn around(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b - TAU * ((a - b) / TAU).round()).abs()).fold(0.0, f64::max)
}

#[test]
fn the_step_is_what_the_definition_says() {
    for (seed, causal) in [(1, true), (2, false)] {
        let instance = Instance::new(seed, [2, 6, 2, 3], causal);
        let (step, wanted) = (instance.step(), instance.by_definition());
        assert!(around(&step, &wanted) < 1e-13);
        assert!(step.iter().all(|angle| angle.abs() <= PI + 1e-15));
        assert!(around(&step, &instance.theta) > 0.1, "nothing moves: this proves nothing");
    }
}

#[test]
fn a_shift_of_a_coordinate_commutes_with_the_step_and_turns_do_nothing() {
    let instance = Instance::new(3, [2, 7, 2, 3], true);
    let step = instance.step();
    let shifts = drawn(9, 6, -PI, PI);
    let shift = |angles: &[f64]| -> Vec<f64> { angles.iter().enumerate().map(|(i, a)| a + shifts[i % 6]).collect() };
    let shifted = Instance { theta: shift(&instance.theta), ..instance.clone() };
    assert!(around(&shifted.step(), &shift(&step)) < 1e-13);

    let turns = instance.theta.iter().enumerate().map(|(i, angle)| angle + TAU * ((i * 7 % 5) as f64 - 2.0));
    let turned = Instance { theta: turns.collect(), ..instance.clone() };
    assert!(around(&turned.step(), &step) < 1e-13);

    // A shift of one token alone is no symmetry.
    let mut broken = instance.clone();
    broken.theta[0] += 1.0;
    assert!(around(&broken.step()[6..], &step[6..]) > 1e-3);
}

#[test]
fn weights_of_a_row_sum_to_one_and_no_angle_moves_faster_than_eta() {
    let instance = Instance::new(4, [2, 9, 3, 2], true);
    for (row, weights) in instance.weights().iter().enumerate() {
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-14);
        assert!(weights[row % 9 + 1..].iter().all(|weight| *weight == 0.0));
    }
    let step = instance.step();
    for (i, (before, after)) in instance.theta.iter().zip(&step).enumerate() {
        assert!(around(&[*before], &[*after]) <= instance.eta[i / 2 % 3]);
    }
}

#[test]
fn equal_phases_stay_and_phases_in_a_half_circle_draw_together() {
    let mut instance = Instance::new(5, [1, 8, 1, 4], false);
    instance.theta = (0..32).map(|i| [0.3, -2.0, 3.0, 1.0][i % 4]).collect();
    assert!(around(&instance.step(), &instance.theta) < 1e-15);

    let mut arcs = vec![];
    for causal in [false, true] {
        let mut instance = Instance::new(6, [1, 8, 1, 1], causal);
        instance.theta = drawn(7, 8, -1.5, 1.5);
        instance.eta = vec![1.0];
        for _ in 0..30 {
            let largest = instance.theta.iter().copied().fold(f64::MIN, f64::max);
            let smallest = instance.theta.iter().copied().fold(f64::MAX, f64::min);
            arcs.push(largest - smallest);
            instance.theta = instance.step();
        }
        assert!(arcs.windows(2).all(|pair| pair[1] <= pair[0] + 1e-15), "{arcs:?}");
        assert!(arcs[29] < 0.5 * arcs[0], "{arcs:?}");
        arcs.clear();
    }
}

#[test]
fn only_the_symmetrised_coupling_is_a_gradient_flow() {
    let mut instance = Instance::new(8, [1, 6, 1, 3], false);
    instance.gate = vec![1.0; 3];
    instance.drift = vec![0.0; 3];
    instance.eta = vec![1.0];
    let potential = |instance: &Instance| -> f64 {
        let row = |t: usize| (0..6).map(|u| instance.score(0, 0, t, u).exp()).sum::<f64>().ln();
        instance.tau[0] * (0..6).map(row).sum::<f64>()
    };
    let weights = instance.weights();
    let (mut symmetrised, mut own): (f64, f64) = (0.0, 0.0);
    for t in 0..6 {
        for d in 0..3 {
            let moved = |h: f64| {
                let mut moved = instance.clone();
                moved.theta[3 * t + d] += h;
                potential(&moved)
            };
            let h = 3e-4;
            let slope = (moved(-2.0 * h) - 8.0 * moved(-h) + 8.0 * moved(h) - moved(2.0 * h)) / (12.0 * h);
            let flow = |coupling: &dyn Fn(usize) -> f64| {
                let term = |u: usize| coupling(u) * (instance.theta[3 * u + d] - instance.theta[3 * t + d]).sin();
                (0..6).map(term).sum::<f64>()
            };
            symmetrised = symmetrised.max((slope - flow(&|u| weights[t][u] + weights[u][t])).abs());
            own = own.max((slope - 2.0 * flow(&|u| weights[t][u])).abs());
        }
    }
    // The differences' own error: their rounding over h, and h^4 times a derivative of up to thousands.
    assert!(symmetrised < 1e-9, "{symmetrised:e}");
    assert!(own > 1e-3, "{own:e}");
}

#[test]
fn weights_maximise_the_score_plus_entropy() {
    let instance = Instance::new(10, [1, 6, 2, 3], false);
    let value = |p: &[f64], scores: &[f64]| -> f64 {
        p.iter().zip(scores).map(|(p, s)| p * s - if *p > 0.0 { p * p.ln() } else { 0.0 }).sum()
    };
    for (row, weights) in instance.weights().iter().enumerate() {
        let scores: Vec<f64> = (0..6).map(|u| instance.score(0, row / 6, row % 6, u)).collect();
        let best = value(weights, &scores);
        let free = scores.iter().map(|s| s.exp()).sum::<f64>().ln();
        assert!((best - free).abs() < 1e-13);
        for trial in 0..40 {
            let other = drawn(100 + trial, 6, 0.0, 1.0);
            let sum: f64 = other.iter().sum();
            let share = 0.5f64.powi(trial as i32 % 8);
            let mixed: Vec<f64> =
                weights.iter().zip(&other).map(|(w, o)| (1.0 - share) * w + share * o / sum).collect();
            assert!(value(&mixed, &scores) < best);
        }
    }
}

#[test]
fn the_future_does_not_matter() -> Result<()> {
    let instance = Instance::new(11, [1, 8, 2, 2], true);
    let mut later = instance.clone();
    later.theta[5 * 4..].iter_mut().for_each(|angle| *angle += 1.0);
    let (before, after) = (instance.step(), later.step());
    assert_eq!(before[..5 * 4], after[..5 * 4]);
    assert!(around(&before[5 * 4..], &after[5 * 4..]) > 0.1);

    // The whole model is causal too.
    let model = TorusLanguageModel::new(5, 2, TorusConfig::new(2, 3))?;
    let parameters = model.parameters(1)?;
    let logits = |tokens: [u32; 6]| -> Result<Vec<f64>> {
        let mut tape = Tape::reference();
        let bound = parameters.place(&mut tape)?.bind(&mut tape);
        let tokens = tape.upload(&tokens, &[1, 6], DType::U32)?;
        let tokens = tape.constant(tokens);
        let logits = model.forward(&mut tape, &bound, tokens)?;
        tape.read(logits)
    };
    let (one, other) = (logits([0, 1, 2, 3, 4, 0])?, logits([0, 1, 2, 3, 1, 1])?);
    assert_eq!(one[..4 * 5], other[..4 * 5]);
    assert!(one[4 * 5..] != other[4 * 5..]);
    Ok(())
}

#[test]
fn it_is_attention_between_cosines_and_sines() -> Result<()> {
    // One head without drift, so that phase_features makes what couple_attention reads: q, k and v of 2 Dh channels, where
    // q carries the metric and what couple_attention divides by.
    let mut instance = Instance::new(12, [2, 7, 1, 3], true);
    instance.drift = vec![0.0; 3];
    let mut tape = Tape::reference();
    let theta = tape.upload(&instance.theta, &[2, 7, 3], DType::F32)?;
    let theta = tape.leaf(theta);
    let features = tape.phase_features(theta, 2)?;
    let metric: Vec<f64> = (0..18 * 6)
        .map(|at| {
            let (row, column) = (at / 6, at % 6);
            match row {
                _ if row % 6 != column => 0.0,
                0..6 => instance.gate[column % 3] / instance.tau[0] * 6f64.sqrt(),
                _ => 1.0,
            }
        })
        .collect();
    let metric = tape.upload(&metric, &[18, 6], DType::F32)?;
    let metric = tape.constant(metric);
    let qkv = tape.linear(features, metric, None, 2)?;
    let options = AttentionOptions { interleaved: false, causal: true, ..AttentionOptions::new(1, 2) };
    let core = CoupleAttention::new(&[2, 7, 18], [false; 4], &options)?;
    let mixed = tape.apply(core, &[qkv])?[0];
    let mixed = tape.read(mixed)?;
    let step = instance.step();
    for (i, theta) in instance.theta.iter().enumerate() {
        let (c, s) = (mixed[i / 3 * 6 + i % 3], mixed[i / 3 * 6 + 3 + i % 3]);
        let moved = theta + instance.eta[0] * (s * theta.cos() - c * theta.sin());
        assert!(around(&[moved], &[step[i]]) < 1e-13);
    }
    Ok(())
}

/// Gates of tokens by the definition of the score, and what they can be made of: gates of one are none; gates that all
/// tokens share are a metric of both; a gated query in front of gated keys is a change of the features.
#[test]
fn gates_of_tokens_multiply_the_terms_of_the_score() -> Result<()> {
    for causal in [true, false] {
        let instance = Instance::new(19, [2, 6, 2, 3], causal);
        let [batch, tokens, heads, dim] = instance.shape;
        let len = instance.theta.len();
        let (queries, keys) = (drawn(20, len, 0.1, 1.5), drawn(21, len, 0.1, 1.5));
        let mut tape = Tape::reference();
        let [theta, gate, tau, eta, drift] = instance.vars(&mut tape)?;
        let plain = PhaseCoupling { gate, tau, eta, drift, content: None };
        let mut gates = |data: &[f64]| -> Result<Var> {
            let value = tape.upload(data, &instance.shape, DType::F32)?;
            Ok(tape.leaf(value))
        };
        let (queries_var, keys_var, ones) = (gates(&queries)?, gates(&keys)?, gates(&vec![1.0; len])?);
        let run = |tape: &mut Tape, coupling: &PhaseCoupling<Var>| -> Result<Vec<f64>> {
            let moved = tape.kuramoto_attention(theta, coupling, causal)?;
            tape.read(moved)
        };
        let open = run(&mut tape, &PhaseCoupling { content: Some([ones, ones]), ..plain })?;
        assert_eq!(open, run(&mut tape, &plain)?);
        let gated = PhaseCoupling { content: Some([queries_var, keys_var]), ..plain };
        let weights = tape.kuramoto_attention_weights(theta, &gated, causal)?;
        let weights = tape.read(weights)?;
        let moved = run(&mut tape, &gated)?;
        let mut expected = instance.theta.clone();
        for (b, h, t) in
            (0..batch * heads * tokens).map(|row| (row / tokens / heads, row / tokens % heads, row % tokens))
        {
            let score = |u: usize| {
                let term = |d: usize| {
                    let (i, j) = (instance.at(b, t, h, d), instance.at(b, u, h, d));
                    let drifted = instance.drift[h * dim + d] * (t as f64 - u as f64);
                    let near = (instance.theta[i] - instance.theta[j] + drifted).cos();
                    instance.gate[h * dim + d] * queries[i] * keys[j] * near
                };
                ((0..dim).map(term).sum::<f64>() / instance.tau[h]).exp()
            };
            let total: f64 = (0..instance.seen(t)).map(score).sum();
            for u in 0..instance.seen(t) {
                let weight = weights[((b * heads + h) * tokens + t) * tokens + u];
                assert!((weight - score(u) / total).abs() < 1e-12);
                for d in 0..dim {
                    let (i, j) = (instance.at(b, t, h, d), instance.at(b, u, h, d));
                    expected[i] += instance.eta[h] * weight * (instance.theta[j] - instance.theta[i]).sin();
                }
            }
        }
        assert!(around(&expected, &moved) < 1e-12);
    }
    Ok(())
}

#[test]
fn a_block_with_gates_of_tokens_agrees_on_a_device_and_still_sees_no_future() -> Result<()> {
    let config = TorusConfig { content_gate: true, ..TorusConfig::new(2, 4) };
    let model = TorusLanguageModel::new(11, 2, config)?;
    let parameters = model.parameters(4)?;
    assert!(parameters.get("blocks.1.attn.key_gate.weight").is_some_and(|p| p.shape == [8, 16]));
    let tokens: Vec<u32> = (0..14).map(|t| t * 5 % 11).collect();
    let run = |tape: &mut Tape, tokens: &[u32]| -> Result<(Vec<f64>, Vec<f64>)> {
        let bound = parameters.place(tape)?.bind(tape);
        let value = tape.upload(tokens, &[2, 7], DType::U32)?;
        let tokens = tape.constant(value);
        let logits = model.forward(tape, &bound, tokens)?;
        let loss = tape.dot(logits, logits)?;
        let gradients = tape.backward(loss)?;
        let weight = bound.get("blocks.0.attn.query_gate.weight")?;
        Ok((tape.read(logits)?, gradients.read(tape, weight)?))
    };
    let (exact, slope) = run(&mut Tape::reference(), &tokens)?;
    assert!(slope.iter().any(|g| g.abs() > 1e-6), "the gates are learned");
    let (found, found_slope) = run(&mut Tape::new(&device()), &tokens)?;
    let off = |a: &[f64], b: &[f64]| {
        let size = b.iter().fold(0.0f64, |m, b| m.max(b.abs()));
        a.iter().zip(b).fold(0.0f64, |m, (a, b)| m.max((a - b).abs())) / size
    };
    println!("off by {:.1e} and {:.1e}", off(&found, &exact), off(&found_slope, &slope));
    // The allowances of golden cases.
    assert!(off(&found, &exact) < 2e-5 && off(&found_slope, &slope) < 2e-4);
    let mut changed = tokens.clone();
    changed[6] = (changed[6] + 1) % 11;
    let (after, _) = run(&mut Tape::reference(), &changed)?;
    assert_eq!(after[..6 * 11], exact[..6 * 11]);
    assert_ne!(after[6 * 11..7 * 11], exact[6 * 11..7 * 11]);
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() {
    let wanted = "[batch, tokens, heads, angles of a head], at least one head and angle";
    let mut tape = Tape::reference();
    let instance = Instance::new(13, [1, 2, 1, 2], true);
    let [theta, gate, tau, eta, drift] = instance.vars(&mut tape).unwrap();
    let coupling = PhaseCoupling { gate, tau, eta, drift, content: None };
    let flat = tape.reshape(theta, &[2, 2]).unwrap();
    let error = error_of(tape.kuramoto_attention(flat, &coupling, true), "two axes");
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::Shape, format!("kuramoto_attention: theta is [2, 2], expected {wanted}"))
    );
    let error =
        error_of(tape.kuramoto_attention(theta, &PhaseCoupling { gate: tau, ..coupling }, true), "a gate per head");
    assert_eq!(error.to_string(), "kuramoto_attention: gate is [1], expected [1, 2]");
    let content = PhaseCoupling { content: Some([theta, gate]), ..coupling };
    let error = error_of(tape.kuramoto_attention(theta, &content, true), "key gates of no tokens");
    assert_eq!(error.to_string(), "kuramoto_attention: key_gate is [1, 2], expected [1, 2, 1, 2]");
    let error = error_of(tape.phase_features(flat, 0), "the axis of samples");
    assert_eq!(error.kind(), ErrorKind::Shape);
    for config in [
        TorusConfig::new(0, 2),
        TorusConfig::new(2, 0),
        TorusConfig { hidden: 0, ..TorusConfig::new(2, 2) },
        TorusConfig { drift: Some(-1.0), ..TorusConfig::new(2, 2) },
        TorusConfig { drift: None, learned_drift: true, ..TorusConfig::new(2, 2) },
    ] {
        assert_eq!(error_of(TorusBlock::new(config, ""), "options").kind(), ErrorKind::Param, "{config:?}");
    }
    assert_eq!(error_of(TorusLanguageModel::new(0, 1, TorusConfig::new(1, 1)), "no tokens").kind(), ErrorKind::Param);
}

#[test]
fn a_block_begins_as_it_says_and_shows_its_weights() -> Result<()> {
    let block = TorusBlock::new(TorusConfig { learned_drift: true, ..TorusConfig::new(2, 8) }, "b.")?;
    let mut builder = Builder::new(3);
    block.parameters(&mut builder);
    let parameters = builder.finish()?;
    let softplus = |raw: f32| f64::from(raw).exp().ln_1p();
    let first = |name: &str| parameters.get(name).unwrap().values[0];
    assert!((softplus(first("b.attn.raw_gate")) - 1.0).abs() < 1e-7);
    assert!((softplus(first("b.attn.raw_tau")) - 2.0).abs() < 1e-6);
    let drift = &parameters.get("b.attn.drift").unwrap().values;
    assert_eq!((drift[0], drift[8]), (1.0, 1.0));
    assert!((drift[4] - 0.01).abs() < 1e-8);
    let mut tape = Tape::reference();
    let bound = parameters.place(&mut tape)?.bind(&mut tape);
    let theta = tape.upload(&drawn(14, 2 * 5 * 16, -PI, PI), &[2, 5, 16], DType::F32)?;
    let theta = tape.leaf(theta);
    let weights = block.weights(&mut tape, &bound, theta)?;
    assert_eq!(tape.spec(weights)?.shape, [2, 2, 5, 5]);
    let moved = block.forward(&mut tape, &bound, theta)?;
    assert!(tape.read(moved)?.iter().all(|angle| angle.abs() <= PI + 1e-15));
    let loss = tape.dot(moved, moved)?;
    let gradients = tape.backward(loss)?;
    for (name, var) in bound.iter() {
        assert!(gradients.read(&mut tape, var)?.iter().any(|g| *g != 0.0), "{name} gets no gradient");
    }
    Ok(())
}

#[test]
fn seventy_tokens_on_a_device_agree_with_the_reference() -> Result<()> {
    let context = common::device();
    let rms = |data: &[f64]| (data.iter().map(|v| v * v).sum::<f64>() / data.len() as f64).sqrt();
    for dim in [5, 16] {
        let mut instance = Instance::new(15, [2, 70, 2, dim], true);
        // A token's score with itself is the sum of its gates: as large for many angles as for few, or it takes all the
        // weight, and what is left of most gradients is rounding.
        instance.tau.iter_mut().for_each(|tau| *tau *= dim as f64 / 4.0);
        // Both backends see the same numbers.
        for list in [&mut instance.theta, &mut instance.gate, &mut instance.tau, &mut instance.eta, &mut instance.drift]
        {
            list.iter_mut().for_each(|v| *v = f64::from(*v as f32));
        }
        let cotangent: Vec<f64> = numbers(16, instance.theta.len()).into_iter().map(f64::from).collect();
        let (wanted, wanted_gradients) = instance.run(&mut Tape::reference(), &cotangent)?;
        let (got, gradients) = instance.run(&mut Tape::new(&context), &cotangent)?;
        let off = around(&got, &wanted);
        assert!(off < 2e-5, "{dim}: {off:e}");
        // As golden files are compared: what is small because its terms cancel is judged by the size of the others.
        let mut sizes: Vec<f64> = wanted_gradients.iter().map(|wanted| rms(wanted)).collect();
        sizes.sort_by(f64::total_cmp);
        let floor = 0.05 * sizes[2];
        for (operand, (got, wanted)) in gradients.iter().zip(&wanted_gradients).enumerate() {
            let off: Vec<f64> = got.iter().zip(wanted).map(|(g, w)| g - w).collect();
            let off = rms(&off) / rms(wanted).max(floor);
            assert!(off <= 2e-4, "{dim}, operand {operand}: {off:e}");
        }
    }
    Ok(())
}
