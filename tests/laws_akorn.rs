//! What must hold for steps of oscillators on the sphere and for Kuramoto layers whatever the numbers are. Statements that
//! are exact in real numbers are tested with the f64 references, where rounding is far below what a mistake would show;
//! each has a control beside it in which the statement is false.
#![cfg(feature = "gpu")]

mod common;

use common::numbers;
use kuramoto::model::akorn::{Coupling, KuramotoLayer, LayerConfig, Run};
use kuramoto::model::{Builder, Parameters};
use kuramoto::{DType, Graph, Result, Rotation, StepOptions, Tape, Var};

/// The unit roundoff of f64, with which all references compute.
const U: f64 = f64::EPSILON / 2.0;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn length(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// The largest difference between two states.
fn apart(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |m, (a, b)| (a - b).abs().max(m))
}

fn random(seed: u64, len: usize) -> Vec<f64> {
    numbers(seed, len).into_iter().map(f64::from).collect()
}

/// `count` oscillators of `n` components, of length 1 to the last bit but two of f64.
fn sphere(seed: u64, count: usize, n: usize) -> Vec<f64> {
    let mut x = random(seed, count * n);
    for v in x.chunks_exact_mut(n) {
        let norm = length(v);
        v.iter_mut().for_each(|v| *v /= norm);
    }
    x
}

fn put(tape: &mut Tape, data: &[f64], shape: &[usize]) -> Result<Var> {
    let value = tape.upload(data, shape, DType::F32)?;
    Ok(tape.leaf(value))
}

/// One step in f64 of a state `[1, C]`.
fn step(x: &[f64], y: &[f64], gamma: f64, frequencies: &[f64], options: &StepOptions) -> Result<Vec<f64>> {
    let (tape, shape) = (&mut Tape::reference(), [1, x.len()]);
    let (x, y, gamma) = (put(tape, x, &shape)?, put(tape, y, &shape)?, put(tape, &[gamma], &[1])?);
    let frequencies = (!frequencies.is_empty()).then(|| put(tape, frequencies, &[frequencies.len()])).transpose()?;
    let (next, _) = tape.sphere_step(x, y, gamma, frequencies, options)?;
    tape.read(next)
}

/// `P_x y` of one oscillator.
fn tangent(x: &[f64], y: &[f64]) -> Vec<f64> {
    let along = dot(x, y);
    x.iter().zip(y).map(|(x, y)| y - along * x).collect()
}

/// `Omega x` with a frequency per pair.
fn turned(x: &[f64], w: &[f64]) -> Vec<f64> {
    (0..x.len()).map(|k| if k % 2 == 0 { w[k / 2] * x[k + 1] } else { -w[k / 2] * x[k - 1] }).collect()
}

/// `(x' / (x . x') - x) / gamma`, which is the velocity if it is tangent: then `x . v = 1` for `v` before normalisation.
fn velocity(x: &[f64], next: &[f64], gamma: f64) -> Vec<f64> {
    let along = dot(x, next);
    x.iter().zip(next).map(|(x, next)| (next / along - x) / gamma).collect()
}

/// A layer whose parameters `set` replaces.
fn layer(config: LayerConfig, set: &[(&str, &[f32])]) -> Result<(KuramotoLayer, Parameters)> {
    let layer = KuramotoLayer::new(config, "")?;
    let mut builder = Builder::new(5);
    layer.parameters(&mut builder)?;
    let mut parameters = builder.finish()?;
    for (name, values) in set {
        parameters.set(name, values)?;
    }
    Ok((layer, parameters))
}

fn without_rotation(channels: usize, n: usize, coupling: Coupling) -> LayerConfig {
    LayerConfig { rotation: Rotation::None, ..LayerConfig::new(channels, n, coupling) }
}

/// The states of one sample `[1, ..]` after each of `steps` steps in f64.
fn states(
    (layer, parameters): &(KuramotoLayer, Parameters),
    [x, c]: [&[f64]; 2],
    shape: &[usize],
    gamma: f64,
    steps: usize,
) -> Result<Vec<Vec<f64>>> {
    let tape = &mut Tape::reference();
    let bound = parameters.place(tape)?.bind_constant(tape);
    let (x, c, gamma) = (put(tape, x, shape)?, put(tape, c, shape)?, put(tape, &[gamma], &[1])?);
    let trajectory = layer.forward(tape, &bound, x, c, gamma, &Run::new(steps).record())?;
    trajectory.states.into_iter().map(|state| tape.read(state)).collect()
}

#[test]
fn a_projected_drive_is_tangent_and_projecting_it_again_changes_nothing() -> Result<()> {
    for n in [2, 3, 4, 8] {
        for gamma in [0.125, 1.0, 4.0] {
            let (x, y) = (sphere(1, 1, n), random(2, n));
            let options = StepOptions::new(n, 1);
            let pulled = velocity(&x, &step(&x, &y, gamma, &[], &options)?, gamma);
            // The state, its inner products and the division have a few roundings per component; the argument of the
            // normalisation is at most 1 + gamma |y| long, and the difference from x is divided by gamma.
            let allowed = 20.0 * n as f64 * U * (1.0 + gamma * length(&y)) / gamma;
            assert!(dot(&x, &pulled).abs() <= allowed, "n {n}, gamma {gamma}: {}", dot(&x, &pulled));
            assert!(apart(&pulled, &tangent(&x, &y)) <= allowed, "n {n}, gamma {gamma}: not P y");
            let again = velocity(&x, &step(&x, &pulled, gamma, &[], &options)?, gamma);
            assert!(apart(&again, &pulled) <= 2.0 * allowed, "n {n}, gamma {gamma}: P P y is not P y");
            // What was recovered is the drive's: without projection the same formula gives something else.
            let free = step(&x, &y, gamma, &[], &StepOptions { projection: false, ..options })?;
            assert!(apart(&velocity(&x, &free, gamma), &tangent(&x, &y)) > 1e-3, "n {n}, gamma {gamma}");
        }
    }
    Ok(())
}

#[test]
fn a_step_turns_by_less_than_a_right_angle_as_far_as_pythagoras_says() -> Result<()> {
    let mut obtuse = 0;
    for seed in 0..20 {
        for (n, gamma) in [(2, 0.5), (4, 3.0), (6, 20.0)] {
            let (x, y, w) = (sphere(seed, 3, n), random(seed + 50, 3 * n), random(seed + 90, 3 * n / 2));
            let w: Vec<f64> = w.iter().map(|w| w.abs()).collect();
            let options = StepOptions::new(n, 1).rotation(Rotation::PerPair);
            let next = step(&x, &y, gamma, &w, &options)?;
            let free = step(&x, &y, gamma, &w, &StepOptions { projection: false, ..options })?;
            for i in 0..3 {
                let [x, y, next] = [&x, &y, &next].map(|v| &v[i * n..][..n]);
                let speed: Vec<f64> =
                    turned(x, &w[i * n / 2..]).iter().zip(tangent(x, y)).map(|(a, b)| a + b).collect();
                let argument = (1.0 + gamma * gamma * dot(&speed, &speed)).sqrt();
                let along = dot(x, next);
                // Relative to the argument's length, a few roundings per component.
                let allowed = 20.0 * n as f64 * U;
                assert!(along > 0.0 && (along - 1.0 / argument).abs() <= allowed, "{along}, 1 / {argument} expected");
                obtuse += usize::from(dot(x, &free[i * n..][..n]) < 0.0);
            }
        }
    }
    assert!(obtuse > 0, "no turn is obtuse without projection either; this test proves nothing");
    Ok(())
}

#[test]
fn the_energy_changes_at_the_rate_that_the_flow_has() -> Result<()> {
    let (n, count) = (4, 5);
    let len = n * count;
    let (x, c) = (sphere(1, count, n), random(2, len));
    let w: Vec<f64> = random(3, len / 2).iter().map(|w| w.abs()).collect();
    for symmetric in [true, false] {
        let (tape, shape) = (&mut Tape::reference(), [1, len]);
        let (at, field, j) =
            (put(tape, &x, &shape)?, put(tape, &c, &shape)?, put(tape, &random(4, len * len), &[len; 2])?);
        let pull = tape.couple_dense(at, j, None, symmetric)?;
        let y = tape.add(pull, field)?;
        let energy = tape.energy(at, y, Some(field))?;
        let h = tape.read(y)?;
        let slope = tape.backward(energy)?.read(tape, at)?;
        let gamma = 1.0;
        let next = step(&x, &h, gamma, &w, &StepOptions::new(n, 1).rotation(Rotation::PerPair))?;
        let (mut rate, mut law) = (0.0, 0.0);
        for i in 0..count {
            let [x, h, slope, next] = [&x, &h, &slope, &next].map(|v| &v[i * n..][..n]);
            rate += dot(slope, &velocity(x, next, gamma));
            law -= length(&tangent(x, h)).powi(2) + dot(h, &turned(x, &w[i * n / 2..]));
        }
        let off = (rate - law).abs();
        // 20 terms of size 10 to 100, each a sum of 20 products.
        match symmetric {
            true => assert!(off <= 1e-11, "dE/dt is {rate}, the law says {law}"),
            false => assert!(off > 1e-2, "the law holds for any coupling; this test proves nothing"),
        }
    }
    Ok(())
}

/// `J x` of a matrix in rows.
fn times(j: &[f64], x: &[f64]) -> Vec<f64> {
    j.chunks_exact(x.len()).map(|row| dot(row, x)).collect()
}

/// `max(0, -lambda_min)` of a symmetric matrix, by power iteration on the matrix that a shift makes positive.
fn steepest(j: &[f64], len: usize) -> f64 {
    let shift = j.chunks_exact(len).map(|row| row.iter().map(|v| v.abs()).sum::<f64>()).fold(0.0, f64::max);
    let mut v = random(9, len);
    let mut value = 0.0;
    for _ in 0..3000 {
        let size = length(&v);
        v.iter_mut().for_each(|v| *v /= size);
        let image: Vec<f64> = times(j, &v).iter().zip(&v).map(|(jv, v)| shift * v - jv).collect();
        value = dot(&v, &image);
        v = image;
    }
    (value - shift).max(0.0)
}

/// The largest rise of the paper's energy in 40 steps of a dense layer, each as long as the law allows times `factor`, the
/// fall over all of them, and what rounding explains.
fn descent(symmetric: bool, seed: u64, factor: f64) -> Result<(f64, f64, f64)> {
    let (n, len) = (2, 12);
    let (w, bias) = (numbers(seed, len * len), numbers(seed + 1, len));
    let half: Vec<f64> = (0..len * len).map(|i| 0.5 * f64::from(w[i] + w[i % len * len + i / len])).collect();
    let full: Vec<f64> = w.iter().map(|w| f64::from(*w)).collect();
    let j = if symmetric { &half } else { &full };
    let lambda = steepest(&half, len);
    let model = layer(
        without_rotation(len, n, Coupling::Dense { symmetric }),
        &[("connectivity.weight", &w), ("connectivity.bias", &bias)],
    )?;
    let (mut x, c) = (sphere(seed + 2, len / n, n), random(seed + 3, len));
    let field: Vec<f64> = c.iter().zip(&bias).map(|(c, b)| c + f64::from(*b)).collect();
    let energy = |x: &[f64]| -0.5 * dot(x, &times(j, x)) - dot(x, &field);
    let (first, mut rise, mut sum) = (energy(&x), f64::NEG_INFINITY, 0.0f64);
    for _ in 0..40 {
        let h: Vec<f64> = times(j, &x).iter().zip(&field).map(|(a, b)| a + b).collect();
        let largest = h.chunks_exact(n).map(length).fold(0.0, f64::max);
        let before = energy(&x);
        x = states(&model, [&x, &c], &[1, len], factor * 2.0 / (lambda + largest), 1)?.remove(0);
        rise = rise.max(energy(&x) - before);
        sum = sum.max(h.iter().map(|h| h.abs()).sum());
    }
    // Energies are sums of 144 products; f32 has 1e-6 in the place of 1e-13.
    Ok((rise, first - energy(&x), 1e-13 * (1.0 + sum)))
}

#[test]
fn a_symmetric_dense_layer_descends_up_to_the_longest_lawful_step() -> Result<()> {
    let (mut violated, mut uphill) = (0, 0);
    for seed in (0..80).step_by(10) {
        let (rise, fall, rounding) = descent(true, seed, 1.0)?;
        assert!(rise <= rounding, "seed {seed}: the energy rose by {rise:e}");
        assert!(fall > 1.0, "seed {seed}: the energy fell by {fall} only");
        violated += usize::from(descent(true, seed, 3.0)?.0 > 1e-3);
        uphill += usize::from(descent(false, seed, 0.2)?.0 > 1e-3);
    }
    assert!(violated > 0, "steps three times as long descend as well; this test proves nothing");
    // Nothing is claimed without symmetry: for some couplings the energy rises with a fifth of that step.
    assert!(uphill > 0, "every coupling descends");
    Ok(())
}

/// A dense layer without coupling.
fn uncoupled(n: usize) -> Result<(KuramotoLayer, Parameters)> {
    let (w, b) = (vec![0.0; n * n], vec![0.0; n]);
    layer(
        without_rotation(n, n, Coupling::Dense { symmetric: false }),
        &[("connectivity.weight", &w), ("connectivity.bias", &b)],
    )
}

#[test]
fn under_a_constant_drive_a_state_follows_the_angles_recursion_to_rest_or_to_a_pair() -> Result<()> {
    for n in [2, 3, 5] {
        let (model, x, h) = (uncoupled(n)?, sphere(3, 1, n), random(4, n));
        let u: Vec<f64> = h.iter().map(|v| v / length(&h)).collect();
        for a in [0.1, 1.2, 1.9, 2.1, 2.5, 4.0] {
            let all = states(&model, [&x, &h], &[1, n], a / length(&h), 400)?;
            // The turning angle of a step is atan(gamma |P h|), in the plane of x and h. The recursion contracts or
            // circles a stable pair; the angle comes from a cosine, so 30 steps are compared where it is not small.
            let mut angle = dot(&x, &u).acos();
            for (t, state) in all.iter().enumerate().take(30) {
                angle -= (a * angle.sin()).atan();
                assert!((dot(state, &u) - angle.cos()).abs() <= 1e-12, "n {n}, gamma |h| = {a}, step {t}");
            }
            let [.., before, last] = &all[..] else { unreachable!() };
            if a < 2.0 {
                // 0.9^400 = 5e-19 is the slowest factor of these three.
                assert!(apart(last, &u) <= 1e-14, "n {n}, gamma |h| = {a}: not at rest along the drive");
            } else {
                // A pair at angles t and -t: tan 2t = a sin t, so 2 a cos^2 t - 2 cos t - a = 0.
                let cosine = (1.0 + (1.0 + 2.0 * a * a).sqrt()) / (2.0 * a);
                for state in [before, last] {
                    assert!((dot(state, &u) - cosine).abs() <= 1e-12, "n {n}, gamma |h| = {a}: {}", dot(state, &u));
                }
                assert!((dot(before, last) - (2.0 * cosine * cosine - 1.0)).abs() <= 1e-12, "not opposite sides");
                assert!(dot(before, last) < 0.95, "n {n}, gamma |h| = {a}: the pair is one point");
            }
        }
    }
    Ok(())
}

#[test]
fn a_multiple_of_the_state_as_drive_moves_nothing() -> Result<()> {
    let (n, len) = (3, 9);
    let x = sphere(1, 3, n);
    for alpha in [-2.0, 0.5, 10.0] {
        let mut w = vec![0.0f32; len * len];
        (0..len).for_each(|i| w[i * len + i] = alpha);
        for kicked in [false, true] {
            // The control couples one component of one oscillator to another oscillator.
            w[4] = if kicked { 0.25 } else { 0.0 };
            let set: [(&str, &[f32]); 2] = [("connectivity.weight", &w), ("connectivity.bias", &vec![0.0; len])];
            let model = layer(without_rotation(len, n, Coupling::Dense { symmetric: false }), &set)?;
            let all = states(&model, [&x, &vec![0.0; len]], &[1, len], 0.7, 20)?;
            let moved = apart(&all[19], &x);
            match kicked {
                // Each step leaves alpha times the roundings of x . x, which is not quite 1, and of the normalisation.
                false => assert!(moved <= 20.0 * 10.0 * f64::from(alpha.abs()).max(1.0) * U, "{alpha}: {moved:e}"),
                true => assert!(moved > 1e-3, "{alpha}: {moved:e}"),
            }
        }
    }
    Ok(())
}

/// Blocks `k / count` times the identity between all pairs of oscillators.
fn mean_field(k: f32, count: usize, n: usize) -> Vec<f32> {
    let len = count * n;
    (0..len * len).map(|i| if (i / len) % n == i % n { k / count as f32 } else { 0.0 }).collect()
}

#[test]
fn a_common_field_keeps_cross_ratios_up_to_the_error_of_eulers_steps() -> Result<()> {
    let (n, count) = (4, 4);
    let len = n * count;
    let ratio = |x: &[f64]| {
        let gap = |i: usize, j: usize| (0..n).map(|k| (x[i * n + k] - x[j * n + k]).powi(2)).sum::<f64>().sqrt();
        gap(0, 1) * gap(2, 3) / (gap(0, 2) * gap(1, 3))
    };
    let (x, field) = (sphere(1, count, n), random(2, n));
    let c: Vec<f64> = field.iter().cycle().take(len).copied().collect();
    for common in [true, false] {
        // Pairs of channels; identical oscillators repeat the same two frequencies.
        let lengths: Vec<f32> =
            (0..len / 2).map(|p| if common { [0.5, 1.5][p % 2] } else { 0.25 * p as f32 }).collect();
        let omega: Vec<f32> = lengths.iter().flat_map(|w| [*w, 0.0]).collect();
        let w = mean_field(1.5, count, n);
        let set: [(&str, &[f32]); 3] =
            [("connectivity.weight", &w), ("connectivity.bias", &vec![0.0; len]), ("omg.omg_param", &omega)];
        let config = LayerConfig::new(len, n, Coupling::Dense { symmetric: false });
        let model = layer(LayerConfig { rotation: Rotation::PerPair, ..config }, &set)?;
        let drift = |steps: usize| -> Result<f64> {
            let all = states(&model, [&x, &c], &[1, len], 1.0 / steps as f64, steps)?;
            Ok(ratio(&all[steps - 1]) - ratio(&x))
        };
        let (coarse, fine) = (drift(128)?, drift(256)?);
        if common {
            // drift = a gamma + O(gamma^2): halving gamma halves it, and 2 fine - coarse is left with the second order.
            assert!((coarse / fine - 2.0).abs() < 0.1, "{coarse:e} and {fine:e}");
            assert!((2.0 * fine - coarse).abs() < 0.1 * coarse.abs(), "{coarse:e} and {fine:e}");
        } else {
            assert!((coarse / fine - 1.0).abs() < 0.1, "different oscillators keep the ratio: this proves nothing");
        }
    }
    Ok(())
}

#[test]
fn mean_field_attraction_aligns_oscillators_and_repulsion_balances_them() -> Result<()> {
    let (n, count) = (4, 12);
    let edges: Vec<(usize, usize)> =
        (0..count).flat_map(|i| (0..count).filter(move |j| *j != i).map(move |j| (i, j))).collect();
    let graph = Graph::from_edges(count, &edges)?;
    let rho = |x: &[f64]| {
        let mean: Vec<f64> = (0..n).map(|k| x.iter().skip(k).step_by(n).sum::<f64>() / count as f64).collect();
        length(&mean)
    };
    let len = n * count;
    let x = sphere(1, count, n);
    assert!((0.02..0.9).contains(&rho(&x)), "{}", rho(&x));
    for (k, wanted) in [(1.0f32, 1.0), (-1.0, 0.0)] {
        let w = vec![k / count as f32; edges.len()];
        // What an oscillator would send to itself is along its state, and projected away.
        let config = LayerConfig::new(len, n, Coupling::Sparse { graph: graph.clone(), blocks: false });
        let model = layer(config, &[("connectivity.weight", &w)])?;
        let all = states(&model, [&x, &vec![0.0; len]], &[1, len], 0.5, 200)?;
        // Deviations shrink by a third or more a step; f64 ends them at 1e-15.
        assert!((rho(&all[199]) - wanted).abs() < 1e-9, "K {k}: order {}", rho(&all[199]));
        // The mean field turns with the common frequency and goes on turning.
        assert!(apart(&all[198], &all[199]) > 0.1, "K {k}");
    }
    Ok(())
}
