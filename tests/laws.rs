//! What must hold whatever the numbers are: unit states, falling energies, symmetries, and results that depend on nothing
//! but their arguments.
#![cfg(feature = "gpu")]

mod common;

use common::{device, dtypes, numbers, unit};
use kuramoto::kernel::{Binding, DType, Elem, Kernel, Params as _, Source, input, output};
use kuramoto::{
    AnchorOptions, AnchorReadout, AttentionOptions, AttentionWeights, Boundary, Commands, Context, ConvOptions,
    Distribution, EdgeCoupling, Graph, LatticeCoupling, MatmulOptions, PhaseCoupling, RecurrenceOptions, Result,
    Rotation, StepOptions, Stream, Tape, Tensor, Triangles, Var, Work, cpu, ops, read, write,
};

/// The unit roundoff that WGSL allows: results may go to either neighbour.
const U: f64 = 1.1920928955078125e-7;

fn upload(context: &Context, data: &[f32], shape: &[usize]) -> Result<Tensor> {
    Tensor::from_slice(context, data, shape, DType::F32)
}

/// Squared norms of oscillators of `n` components, `inner` apart.
fn norms(x: &[f32], n: usize, inner: usize) -> Vec<f64> {
    let at = cpu::Oscillators { samples: 1, groups: 1, outer: x.len() / n / inner, n, inner };
    (0..at.count()).map(|i| at.gather(x, i).iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt()).collect()
}

#[test]
fn oscillators_stay_on_the_unit_sphere_for_two_hundred_steps() -> Result<()> {
    let context = device();
    for (n, rotation) in [(2, Rotation::PerPair), (4, Rotation::Global), (5, Rotation::None), (3, Rotation::Identity)] {
        let c = 2 * n;
        let mut x = upload(&context, &unit(1, 4, n, 12), &[2, c, 3, 4])?;
        let w = upload(&context, &numbers(2, c * c * 9), &[c, c, 3, 3])?;
        let bias = upload(&context, &numbers(3, c), &[c])?;
        let gamma = upload(&context, &[0.5], &[1])?;
        let frequencies = match rotation {
            Rotation::PerPair => Some(upload(&context, &[0.5, 2.0], &[2])?),
            Rotation::Global => Some(upload(&context, &[1.5], &[1])?),
            _ => None,
        };
        let options = StepOptions::new(n, 1).rotation(rotation);
        // Each step normalises anew: division by the largest component (2.5 ulp, twice), the sum of n squares (half of
        // its roundings, under the root), inverseSqrt (2 ulp), the product. Errors of earlier steps do not add up.
        let allowed = (8.0 + n as f64 / 2.0) * U;
        let mut commands = context.commands();
        for t in 0..200 {
            let y = commands.couple_conv2d(&x, &w, &bias)?;
            (x, _) = commands.sphere_step(&x, &y, &gamma, frequencies.as_ref(), &options)?;
            let worst = norms(&commands.read(&x)?, n, 12).into_iter().fold(0.0f64, |m, v| m.max((v - 1.0).abs()));
            assert!(worst <= allowed, "n {n}, {rotation:?}, step {t}: off by {worst:e}, {allowed:e} allowed");
        }
    }
    Ok(())
}

/// Weights with `w[o, i, dr, dc] = w[i, o, kh-1-dr, kw-1-dc]`: with zero padding the coupling is a symmetric matrix.
fn symmetric(seed: u64, c: usize, k: usize) -> Vec<f32> {
    let w = numbers(seed, c * c * k * k);
    let at = |o: usize, i: usize, dr: usize, dc: usize| ((o * c + i) * k + dr) * k + dc;
    let mut s = w.clone();
    for o in 0..c {
        for i in 0..c {
            for dr in 0..k {
                for dc in 0..k {
                    s[at(o, i, dr, dc)] = 0.5 * (w[at(o, i, dr, dc)] + w[at(i, o, k - 1 - dr, k - 1 - dc)]);
                }
            }
        }
    }
    s
}

/// The largest rise of the paper's energy over `steps` steps of each sample, and how far it fell in all.
fn descent(n: usize, slower: f64, steps: usize) -> Result<(f64, f64, f64)> {
    let context = device();
    let ch = 2 * n;
    let (w, c) = (symmetric(1, ch, 3), numbers(2, 2 * ch * 20));
    // E never rises if gamma <= 2 / (lam + max |h|), lam = max(0, -lambda_min(J)). Both are bounded from the weights:
    // |lambda| by the largest row sum, a component of h by that of its channel plus its field.
    let rows: Vec<f64> = w.chunks_exact(ch * 9).map(|row| row.iter().map(|v| f64::from(v.abs())).sum()).collect();
    let lam = rows.iter().fold(0.0f64, |m, v| m.max(*v));
    let field = c.iter().fold(0.0f64, |m, v| m.max(f64::from(v.abs())));
    let h = (n as f64).sqrt() * (lam + field);
    let gamma = (2.0 / (lam + h) / slower) as f32;
    // Per sample there are 2 * 20 oscillators.
    let rounding = 1e-6 * (1.0 + 40.0 * h);
    let mut x = upload(&context, &unit(3, 4, n, 20), &[2, ch, 4, 5])?;
    let w = upload(&context, &w, &[ch, ch, 3, 3])?;
    let (bias, c) = (upload(&context, &vec![0.0; ch], &[ch])?, upload(&context, &c, &[2, ch, 4, 5])?);
    let gamma = upload(&context, &[gamma], &[1])?;
    let mut energies: Vec<Vec<f32>> = Vec::new();
    let mut commands = context.commands();
    for _ in 0..steps {
        let y = commands.couple_conv2d(&x, &w, &bias)?;
        let y = commands.add(&y, &c)?;
        let energy = commands.energy(&x, &y, Some(&c))?;
        energies.push(commands.read(&energy)?);
        (x, _) = commands.sphere_step(&x, &y, &gamma, None, &StepOptions::new(n, 1))?;
    }
    let change = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*b) - f64::from(*a)).fold(f64::NEG_INFINITY, f64::max)
    };
    let rise = energies.windows(2).map(|pair| change(&pair[0], &pair[1])).fold(f64::NEG_INFINITY, f64::max);
    let fall = -change(&energies[0], &energies[steps - 1]);
    Ok((rise, fall, rounding))
}

#[test]
fn the_energy_of_the_paper_never_rises_for_a_symmetric_coupling_and_a_small_step() -> Result<()> {
    for n in [2, 4] {
        let (rise, fall, rounding) = descent(n, 1.0, 60)?;
        assert!(rise <= rounding, "n {n}: the energy rose by {rise:e}, rounding explains {rounding:e}");
        // And it does fall; a step that does nothing would pass above.
        assert!(fall > 1.0, "n {n}: the energy fell by {fall} only");
        // The bound on gamma matters: far beyond it the energy rises.
        let (rise, ..) = descent(n, 1.0 / 50.0, 60)?;
        assert!(rise > 100.0 * rounding, "n {n}: the law holds for any step; this test proves nothing");
    }
    Ok(())
}

#[test]
fn identity_rotation_is_no_rotation_with_a_shorter_step() -> Result<()> {
    let context = device();
    for n in [2, 3, 5] {
        let (outer, inner) = (6, 7);
        let x = upload(&context, &unit(1, outer, n, inner), &[1, outer * n, inner])?;
        let y = upload(&context, &numbers(2, outer * n * inner), &[1, outer * n, inner])?;
        for g in [0.125f32, 1.0, 3.0] {
            let mut commands = context.commands();
            let mut step = |gamma: f32, rotation: Rotation| -> Result<Vec<f32>> {
                let gamma = upload(&context, &[gamma], &[1])?;
                let (x, _) = commands.sphere_step(&x, &y, &gamma, None, &StepOptions::new(n, 1).rotation(rotation))?;
                commands.read(&x)
            };
            let (a, b) = (step(g, Rotation::Identity)?, step(g / (1.0 + g), Rotation::None)?);
            // (1 + g) x + g P y against x + g / (1 + g) P y, both normalised: the states are unit to 10 u, x . y takes n
            // roundings, the argument 5, gamma 2, the normalisation 8. |P y| <= sqrt(n), and the argument is at least as
            // long as the state, so errors of its terms arrive at most as large; twice, for the two sides.
            let allowed = 2.0 * (25.0 + n as f64) * (1.0 + f64::from(g) * (n as f64).sqrt()) * U;
            for (a, b) in a.iter().zip(&b) {
                let off = f64::from(a - b).abs();
                assert!(off <= allowed, "n {n}, gamma {g}: {a} and {b}, {allowed:e} allowed");
            }
        }
    }
    Ok(())
}

#[test]
fn without_drive_a_state_along_the_axes_is_returned_bit_for_bit() -> Result<()> {
    let context = device();
    // Both variants: registers up to 16 components, the loop beyond and for other n.
    for n in [2, 3, 4, 5, 16, 33] {
        for dtype in dtypes(&context) {
            let count = 2 * n + 1;
            let mut data = vec![0.0f32; count * n];
            for i in 0..count {
                data[i * n + i % n] = if i % 3 == 0 { -1.0 } else { 1.0 };
            }
            let x = Tensor::from_slice(&context, &data, &[1, count, n], *dtype)?;
            let y = Tensor::from_slice(&context, &vec![0.0; count * n], &[1, count, n], *dtype)?;
            let gamma = upload(&context, &[0.7], &[1])?;
            let mut commands = context.commands();
            let (next, energy) = commands.sphere_step(&x, &y, &gamma, None, &StepOptions::new(n, 2))?;
            assert_eq!(commands.read(&next)?, data, "n {n}, {dtype}");
            assert_eq!(commands.read(&energy)?, [0.0]);
            let same = commands.sphere_normalize(&x, 2, n)?;
            assert_eq!(commands.read(&same)?, data, "n {n}, {dtype}");
        }
    }
    Ok(())
}

/// An op with a first axis of samples. `shared` arguments are the same for all samples.
struct Batched {
    name: &'static str,
    /// Arguments per sample; the first is a state of unit oscillators where `n` is given.
    samples: usize,
    n: usize,
    shared: &'static [(&'static [usize], DType)],
    run: Run,
}

/// Takes the arguments per sample and the shared ones.
type Run = fn(&mut Tape, &[Var], &[Var]) -> Result<Vec<Var>>;

/// Extents of one sample: several tiles of every kernel, odd, and divisible into oscillators of 2 and 5.
const SAMPLE: [usize; 3] = [10, 11, 13];
const SAMPLE_LEN: usize = 10 * 11 * 13;

fn step(tape: &mut Tape, x: &[Var], shared: &[Var], n: usize, rotation: Rotation) -> Result<Vec<Var>> {
    let options = StepOptions::new(n, 1).rotation(rotation);
    let (x, e) = tape.sphere_step(x[0], x[1], shared[0], shared.get(1).copied(), &options)?;
    Ok(vec![x, e])
}

/// Nodes of a sample, `[samples, 1430]`, for the ops over nodes, which are f32 whatever the type of the states is.
fn nodes(t: &mut Tape, x: Var) -> Result<Var> {
    let samples = t.spec(x)?.shape[0];
    let x = t.cast(x, DType::F32)?;
    t.reshape(x, &[samples, SAMPLE_LEN])
}

/// One number per sample, `[samples]`.
fn number(t: &mut Tape, x: Var) -> Result<Var> {
    let samples = t.spec(x)?.shape[0];
    let x = t.cast(x, DType::F32)?;
    let x = t.reshape(x, &[samples, 1, SAMPLE_LEN])?;
    let mean = t.pool_average(x)?;
    t.reshape(mean, &[samples])
}

// The placeholder stands for the storage type under test.
const STORAGE: DType = DType::U32;

const BATCHED: &[Batched] = &[
    Batched { name: "add", samples: 2, n: 2, shared: &[], run: |t, x, _| Ok(vec![t.add(x[0], x[1])?]) },
    Batched { name: "axpy", samples: 2, n: 2, shared: &[], run: |t, x, _| Ok(vec![t.axpy(0.3, x[0], x[1])?]) },
    Batched { name: "scale", samples: 1, n: 2, shared: &[], run: |t, x, _| Ok(vec![t.scale(0.3, x[0])?]) },
    Batched { name: "cast", samples: 1, n: 2, shared: &[], run: |t, x, _| Ok(vec![t.cast(x[0], DType::F32)?]) },
    Batched {
        name: "couple_conv2d",
        samples: 1,
        n: 2,
        shared: &[(&[10, 10, 3, 5], STORAGE), (&[10], STORAGE)],
        run: |t, x, s| Ok(vec![t.couple_conv2d(x[0], s[0], s[1])?]),
    },
    Batched {
        name: "conv2d",
        samples: 1,
        n: 2,
        shared: &[(&[9, 10, 3, 2], STORAGE), (&[9], STORAGE)],
        run: |t, x, s| {
            let options = ConvOptions { stride: [2, 1], padding: [1, 1] };
            Ok(vec![t.conv2d(x[0], s[0], Some(s[1]), options)?])
        },
    },
    Batched {
        name: "linear",
        samples: 1,
        n: 2,
        shared: &[(&[9, 10], STORAGE), (&[9], STORAGE)],
        run: |t, x, s| Ok(vec![t.linear(x[0], s[0], Some(s[1]), 1)?]),
    },
    Batched {
        name: "matmul",
        samples: 2,
        n: 2,
        shared: &[],
        run: |t, x, _| {
            let samples = t.spec(x[0])?.shape[0];
            let (a, b) = (t.reshape(x[0], &[samples, 110, 13])?, t.reshape(x[1], &[samples, 110, 13])?);
            Ok(vec![t.matmul(a, b, MatmulOptions { transpose_a: false, transpose_b: true })?])
        },
    },
    Batched { name: "energy", samples: 2, n: 2, shared: &[], run: |t, x, _| Ok(vec![t.energy(x[0], x[1], None)?]) },
    Batched {
        name: "energy of the paper",
        samples: 3,
        n: 2,
        shared: &[],
        run: |t, x, _| Ok(vec![t.energy(x[0], x[1], Some(x[2]))?]),
    },
    Batched {
        name: "sphere_normalize",
        samples: 1,
        n: 2,
        shared: &[],
        run: |t, x, _| Ok(vec![t.sphere_normalize(x[0], 1, 5)?]),
    },
    Batched {
        name: "sphere_step",
        samples: 2,
        n: 2,
        shared: &[(&[1], DType::F32)],
        run: |t, x, s| step(t, x, s, 2, Rotation::None),
    },
    Batched {
        name: "sphere_step, identity",
        samples: 2,
        n: 5,
        shared: &[(&[1], DType::F32)],
        run: |t, x, s| step(t, x, s, 5, Rotation::Identity),
    },
    Batched {
        name: "sphere_step, one frequency",
        samples: 2,
        n: 2,
        shared: &[(&[1], DType::F32), (&[1], DType::F32)],
        run: |t, x, s| step(t, x, s, 2, Rotation::Global),
    },
    Batched {
        name: "sphere_step, a frequency per pair",
        samples: 2,
        n: 2,
        shared: &[(&[1], DType::F32), (&[5], DType::F32)],
        run: |t, x, s| step(t, x, s, 2, Rotation::PerPair),
    },
    Batched { name: "relu", samples: 1, n: 2, shared: &[], run: |t, x, _| Ok(vec![t.relu(x[0])?]) },
    Batched { name: "relu_squared", samples: 1, n: 2, shared: &[], run: |t, x, _| Ok(vec![t.relu_squared(x[0])?]) },
    Batched { name: "narrow", samples: 1, n: 2, shared: &[], run: |t, x, _| Ok(vec![t.narrow(x[0], 1, 1, 6)?]) },
    Batched { name: "concat", samples: 2, n: 2, shared: &[], run: |t, x, _| Ok(vec![t.concat(x[0], x[1], 1)?]) },
    Batched {
        name: "layer_scale",
        samples: 2,
        n: 2,
        shared: &[(&[10], STORAGE)],
        run: |t, x, s| Ok(vec![t.layer_scale(x[0], x[1], s[0], 1, 0.75)?]),
    },
    Batched {
        name: "norm_heads",
        samples: 1,
        n: 2,
        shared: &[],
        run: |t, x, _| {
            let samples = t.spec(x[0])?.shape[0];
            let tokens = t.reshape(x[0], &[samples, 13, 110])?;
            Ok(vec![t.norm_heads(tokens, 11, 7, 1e-5)?])
        },
    },
    Batched { name: "gelu", samples: 1, n: 2, shared: &[], run: |t, x, _| Ok(vec![t.gelu(x[0])?]) },
    Batched { name: "silu", samples: 1, n: 2, shared: &[], run: |t, x, _| Ok(vec![t.silu(x[0])?]) },
    Batched { name: "symlog", samples: 1, n: 2, shared: &[], run: |t, x, _| Ok(vec![t.symlog(x[0])?]) },
    Batched { name: "softplus", samples: 1, n: 2, shared: &[], run: |t, x, _| Ok(vec![t.softplus(x[0])?]) },
    Batched {
        name: "phase_features",
        samples: 1,
        n: 2,
        shared: &[],
        run: |t, x, _| Ok(vec![t.phase_features(x[0], 1)?]),
    },
    Batched { name: "phase_wrap", samples: 1, n: 2, shared: &[], run: |t, x, _| Ok(vec![t.phase_wrap(x[0])?]) },
    Batched {
        name: "mean_nodes",
        samples: 1,
        n: 2,
        shared: &[],
        run: |t, x, _| {
            let samples = t.spec(x[0])?.shape[0];
            let x = t.cast(x[0], DType::F32)?;
            let x = t.reshape(x, &[samples, 715, 2])?;
            Ok(vec![t.mean_nodes(x)?])
        },
    },
    Batched {
        name: "lohe_rate",
        samples: 2,
        n: 2,
        shared: &[(&[715], DType::F32)],
        run: |t, x, s| {
            let samples = t.spec(x[0])?.shape[0];
            let mut sphere = |x: Var| {
                let x = t.cast(x, DType::F32)?;
                t.reshape(x, &[samples, 715, 2])
            };
            let [x, y] = [sphere(x[0])?, sphere(x[1])?];
            let frequencies = t.reshape(s[0], &[715, 1])?;
            Ok(vec![t.lohe_rate(x, y, Some(frequencies))?])
        },
    },
    Batched {
        name: "sphere_turn",
        samples: 2,
        n: 2,
        shared: &[],
        run: |t, x, _| {
            let samples = t.spec(x[0])?.shape[0];
            let mut sphere = |x: Var| {
                let x = t.cast(x, DType::F32)?;
                t.reshape(x, &[samples, 286, 5])
            };
            let [x, v] = [sphere(x[0])?, sphere(x[1])?];
            Ok(vec![t.sphere_turn(x, v)?])
        },
    },
    Batched {
        name: "sphere_rotate",
        samples: 1,
        n: 2,
        shared: &[(&[715], DType::F32)],
        run: |t, x, s| {
            let samples = t.spec(x[0])?.shape[0];
            let x = t.cast(x[0], DType::F32)?;
            let x = t.reshape(x, &[samples, 715, 2])?;
            let frequencies = t.reshape(s[0], &[715, 1])?;
            Ok(vec![t.sphere_rotate(x, frequencies, 0.75)?])
        },
    },
    Batched {
        name: "phasors",
        samples: 1,
        n: 2,
        shared: &[],
        run: |t, x, _| {
            let theta = nodes(t, x[0])?;
            Ok(vec![t.phasors(theta, 2)?])
        },
    },
    Batched {
        name: "phase_rate",
        samples: 4,
        n: 2,
        shared: &[(&[1430], DType::F32)],
        run: |t, x, s| {
            let [theta, strength, lag] = [nodes(t, x[0])?, number(t, x[2])?, number(t, x[3])?];
            let field = nodes(t, x[1])?;
            let field = t.phasors(field, 1)?;
            let mean = t.mean_nodes(field)?;
            let own = t.phase_rate(theta, s[0], field, strength, lag, 1)?;
            Ok(vec![own, t.phase_rate(theta, own, mean, strength, lag, 2)?])
        },
    },
    Batched {
        name: "phase_step",
        samples: 4,
        n: 2,
        shared: &[],
        run: |t, x, _| {
            let [theta, k0, k1] = [nodes(t, x[0])?, nodes(t, x[1])?, nodes(t, x[2])?];
            let h = number(t, x[3])?;
            Ok(vec![t.phase_step(theta, &[k0, k1], h, &[1.5, -0.5], true)?])
        },
    },
    Batched {
        name: "swing_rate",
        samples: 2,
        n: 2,
        shared: &[(&[1430], DType::F32)],
        run: |t, x, s| {
            let [force, velocity] = [nodes(t, x[0])?, nodes(t, x[1])?];
            let inertia = t.fill(0.75, &[1430], DType::F32)?;
            Ok(vec![t.swing_rate(force, velocity, inertia, s[0])?])
        },
    },
    Batched {
        name: "swing_kick",
        samples: 3,
        n: 2,
        shared: &[],
        run: |t, x, _| {
            let [velocity, force, h] = [nodes(t, x[0])?, nodes(t, x[1])?, number(t, x[2])?];
            let inertia = t.fill(0.75, &[1430], DType::F32)?;
            Ok(vec![t.swing_kick(velocity, force, inertia, h)?])
        },
    },
    Batched {
        name: "swing_drift",
        samples: 4,
        n: 2,
        shared: &[(&[1430], DType::F32)],
        run: |t, x, s| {
            let [theta, velocity, force] = [nodes(t, x[0])?, nodes(t, x[1])?, nodes(t, x[2])?];
            let (h, inertia) = (number(t, x[3])?, t.fill(0.75, &[1430], DType::F32)?);
            Ok(t.swing_drift(theta, velocity, force, inertia, s[0], h)?.to_vec())
        },
    },
    Batched {
        name: "kuramoto_attention",
        samples: 1,
        n: 2,
        shared: &[(&[11, 10], DType::F32), (&[11], DType::F32), (&[11], DType::F32), (&[11, 10], DType::F32)],
        run: |t, x, s| {
            let samples = t.spec(x[0])?.shape[0];
            let theta = t.reshape(x[0], &[samples, 13, 11, 10])?;
            let coupling = PhaseCoupling { gate: s[0], tau: s[1], eta: s[2], drift: s[3], content: None };
            Ok(vec![t.kuramoto_attention(theta, &coupling, true)?])
        },
    },
    Batched {
        name: "kuramoto_attention, gates of tokens",
        samples: 3,
        n: 2,
        shared: &[(&[11, 10], DType::F32), (&[11], DType::F32), (&[11], DType::F32), (&[11, 10], DType::F32)],
        run: |t, x, s| {
            let shape = [t.spec(x[0])?.shape[0], 13, 11, 10];
            let (theta, a, b) = (t.reshape(x[0], &shape)?, t.reshape(x[1], &shape)?, t.reshape(x[2], &shape)?);
            let coupling = PhaseCoupling { gate: s[0], tau: s[1], eta: s[2], drift: s[3], content: Some([a, b]) };
            Ok(vec![t.kuramoto_attention(theta, &coupling, true)?])
        },
    },
    Batched {
        name: "kuramoto_attention_weights",
        samples: 1,
        n: 2,
        shared: &[(&[11, 10], DType::F32), (&[11], DType::F32), (&[11], DType::F32), (&[11, 10], DType::F32)],
        run: |t, x, s| {
            let samples = t.spec(x[0])?.shape[0];
            let theta = t.value(x[0])?.reshape(&[samples, 13, 11, 10])?;
            let theta = t.constant(theta);
            let shared = [0, 1, 2, 3].map(|i| t.value(s[i]).cloned());
            let [gate, tau, eta, drift] = shared.map(|value| value.map(|value| t.constant(value)));
            let coupling = PhaseCoupling { gate: gate?, tau: tau?, eta: eta?, drift: drift?, content: None };
            Ok(vec![t.kuramoto_attention_weights(theta, &coupling, true)?])
        },
    },
    Batched {
        name: "couple_anchors",
        samples: 2,
        n: 2,
        shared: &[(&[11, 13, 4], STORAGE)],
        run: |t, x, s| {
            let samples = t.spec(x[0])?.shape[0];
            let [q, k] = [x[0], x[1]].map(|x| t.reshape(x, &[samples, 13, 110]));
            Ok(vec![t.couple_anchors(
                q?,
                k?,
                s[0],
                None,
                &AnchorOptions { causal: true, ..AnchorOptions::default() },
            )?])
        },
    },
    Batched {
        name: "readout_anchors",
        samples: 2,
        n: 2,
        shared: &[(&[5, 143, 2], STORAGE)],
        run: |t, x, s| {
            let samples = t.spec(x[0])?.shape[0];
            let x_unit = t.reshape(x[0], &[samples, 5, 143, 2])?;
            let v = t.reshape(x[1], &[samples, 143, 10])?;
            Ok(vec![t.readout_anchors(x_unit, v, s[0], None, &AnchorReadout::default())?])
        },
    },
    Batched { name: "radial_tanh", samples: 1, n: 2, shared: &[], run: |t, x, _| Ok(vec![t.radial_tanh(x[0], 1, 5)?]) },
    Batched {
        name: "gate",
        samples: 2,
        n: 2,
        shared: &[],
        run: |t, x, _| {
            let gates = t.readout_norm(x[1], None, 1, 5)?;
            Ok(vec![t.gate(x[0], gates, 1, 5)?])
        },
    },
    Batched {
        name: "linear_u1",
        samples: 1,
        n: 2,
        shared: &[(&[9, 5], STORAGE), (&[9, 5], STORAGE)],
        run: |t, x, s| Ok(vec![t.linear_u1(x[0], s[0], s[1], 1)?]),
    },
    Batched { name: "swiglu", samples: 1, n: 2, shared: &[], run: |t, x, _| Ok(vec![t.swiglu(x[0], 1)?]) },
    Batched { name: "tanh", samples: 1, n: 2, shared: &[], run: |t, x, _| Ok(vec![t.tanh(x[0])?]) },
    Batched {
        name: "time_multiplexed",
        samples: 1,
        n: 2,
        shared: &[(&[2, 130, 130], STORAGE), (&[2, 130], STORAGE), (&[1], DType::F32)],
        run: |t, x, s| {
            let spec = t.spec(x[0])?;
            let samples = spec.shape[0];
            let drive = t.reshape(x[0], &[samples, 11, 130])?;
            let state = t.fill(0.25, &[samples, 130], spec.dtype)?;
            Ok(vec![t.time_multiplexed(drive, state, s[0], s[1], s[2], &RecurrenceOptions::new(11).every())?])
        },
    },
    Batched { name: "pool_average", samples: 1, n: 2, shared: &[], run: |t, x, _| Ok(vec![t.pool_average(x[0])?]) },
    Batched { name: "pool_max", samples: 1, n: 2, shared: &[], run: |t, x, _| Ok(vec![t.pool_max(x[0])?]) },
    Batched {
        name: "resize_bilinear",
        samples: 1,
        n: 2,
        shared: &[],
        run: |t, x, _| Ok(vec![t.resize_bilinear(x[0], 2, [7, 17])?]),
    },
    Batched {
        name: "blend",
        samples: 2,
        n: 2,
        shared: &[],
        run: |t, x, _| {
            let samples = t.spec(x[0])?.shape[0];
            let mask = t.fill(0.25, &[samples, 11, 13], DType::F32)?;
            Ok(vec![t.blend(x[0], x[1], mask, 1)?])
        },
    },
    Batched {
        name: "embedding",
        samples: 1,
        n: 2,
        shared: &[(&[4, 3], STORAGE)],
        run: |t, x, s| {
            let samples = t.spec(x[0])?.shape[0];
            let board: Vec<u32> = [3, 0, 2, 2, 1].into_iter().cycle().take(5 * samples).collect();
            let board = t.upload(&board, &[samples, 5], DType::U32)?;
            let board = t.constant(board);
            Ok(vec![t.embedding(board, s[0], 1)?])
        },
    },
    Batched {
        name: "scale_bias",
        samples: 1,
        n: 2,
        shared: &[(&[10], STORAGE), (&[10], STORAGE)],
        run: |t, x, s| Ok(vec![t.scale_bias(x[0], s[0], s[1], 1)?]),
    },
    Batched {
        name: "readout_norm",
        samples: 1,
        n: 2,
        shared: &[(&[2], STORAGE)],
        run: |t, x, s| Ok(vec![t.readout_norm(x[0], Some(s[0]), 1, 5)?]),
    },
    Batched {
        name: "norm_group",
        samples: 1,
        n: 2,
        shared: &[(&[10], STORAGE), (&[10], STORAGE)],
        run: |t, x, s| Ok(vec![t.norm_group(x[0], Some(s[0]), Some(s[1]), 5, 1e-5)?]),
    },
    Batched {
        name: "norm_layer",
        samples: 1,
        n: 2,
        shared: &[(&[10], STORAGE), (&[10], STORAGE)],
        run: |t, x, s| Ok(vec![t.norm_layer(x[0], Some(s[0]), Some(s[1]), 1, 1e-5)?]),
    },
    Batched {
        name: "norm_rms",
        samples: 1,
        n: 2,
        shared: &[(&[13], STORAGE)],
        run: |t, x, s| Ok(vec![t.norm_rms(x[0], Some(s[0]), 3, 1e-5)?]),
    },
    Batched {
        name: "norm_batch_inference",
        samples: 1,
        n: 2,
        shared: &[(&[10], DType::F32), (&[10], STORAGE), (&[10], STORAGE)],
        run: |t, x, s| {
            let variance = t.fill(0.5, &[10], DType::F32)?;
            Ok(vec![t.norm_batch_inference(x[0], s[0], variance, Some(s[1]), Some(s[2]), 1e-5)?])
        },
    },
    Batched {
        name: "couple_attention",
        samples: 1,
        n: 2,
        shared: &[(&[30, 10], STORAGE), (&[10, 10], STORAGE)],
        run: |t, x, s| {
            let weights = AttentionWeights { w_qkv: s[0], b_qkv: None, w_o: s[1], b_o: None, positions: [None; 4] };
            Ok(vec![t.couple_attention(x[0], &weights, &AttentionOptions::new(2, 1))?])
        },
    },
    Batched {
        name: "couple_dense",
        samples: 1,
        n: 2,
        shared: &[(&[110, 110], STORAGE), (&[110], STORAGE)],
        run: |t, x, s| {
            let samples = t.spec(x[0])?.shape[0];
            // One column of the image is a state of 110 oscillating numbers.
            let pooled = t.reshape(x[0], &[samples, 110, 13])?;
            let pooled = t.pool_average(pooled)?;
            Ok(vec![t.couple_dense(pooled, s[0], Some(s[1]), true)?])
        },
    },
    Batched {
        name: "couple_sparse",
        samples: 1,
        n: 2,
        shared: &[(&[220], STORAGE)],
        run: |t, x, s| {
            let samples = t.spec(x[0])?.shape[0];
            let nodes = t.reshape(x[0], &[samples, 110, 13])?;
            let edges: Vec<(usize, usize)> = (0..110).flat_map(|i| [(i, (i + 1) % 110), (i, (i + 7) % 110)]).collect();
            Ok(vec![t.couple_sparse(nodes, s[0], &Graph::from_edges(110, &edges)?)?])
        },
    },
    Batched {
        name: "couple_phases",
        samples: 1,
        n: 2,
        shared: &[(&[1430], DType::F32), (&[1, 2860], DType::F32), (&[1, 2860], DType::F32)],
        run: |t, x, s| {
            let samples = t.spec(x[0])?.shape[0];
            let theta = t.cast(x[0], DType::F32)?;
            let theta = t.reshape(theta, &[samples, 1430])?;
            let strength = t.fill(0.75, &[samples], DType::F32)?;
            let coupling = EdgeCoupling { weights: s[1], strength, lag: s[2] };
            let edges: Vec<(usize, usize)> =
                (0..1430).flat_map(|i| [(i, (i + 1) % 1430), (i, (i + 7) % 1430)]).collect();
            Ok(vec![t.couple_phases(theta, s[0], &coupling, &Graph::from_edges(1430, &edges)?, 2)?])
        },
    },
    Batched {
        name: "couple_energy",
        samples: 1,
        n: 2,
        shared: &[(&[1, 2860], DType::F32), (&[1, 2860], DType::F32)],
        run: |t, x, s| {
            let samples = t.spec(x[0])?.shape[0];
            let theta = t.cast(x[0], DType::F32)?;
            let theta = t.reshape(theta, &[samples, 1430])?;
            let strength = t.fill(0.75, &[samples], DType::F32)?;
            let coupling = EdgeCoupling { weights: s[0], strength, lag: s[1] };
            let edges: Vec<(usize, usize)> =
                (0..1430).flat_map(|i| [(i, (i + 1) % 1430), (i, (i + 7) % 1430)]).collect();
            Ok(vec![t.couple_energy(theta, &coupling, &Graph::from_edges(1430, &edges)?, 2)?])
        },
    },
    Batched {
        name: "couple_triangles",
        samples: 1,
        n: 2,
        shared: &[(&[1430], DType::F32), (&[1430], DType::F32)],
        run: |t, x, s| {
            let samples = t.spec(x[0])?.shape[0];
            let theta = t.cast(x[0], DType::F32)?;
            let theta = t.reshape(theta, &[samples, 1430])?;
            let strength = t.fill(0.75, &[samples], DType::F32)?;
            let list: Vec<[usize; 3]> = (0..1430).map(|i| [i, (i + 1) % 1430, (i + 7) % 1430]).collect();
            Ok(vec![t.couple_triangles(theta, s[0], s[1], strength, &Triangles::new(1430, &list)?)?])
        },
    },
    Batched {
        name: "couple_lattice",
        samples: 1,
        n: 2,
        shared: &[(&[110, 13], DType::F32), (&[3, 5], DType::F32)],
        run: |t, x, s| {
            let samples = t.spec(x[0])?.shape[0];
            let theta = t.cast(x[0], DType::F32)?;
            let theta = t.reshape(theta, &[samples, 110, 13])?;
            let coupling = LatticeCoupling {
                weights: s[1],
                strength: t.fill(0.75, &[samples], DType::F32)?,
                lag: t.fill(0.25, &[samples], DType::F32)?,
            };
            Ok(vec![t.couple_lattice(theta, s[0], &coupling, Boundary::Periodic)?])
        },
    },
];

/// Ops that sum over the batch, or know none, and why.
const OVER_THE_BATCH: &[(&str, &str)] = &[
    ("adam", "parameters are no samples"),
    ("adapt_coupling", "an invocation sees its own sample alone; without a gradient it is in no vjp"),
    ("couple_tangent", "an invocation sees its own sample alone; without a gradient it is in no vjp"),
    ("cross_entropy", "a mean over the batch"),
    ("couple_delayed", "an invocation sees its own sample alone; without a gradient it is in no vjp"),
    ("decay", "parameters are no samples"),
    ("dot", "a sum over everything"),
    ("ema", "parameters are no samples"),
    ("equilibrate", "an invocation sees its own oscillator alone; without a gradient it is in no vjp"),
    ("fill", "no samples"),
    ("mean_field", "a workgroup sees its own sample alone; without a gradient it is in no vjp"),
    ("noise", "a law of its own"),
    ("phase_network", "a workgroup sees its own sample alone; without a gradient it is in no vjp"),
    ("norm_batch", "statistics of the batch"),
    ("phase_histogram", "a workgroup sees its own sample alone; without a gradient it is in no vjp"),
    ("solve_clip", "the lengths are asserted in tests/solve.rs"),
    ("solve_judge", "whole solves are compared in tests/solve.rs"),
    ("solve_mix", "whole solves are compared in tests/solve.rs"),
    ("solve_secant", "whole solves are compared in tests/solve.rs"),
    ("solve_residual", "whole solves are compared in tests/solve.rs"),
    ("step_control", "an invocation sees its own sample alone; without a gradient it is in no vjp"),
    ("winding", "an invocation sees its own sample alone; without a gradient it is in no vjp"),
];

/// Outputs and gradients of the per-sample arguments, for samples with these seeds.
fn batch(context: &Context, op: &Batched, dtype: DType, seeds: &[u64]) -> Result<Vec<Vec<f64>>> {
    let mut tape = Tape::new(context);
    let shape = [&[seeds.len()][..], &SAMPLE].concat();
    let mut vars = Vec::new();
    for argument in 0..op.samples {
        let data: Vec<f32> = seeds
            .iter()
            .flat_map(|seed| match argument {
                0 => unit(*seed, 10 / op.n, op.n, 11 * 13),
                _ => numbers(1000 * argument as u64 + seed, SAMPLE_LEN),
            })
            .collect();
        let value = tape.upload(&data, &shape, dtype)?;
        vars.push(tape.leaf(value));
    }
    let mut shared = Vec::new();
    for (i, (shape, declared)) in op.shared.iter().enumerate() {
        let data = numbers(77 + i as u64, shape.iter().product());
        let value = tape.upload(&data, shape, if *declared == STORAGE { dtype } else { *declared })?;
        shared.push(tape.leaf(value));
    }
    let outputs = (op.run)(&mut tape, &vars, &shared)?;
    let mut seeds_of_outputs = Vec::new();
    for (i, output) in outputs.iter().enumerate() {
        let spec = tape.spec(*output)?;
        let per_sample = spec.len() / seeds.len();
        let data: Vec<f32> = seeds.iter().flat_map(|seed| numbers(500 + 10 * seed + i as u64, per_sample)).collect();
        seeds_of_outputs.push((*output, tape.upload(&data, &spec.shape, spec.dtype)?));
    }
    let grads = tape.vjp(&seeds_of_outputs)?;
    let mut all = Vec::new();
    for output in outputs {
        all.push(tape.read(output)?);
    }
    for var in vars {
        all.push(grads.read(&mut tape, var)?);
    }
    Ok(all)
}

#[test]
fn a_sample_gives_the_same_bits_alone_and_in_any_batch() -> Result<()> {
    let context = device();
    for op in ops::ALL.iter().filter(|op| OVER_THE_BATCH.iter().all(|(name, _)| *name != op.name)) {
        assert!(BATCHED.iter().any(|b| b.name.starts_with(op.name)), "{} is not in the table", op.name);
    }
    for op in BATCHED {
        for dtype in dtypes(&context) {
            let alone = batch(&context, op, *dtype, &[2])?;
            for (seeds, at) in [(&[1, 2, 3][..], 1), (&[2, 9], 0), (&[4, 5, 6, 7, 2], 4)] {
                let together = batch(&context, op, *dtype, seeds)?;
                assert_eq!(alone.len(), together.len());
                for (i, (alone, together)) in alone.iter().zip(&together).enumerate() {
                    let part = &together[at * alone.len()..][..alone.len()];
                    // Equality of f64 that came from f32 or f16 is equality of bits, save for the sign of zero.
                    let same = alone.iter().zip(part).all(|(a, b)| a.to_bits() == b.to_bits());
                    assert!(same, "{} in {dtype}: result {i} of sample {at} of {}", op.name, seeds.len());
                }
            }
        }
    }
    Ok(())
}

#[test]
fn chunks_of_noise_continue_each_other() -> Result<()> {
    let context = device();
    let stream = |first_sample| Stream { seed: 42, first_sample, step: 3, stream: 1 };
    for dtype in dtypes(&context) {
        for distribution in [Distribution::Uniform, Distribution::Gaussian] {
            let mut c = context.commands();
            let whole = c.noise(stream(5), distribution, &[4, 3, 7], *dtype)?;
            let whole = c.read(&whole)?;
            for sample in 0..4 {
                let one = c.noise(stream(5 + sample as u32), distribution, &[1, 3, 7], *dtype)?;
                assert_eq!(c.read(&one)?, whole[21 * sample..][..21], "{dtype}, {distribution:?}, sample {sample}");
            }
        }
    }
    Ok(())
}

struct Network {
    w: Tensor,
    bias: Tensor,
    gamma: Tensor,
    frequencies: Tensor,
}

impl Network {
    fn run(&self, commands: &mut Commands, x: &Tensor, steps: usize) -> Result<Tensor> {
        let options = StepOptions::new(2, 1).rotation(Rotation::PerPair);
        let mut x = x.clone();
        for _ in 0..steps {
            let y = commands.couple_conv2d(&x, &self.w, &self.bias)?;
            (x, _) = commands.sphere_step(&x, &y, &self.gamma, Some(&self.frequencies), &options)?;
        }
        Ok(x)
    }
}

#[test]
fn three_steps_and_then_four_are_seven_bit_for_bit() -> Result<()> {
    let context = device();
    let network = Network {
        w: upload(&context, &numbers(2, 4 * 4 * 9), &[4, 4, 3, 3])?,
        bias: upload(&context, &numbers(3, 4), &[4])?,
        gamma: upload(&context, &[0.5], &[1])?,
        frequencies: upload(&context, &[0.5, 1.0], &[2])?,
    };
    let start = unit(1, 4, 2, 30);
    let x = upload(&context, &start, &[2, 4, 5, 6])?;
    let mut commands = context.commands();
    let seven = network.run(&mut commands, &x, 7)?;
    let seven = commands.read(&seven)?;
    let three = network.run(&mut commands, &x, 3)?;
    // By way of the host, too.
    let three = upload(&context, &commands.read(&three)?, &[2, 4, 5, 6])?;
    let four = network.run(&mut commands, &three, 4)?;
    assert_eq!(commands.read(&four)?, seven);
    assert_ne!(seven, start);
    Ok(())
}

/// A random orthogonal matrix by Gram-Schmidt.
fn orthogonal(seed: u64, n: usize) -> Vec<Vec<f64>> {
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for i in 0..n {
        let mut row: Vec<f64> = numbers(seed + i as u64, n).into_iter().map(f64::from).collect();
        for _ in 0..2 {
            for other in &rows {
                let along: f64 = row.iter().zip(other).map(|(a, b)| a * b).sum();
                row.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
            }
        }
        let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
        rows.push(row.into_iter().map(|v| v / norm).collect());
    }
    rows
}

#[test]
fn turning_all_oscillators_turns_the_result_if_the_coupling_does_not_mix_components() -> Result<()> {
    let context = device();
    for n in [2, 3, 4, 5] {
        let (groups, ch) = (3, 3 * n);
        // w (x) I: every n x n block is a multiple of the identity.
        let scalar = numbers(1, groups * groups * 9);
        let mut w = vec![0.0f32; ch * ch * 9];
        for g in 0..groups {
            for h in 0..groups {
                for a in 0..n {
                    let (from, to) = ((g * groups + h) * 9, ((g * n + a) * ch + h * n + a) * 9);
                    w[to..to + 9].copy_from_slice(&scalar[from..from + 9]);
                }
            }
        }
        let sum =
            scalar.chunks_exact(groups * 9).map(|r| r.iter().map(|v| f64::from(v.abs())).sum()).fold(0.0, f64::max);
        let x = unit(2, 2 * groups, n, 12);
        let turn = |x: &[f32]| -> Vec<f32> {
            let q = orthogonal(9, n);
            let at = cpu::Oscillators { samples: 2, groups, outer: 2 * groups, n, inner: 12 };
            let mut turned = x.to_vec();
            for i in 0..at.count() {
                let v = at.gather(x, i);
                let qv: Vec<f32> = q
                    .iter()
                    .map(|row| row.iter().zip(&v).map(|(q, v)| q * f64::from(*v)).sum::<f64>() as f32)
                    .collect();
                at.scatter(&mut turned, i, &qv);
            }
            turned
        };
        let gamma = 0.5;
        let run = |x: &[f32]| -> Result<(Vec<f32>, Vec<f32>)> {
            let x = upload(&context, x, &[2, ch, 3, 4])?;
            let (w, bias) = (upload(&context, &w, &[ch, ch, 3, 3])?, upload(&context, &vec![0.0; ch], &[ch])?);
            let gamma = upload(&context, &[gamma], &[1])?;
            let mut c = context.commands();
            let y = c.couple_conv2d(&x, &w, &bias)?;
            let (x, e) = c.sphere_step(&x, &y, &gamma, None, &StepOptions::new(n, 1))?;
            Ok((c.read(&x)?, c.read(&e)?))
        };
        let ((a, energy), (b, turned_energy)) = (run(&x)?, run(&turn(&x))?);
        // Per side: the drive is a sum of 9 groups products, x . y one of n more, the rest of the step about 20 roundings,
        // and Q x is rounded to f32. The argument of the normalisation is no shorter than 1, so errors arrive undiminished
        // at most; those of the drive with gamma times the sum of the weights.
        let roundings = (9 * groups + n + 20) as f64;
        let allowed = 2.0 * roundings * U * (1.0 + f64::from(gamma) * sum * (n as f64).sqrt());
        for (a, b) in turn(&a).iter().zip(&b) {
            assert!(f64::from(a - b).abs() <= allowed, "n {n}: {a} and {b}, {allowed:e} allowed");
        }
        assert!(b.iter().zip(&a).any(|(b, a)| (a - b).abs() > 0.1), "n {n}: nothing turned");
        // The energy does not change: per oscillator it is at most the sum of the weights.
        for (a, b) in energy.iter().zip(&turned_energy) {
            let allowed = 2.0 * (roundings + 36.0) * U * 36.0 * sum;
            assert!(f64::from(a - b).abs() <= allowed, "n {n}: energies {a} and {b}, {allowed:e} allowed");
        }
    }
    Ok(())
}

#[test]
fn every_op_gives_the_same_bits_twenty_times() -> Result<()> {
    let context = device();
    let cooperates = ops::trusted_tile(&context)?.is_some();
    for op in ops::ALL {
        for dtype in dtypes(&context) {
            // A case of several workgroups, which race if they can, and no larger.
            let cases = (op.cases)();
            let stores = |c: &&ops::spec::Case| {
                c.op.dtype().is_none_or(|d| d == *dtype) && (cooperates || c.variant != "cooperative")
            };
            if *dtype == DType::F16 && !cases.iter().any(|c| stores(&c)) {
                // Optimisers know f32 alone.
                continue;
            }
            let case = cases
                .iter()
                .filter(|c| case_size(c) <= 1 << 14 && stores(c))
                .max_by_key(|c| case_size(c))
                .unwrap_or_else(|| panic!("{} has no case in {dtype}", op.name));
            let run = || -> Result<Vec<Vec<u64>>> {
                let mut tape = Tape::new(&context);
                let mut vars = Vec::new();
                for (i, port) in case.op.inputs().iter().enumerate() {
                    let spec = port.spec(*dtype);
                    let value = match spec.dtype {
                        // Indices and lengths: zero may stand for nothing at all.
                        DType::U32 => tape.upload(&vec![1.0f32; port.len()], &spec.shape, spec.dtype)?,
                        _ => {
                            // Phases that are all within pi of each other do not wind.
                            let reach = if op.name == "winding" { 3.0 } else { 1.0 };
                            let data: Vec<f32> = numbers(i as u64, port.len()).iter().map(|v| reach * v).collect();
                            tape.upload(&data, &spec.shape, spec.dtype)?
                        }
                    };
                    vars.push(tape.leaf(value));
                }
                let outputs = case.op.apply(&mut tape, &vars)?;
                let mut seeds = Vec::new();
                for (i, output) in outputs.iter().enumerate() {
                    let spec = tape.spec(*output)?;
                    let seed = tape.upload(&numbers(50 + i as u64, spec.len()), &spec.shape, spec.dtype)?;
                    seeds.push((*output, seed));
                }
                let grads = tape.vjp(&seeds)?;
                let mut all = Vec::new();
                for output in outputs {
                    all.push(tape.read(output)?);
                }
                if op.differentiable {
                    for var in vars {
                        all.push(grads.read(&mut tape, var)?);
                    }
                }
                Ok(all.into_iter().map(|v| v.into_iter().map(f64::to_bits).collect()).collect())
            };
            let first = run()?;
            assert!(first.iter().flatten().any(|b| *b != 0), "{} in {dtype}: nothing but zeros", op.name);
            for round in 1..20 {
                assert!(run()? == first, "{} in {dtype}, {}: round {round} differs", op.name, case.label);
            }
        }
    }
    Ok(())
}

fn case_size(case: &ops::spec::Case) -> usize {
    case.op.inputs().iter().chain(&case.op.outputs()).map(|p| p.len()).sum()
}

#[test]
fn the_integers_behind_noise_are_those_of_the_reference() -> Result<()> {
    let context = device();
    // 2^18 in all; samples that wrap around, runs that are no multiple of a block of four.
    for (stream, samples, run) in [
        (Stream::default(), 1, 1 << 17),
        (Stream { seed: 0x0123_4567_89AB_CDEF, first_sample: u32::MAX - 1, step: 7, stream: 3 }, 4, (1 << 14) - 3),
        (Stream { seed: u64::MAX, first_sample: 1 << 31, step: u32::MAX, stream: u32::MAX }, 1 << 8, 257),
    ] {
        let mut c = context.commands();
        let got = c.noise_bits(stream, &[samples, run])?;
        let got = c.read_u32(&got)?;
        let wanted = cpu::noise::bits(&stream, samples, run);
        assert_eq!(got.iter().zip(&wanted).position(|(a, b)| a != b), None, "{stream:?}");
        assert_eq!(got.len(), wanted.len());
        // Uniform numbers are those integers' top 24 bits, exactly.
        let uniform = c.noise(stream, Distribution::Uniform, &[samples, run], DType::F32)?;
        let exact = c.read(&uniform)?.iter().zip(&wanted).all(|(v, b)| *v == (b >> 8) as f32 / (1 << 24) as f32);
        assert!(exact, "{stream:?}");
    }
    Ok(())
}

kuramoto::params! {
    struct Blocks { len: u32 }
}

const KNOWN_ANSWER_BINDINGS: &[Binding] =
    &[input("inputs", Elem::U32, "[len, 6]"), output("dst", Elem::U32, "[len, 4]")];

static KNOWN_ANSWERS: Kernel = Kernel {
    name: "philox_known_answers",
    source: Source::new(concat!(
        include_str!("../shaders/lib/philox.wgsl"),
        "
// dst = philox(counter, key)
struct Params { len: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> inputs: array<u32>;
@group(0) @binding(2) var<storage, read_write> dst: array<u32>;
@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    if gid.x >= params.len { return; }
    let at = 6u * gid.x;
    let counter = vec4<u32>(inputs[at], inputs[at + 1u], inputs[at + 2u], inputs[at + 3u]);
    let block = philox(counter, vec2<u32>(inputs[at + 4u], inputs[at + 5u]));
    for (var k = 0u; k < 4u; k++) { dst[4u * gid.x + k] = block[k]; }
}"
    )),
    params: Blocks::FIELDS,
    bindings: KNOWN_ANSWER_BINDINGS,
    constants: &[],
};

#[test]
fn philox_gives_the_answers_that_its_authors_publish() -> Result<()> {
    let context = device();
    #[rustfmt::skip]
    let known: [([u32; 6], [u32; 4]); 3] = [
        ([0; 6], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]),
        ([u32::MAX; 6], [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]),
        ([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0],
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]),
    ];
    let inputs = Tensor::from_u32(&context, &known.iter().flat_map(|(i, _)| *i).collect::<Vec<_>>(), &[3, 6])?;
    let mut c = context.commands();
    let dst = c.empty(&[3, 4], DType::U32)?;
    let binds = [read(&inputs), write(&dst)];
    c.dispatch(&KNOWN_ANSWERS, DType::F32, &[], &Blocks { len: 3 }, &binds, Work::invocations(3))?;
    assert_eq!(c.read_u32(&dst)?, known.iter().flat_map(|(_, o)| *o).collect::<Vec<_>>());
    Ok(())
}
