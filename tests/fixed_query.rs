//! Laws of fixed-query oscillator attention: the equilibrium and the ways to it, masks, invariances, what is refused.
#![cfg(feature = "gpu")]

mod common;

use common::{device, numbers};
use kuramoto::model::Builder;
use kuramoto::model::fixed_query::{
    Attention, Dropout, FixedQuery, FixedQueryConfig, Padding, SequenceConfig, SequenceNet, anchors_fit, weights,
};
use kuramoto::ops::equilibrate::Equilibrate;
use kuramoto::{
    AnchorCoupling, AnchorOptions, AnchorReadout, DType, Error, ErrorKind, FlowMethod, FlowOptions, Result, Stream,
    Tape, Var,
};

fn put<T: Copy + Into<f64>>(tape: &mut Tape, data: &[T], shape: &[usize]) -> Result<Var> {
    let value = tape.upload(data, shape, DType::F32)?;
    Ok(tape.leaf(value))
}

fn hold<T: Copy + Into<f64>>(tape: &mut Tape, data: &[T], shape: &[usize], dtype: DType) -> Result<Var> {
    let value = tape.upload(data, shape, dtype)?;
    Ok(tape.constant(value))
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |m, (a, b)| (a - b).abs().max(m))
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn along(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn wide(values: Vec<f32>) -> Vec<f64> {
    values.into_iter().map(f64::from).collect()
}

/// Unit vectors of `n` components, in all directions.
fn unit(seed: u64, count: usize, n: usize) -> Vec<f64> {
    let mut all = wide(numbers(seed, count * n));
    for v in all.chunks_exact_mut(n) {
        let length = norm(v);
        v.iter_mut().for_each(|v| *v /= length);
    }
    all
}

#[track_caller]
fn error_of<T>(result: Result<T>) -> Error {
    common::error_of(result, "an error")
}

/// What `options` make of oscillators `x` of `n` components in fields `h`: states, steps, distances. The op itself, without
/// the refusal of long steps.
fn run(tape: &mut Tape, x: &[f64], h: &[f64], n: usize, options: &FlowOptions) -> Result<[Vec<f64>; 3]> {
    let shape = [x.len() / n, n];
    let (x, h) = (hold(tape, x, &shape, DType::F32)?, hold(tape, h, &shape, DType::F32)?);
    let found = tape.apply(Equilibrate::new(&shape, options)?, &[x, h])?;
    Ok([tape.read(found[0])?, tape.read(found[1])?, tape.read(found[2])?])
}

#[test]
fn q1_steps_end_where_the_closed_form_says_and_as_fast_as_it_says() -> Result<()> {
    let mut tape = Tape::reference();
    for n in [2, 3, 8] {
        let count = 40;
        let (x, h) = (unit(3, count, n), wide(numbers(4, count * n)));
        for steps in [1, 7, 30] {
            let exact = FlowOptions { method: FlowMethod::Exact, dt: 0.25, steps, tolerance: 1e-30 };
            let [state, taken, distance] = run(&mut tape, &x, &h, n, &exact)?;
            // 32 steps of Runge-Kutta for each exact one; both step lengths are exact in f32.
            let fine = FlowOptions { method: FlowMethod::RungeKutta, dt: 0.0078125, steps: 32 * steps, ..exact };
            let [fine, _, _] = run(&mut tape, &x, &h, n, &fine)?;
            for i in 0..count {
                let at = i * n..(i + 1) * n;
                let (x, h, state) = (&x[at.clone()], &h[at.clone()], &state[at.clone()]);
                let size = norm(h);
                let u: Vec<f64> = h.iter().map(|h| h / size).collect();
                let tangent = ((1.0 - along(x, &u)) / (1.0 + along(x, &u))).sqrt();
                let bound = 2.0 * tangent * (-size * 0.25 * f64::from(steps)).exp();
                let left = norm(&state.iter().zip(&u).map(|(x, u)| x - u).collect::<Vec<_>>());
                assert!(left <= bound * (1.0 + 1e-9) + 1e-14, "n {n}: {left:e} left, at most {bound:e} expected");
                assert!((left - distance[i]).abs() < 1e-14, "the distance that is told is not the one there is");
                assert!(apart(state, &fine[at]) < 1e-8, "Runge-Kutta ends elsewhere");
                assert_eq!(taken[i], f64::from(steps));
            }
        }
    }
    Ok(())
}

#[test]
fn q2_every_start_but_the_antipode_reaches_the_same_equilibrium() -> Result<()> {
    for mut tape in [Tape::reference(), Tape::new(&device())] {
        for method in [FlowMethod::Exact, FlowMethod::Euler, FlowMethod::RungeKutta] {
            let n = 4;
            // One field; starts all around it, the last four 1e-3 rad from its antipode.
            let h = [0.6, -0.4, 0.8, 0.2];
            let size = norm(&h);
            let mut x = unit(9, 60, n);
            for k in 0..n {
                let mut start: Vec<f64> = h.iter().map(|h| -h / size).collect();
                start[k] += 1e-3;
                let length = norm(&start);
                x.extend(start.iter().map(|v| v / length));
            }
            let fields = h.repeat(x.len() / n);
            let options = FlowOptions { steps: 400, tolerance: 1e-5, ..FlowOptions::new(method, 0.4) };
            let [state, _, distance] = run(&mut tape, &x, &fields, n, &options)?;
            let u: Vec<f64> = fields.iter().map(|h| h / size).collect();
            assert!(distance.iter().all(|d| *d <= 1e-5), "{method:?}: {distance:?}");
            assert!(apart(&state, &u) < 1.2e-5, "{method:?}");
        }
    }
    Ok(())
}

#[test]
fn q3_the_distance_to_the_field_falls_as_its_differential_equation_says() -> Result<()> {
    let mut tape = Tape::reference();
    let (n, count) = (3, 30);
    let (x, h) = (unit(5, count, n), wide(numbers(6, count * n)));
    let dt = 1e-4f32;
    let options = FlowOptions { method: FlowMethod::Exact, dt, steps: 1, tolerance: 1e-30 };
    let [after, _, _] = run(&mut tape, &x, &h, n, &options)?;
    for i in 0..count {
        let at = i * n..(i + 1) * n;
        let size = norm(&h[at.clone()]);
        let value = |x: &[f64]| 1.0 - along(x, &h[at.clone()]) / size;
        let (before, after) = (value(&x[at.clone()]), value(&after[at.clone()]));
        let cosine = 1.0 - before;
        let wanted = -size * (1.0 - cosine * cosine);
        assert!(after < before);
        // The second derivative is at most 2 |h|², times dt / 2.
        let error = ((after - before) / f64::from(dt) - wanted).abs();
        assert!(error <= 2.0 * f64::from(dt) * size * size + 1e-10, "off by {error:e}");
    }
    Ok(())
}

#[test]
fn q4_projected_euler_needs_a_step_below_two_over_the_field() -> Result<()> {
    for mut tape in [Tape::reference(), Tape::new(&device())] {
        let (n, x) = (2, [0.6, 0.8]);
        let h = [1.0, 0.0];
        let at = |dt: f32, steps: u32| FlowOptions { method: FlowMethod::Euler, dt, steps, tolerance: 1e-5 };
        let [_, _, distance] = run(&mut tape, &x, &h, n, &at(1.9, 500))?;
        assert!(distance[0] <= 1e-5, "dt |h| = 1.9 leaves {distance:?}");
        // Past two a cycle of two: the state after an even number of steps is not that after an odd one, and both repeat.
        let mut after = |steps: u32| run(&mut tape, &x, &h, n, &at(2.5, steps));
        let ([a, taken, left], [b, ..], [c, ..]) = (after(500)?, after(501)?, after(502)?);
        assert!(left[0] > 0.1 && taken[0] == 500.0, "a cycle passes for an equilibrium");
        assert!(apart(&a, &c) < 1e-5 && apart(&a, &b) > 0.1, "{a:?} {b:?} {c:?}");
        // The exact flow bears any step.
        let exact = FlowOptions::new(FlowMethod::Exact, 2.5);
        assert!(run(&mut tape, &x, &h, n, &exact)?[2][0] <= 1e-6);

        // The methods refuse what the op alone would run in vain.
        let (x, h) = (hold(&mut tape, &x, &[1, 2], DType::F32)?, hold(&mut tape, &h, &[1, 2], DType::F32)?);
        let refused = error_of(tape.equilibrate(x, h, &at(2.0, 10)));
        assert_eq!(refused.kind(), ErrorKind::Param);
        assert!(refused.to_string().contains("dt times the largest |h| is 2, expected below 2"), "{refused}");
        let runge = FlowOptions { method: FlowMethod::RungeKutta, ..at(2.8, 10) };
        assert_eq!(error_of(tape.equilibrate(x, h, &runge)).kind(), ErrorKind::Param);
        let found = tape.equilibrate(x, h, &FlowOptions { method: FlowMethod::RungeKutta, ..at(2.7, 600) })?;
        assert!(tape.read(found.distance)?[0] <= 1e-5);
        // Neither the antipode nor an absent field passes for an equilibrium, nor does what is no number.
        let states = [-1.0, 0.0, 0.6, 0.8, 0.6, 0.8];
        let fields = [1.0, 0.0, 0.0, 0.0, f64::NAN, 1.0];
        let [state, _, distance] = run(&mut tape, &states, &fields, 2, &exact)?;
        let passes = distance[2] <= f64::from(exact.tolerance);
        assert!(distance[..2].iter().all(|d| *d > 0.5) && !passes, "{distance:?}");
        assert!(apart(&state[..4], &states[..4]) < 1e-6);
        let leaf = put(&mut tape, &[1.0f32, 0.0], &[1, 2])?;
        assert_eq!(error_of(tape.equilibrate(leaf, h, &exact)).kind(), ErrorKind::Param);
        assert_eq!(error_of(tape.equilibrate(x, leaf, &exact)).kind(), ErrorKind::Param);
    }
    for options in [FlowOptions::new(FlowMethod::Exact, 0.0), FlowOptions::new(FlowMethod::Exact, f32::NAN)] {
        assert_eq!(error_of(Equilibrate::new(&[3, 2], &options)).kind(), ErrorKind::Param);
    }
    let lax = FlowOptions { tolerance: 0.0, ..FlowOptions::new(FlowMethod::Exact, 0.1) };
    assert_eq!(error_of(Equilibrate::new(&[3, 2], &lax)).kind(), ErrorKind::Param);
    assert_eq!(error_of(Equilibrate::new(&[3, 1], &FlowOptions::new(FlowMethod::Exact, 0.1))).kind(), ErrorKind::Param);
    Ok(())
}

#[test]
fn the_largest_field_decides_wherever_it_is() -> Result<()> {
    let context = device();
    let euler = |dt: f32| FlowOptions { method: FlowMethod::Euler, dt, steps: 1, tolerance: 1e-5 };
    // A row, a workgroup and a row, and more rows than the kernel has invocations, of which some take a row more.
    for (count, n) in [(1, 2), (65, 3), (2 * 2048 * 64 + 77, 2)] {
        let shape = [count, n];
        let dtypes = if context.has_f16() { &[DType::F32, DType::F16][..] } else { &[DType::F32] };
        for (at, dtype) in [0, count / 2, count - 1].into_iter().flat_map(|at| dtypes.iter().map(move |d| (at, *d))) {
            let x = kuramoto::Tensor::from_slice(&context, &[1.0].repeat(count * n), &shape, dtype)?;
            let judge = |large: f32, dt: f32| -> Result<Option<Error>> {
                let mut field = [0.25].repeat(count * n);
                field[at * n..(at + 1) * n].fill(0.0);
                field[at * n + n - 1] = large;
                let h = kuramoto::Tensor::from_slice(&context, &field, &shape, dtype)?;
                let mut tape = Tape::new(&context);
                let (a, b) = (tape.constant(&x), tape.constant(&h));
                let by_tape = tape.equilibrate(a, b, &euler(dt)).err().map(|e| e.to_string());
                let error = context.commands().equilibrate(&x, &h, &euler(dt)).err();
                assert_eq!(by_tape, error.as_ref().map(ToString::to_string));
                Ok(error)
            };
            assert!(judge(-1.0, 1.99)?.is_none(), "{count} rows, the largest is {at}");
            for (large, dt, got) in [(-1.0, 2.0, "2"), (f32::NAN, 0.1, "NaN"), (f32::NEG_INFINITY, 0.1, "inf")] {
                let refused = judge(large, dt)?.expect("an error");
                let wanted = format!("dt times the largest |h| is {got}, expected below 2");
                assert!(refused.to_string().contains(&wanted), "{count} rows, the largest is {at}: {refused}");
                assert_eq!(refused.kind(), ErrorKind::Param);
            }
        }
    }
    // Squares that f32 does not hold.
    let x = kuramoto::Tensor::from_slice(&context, &[0.6, 0.8], &[1, 2], DType::F32)?;
    for (size, dt) in [(1e30f32, 1.5e-30f32), (1e-30, 1.5e30)] {
        let h = kuramoto::Tensor::from_slice(&context, &[size, size], &[1, 2], DType::F32)?;
        assert_eq!(error_of(context.commands().equilibrate(&x, &h, &euler(dt))).kind(), ErrorKind::Param);
        context.commands().equilibrate(&x, &h, &euler(dt / 1.5))?;
    }
    // An operand that does not fit is refused as such.
    let h = kuramoto::Tensor::from_slice(&context, &[9.0; 3], &[3], DType::F32)?;
    assert_eq!(error_of(context.commands().equilibrate(&x, &h, &euler(1.0))).kind(), ErrorKind::Shape);
    Ok(())
}

/// An orthogonal matrix: two reflections.
fn turned(anchors: &[f64], n: usize) -> Vec<f64> {
    let mut all = anchors.to_vec();
    for seed in [31, 32] {
        let axis = unit(seed, 1, n);
        for a in all.chunks_exact_mut(n) {
            let twice = 2.0 * along(a, &axis);
            a.iter_mut().zip(&axis).for_each(|(a, axis)| *a -= twice * axis);
        }
    }
    all
}

#[test]
fn q5_and_q6_weights_are_a_distribution_that_no_rotation_of_the_anchors_changes() -> Result<()> {
    let (batch, tokens, heads, dim, n) = (2, 6, 2, 3, 4);
    let channels = [batch, tokens, heads * dim];
    let [q, k] = [1, 2].map(|seed| numbers(seed, batch * tokens * heads * dim));
    let anchors = unit(3, heads * tokens, n);
    for causal in [false, true] {
        for coupling in [AnchorCoupling::Softplus, AnchorCoupling::Relu, AnchorCoupling::Elu] {
            for power in [1, 2, 4] {
                let mut tape = Tape::reference();
                let (q, k) = (put(&mut tape, &q, &channels)?, put(&mut tape, &k, &channels)?);
                let mut of = |anchors: &[f64], stretch: f32| -> Result<Vec<f64>> {
                    let a = put(&mut tape, anchors, &[heads, tokens, n])?;
                    let field = tape.couple_anchors(q, k, a, None, &AnchorOptions { causal, coupling })?;
                    let field = tape.scale(stretch, field)?;
                    let x = tape.sphere_normalize(field, 3, n)?;
                    let options = AnchorReadout { causal, power, separated: false };
                    let value = weights(&mut tape, x, a, None, &options)?;
                    tape.backend().read(&value)
                };
                let found = of(&anchors, 1.0)?;
                assert!(apart(&found, &of(&turned(&anchors, n), 1.0)?) < 1e-12, "a rotation changes the weights");
                assert!(apart(&found, &of(&anchors, 3.5)?) < 1e-12, "the strength of the coupling changes the weights");
                for (row, weights) in found.chunks_exact(tokens).enumerate() {
                    assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12 && weights.iter().all(|w| *w >= 0.0));
                    let unseen = if causal { &weights[row % tokens + 1..] } else { &[] };
                    assert!(unseen.iter().all(|w| *w == 0.0), "a query sees what follows it");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn q6_separated_sums_are_the_plain_ones() -> Result<()> {
    let (batch, tokens, heads, dim, n) = (2, 70, 2, 5, 2);
    let channels = [batch, tokens, heads * dim];
    for mut tape in [Tape::reference(), Tape::new(&device())] {
        let x = put(&mut tape, &unit(1, batch * heads * tokens, n), &[batch, heads, tokens, n])?;
        let v = put(&mut tape, &numbers(2, batch * tokens * heads * dim), &channels)?;
        let a = put(&mut tape, &unit(3, heads * tokens, n), &[heads, tokens, n])?;
        assert!(anchors_fit(&mut tape, a)?);
        for causal in [false, true] {
            let options = AnchorReadout { causal, ..AnchorReadout::default() };
            let plain = tape.readout_anchors(x, v, a, None, &options)?;
            let separated = tape.readout_anchors(x, v, a, None, &AnchorReadout { separated: true, ..options })?;
            let (plain, separated) = (tape.read(plain)?, tape.read(separated)?);
            // A query that sees one anchor opposite to it divides by what is left of the clamp.
            assert!(apart(&plain, &separated) < 1e-5, "{:e}", apart(&plain, &separated));
        }
        let far = put(&mut tape, &[1.5f32, 0.0], &[1, 1, 2])?;
        assert!(!anchors_fit(&mut tape, far)?);
        let options = AnchorReadout { separated: true, power: 2, causal: false };
        let refused = error_of(tape.readout_anchors(x, v, a, None, &options));
        assert_eq!(refused.kind(), ErrorKind::Param);
    }
    Ok(())
}

/// `Γ(n/2) / (√π Γ((n-1)/2)) ∫ sin^(n-2)` from 0 to `alpha`: the fraction of the sphere within `alpha` of a point.
fn cap(n: usize, alpha: f64) -> f64 {
    let steps = 20_000;
    let total = |to: f64| -> f64 {
        let width = to / f64::from(steps);
        (0..steps).map(|at| ((f64::from(at) + 0.5) * width).sin().powi(n as i32 - 2) * width).sum()
    };
    total(alpha) / total(std::f64::consts::PI)
}

#[test]
fn q7_slow_starts_near_the_antipode_are_as_many_as_the_sphere_says() -> Result<()> {
    let count = 4000;
    for (n, seed) in [(2, 11), (8, 12), (32, 13)] {
        let mut tape = Tape::new(&device());
        let normal = tape.noise(
            Stream { seed, first_sample: 0, step: 0, stream: 0 },
            kuramoto::Distribution::Gaussian,
            &[count, n],
            DType::F32,
        )?;
        let x = tape.sphere_normalize(normal, 1, n)?;
        let mut field = vec![0.0f32; count * n];
        field.iter_mut().step_by(n).for_each(|h| *h = 1.0);
        let h = hold(&mut tape, &field, &[count, n], DType::F32)?;
        // A time of 6 in units of 1 / |h|.
        let options = FlowOptions { method: FlowMethod::Exact, dt: 0.05, steps: 120, tolerance: 0.01 };
        let found = tape.equilibrate(x, h, &options)?;
        let settled = tape.read(found.distance)?.iter().filter(|d| **d <= 0.01).count() as f64 / count as f64;
        // |x - u| = 2 sin(phi / 2), and tan(phi / 2) has shrunk by exp(-6).
        let tangent = (0.005f64 / (1.0 - 0.005f64 * 0.005).sqrt()) * 6f64.exp();
        let slow = cap(n, std::f64::consts::PI - 2.0 * tangent.atan());
        let deviation = (slow * (1.0 - slow) / count as f64).sqrt();
        let error = (1.0 - settled - slow).abs();
        assert!(error <= 4.0 * deviation + 1.0 / count as f64, "n {n}: {settled} settled, {} expected", 1.0 - slow);
    }
    Ok(())
}

/// A layer with its parameters.
fn layer(config: FixedQueryConfig) -> Result<(FixedQuery, kuramoto::model::Parameters)> {
    let layer = FixedQuery::new(config, "attn.")?;
    let mut builder = Builder::new(5);
    layer.parameters(&mut builder);
    Ok((layer, builder.finish()?))
}

/// Outputs for one batch.
fn attend(
    tape: &mut Tape,
    (layer, parameters): &(FixedQuery, kuramoto::model::Parameters),
    x: &[f32],
    shape: &[usize],
    lengths: &[u32],
) -> Result<Vec<f64>> {
    let bound = parameters.place(tape)?.bind(tape);
    let x = put(tape, x, shape)?;
    let lengths = if lengths.is_empty() { None } else { Some(hold(tape, lengths, &[lengths.len()], DType::U32)?) };
    let found = layer.forward(tape, &bound, x, lengths)?;
    tape.read(found.output)
}

#[test]
fn padding_is_kept_from_what_is_asked() -> Result<()> {
    let (tokens, channels) = (5, 8);
    let full = numbers(7, tokens * channels);
    // The last two tokens changed.
    let mut other = full.clone();
    other[3 * channels..].iter_mut().for_each(|v| *v = -*v + 0.25);
    for mut tape in [Tape::reference(), Tape::new(&device())] {
        for (padding, reads) in [(Padding::Coupling, true), (Padding::Everywhere, false)] {
            let model = layer(FixedQueryConfig { padding, ..FixedQueryConfig::new(channels, 2, 2, 7) })?;
            let shape = [1, tokens, channels];
            let a = attend(&mut tape, &model, &full, &shape, &[3])?;
            let b = attend(&mut tape, &model, &other, &shape, &[3])?;
            // What the first three tokens see of the padding.
            let moved = apart(&a[..3 * channels], &b[..3 * channels]);
            assert_eq!(moved > 0.0, reads, "{padding:?}: the values of padding move others by {moved}");
            // Lengths that leave nothing out are no lengths.
            let whole = attend(&mut tape, &model, &full, &shape, &[tokens as u32])?;
            assert_eq!(whole, attend(&mut tape, &model, &full, &shape, &[])?);
            // Padding that does nothing can as well be absent.
            let short = attend(&mut tape, &model, &full[..3 * channels], &[1, 3, channels], &[])?;
            let equal = apart(&short, &a[..3 * channels]) < 1e-6;
            assert_eq!(equal, !reads, "{padding:?}");
        }
    }
    Ok(())
}

#[test]
fn later_tokens_and_other_samples_change_no_bit() -> Result<()> {
    let (batch, tokens, channels) = (3, 9, 12);
    let config = FixedQueryConfig { causal: true, power: 2, ..FixedQueryConfig::new(channels, 3, 4, 9) };
    let model = layer(config)?;
    let x = numbers(8, batch * tokens * channels);
    let mut tape = Tape::new(&device());
    let all = attend(&mut tape, &model, &x, &[batch, tokens, channels], &[])?;
    let sample = tokens * channels;
    for b in 0..batch {
        let alone = attend(&mut tape, &model, &x[b * sample..][..sample], &[1, tokens, channels], &[])?;
        assert_eq!(alone, all[b * sample..][..sample], "sample {b} depends on its batch");
    }
    let mut later = x.clone();
    later[6 * channels..sample].iter_mut().for_each(|v| *v += 1.0);
    let changed = attend(&mut tape, &model, &later, &[batch, tokens, channels], &[])?;
    assert_eq!(changed[..6 * channels], all[..6 * channels]);
    assert_ne!(changed[6 * channels..sample], all[6 * channels..sample]);
    Ok(())
}

/// Root mean square.
fn size(values: &[f64]) -> f64 {
    norm(values) / (values.len().max(1) as f64).sqrt()
}

#[test]
fn a_longer_and_sharper_instance_agrees_with_the_reference() -> Result<()> {
    let (batch, tokens, channels) = (2, 70, 24);
    let config = FixedQueryConfig { causal: true, power: 4, ..FixedQueryConfig::new(channels, 3, 8, 80) };
    let model = layer(config)?;
    let x = numbers(10, batch * tokens * channels);
    let seed = numbers(11, batch * tokens * channels);
    let mut found = vec![];
    for mut tape in [Tape::reference(), Tape::new(&device())] {
        let bound = model.1.place(&mut tape)?.bind(&mut tape);
        let x = put(&mut tape, &x, &[batch, tokens, channels])?;
        let attended = model.0.forward(&mut tape, &bound, x, None)?;
        let weights = model.0.weights(&mut tape, &bound, attended.equilibrium, None)?;
        let seed = tape.upload(&seed, &[batch, tokens, channels], DType::F32)?;
        let gradients = tape.vjp(&[(attended.output, seed)])?;
        let mut values =
            vec![tape.read(attended.output)?, tape.read(attended.equilibrium)?, tape.backend().read(&weights)?];
        let leaves: Vec<Var> = bound.iter().map(|(_, var)| var).chain([x]).collect();
        for leaf in leaves {
            values.push(gradients.read(&mut tape, leaf)?);
        }
        found.push(values);
    }
    for (at, (reference, device)) in found[0].iter().zip(&found[1]).enumerate() {
        let difference: Vec<f64> = reference.iter().zip(device).map(|(a, b)| a - b).collect();
        let error = size(&difference) / size(reference);
        // The rule of the golden cases.
        let allowed = if at < 3 { 2e-5 } else { 2e-4 };
        assert!(error <= allowed, "tensor {at}: {error:e}");
    }
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let kind = |config: FixedQueryConfig| error_of(FixedQuery::new(config, "")).kind();
    assert_eq!(kind(FixedQueryConfig::new(8, 2, 3, 5)), ErrorKind::Param);
    assert_eq!(kind(FixedQueryConfig::new(130, 2, 2, 5)), ErrorKind::Param);
    assert_eq!(kind(FixedQueryConfig::new(9, 2, 2, 5)), ErrorKind::Shape);
    assert_eq!(kind(FixedQueryConfig { power: 0, ..FixedQueryConfig::new(8, 2, 2, 5) }), ErrorKind::Param);
    assert_eq!(kind(FixedQueryConfig { power: 65, ..FixedQueryConfig::new(8, 2, 2, 5) }), ErrorKind::Param);
    assert_eq!(
        kind(FixedQueryConfig { power: 2, separated: true, ..FixedQueryConfig::new(8, 2, 2, 5) }),
        ErrorKind::Param
    );
    let model = layer(FixedQueryConfig::new(8, 2, 2, 5))?;
    let mut tape = Tape::reference();
    let long = error_of(attend(&mut tape, &model, &numbers(1, 48), &[1, 6, 8], &[]));
    assert_eq!(long.kind(), ErrorKind::Shape, "{long}");
    let padded = error_of(attend(&mut tape, &model, &numbers(1, 40), &[1, 5, 8], &[6]));
    assert_eq!(padded.kind(), ErrorKind::Index, "{padded}");
    Ok(())
}

#[test]
fn the_sequence_network_runs_with_either_attention() -> Result<()> {
    let config = SequenceConfig {
        vocabulary: 7,
        classes: 3,
        channels: 8,
        heads: 2,
        layers: 2,
        hidden: 12,
        positions: 6,
        causal: true,
        last: false,
        attention: Attention::Softmax,
    };
    let own = Attention::FixedQuery(FixedQueryConfig::new(8, 2, 2, 6));
    for attention in [Attention::Softmax, own] {
        for last in [false, true] {
            let net = SequenceNet::new(SequenceConfig { attention, last, ..config })?;
            let parameters = net.parameters(3)?;
            let mut tape = Tape::reference();
            let bound = parameters.place(&mut tape)?.bind(&mut tape);
            let tokens = hold(&mut tape, &[0u32, 1, 2, 3, 4, 5, 6, 5, 4, 3], &[2, 5], DType::U32)?;
            let stream = Stream { seed: 1, first_sample: 0, step: 4, stream: 0 };
            let dropout = Dropout { rate: 0.25, stream };
            let logits = |tape: &mut Tape, dropout: Option<&Dropout>| -> Result<Vec<f64>> {
                let found = net.forward(tape, &bound, tokens, None, dropout)?;
                assert_eq!(found.attended.len(), if attention == Attention::Softmax { 0 } else { 2 });
                let shape = if last { vec![2, 3] } else { vec![2, 5, 3] };
                assert_eq!(tape.spec(found.logits)?.shape, shape);
                tape.read(found.logits)
            };
            let still = logits(&mut tape, None)?;
            let dropped = logits(&mut tape, Some(&dropout))?;
            assert!(still.iter().all(|v| v.is_finite()));
            assert_eq!(dropped, logits(&mut tape, Some(&dropout))?, "a step of training draws one mask");
            assert_ne!(still, dropped);
            assert_eq!(still, logits(&mut tape, Some(&Dropout { rate: 0.0, ..dropout }))?);
            // Every parameter learns.
            let found = net.forward(&mut tape, &bound, tokens, None, None)?;
            let labels = if last { vec![0u32, 2] } else { vec![0, 1, 2, 0, 1, 2, 0, 1, 2, 0] };
            let shape = if last { vec![2] } else { vec![2, 5] };
            let labels = hold(&mut tape, &labels, &shape, DType::U32)?;
            let loss = tape.cross_entropy(found.logits, labels, if last { 1 } else { 2 })?;
            let gradients = tape.backward(loss)?;
            for (name, var) in bound.iter() {
                let gradient = gradients.read(&mut tape, var)?;
                assert!(gradient.iter().any(|g| *g != 0.0), "{name} has no gradient");
            }
            let lengths = hold(&mut tape, &[5u32, 3], &[2], DType::U32)?;
            let padded = net.forward(&mut tape, &bound, tokens, Some(lengths), None);
            match attention {
                Attention::Softmax => assert_eq!(error_of(padded).kind(), ErrorKind::Param),
                Attention::FixedQuery(_) => assert!(padded.is_ok()),
            }
            let drop = Dropout { rate: 1.0, ..dropout };
            assert_eq!(error_of(net.forward(&mut tape, &bound, tokens, None, Some(&drop))).kind(), ErrorKind::Param);
        }
    }
    Ok(())
}
