//! What must hold for U(1)- and O(k)-equivariant networks: the symmetry at any depth, what it conserves, and the order
//! parameter of wide random networks against theory.
#![cfg(feature = "gpu")]

mod common;

use common::{device, numbers};
use kuramoto::model::equivariant::{
    DeepConfig, EquivariantBlock, EquivariantNet, EquivariantRnn, MeanField, RecurrentConfig, Symmetry, covariance,
    order, polar, relative_phase,
};
use kuramoto::model::{Builder, Parameters};
use kuramoto::{DType, ErrorKind, Result, Tape, Var};

const O4: Symmetry = Symmetry::Orthogonal { k: 4 };

fn block(
    symmetry: Symmetry,
    neurons: usize,
    layers: usize,
    sigma_w: f32,
    seed: u64,
) -> Result<(EquivariantBlock, Parameters)> {
    let block = EquivariantBlock::new(DeepConfig { symmetry, neurons, layers, sigma_w }, "layers.")?;
    let mut builder = Builder::new(seed);
    block.parameters(&mut builder);
    Ok((block, builder.finish()?))
}

fn put(tape: &mut Tape, data: &[f64], width: usize) -> Result<Var> {
    let value = tape.upload(data, &[data.len() / width, width], DType::F32)?;
    Ok(tape.leaf(value))
}

/// The states after each activation.
fn states(tape: &mut Tape, (block, parameters): &(EquivariantBlock, Parameters), x: &[f64]) -> Result<Vec<Vec<f64>>> {
    let bound = parameters.place(tape)?.bind_constant(tape);
    let x = put(tape, x, block.features())?;
    let found = block.forward(tape, &bound, x)?;
    found.states.iter().map(|state| tape.read(*state)).collect()
}

/// A rotation of `k` components: planes turned one after the other, the first component reflected.
fn rotation(k: usize) -> Vec<f64> {
    let mut q: Vec<f64> = (0..k * k).map(|e| if e % (k + 1) == 0 { 1.0 } else { 0.0 }).collect();
    for p in 1..k {
        let (s, c) = (0.7 + 0.9 * p as f64).sin_cos();
        for j in 0..k {
            let (a, b) = (q[j], q[p * k + j]);
            (q[j], q[p * k + j]) = (c * a - s * b, s * a + c * b);
        }
    }
    if k != 2 {
        q[..k].iter_mut().for_each(|v| *v = -*v);
    }
    q
}

/// Every neuron turned by `q`.
fn turned(q: &[f64], x: &[f64]) -> Vec<f64> {
    let k = q.len().isqrt();
    let dot = |row: &[f64], z: &[f64]| row.iter().zip(z).map(|(q, z)| q * z).sum::<f64>();
    x.chunks_exact(k).flat_map(|z| q.chunks_exact(k).map(move |row| dot(row, z))).collect()
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |m, (a, b)| (a - b).abs().max(m))
}

fn random(seed: u64, len: usize) -> Vec<f64> {
    numbers(seed, len).into_iter().map(f64::from).collect()
}

/// What roundings may come to: those of a layer are a few units of numbers near 1, a later layer stretches their square by
/// `chi` ([`MeanField::stretch`], above 1 where the symmetry is broken), and errors of different layers add like random
/// numbers. Finite networks and the largest of all components are a few times off the mean.
fn allowed(unit: f64, symmetry: Symmetry, sigma_w: f64, layers: usize) -> Result<f64> {
    let chi = MeanField::new(symmetry.components(), sigma_w)?.stretch().max(1.0);
    let grown: f64 = (0..layers).map(|l| chi.powi(l as i32)).sum();
    Ok(16.0 * unit * grown.sqrt())
}

// G1: the symmetry, at once and after 100 layers.
#[test]
fn a_network_commutes_with_rotations_at_any_depth() -> Result<()> {
    for symmetry in [Symmetry::U1, Symmetry::Orthogonal { k: 1 }, O4] {
        let k = symmetry.components();
        let (q, neurons) = (rotation(k), 64 / k);
        let x = random(1, 3 * 64);
        for (mut tape, sigma_w, layers, unit) in [
            (Tape::reference(), 1.5, 30, f64::EPSILON),
            (Tape::new(&device()), 1.1, 100, f64::from(f32::EPSILON)),
            (Tape::new(&device()), 1.5, 30, f64::from(f32::EPSILON)),
        ] {
            let model = block(symmetry, neurons, layers, sigma_w, 3)?;
            let a = states(&mut tape, &model, &x)?;
            let b = states(&mut tape, &model, &turned(&q, &x))?;
            for layer in [0, 9, layers - 1] {
                let off = apart(&turned(&q, &a[layer]), &b[layer]);
                let allowed = allowed(unit, symmetry, f64::from(sigma_w), layer + 1)?;
                assert!(off <= allowed, "{symmetry:?}, {sigma_w}, layer {layer}: off by {off:e}, {allowed:e} allowed");
            }
            assert!(apart(&a[layers - 1], &b[layers - 1]) > 0.1, "{symmetry:?}: nothing turned");
            assert!(order(&a[layers - 1], k)?.norm > 0.1, "{symmetry:?}: the state died");
            if sigma_w < 1.2 {
                let off = apart(&turned(&q, &a[layers - 1]), &b[layers - 1]);
                assert!(off < 1e-5, "{symmetry:?}, 100 layers near the transition: {off:e}");
            }
        }
    }
    // Without the symmetry it does not hold, so the law says something.
    let model = block(Symmetry::Generic { k: 2 }, 16, 3, 1.5, 3)?;
    let x = random(1, 32);
    let mut tape = Tape::reference();
    let (a, b) = (states(&mut tape, &model, &x)?, states(&mut tape, &model, &turned(&rotation(2), &x))?);
    assert!(apart(&turned(&rotation(2), &a[2]), &b[2]) > 0.1);
    Ok(())
}

// G2, G5, G6: lengths below 1 that grow with those of the input; a single O(k) neuron stays on its line.
#[test]
fn the_activation_shortens_in_order_and_one_neuron_keeps_its_line() -> Result<()> {
    for mut tape in [Tape::reference(), Tape::new(&device())] {
        for k in [1, 2, 3, 8] {
            let direction: Vec<f64> = (0..k).map(|c| (1.0 + c as f64).sin()).collect();
            let lengths: Vec<f64> = (0..400).map(|i| 1e-4 * 1.03f64.powi(i)).collect();
            let data: Vec<f64> = lengths.iter().flat_map(|r| direction.iter().map(move |d| r * d)).collect();
            let x = put(&mut tape, &data, k)?;
            let y = tape.radial_tanh(x, 1, k)?;
            let y = tape.read(y)?;
            let norms: Vec<f64> = y.chunks_exact(k).map(|z| z.iter().map(|v| v * v).sum::<f64>().sqrt()).collect();
            // Neighbours differ by 3 % until tanh saturates; there roundings of a few units may turn the order.
            assert!(norms.windows(2).all(|w| w[1] >= w[0] - 1e-6), "k {k}: a longer input came out shorter");
            assert!(norms.iter().all(|n| *n <= 1.0 + 1e-6) && norms[399] > 0.99 && norms[0] < 4e-4);
        }
        let model = block(O4, 1, 12, 1.5, 8)?;
        let x = random(5, 4);
        let last = states(&mut tape, &model, &x)?.pop().unwrap_or_default();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let cosine = dot(&x, &last) / (dot(&x, &x) * dot(&last, &last)).sqrt();
        assert!((cosine.abs() - 1.0).abs() < 1e-5, "cosine {cosine}");
    }
    Ok(())
}

// G3: the relative phase of two inputs that are turned copies of each other stays for ever; that of any two inputs, and the
// polar factor of their covariance, stays in the limit of many neurons.
#[test]
fn relative_phases_and_orientations_survive_depth() -> Result<()> {
    let context = device();
    let x = random(11, 2 * 64);
    let (s, c) = 0.9f64.sin_cos();
    let ahead = turned(&[c, -s, s, c], &x);
    let model = block(Symmetry::U1, 64, 100, 1.5, 2)?;
    let mut tape = Tape::new(&context);
    let (a, b) = (states(&mut tape, &model, &ahead)?, states(&mut tape, &model, &x)?);
    for layer in [0, 30, 99] {
        let (magnitude, phase) = relative_phase(&a[layer], &b[layer])?;
        let c = order(&b[layer], 2)?.square;
        assert!((phase - 0.9).abs() < 1e-5 && (magnitude - c).abs() < 1e-5 * c, "layer {layer}: {phase}, {magnitude}");
    }
    // Any two inputs, wide: fluctuations of the phase are of order 1 / sqrt(neurons) a layer and the magnitude.
    let neurons = 512;
    for (symmetry, k) in [(Symmetry::U1, 2), (O4, 4)] {
        let model = block(symmetry, neurons, 3, 1.5, 6)?;
        let a = random(21, k * neurons);
        let noise = random(22, k * neurons);
        let b: Vec<f64> = turned(&rotation(k), &a).iter().zip(&noise).map(|(b, noise)| b + 0.3 * noise).collect();
        let both = states(&mut Tape::new(&context), &model, &[a.clone(), b.clone()].concat())?;
        let (last_a, last_b) = both[2].split_at(k * neurons);
        let allowed = 4.0 * (3.0 / neurons as f64).sqrt();
        if k == 2 {
            let (before, after) = (relative_phase(&a, &b)?, relative_phase(last_a, last_b)?);
            assert!((before.1 - after.1).abs() < allowed, "phases {} and {}", before.1, after.1);
            assert!(before.1.abs() > 0.5, "the phase is trivial");
        } else {
            let before = polar(&covariance(&a, &b, k)?, k)?;
            let after = polar(&covariance(last_a, last_b, k)?, k)?;
            let off = apart(&before.rotation, &after.rotation);
            assert!(off < allowed, "orientations differ by {off}, {allowed} allowed");
            assert!(after.scales[3] > 0.05, "no orientation is left: {:?}", after.scales);
        }
    }
    Ok(())
}

// G4: the order parameter of depth, against the recursion; below the transition it dies.
#[test]
fn the_order_parameter_follows_the_recursion() -> Result<()> {
    let context = device();
    for (symmetry, sigma_w) in
        [(Symmetry::U1, 1.3), (Symmetry::U1, 2.0), (Symmetry::Orthogonal { k: 1 }, 1.5), (O4, 1.5)]
    {
        let k = symmetry.components();
        let theory = MeanField::new(k, sigma_w)?;
        // Four networks of 384 neurons on four inputs: c of one layer of one network fluctuates by about 1 / sqrt(384) of
        // itself; over networks and late layers that averages out.
        let (neurons, layers, networks) = (384, 40, 4);
        let (mut found, mut first, mut count) = (0.0, 0.0, 0.0);
        for seed in 0..networks {
            let model = block(symmetry, neurons, layers, sigma_w as f32, 40 + seed)?;
            let x = random(70 + seed, 4 * k * neurons);
            let all = states(&mut Tape::new(&context), &model, &x)?;
            let c0 = order(&x, k)?.square;
            first += order(&all[0], k)?.square / theory.next(c0) / networks as f64;
            for state in &all[16..] {
                found += order(state, k)?.square;
                count += 1.0;
            }
            context.trim();
        }
        let (found, wanted) = (found / count, theory.fixed_point());
        assert!((found / wanted - 1.0).abs() < 0.02, "{symmetry:?}, sigma_w {sigma_w}: c {found}, theory {wanted}");
        assert!((first - 1.0).abs() < 0.05, "{symmetry:?}: the first layer is off by {first}");
        println!("{symmetry:?} sigma_w {sigma_w}: c {found:.4}, theory {wanted:.4}");
    }
    let model = block(Symmetry::U1, 128, 60, 0.8, 1)?;
    let all = states(&mut Tape::new(&context), &model, &random(2, 256))?;
    assert!(order(&all[59], 2)?.square < 1e-8, "the symmetry is broken below the transition");
    Ok(())
}

// G7: a readout of lengths does not see a rotation.
#[test]
fn a_readout_of_lengths_is_invariant() -> Result<()> {
    let mut tape = Tape::reference();
    let model = block(O4, 8, 5, 1.5, 4)?;
    let x = random(1, 2 * 32);
    let lengths = |tape: &mut Tape, x: &[f64]| -> Result<Vec<f64>> {
        let last = states(tape, &model, x)?.pop().unwrap_or_default();
        let z = put(tape, &last, 32)?;
        let norms = tape.readout_norm(z, None, 1, 4)?;
        tape.read(norms)
    };
    let (a, b) = (lengths(&mut tape, &x)?, lengths(&mut tape, &turned(&rotation(4), &x))?);
    assert!(apart(&a, &b) < 1e-14 && a.iter().all(|n| *n > 0.01));
    Ok(())
}

/// Output and gradients of everything, for a fixed cotangent.
fn gradients(
    tape: &mut Tape,
    parameters: &Parameters,
    record: &dyn Fn(&mut Tape, &kuramoto::model::Bound) -> Result<Var>,
) -> Result<Vec<(String, Vec<f64>)>> {
    let bound = parameters.place(tape)?.bind(tape);
    let output = record(tape, &bound)?;
    let spec = tape.spec(output)?;
    let seed = tape.upload(&random(99, spec.len()), &spec.shape, spec.dtype)?;
    let grads = tape.vjp(&[(output, seed)])?;
    let mut all = vec![("output".to_owned(), tape.read(output)?)];
    let mut leaves: Vec<(String, Var)> = bound.iter().map(|(name, var)| (name.to_owned(), var)).collect();
    leaves.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, var) in leaves {
        all.push((name, grads.read(tape, var)?));
    }
    Ok(all)
}

/// The device against the reference: outputs to 2e-5 and gradients to 2e-4 of their size, as golden files are judged.
fn agree(parameters: &Parameters, record: &dyn Fn(&mut Tape, &kuramoto::model::Bound) -> Result<Var>) -> Result<()> {
    let want = gradients(&mut Tape::reference(), parameters, record)?;
    let got = gradients(&mut Tape::new(&device()), parameters, record)?;
    let rms = |v: &[f64]| (v.iter().map(|v| v * v).sum::<f64>() / v.len().max(1) as f64).sqrt();
    let mut sizes: Vec<f64> = want[1..].iter().map(|(_, v)| rms(v)).collect();
    sizes.sort_by(f64::total_cmp);
    let floor = 0.05 * sizes[sizes.len() / 2];
    for ((name, want), (_, got)) in want.iter().zip(&got) {
        let off: Vec<f64> = want.iter().zip(got).map(|(a, b)| a - b).collect();
        let tolerance = if name == "output" { 2e-5 } else { 2e-4 };
        let error = rms(&off) / rms(want).max(floor);
        assert!(error <= tolerance, "{name}: {error:e}");
        assert!(rms(want) > 0.0, "{name} is zero");
    }
    Ok(())
}

// Depth 30 is what golden files do not reach.
#[test]
fn thirty_layers_and_recurrent_steps_agree_with_the_reference() -> Result<()> {
    for symmetry in [Symmetry::U1, O4, Symmetry::Generic { k: 2 }] {
        let config = DeepConfig { symmetry, neurons: 12, layers: 30, sigma_w: 1.1 };
        let net = EquivariantNet::new(7, 3, config)?;
        agree(&net.parameters(4)?, &|tape, bound| {
            let x = put(tape, &random(8, 5 * 7), 7)?;
            Ok(net.forward(tape, bound, x)?.0)
        })?;
    }
    for (symmetry, gated) in [
        (Symmetry::U1, false),
        (Symmetry::U1, true),
        (O4, true),
        (Symmetry::Generic { k: 1 }, false),
        (Symmetry::Generic { k: 1 }, true),
    ] {
        let config = RecurrentConfig { symmetry, neurons: 6, inputs: 4, outputs: 3, gated, sigma_w: 1.2 };
        let rnn = EquivariantRnn::new(config)?;
        agree(&rnn.parameters(4)?, &|tape, bound| {
            let mut inputs = Vec::new();
            for step in 0..8 {
                inputs.push(put(tape, &random(30 + step, 5 * 4), 4)?);
            }
            let states = rnn.forward(tape, bound, &inputs)?;
            rnn.readout(tape, bound, states[7])
        })?;
    }
    Ok(())
}

#[test]
fn a_recurrent_step_commutes_with_rotations_of_state_and_drive() -> Result<()> {
    let mut tape = Tape::reference();
    for (symmetry, gated) in [(Symmetry::U1, false), (Symmetry::U1, true), (O4, false), (O4, true)] {
        let config = RecurrentConfig { symmetry, neurons: 5, inputs: 4, outputs: 3, gated, sigma_w: 1.2 };
        let rnn = EquivariantRnn::new(config)?;
        let width = rnn.features();
        let bound = rnn.parameters(9)?.place(&mut tape)?.bind(&mut tape);
        let q = rotation(symmetry.components());
        let (h, u) = (random(1, 3 * width), random(2, 3 * width));
        let mut step = |h: &[f64], u: &[f64]| -> Result<Vec<f64>> {
            let (h, u) = (put(&mut tape, h, width)?, put(&mut tape, u, width)?);
            let next = rnn.step(&mut tape, &bound, h, u)?;
            tape.read(next)
        };
        let (a, b) = (step(&h, &u)?, step(&turned(&q, &h), &turned(&q, &u))?);
        let off = apart(&turned(&q, &a), &b);
        assert!(off < 1e-14, "{symmetry:?}, gated {gated}: off by {off:e}");
        assert!(apart(&a, &b) > 0.1);
    }
    Ok(())
}

#[test]
fn o_k_is_the_full_map_with_the_weight_times_the_identity() -> Result<()> {
    let mut tape = Tape::reference();
    let (w, x, k) = (random(1, 3 * 5), random(2, 2 * 5 * 4), 4);
    let full: Vec<f64> =
        (0..12 * 20).map(|e| if e / 20 % k == e % 20 % k { w[e / 20 / k * 5 + e % 20 / k] } else { 0.0 }).collect();
    let (small, full) = (put(&mut tape, &w, 5)?, put(&mut tape, &full, 20)?);
    let x = put(&mut tape, &x, 20)?;
    let a = tape.linear_ok(x, small, 1, k)?;
    let b = tape.linear(x, full, None, 1)?;
    assert_eq!(tape.spec(a)?.shape, [2, 12]);
    assert!(apart(&tape.read(a)?, &tape.read(b)?) < 1e-15);
    // And U(1) is the full map of its micro-blocks.
    let (w1, w2, z) = (random(3, 3 * 5), random(4, 3 * 5), random(5, 2 * 10));
    let micro = |e: usize| {
        let (row, column) = (e / 10, e % 10);
        let at = row / 2 * 5 + column / 2;
        [[w1[at], w2[at]], [-w2[at], w1[at]]][row % 2][column % 2]
    };
    let full: Vec<f64> = (0..6 * 10).map(micro).collect();
    let (w1, w2, full) = (put(&mut tape, &w1, 5)?, put(&mut tape, &w2, 5)?, put(&mut tape, &full, 10)?);
    let z = put(&mut tape, &z, 10)?;
    let (a, b) = (tape.linear_u1(z, w1, w2, 1)?, tape.linear(z, full, None, 1)?);
    assert!(apart(&tape.read(a)?, &tape.read(b)?) < 1e-15);
    Ok(())
}

#[test]
fn bad_options_are_refused() -> Result<()> {
    let good = DeepConfig { symmetry: O4, neurons: 2, layers: 2, sigma_w: 1.0 };
    let kind = |config: DeepConfig| EquivariantBlock::new(config, "").map(|_| ()).unwrap_err().kind();
    for config in [
        DeepConfig { layers: 0, ..good },
        DeepConfig { neurons: 0, ..good },
        DeepConfig { sigma_w: f32::NAN, ..good },
        DeepConfig { sigma_w: -1.0, ..good },
        DeepConfig { symmetry: Symmetry::Generic { k: 0 }, ..good },
    ] {
        assert_eq!(kind(config), ErrorKind::Param, "{config:?}");
    }
    assert_eq!(EquivariantNet::new(0, 3, good).unwrap_err().kind(), ErrorKind::Param);
    let rnn = RecurrentConfig { symmetry: O4, neurons: 2, inputs: 3, outputs: 0, gated: false, sigma_w: 1.0 };
    assert_eq!(EquivariantRnn::new(rnn).unwrap_err().kind(), ErrorKind::Param);
    let rnn = EquivariantRnn::new(RecurrentConfig { outputs: 1, ..rnn })?;
    let mut tape = Tape::reference();
    let bound = rnn.parameters(1)?.place(&mut tape)?.bind(&mut tape);
    assert_eq!(rnn.forward(&mut tape, &bound, &[]).unwrap_err().kind(), ErrorKind::Param);
    let x = put(&mut tape, &[1.0; 6], 6)?;
    let w = put(&mut tape, &[1.0; 4], 2)?;
    assert_eq!(
        tape.radial_tanh(x, 1, 0).unwrap_err().to_string(),
        "radial_tanh: k is 0, expected at least 1 component"
    );
    assert_eq!(
        tape.radial_tanh(x, 1, 4).unwrap_err().to_string(),
        "radial_tanh: x is 6 channels along axis 1, expected a multiple of k = 4"
    );
    assert_eq!(tape.linear_ok(x, w, 1, 4).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(tape.linear_ok(x, w, 0, 2).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(
        tape.linear_u1(x, w, w, 1).unwrap_err().to_string(),
        "linear_u1: w1 is [2, 2], expected [M, 3] for axis 1 of [1, 6]"
    );
    let odd = put(&mut tape, &[1.0; 5], 5)?;
    assert_eq!(
        tape.linear_u1(odd, w, w, 1).unwrap_err().to_string(),
        "linear_u1: x is 5 channels along axis 1, expected pairs of a real and an imaginary part"
    );
    assert_eq!(tape.gate(x, odd, 1, 2).unwrap_err().kind(), ErrorKind::Shape);
    Ok(())
}
