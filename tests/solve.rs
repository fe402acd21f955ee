//! Fixed points: the solvers' laws, what becomes of steps that have none, and gradients. Most of it runs on the reference
//! backend in f64; the device repeats what a device can get wrong.

#[cfg(feature = "gpu")]
mod common;

use std::cell::Cell;
use std::rc::Rc;

use kuramoto::solve::{
    Adjoint, AdjointStatus, Implicit, Joint, Method, Regularisation, Sample, Solution, SolveOptions, Status,
    fixed_point, jacobian_norm, jacobian_penalty, solve, spectral_radius,
};
use kuramoto::{DType, ErrorKind, Result, StepOptions, Storage, Tape, Value, Var};

/// Numbers in [-1, 1) that a seed decides.
fn numbers(seed: u64, len: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            f64::from((state >> 40) as u32) / f64::from(1u32 << 23) - 1.0
        })
        .collect()
}

/// The spectral norm of a square matrix, by power iteration on its square.
fn spectral_norm(w: &[f64], n: usize) -> f64 {
    let mut v = numbers(17, n);
    let mut norm = 0.0;
    for _ in 0..2000 {
        let wv: Vec<f64> = (0..n).map(|i| (0..n).map(|j| w[i * n + j] * v[j]).sum()).collect();
        v = (0..n).map(|j| (0..n).map(|i| w[i * n + j] * wv[i]).sum()).collect();
        let size = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        v.iter_mut().for_each(|x| *x /= size);
        norm = size.sqrt();
    }
    norm
}

/// A random matrix of spectral norm `norm`.
fn matrix(seed: u64, n: usize, norm: f64, symmetric: bool) -> Vec<f64> {
    let mut w = numbers(seed, n * n);
    if symmetric {
        w = (0..n * n).map(|e| 0.5 * (w[e] + w[e % n * n + e / n])).collect();
    }
    let scale = norm / spectral_norm(&w, n);
    w.iter_mut().for_each(|x| *x *= scale);
    w
}

fn up(tape: &mut Tape, data: &[f64], shape: &[usize]) -> Result<Value> {
    tape.upload(data, shape, DType::F32)
}

/// `A z + b` per sample, `p = [A, b]`.
fn affine(tape: &mut Tape, z: Var, p: &[Var]) -> Result<Var> {
    tape.linear(z, p[0], Some(p[1]), 1)
}

/// `tanh(A z + b)`.
fn saturating(tape: &mut Tape, z: Var, p: &[Var]) -> Result<Var> {
    let a = affine(tape, z, p)?;
    tape.tanh(a)
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    norm(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>()) / norm(b).max(1e-300)
}

/// `M x = y` by elimination with partial pivoting.
fn eliminate(mut m: Vec<f64>, mut y: Vec<f64>) -> Vec<f64> {
    let n = y.len();
    for c in 0..n {
        let pivot = (c..n).max_by(|a, b| m[a * n + c].abs().total_cmp(&m[b * n + c].abs())).unwrap();
        (0..n).for_each(|j| m.swap(c * n + j, pivot * n + j));
        y.swap(c, pivot);
        for i in c + 1..n {
            let factor = m[i * n + c] / m[c * n + c];
            (c..n).for_each(|j| m[i * n + j] -= factor * m[c * n + j]);
            y[i] -= factor * y[c];
        }
    }
    for c in (0..n).rev() {
        y[c] = (y[c] - (c + 1..n).map(|j| m[c * n + j] * y[j]).sum::<f64>()) / m[c * n + c];
    }
    y
}

const METHODS: [Method; 4] = [
    Method::Picard,
    Method::Damped(0.7),
    Method::Anderson { window: 5, beta: 1.0, regularisation: Regularisation::Relative(1e-10) },
    Method::Broyden { memory: 8 },
];

/// A problem with `samples` states of `n` numbers and its value parameters.
fn problem(tape: &mut Tape, seed: u64, samples: usize, n: usize, w: &[f64]) -> Result<(Value, Vec<Value>)> {
    let start = up(tape, &numbers(seed + 1, samples * n), &[samples, n])?;
    Ok((start, vec![up(tape, w, &[n, n])?, up(tape, &numbers(seed + 2, n), &[n])?]))
}

#[test]
fn every_method_solves_a_linear_equation_and_its_transpose() -> Result<()> {
    let n = 6;
    let a = matrix(3, n, 0.8, false);
    for method in METHODS {
        let mut tape = Tape::reference();
        let (start, p) = problem(&mut tape, 40, 2, n, &a)?;
        let b = tape.backend().read(&p[1])?;
        let options = SolveOptions::new(method, 1e-13, 400);
        let (start, weight, bias) = (tape.constant(start), tape.leaf(p[0].clone()), tape.leaf(p[1].clone()));
        let adjoint = Adjoint::Implicit(Implicit::like(&options));
        let found = fixed_point(&mut tape, start, &[weight, bias], affine, &options, &adjoint)?;
        let z = found.converged()?;
        let identity_minus: Vec<f64> = (0..n * n).map(|e| f64::from(u8::from(e / n == e % n)) - a[e]).collect();
        let exact = eliminate(identity_minus.clone(), b.clone());
        for sample in tape.read(z)?.chunks(n) {
            assert!(apart(sample, &exact) < 1e-11, "{method:?}");
        }
        let v = numbers(9, 2 * n);
        let seed = up(&mut tape, &v, &[2, n])?;
        let grads = tape.vjp(&[(z, seed)])?;
        let transposed: Vec<f64> = (0..n * n).map(|e| identity_minus[e % n * n + e / n]).collect();
        let u: Vec<Vec<f64>> = v.chunks(n).map(|v| eliminate(transposed.clone(), v.to_vec())).collect();
        let of_bias: Vec<f64> = (0..n).map(|i| u[0][i] + u[1][i]).collect();
        let of_weight: Vec<f64> = (0..n * n).map(|e| of_bias[e / n] * exact[e % n]).collect();
        assert!(apart(&grads.read(&mut tape, bias)?, &of_bias) < 1e-11, "{method:?}");
        assert!(apart(&grads.read(&mut tape, weight)?, &of_weight) < 1e-11, "{method:?}");
        let report = found.adjoint().expect("a backward pass ran");
        assert_eq!(report.status, AdjointStatus::Converged);
        assert_eq!(report.samples.len(), 2);
    }
    Ok(())
}

/// What `f = tanh(W z + drive b)` takes from zero to a residual of 1e-6, with `b` of the seed.
fn evaluations(tape: &mut Tape, seed: u64, w: &[f64], drive: f64, method: Method) -> Result<Sample> {
    let b: Vec<f64> = numbers(seed + 500, w.len().isqrt()).iter().map(|b| drive * b).collect();
    let n = b.len();
    let start = up(tape, &vec![0.0; n], &[1, n])?;
    let p = [up(tape, w, &[n, n])?, up(tape, &b, &[n])?];
    let options = SolveOptions { patience: 0, ..SolveOptions::new(method, 1e-6, 2000) };
    let found = solve(tape, &start, &p, saturating, &options)?;
    found.converged()?;
    Ok(found.samples()[0].clone())
}

#[test]
fn picard_contracts_and_others_are_never_slower_on_seeded_maps() -> Result<()> {
    let n = 24;
    for seed in 0..40 {
        let w = matrix(seed, n, 0.9, false);
        let mut tape = Tape::reference();
        let picard = evaluations(&mut tape, seed, &w, 1.0, Method::Picard)?;
        // With r = |g| / |f| and g' = f' - f: |g'| <= 0.9 |g| and |f| <= |f'| + |g'| give r' <= 0.9 r (1 + r').
        for pair in picard.residuals.windows(2) {
            assert!(pair[1] <= 0.9 * pair[0] * (1.0 + pair[1]) * (1.0 + 1e-9), "seed {seed}: {pair:?}");
        }
        for method in [Method::anderson(5), Method::Broyden { memory: 15 }] {
            let found = evaluations(&mut tape, seed, &w, 1.0, method)?.evaluations;
            assert!(found <= picard.evaluations, "seed {seed}: {method:?} {found}, Picard {}", picard.evaluations);
        }
    }
    Ok(())
}

#[test]
fn others_need_two_fifths_of_picard_on_hard_symmetric_maps() -> Result<()> {
    let n = 24;
    let (mut picard, mut anderson, mut broyden) = (0, 0, [0; 3]);
    for seed in 100..130 {
        let w = matrix(seed, n, 0.97, true);
        let mut tape = Tape::reference();
        // A weak drive leaves the slopes near 1, so that the map is as hard as its matrix.
        picard += evaluations(&mut tape, seed, &w, 0.3, Method::Picard)?.evaluations;
        anderson += evaluations(&mut tape, seed, &w, 0.3, Method::anderson(5))?.evaluations;
        for (count, memory) in broyden.iter_mut().zip([4, 8, 31]) {
            *count += evaluations(&mut tape, seed, &w, 0.3, Method::Broyden { memory })?.evaluations;
        }
    }
    println!(
        "evaluations over 30 maps: Picard {picard}, Anderson {anderson}, Broyden of 4, 8 and 31 steps {broyden:?}"
    );
    for count in broyden.into_iter().chain([anderson]) {
        assert!(count as f64 <= 0.4 * picard as f64, "Picard {picard}, Anderson {anderson}, Broyden {broyden:?}");
    }
    Ok(())
}

/// Broyden's good method as textbooks have it: `B += (dg - B dz) dzᵀ / |dz|²` with `B` written out, from `B = -I`.
fn textbook(a: &[f64], b: &[f64], steps: usize) -> Vec<Vec<f64>> {
    let n = b.len();
    let map = |z: &[f64]| -> Vec<f64> {
        let sum = |i: usize| (0..n).map(|j| a[i * n + j] * z[j]).sum::<f64>() + b[i];
        (0..n).map(|i| sum(i).tanh() - z[i]).collect()
    };
    let mut jacobian: Vec<f64> = (0..n * n).map(|e| if e / n == e % n { -1.0 } else { 0.0 }).collect();
    let mut states = vec![vec![0.0; n]];
    let mut g = map(&states[0]);
    for k in 0..steps {
        let dz = eliminate(jacobian.clone(), g.iter().map(|g| -g).collect());
        let z: Vec<f64> = states[k].iter().zip(&dz).map(|(z, d)| z + d).collect();
        g = map(&z);
        // The new residual is dg - B dz, because B dz = -g.
        let square: f64 = dz.iter().map(|d| d * d).sum();
        (0..n * n).for_each(|e| jacobian[e] += g[e / n] * dz[e % n] / square);
        states.push(z);
    }
    states
}

#[test]
fn broydens_iterates_are_those_of_the_matrix_written_out() -> Result<()> {
    let n = 5;
    let (a, b) = (matrix(21, n, 0.9, false), numbers(521, n));
    let expected = textbook(&a, &b, 7);
    for (steps, expected) in expected.iter().enumerate().skip(1) {
        let mut tape = Tape::reference();
        let start = up(&mut tape, &vec![0.0; n], &[1, n])?;
        let p = [up(&mut tape, &a, &[n, n])?, up(&mut tape, &b, &[n])?];
        let options = SolveOptions::new(Method::Broyden { memory: 12 }, 1e-12, steps);
        let found = solve(&mut tape, &start, &p, saturating, &options)?;
        let z = tape.backend().read(found.best())?;
        let sample = &found.samples()[0];
        // The best state is the newest here.
        assert!(sample.iterations == steps && sample.residuals.windows(2).all(|pair| pair[1] < pair[0]), "{sample:?}");
        assert!(apart(&z, expected) < 1e-10, "{steps} steps: {z:?} and {expected:?}");
    }
    Ok(())
}

#[test]
fn a_solve_makes_as_many_iterations_as_it_has_to() -> Result<()> {
    let n = 6;
    let w = matrix(5, n, 0.5, false);
    for method in METHODS {
        let mut tape = Tape::reference();
        let (start, p) = problem(&mut tape, 61, 2, n, &w)?;
        let options = SolveOptions { min_iterations: 90, ..SolveOptions::new(method, 1e-3, 200) };
        let found = solve(&mut tape, &start, &p, saturating, &options)?;
        found.converged()?;
        assert!(found.samples().iter().all(|sample| sample.iterations == 90), "{method:?}: {:?}", found.samples());
        // Far past the tolerance; and a state that f maps to itself, bit for bit, is not taken for one that hangs.
        assert!(found.samples().iter().all(|sample| sample.residual < 1e-12), "{method:?}: {:?}", found.samples());
        let nowhere = solve(&mut tape, &start, &[], |_, z, _| Ok(z), &options)?;
        nowhere.converged()?;
        assert_eq!(nowhere.samples()[1].iterations, 90);
    }
    Ok(())
}

#[test]
fn a_window_of_one_pair_is_picards_iteration() -> Result<()> {
    let w = matrix(1, 9, 0.9, false);
    let mut tape = Tape::reference();
    let picard = evaluations(&mut tape, 1, &w, 1.0, Method::Picard)?;
    assert_eq!(evaluations(&mut tape, 1, &w, 1.0, Method::anderson(1))?, picard);
    assert!(evaluations(&mut tape, 1, &w, 1.0, Method::anderson(2))? != picard);
    Ok(())
}

#[test]
fn gradients_agree_with_central_differences() -> Result<()> {
    let n = 5;
    let w = matrix(8, n, 0.9, false);
    let b = numbers(70, n);
    let v = numbers(71, n);
    let options = SolveOptions::new(Method::anderson(5), 1e-14, 500);
    let value = |b: &[f64]| -> Result<f64> {
        let mut tape = Tape::reference();
        let p = [up(&mut tape, &w, &[n, n])?, up(&mut tape, b, &[n])?];
        let start = up(&mut tape, &vec![0.0; n], &[1, n])?;
        let found = solve(&mut tape, &start, &p, saturating, &options)?;
        let z = tape.backend().read(found.best())?;
        Ok(z.iter().zip(&v).map(|(z, v)| z * v).sum())
    };
    let mut tape = Tape::reference();
    let (weight, bias) = (up(&mut tape, &w, &[n, n])?, up(&mut tape, &b, &[n])?);
    let (weight, bias) = (tape.constant(weight), tape.leaf(bias));
    let start = up(&mut tape, &vec![0.0; n], &[1, n])?;
    let start = tape.constant(start);
    let adjoint = Adjoint::Implicit(Implicit::new(SolveOptions { tolerance: 1e-13, ..options }));
    let found = fixed_point(&mut tape, start, &[weight, bias], saturating, &options, &adjoint)?;
    let seed = up(&mut tape, &v, &[1, n])?;
    let grads = tape.vjp(&[(found.best(), seed)])?;
    let exact = grads.read(&mut tape, bias)?;
    let h = 1e-3;
    for i in 0..n {
        let at = |steps: f64| -> Result<f64> {
            let mut moved = b.clone();
            moved[i] += steps * h;
            value(&moved)
        };
        let difference = (at(-2.0)? - 8.0 * at(-1.0)? + 8.0 * at(1.0)? - at(2.0)?) / (12.0 * h);
        assert!((difference - exact[i]).abs() < 1e-8, "{i}: {difference} and {}", exact[i]);
    }
    Ok(())
}

#[test]
fn anderson_scales_with_the_problem_if_its_regularisation_does() -> Result<()> {
    let n = 8;
    let w = matrix(5, n, 0.9, true);
    let run = |scale: f64, regularisation| -> Result<Vec<f64>> {
        let mut tape = Tape::reference();
        let (start, p) = problem(&mut tape, 60, 1, n, &w)?;
        let b: Vec<f64> = tape.backend().read(&p[1])?.iter().map(|b| scale * b).collect();
        let start: Vec<f64> = tape.backend().read(&start)?.iter().map(|x| scale * x).collect();
        let (start, b) = (up(&mut tape, &start, &[1, n])?, up(&mut tape, &b, &[n])?);
        let method = Method::Anderson { window: 4, beta: 0.9, regularisation };
        let options = SolveOptions { floor: 1e-30, ..SolveOptions::new(method, 1e-12, 12) };
        let found = solve(&mut tape, &start, &[p[0].clone(), b], affine, &options)?;
        Ok(found.samples()[0].residuals.clone())
    };
    // A power of two scales every rounding along.
    let scale = f64::powi(2.0, -12);
    let relative = Regularisation::Relative(1e-6);
    assert_eq!(run(1.0, relative)?, run(scale, relative)?);
    let absolute = Regularisation::Absolute(1e-4);
    assert!(apart(&run(1.0, absolute)?, &run(scale, absolute)?) > 0.01);
    Ok(())
}

/// Gradients of `<v, z>` in W and b by `adjoint`.
fn gradients(n: usize, rho: f64, options: &SolveOptions, adjoint: &Adjoint) -> Result<Vec<f64>> {
    let mut tape = Tape::reference();
    let w = matrix(21, n, rho, true);
    let (start, p) = problem(&mut tape, 80, 2, n, &w)?;
    let (start, weight, bias) = (tape.constant(start), tape.leaf(p[0].clone()), tape.leaf(p[1].clone()));
    let found = fixed_point(&mut tape, start, &[weight, bias], saturating, options, adjoint)?;
    let seed = up(&mut tape, &numbers(81, 2 * n), &[2, n])?;
    let grads = tape.vjp(&[(found.best(), seed)])?;
    Ok([grads.read(&mut tape, weight)?, grads.read(&mut tape, bias)?].concat())
}

#[test]
fn truncated_adjoints_approach_the_implicit_one_and_unrolling_meets_it() -> Result<()> {
    let (n, rho) = (6, 0.8);
    let tight = SolveOptions { patience: 0, ..SolveOptions::new(Method::Picard, 1e-15, 400) };
    let implicit = Adjoint::Implicit(Implicit::new(SolveOptions { tolerance: 1e-14, ..tight }));
    let exact = gradients(n, rho, &tight, &implicit)?;
    // Of rounding's size the residual may not fall below the tolerance; the state is converged all the same.
    for storage in [Storage::Everything, Storage::Every(7)] {
        let unrolled = gradients(n, rho, &tight, &Adjoint::Unrolled { storage })?;
        assert!(apart(&unrolled, &exact) < 1e-10, "{:e}", apart(&unrolled, &exact));
    }
    let mut before = f64::INFINITY;
    for k in [0, 1, 4, 16, 64] {
        let off = apart(&gradients(n, rho, &tight, &Adjoint::neumann(k))?, &exact);
        assert!(off < before, "k = {k}: {off:e} after {before:e}");
        before = off;
    }
    assert!(before < 5.0 * rho.powi(65), "{before:e}");
    let phantom = |steps| gradients(n, rho, &tight, &Adjoint::Phantom { steps, tau: 0.5, clip: None });
    assert!(apart(&phantom(5)?, &exact) > 1e-3);
    assert!(apart(&phantom(200)?, &exact) < 5.0 * 0.9f64.powi(200));
    assert_eq!(gradients(n, rho, &tight, &Adjoint::one_step())?, gradients(n, rho, &tight, &Adjoint::neumann(0))?);
    // The error of a gradient at a state that is not quite the fixed point (K = 10, Banach's 1 / (1 - rho)).
    for tolerance in [1e-2, 1e-4, 1e-6] {
        let loose = SolveOptions { tolerance, ..tight };
        let off = apart(&gradients(n, rho, &loose, &implicit)?, &exact);
        assert!(off <= 10.0 * tolerance / (1.0 - rho), "{tolerance:e}: {off:e}");
    }
    Ok(())
}

/// Pulls of maps that stretch by 3, by 1/5 and not at all, which may be half as long again as what is pulled.
fn check_clip(tape: &mut Tape) -> Result<()> {
    let p = own_maps(tape, &[3.0, 0.2, 0.0], &[1.0, 2.0, 3.0])?;
    let start = up(tape, &[0.0; 6], &[3, 2])?;
    let (start, a, c) = (tape.constant(start), tape.constant(p[0].clone()), tape.leaf(p[1].clone()));
    let options = SolveOptions::new(Method::anderson(3), 1e-5, 50);
    let v = numbers(14, 6);
    for (k, clip, lengths) in [(1, 0.5, [1.5, 1.2, 1.0]), (1, 4.0, [4.0, 1.2, 1.0]), (2, 0.5, [1.75, 1.24, 1.0])] {
        let adjoint = Adjoint::neumann_clipped(k, clip);
        let found = fixed_point(tape, start, &[a, c], own_map, &options, &adjoint)?;
        let seed = up(tape, &v, &[3, 2])?;
        let grads = tape.vjp(&[(found.converged()?, seed)])?;
        let pulled = grads.read(tape, c)?;
        for (e, (pulled, v)) in pulled.iter().zip(&v).enumerate() {
            // Three operations of f32 at most, and what norms round.
            assert!((pulled - lengths[e / 2] * v).abs() < 1e-6, "k {k}, clip {clip}: {pulled} of {v}");
        }
    }
    Ok(())
}

#[test]
fn a_clipped_adjoint_is_no_longer_than_it_may_be() -> Result<()> {
    check_clip(&mut Tape::reference())
}

#[test]
fn a_solve_that_begins_at_its_end_stays_there() -> Result<()> {
    let n = 7;
    let w = matrix(31, n, 0.7, false);
    let mut tape = Tape::reference();
    let (start, p) = problem(&mut tape, 90, 3, n, &w)?;
    let options = SolveOptions::new(Method::anderson(3), 1e-9, 100);
    let found = solve(&mut tape, &start, &p, saturating, &options)?;
    let end = found.converged()?.clone();
    let again = solve(&mut tape, &end, &p, saturating, &options)?;
    assert_eq!(tape.backend().read(again.converged()?)?, tape.backend().read(&end)?);
    for sample in again.samples() {
        assert_eq!((sample.iterations, sample.evaluations, sample.residuals.len()), (0, 1, 1));
        assert!(sample.residual <= 1e-9);
    }
    assert_eq!(again.evaluations(), 1);
    Ok(())
}

/// Everything that a sample reports, and the bits of its state.
type Told = (Sample, Vec<u64>);

fn per_sample(tape: &mut Tape, found: &Solution) -> Result<Vec<Told>> {
    let n = found.best().spec().shape[1];
    let states = tape.backend().read(found.best())?;
    let bits = states.chunks(n).map(|state| state.iter().map(|x| x.to_bits()).collect());
    Ok(found.samples().iter().cloned().zip(bits).collect())
}

/// One map per sample: `a_b z + c_b`, with `a` and `c` in the batch.
fn own_maps(tape: &mut Tape, a: &[f64], c: &[f64]) -> Result<Vec<Value>> {
    let shape = [a.len(), 2];
    let twice = |v: &[f64]| v.iter().flat_map(|v| [*v, *v]).collect::<Vec<_>>();
    Ok(vec![up(tape, &twice(a), &shape)?, up(tape, &twice(c), &shape)?])
}

/// `a z + c` elementwise: `blend(z, 0, a) + c`.
fn own_map(tape: &mut Tape, z: Var, p: &[Var]) -> Result<Var> {
    let nothing = tape.scale(0.0, p[1])?;
    let flat = tape.spec(z)?.len();
    let (z, mask) = (tape.reshape(z, &[flat, 1])?, tape.reshape(p[0], &[flat])?);
    let zero = tape.reshape(nothing, &[flat, 1])?;
    let product = tape.blend(z, zero, mask, 1)?;
    let product = tape.reshape(product, &[flat / 2, 2])?;
    tape.add(product, p[1])
}

/// A contraction, an expansion, a 2-cycle, a map that makes NaN, and the start and status of each.
fn regimes(tape: &mut Tape, order: &[usize]) -> Result<Solution> {
    let a = [0.5, 3.0, -1.0, f64::NAN, 0.25];
    let c = [1.0, 1.0, 1.0, 1.0, -2.0];
    let pick = |v: &[f64; 5]| order.iter().map(|i| v[*i]).collect::<Vec<_>>();
    let p = own_maps(tape, &pick(&a), &pick(&c))?;
    let start = up(tape, &vec![0.25; 2 * order.len()], &[order.len(), 2])?;
    let options = SolveOptions { check_every: 4, ..SolveOptions::new(Method::Picard, 1e-6, 60) };
    solve(tape, &start, &p, own_map, &options)
}

fn check_regimes(tape: &mut Tape) -> Result<()> {
    let order = [0, 1, 2, 3, 4];
    let found = regimes(tape, &order)?;
    let status: Vec<Status> = found.samples().iter().map(|sample| sample.status).collect();
    assert_eq!(status[0], Status::Converged);
    assert!(matches!(status[1], Status::Diverged { growth } if growth > 1e6), "{:?}", status[1]);
    assert_eq!(status[2], Status::Cycle { period: 2 });
    assert_eq!(status[3], Status::NonFinite { iteration: 0 });
    assert_eq!(status[4], Status::Converged);
    assert!(!found.is_converged());
    let error = found.converged().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NonFinite);
    let z = tape.backend().read(found.best())?;
    assert!(z.iter().all(|z| z.is_finite()), "{z:?}");
    assert!((z[0] - 2.0).abs() < 1e-5 && (z[8] + 8.0 / 3.0).abs() < 1e-5, "{z:?}");
    assert_eq!(z[6..8], [0.25, 0.25], "a sample without a finite residual keeps its start");
    assert!(found.samples()[3].residual.is_infinite() && found.samples()[3].residuals.is_empty());
    // NaN, growth and cycles of others change no bit of a sample, nor does its place in the batch.
    let all = per_sample(tape, &found)?;
    let shuffled = [4, 2, 0];
    let few = regimes(tape, &shuffled)?;
    for (got, place) in per_sample(tape, &few)?.iter().zip(shuffled) {
        assert!(*got == all[place], "sample {place}: {got:?} and {:?}", all[place]);
    }
    // One that runs into its limit.
    let options = SolveOptions::new(Method::Picard, 1e-6, 5);
    let p = own_maps(tape, &[0.9], &[1.0])?;
    let start = up(tape, &[0.0; 2], &[1, 2])?;
    let found = solve(tape, &start, &p, own_map, &options)?;
    assert_eq!((found.samples()[0].status, found.samples()[0].iterations), (Status::MaxIters, 5));
    assert_eq!(found.converged().unwrap_err().kind(), ErrorKind::NotConverged);
    // One that stands still: a rotation keeps every norm, its residual's too.
    let turn = [0.8, -0.6, 0.6, 0.8];
    let p = [up(tape, &turn, &[2, 2])?, up(tape, &[0.0; 2], &[2])?];
    let start = up(tape, &[1.0, 0.5], &[1, 2])?;
    let options = SolveOptions { patience: 8, ..SolveOptions::new(Method::Picard, 1e-6, 500) };
    let found = solve(tape, &start, &p, affine, &options)?;
    assert_eq!((found.samples()[0].status, found.samples()[0].iterations), (Status::Stagnated { window: 8 }, 8));
    // Moving every element on by one comes back after as many iterations as there are elements; past 8 nobody compares.
    for n in [3, 8, 9] {
        let shift: Vec<f64> = (0..n * n).map(|e| f64::from(u8::from((e / n + 1) % n == e % n))).collect();
        let p = [up(tape, &shift, &[n, n])?, up(tape, &vec![0.0; n], &[n])?];
        let start = up(tape, &numbers(6, n), &[1, n])?;
        let found = solve(tape, &start, &p, affine, &SolveOptions::new(Method::Picard, 1e-6, 500))?;
        let wanted = if n > 8 { Status::Stagnated { window: 64 } } else { Status::Cycle { period: n } };
        assert_eq!(found.samples()[0].status, wanted);
        // A history of residuals longer than what is kept shows its end.
        assert_eq!(found.samples()[0].residuals.len(), (found.samples()[0].iterations + 1).min(64));
    }
    Ok(())
}

#[test]
fn every_sample_tells_its_own_end() -> Result<()> {
    check_regimes(&mut Tape::reference())
}

#[test]
fn damping_mends_a_cycle_but_not_an_expansion() -> Result<()> {
    let mut tape = Tape::reference();
    let p = own_maps(&mut tape, &[-1.0, 3.0], &[1.0, 1.0])?;
    let start = up(&mut tape, &[0.25; 4], &[2, 2])?;
    let found = solve(&mut tape, &start, &p, own_map, &SolveOptions::new(Method::Damped(0.5), 1e-9, 200))?;
    assert_eq!(found.samples()[0].status, Status::Converged);
    assert!(matches!(found.samples()[1].status, Status::Diverged { .. }), "{:?}", found.samples()[1]);
    // The others find the fixed point of the expansion as well: the secant of a linear map is exact.
    for method in [Method::anderson(3), Method::Broyden { memory: 3 }] {
        let found = solve(&mut tape, &start, &p, own_map, &SolveOptions::new(method, 1e-9, 200))?;
        assert!(found.is_converged(), "{:?}", found.samples());
    }
    Ok(())
}

#[test]
fn a_symmetry_makes_the_adjoint_near_singular() -> Result<()> {
    // Five oscillators; channels of a position are [2 i, 2 i + 1] of oscillator i, so coupling acts on pairs alike.
    let (m, n) = (5, 2);
    let mut tape = Tape::reference();
    let coupling: Vec<f64> = (0..m * n * m * n)
        .map(|e| if e / (m * n) % n == e % n && e / (m * n) / n != e % (m * n) / n { 0.2 } else { 0.0 })
        .collect();
    let start: Vec<f64> = numbers(12, m).iter().flat_map(|t| [(0.8 * t).cos(), (0.8 * t).sin()]).collect();
    let coupling = up(&mut tape, &coupling, &[m * n, m * n])?;
    let bias = up(&mut tape, &vec![0.0; m * n], &[m * n])?;
    let gamma = up(&mut tape, &[0.5], &[1])?;
    let start = up(&mut tape, &start, &[1, m * n])?;
    let f = |tape: &mut Tape, z: Var, p: &[Var]| -> Result<Var> {
        let pull = tape.linear(z, p[0], Some(p[1]), 1)?;
        Ok(tape.sphere_step(z, pull, p[2], None, &StepOptions::new(2, 1))?.0)
    };
    let options = SolveOptions::new(Method::Picard, 1e-12, 400);
    let (start, weight, bias) = (tape.constant(start), tape.leaf(coupling), tape.leaf(bias));
    let gamma = tape.leaf(gamma);
    let p = [weight, bias, gamma];
    let implicit = Implicit::like(&options);
    let failing = Adjoint::Implicit(implicit);
    let found = fixed_point(&mut tape, start, &p, f, &options, &failing)?;
    let z = found.converged()?;
    let seed = numbers(4, m * n);
    let seed = up(&mut tape, &seed, &[1, m * n])?;
    let error = tape.vjp(&[(z, seed.clone())]).err().expect("the adjoint has no solution");
    assert_eq!(error.kind(), ErrorKind::NotConverged);
    assert!(error.to_string().contains("near-singular"), "{error}");
    let status = found.adjoint().expect("it ran").status;
    assert!(matches!(status, AdjointStatus::NearSingular { rho } if (rho - 1.0).abs() < 1e-3), "{status:?}");
    // Remedies: to accept the best there is, a truncated adjoint, and a drive that pins the phase.
    for adjoint in [Adjoint::Implicit(implicit.accepting_failure()), Adjoint::neumann(8)] {
        let found = fixed_point(&mut tape, start, &p, f, &options, &adjoint)?;
        let grads = tape.vjp(&[(found.converged()?, seed.clone())])?;
        assert!(grads.read(&mut tape, weight)?.iter().all(|g| g.is_finite()));
    }
    let drive: Vec<f64> = (0..m * n).map(|e| if e % n == 0 { 0.3 } else { 0.0 }).collect();
    let drive = up(&mut tape, &drive, &[m * n])?;
    let drive = tape.leaf(drive);
    let found = fixed_point(&mut tape, start, &[weight, drive, gamma], f, &options, &failing)?;
    let z = found.converged()?;
    tape.vjp(&[(z, seed)])?;
    assert_eq!(found.adjoint().expect("it ran").status, AdjointStatus::Converged);
    Ok(())
}

#[test]
fn the_radius_and_the_size_of_a_jacobian_are_those_of_its_matrix() -> Result<()> {
    let n = 12;
    let mut tape = Tape::reference();
    let w = matrix(2, n, 0.85, true);
    let (z, p) = problem(&mut tape, 20, 2, n, &w)?;
    for rho in spectral_radius(&mut tape, &z, &p, affine, 400, 1)? {
        assert!((rho - 0.85).abs() < 1e-3, "{rho}");
    }
    // A rotation has a complex pair; a nilpotent matrix nothing.
    let turn = [0.6 * 0.8, -0.6 * 0.6, 0.6 * 0.6, 0.6 * 0.8];
    let (z2, p2) = problem(&mut tape, 22, 1, 2, &turn)?;
    assert!((spectral_radius(&mut tape, &z2, &p2, affine, 64, 1)?[0] - 0.6).abs() < 1e-9);
    let (z2, p2) = problem(&mut tape, 22, 1, 2, &[0.0, 1.0, 0.0, 0.0])?;
    assert_eq!(spectral_radius(&mut tape, &z2, &p2, affine, 8, 1)?, [0.0]);
    assert_eq!(spectral_radius(&mut tape, &z2, &p2, affine, 1, 1).unwrap_err().kind(), ErrorKind::Param);
    let exact = w.iter().map(|x| x * x).sum::<f64>() / n as f64;
    let draws = 400;
    let mut mean = 0.0;
    for seed in 0..draws {
        mean += jacobian_norm(&mut tape, &z, &p, affine, seed)?.iter().sum::<f64>() / (2 * draws) as f64;
    }
    // The estimate's variance is at most 2 |J^T J|_F^2 / n^2 <= 2 rho^2 exact / n a draw.
    let deviation = (2.0 * 0.85f64.powi(2) * exact / n as f64 / draws as f64).sqrt();
    assert!((mean - exact).abs() < 4.0 * deviation, "{mean} and {exact} ± {deviation}");
    let params: Vec<Var> = p.iter().map(|value| tape.leaf(value.clone())).collect();
    let penalty = jacobian_penalty(&mut tape, &z, &params, affine, 0.01, 3)?;
    let grads = tape.backward(penalty)?;
    // Of a linear map the finite step is exact: R = |W e|^2 / n and dR/dW = 2 (W e) e^T / n, so <W, dR/dW> = 2 R.
    let inner: f64 = grads.read(&mut tape, params[0])?.iter().zip(&w).map(|(g, w)| g * w).sum();
    let value = tape.read(penalty)?[0];
    // The step is rounded to f32: 0.01 is off by 2e-9 of itself, and so is its square.
    assert!((inner - 2.0 * value).abs() < 1e-6 * value, "{inner} and {value}");
    assert_eq!(jacobian_penalty(&mut tape, &z, &params, affine, 0.0, 3).unwrap_err().kind(), ErrorKind::Param);
    Ok(())
}

/// Two linear equations in each other's unknowns, `a = A [a, b] + c` and `b = B [a, b] + d`, against the same as one.
fn check_joint(tape: &mut Tape, tolerance: f64, allowed: f64) -> Result<()> {
    let (m, n) = (4, 6);
    let len = m + n;
    let w = matrix(15, len, 0.7, false);
    let (a0, b0) = (up(tape, &numbers(1, 3 * m), &[3, m])?, up(tape, &numbers(2, 3 * n), &[3, 2, n / 2])?);
    let states = [tape.constant(a0), tape.constant(b0)];
    let (top, bottom) = (up(tape, &w[..m * len], &[m, len])?, up(tape, &w[m * len..], &[n, len])?);
    let (whole, bias) = (up(tape, &w, &[len, len])?, up(tape, &numbers(3, len), &[len])?);
    let (whole, bias) = (tape.leaf(whole), tape.leaf(bias));
    let (top, bottom) = (tape.leaf(top), tape.leaf(bottom));
    let own = [tape.narrow(bias, 0, 0, m)?, tape.narrow(bias, 0, m, n)?];
    let joint = Joint::of(tape, &states)?;
    let start = joint.pack(tape, &states)?;
    let options = SolveOptions::new(Method::anderson(4), tolerance, 200);
    let adjoint = Adjoint::Implicit(Implicit::like(&options));
    let f = joint.step(move |tape, states, p| {
        let b = tape.reshape(states[1], &[3, n])?;
        let z = tape.concat(states[0], b, 1)?;
        let (a, b) = (tape.linear(z, p[0], Some(p[2]), 1)?, tape.linear(z, p[1], Some(p[3]), 1)?);
        Ok(vec![a, tape.reshape(b, &[3, 2, n / 2])?])
    });
    let found = fixed_point(tape, start, &[top, bottom, own[0], own[1]], f, &options, &adjoint)?;
    let parts = joint.unpack(tape, found.converged()?)?;
    let once = fixed_point(tape, start, &[whole, bias], affine, &options, &adjoint)?;
    let once = once.converged()?;
    let exact = tape.read(once)?;
    let values = joint.unpack_value(tape, found.solution().converged()?)?;
    for sample in 0..3 {
        let (a, b) = (tape.read(parts[0])?, tape.read(parts[1])?);
        let together = [&a[sample * m..][..m], &b[sample * n..][..n]].concat();
        assert!(apart(&together, &exact[sample * len..][..len]) <= allowed);
        assert_eq!(tape.backend().read(&values[1])?, b);
    }
    let v = numbers(4, 3 * len);
    let seed = up(tape, &v, &[3, len])?;
    let pick = |from: usize, run: usize| (0..3 * run).map(|e| v[e / run * len + from + e % run]).collect::<Vec<_>>();
    let seeds = [(parts[0], up(tape, &pick(0, m), &[3, m])?), (parts[1], up(tape, &pick(m, n), &[3, 2, n / 2])?)];
    let (apart_grads, whole_grads) = (tape.vjp(&seeds)?, tape.vjp(&[(once, seed)])?);
    let (rows, all) = (apart_grads.read(tape, top)?, whole_grads.read(tape, whole)?);
    assert!(apart(&rows, &all[..m * len]) <= 10.0 * allowed);
    let (own, all) = (apart_grads.read(tape, bias)?, whole_grads.read(tape, bias)?);
    assert!(apart(&own, &all) <= 10.0 * allowed);
    Ok(())
}

#[test]
fn states_that_settle_together_are_one_state() -> Result<()> {
    check_joint(&mut Tape::reference(), 1e-12, 1e-10)?;
    assert_eq!(Joint::new(&[]).unwrap_err().kind(), ErrorKind::Param);
    assert_eq!(Joint::new(&[vec![2, 3], vec![3, 3]]).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(Joint::new(&[vec![]]).unwrap_err().kind(), ErrorKind::Shape);
    let mut tape = Tape::reference();
    let joint = Joint::new(&[vec![2, 3], vec![2]])?;
    let (a, b) = (up(&mut tape, &[1.0; 6], &[2, 3])?, up(&mut tape, &[2.0; 2], &[2])?);
    let (a, b) = (tape.constant(a), tape.constant(b));
    assert_eq!(joint.pack(&mut tape, &[a]).unwrap_err().kind(), ErrorKind::Param);
    assert_eq!(joint.pack(&mut tape, &[b, a]).unwrap_err().kind(), ErrorKind::Shape);
    let packed = joint.pack(&mut tape, &[a, b])?;
    assert_eq!(tape.read(packed)?, [1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0, 2.0]);
    assert_eq!(joint.unpack(&mut tape, a).unwrap_err().kind(), ErrorKind::Shape);
    // A step that returns another number of states.
    let value = tape.value(packed)?.clone();
    let options = SolveOptions::new(Method::Picard, 1e-6, 10);
    let error =
        solve(&mut tape, &value, &[], joint.step(|_, states, _| Ok(states[..1].to_vec())), &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Param);
    Ok(())
}

#[test]
fn what_makes_no_sense_is_refused() -> Result<()> {
    let mut tape = Tape::reference();
    let (start, p) = problem(&mut tape, 1, 2, 3, &matrix(1, 3, 0.5, false))?;
    let good = SolveOptions::new(Method::Picard, 1e-6, 10);
    let anderson =
        |window, beta, size| Method::Anderson { window, beta, regularisation: Regularisation::Relative(size) };
    let bad = [
        SolveOptions { tolerance: 0.0, ..good },
        SolveOptions { tolerance: -1.0, ..good },
        SolveOptions { tolerance: f64::NAN, ..good },
        SolveOptions { tolerance: f64::INFINITY, ..good },
        SolveOptions { max_iterations: 0, ..good },
        SolveOptions { check_every: 0, ..good },
        SolveOptions { divergence: 1.0, ..good },
        SolveOptions { divergence: f64::NAN, ..good },
        SolveOptions { floor: 0.0, ..good },
        SolveOptions { method: Method::Damped(0.0), ..good },
        SolveOptions { method: Method::Damped(1.5), ..good },
        SolveOptions { method: Method::Damped(f64::NAN), ..good },
        SolveOptions { method: anderson(0, 1.0, 1e-6), ..good },
        SolveOptions { method: anderson(9, 1.0, 1e-6), ..good },
        SolveOptions { method: anderson(5, 0.0, 1e-6), ..good },
        SolveOptions { method: anderson(5, 1.0, -1.0), ..good },
        SolveOptions { method: anderson(5, 1.0, f64::NAN), ..good },
        SolveOptions { method: Method::Broyden { memory: 0 }, ..good },
        SolveOptions { method: Method::Broyden { memory: 32 }, ..good },
        SolveOptions { method: Method::Broyden { memory: usize::MAX }, ..good },
        SolveOptions { min_iterations: 11, ..good },
    ];
    for options in bad {
        let error = solve(&mut tape, &start, &p, affine, &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Param, "{options:?}: {error}");
    }
    let vars: Vec<Var> = p.iter().map(|value| tape.leaf(value.clone())).collect();
    let z0 = tape.constant(start.clone());
    let implicit = Adjoint::Implicit(Implicit::like(&good));
    for adjoint in [
        Adjoint::Phantom { steps: 0, tau: 1.0, clip: None },
        Adjoint::Phantom { steps: 2, tau: 0.0, clip: None },
        Adjoint::neumann_clipped(1, -1.0),
        Adjoint::neumann_clipped(1, f64::NAN),
        Adjoint::Unrolled { storage: Storage::Every(0) },
        Adjoint::Implicit(Implicit::new(SolveOptions { tolerance: 0.0, ..good })),
    ] {
        let error = fixed_point(&mut tape, z0, &vars, affine, &good, &adjoint).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Param, "{adjoint:?}: {error}");
    }
    let unrolled = Adjoint::Unrolled { storage: Storage::Everything };
    let options = SolveOptions { method: Method::anderson(3), ..good };
    let error = fixed_point(&mut tape, z0, &vars, affine, &options, &unrolled).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Param);
    // Extents that f changes, a state that is none, a start that is not finite.
    let error = solve(&mut tape, &start, &p, |tape, z, _| tape.reshape(z, &[3, 2]), &good).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shape);
    let half = tape.upload(&[0.5f32; 6], &[2, 3], DType::F16)?;
    assert_eq!(solve(&mut tape, &half, &p, affine, &good).unwrap_err().kind(), ErrorKind::DType);
    let scalar = up(&mut tape, &[1.0], &[])?;
    assert_eq!(solve(&mut tape, &scalar, &p, |_, z, _| Ok(z), &good).unwrap_err().kind(), ErrorKind::Shape);
    let holed = up(&mut tape, &[0.5, f64::NAN, 0.0, 1.0, 1.0, 1.0], &[2, 3])?;
    let found = solve(&mut tape, &holed, &p, affine, &SolveOptions { max_iterations: 100, ..good })?;
    assert_eq!(found.samples()[0].status, Status::NonFinite { iteration: 0 });
    assert_eq!(found.samples()[1].status, Status::Converged);
    assert_eq!(found.converged().unwrap_err().kind(), ErrorKind::NonFinite);
    // A variable of the outer tape is no silent constant.
    let outer = vars[0];
    let capturing = move |tape: &mut Tape, z: Var, p: &[Var]| tape.linear(z, outer, Some(p[1]), 1);
    let error = fixed_point(&mut tape, z0, &vars, capturing, &good, &implicit).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign);
    // No samples, no elements.
    let none = up(&mut tape, &[], &[0, 3])?;
    let found = solve(&mut tape, &none, &p, affine, &good)?;
    assert!(found.converged().is_ok() && found.samples().is_empty());
    let hollow = up(&mut tape, &[], &[2, 0])?;
    let found = solve(&mut tape, &hollow, &[], |_, z, _| Ok(z), &good)?;
    assert!(found.converged().is_ok() && found.samples().len() == 2);
    Ok(())
}

#[test]
fn a_backward_pass_records_one_evaluation_and_a_failed_one_is_an_error() -> Result<()> {
    let n = 4;
    let mut tape = Tape::reference();
    // Anderson finds the fixed point of an expanding map; Picard's adjoint of it diverges.
    let a: Vec<f64> = (0..n * n).map(|e| if e / n == e % n { 1.5 } else { 0.0 }).collect();
    let (start, p) = problem(&mut tape, 33, 1, n, &a)?;
    let (start, weight, bias) = (tape.constant(start), tape.leaf(p[0].clone()), tape.leaf(p[1].clone()));
    let calls = Rc::new(Cell::new(0));
    let counted = calls.clone();
    let f = move |tape: &mut Tape, z: Var, p: &[Var]| {
        counted.set(counted.get() + 1);
        affine(tape, z, p)
    };
    let options = SolveOptions::new(Method::anderson(4), 1e-10, 50);
    let picard = Implicit::new(SolveOptions::new(Method::Picard, 1e-10, 50));
    let found = fixed_point(&mut tape, start, &[weight, bias], f.clone(), &options, &Adjoint::Implicit(picard))?;
    let z = found.converged()?;
    assert_eq!(calls.get(), found.solution().evaluations());
    let seed = up(&mut tape, &numbers(2, n), &[1, n])?;
    let error = tape.vjp(&[(z, seed.clone())]).err().expect("it diverges");
    assert_eq!(error.kind(), ErrorKind::NotConverged);
    let status = found.adjoint().expect("it ran").status;
    assert!(matches!(status, AdjointStatus::NotConverged { rho } if (rho - 1.5).abs() < 1e-6), "{status:?}");
    let before = calls.get();
    let adjoint = Adjoint::Implicit(Implicit::like(&options));
    let found = fixed_point(&mut tape, start, &[weight, bias], f, &options, &adjoint)?;
    let after_forward = calls.get();
    assert!(after_forward > before);
    tape.vjp(&[(found.converged()?, seed)])?;
    assert_eq!(calls.get() - after_forward, 1, "one evaluation is recorded, whatever the adjoint takes");
    Ok(())
}

#[cfg(feature = "gpu")]
mod device {
    use super::*;
    use crate::common::{device, sibling};
    use kuramoto::{Context, wgpu};

    #[test]
    fn every_sample_tells_its_own_end() -> Result<()> {
        check_regimes(&mut Tape::new(&device()))
    }

    #[test]
    fn a_clipped_adjoint_is_no_longer_than_it_may_be() -> Result<()> {
        check_clip(&mut Tape::new(&device()))
    }

    #[test]
    fn states_that_settle_together_are_one_state() -> Result<()> {
        // Both solves are off by up to the tolerance over 1 - 0.7.
        check_joint(&mut Tape::new(&device()), 1e-6, 1e-5)
    }

    #[test]
    fn a_host_that_runs_ahead_of_its_device_gets_the_same_bits() -> Result<()> {
        // The same device under the name of a discrete one: the host then looks at an older flag.
        let shared = device();
        let mut info = shared.info().clone();
        info.device_type = wgpu::DeviceType::DiscreteGpu;
        let ahead = Context::from_wgpu(shared.device().clone(), shared.queue().clone(), info);
        assert!(!ahead.is_software());
        let w = matrix(4, 6, 0.8, false);
        let run = |context: &Context| -> Result<(Vec<Told>, usize)> {
            let mut tape = Tape::new(context);
            let (start, p) = problem(&mut tape, 50, 3, 6, &w)?;
            let options = SolveOptions { check_every: 4, ..SolveOptions::new(Method::anderson(3), 1e-5, 300) };
            let found = solve(&mut tape, &start, &p, saturating, &options)?;
            found.converged()?;
            Ok((per_sample(&mut tape, &found)?, found.evaluations()))
        };
        let (hasty, evaluations) = run(&ahead)?;
        // Looks come every 4 iterations, and one that is a look behind costs 4 evaluations more.
        let slowest = hasty.iter().map(|(sample, _)| sample.evaluations).max().unwrap_or(0);
        assert_eq!(evaluations, slowest.div_ceil(4) * 4 + 4);
        if shared.is_software() {
            let (patient, evaluations) = run(&sibling(&shared))?;
            assert!(patient == hasty, "what is computed in vain changes nothing");
            assert_eq!(evaluations, slowest.div_ceil(4) * 4);
        }
        Ok(())
    }

    /// Solves and differentiates one problem on `tape`; everything that comes out.
    fn run(tape: &mut Tape, w: &[f64], n: usize, options: &SolveOptions) -> Result<[Vec<f64>; 3]> {
        let (start, p) = problem(tape, 300, 3, n, w)?;
        let (start, weight, bias) = (tape.constant(start), tape.leaf(p[0].clone()), tape.leaf(p[1].clone()));
        let adjoint = Adjoint::Implicit(Implicit::like(options));
        let found = fixed_point(tape, start, &[weight, bias], saturating, options, &adjoint)?;
        let z = found.converged()?;
        let seed = up(tape, &numbers(301, 3 * n), &[3, n])?;
        let grads = tape.vjp(&[(z, seed)])?;
        assert_eq!(found.adjoint().map(|report| report.status), Some(AdjointStatus::Converged));
        Ok([tape.read(z)?, grads.read(tape, weight)?, grads.read(tape, bias)?])
    }

    #[test]
    fn states_and_gradients_are_those_of_the_reference() -> Result<()> {
        let n = 20;
        let broyden = Method::Broyden { memory: 10 };
        let hard = [(0.97, Method::anderson(5)), (0.97, broyden)];
        for (rho, method) in [(0.8, Method::Picard), (0.8, Method::Damped(0.75))].into_iter().chain(hard) {
            let w = matrix(7, n, rho, true);
            let exact = run(&mut Tape::reference(), &w, n, &SolveOptions::new(method, 1e-13, 3000))?;
            let tolerance = 2e-6;
            let options = SolveOptions { check_every: 16, ..SolveOptions::new(method, tolerance, 400) };
            let found = run(&mut Tape::new(&device()), &w, n, &options)?;
            for (found, exact) in found.iter().zip(&exact) {
                let off = apart(found, exact);
                println!("rho {rho}, {method:?}: {off:.1e}");
                assert!(off <= 10.0 * tolerance / (1.0 - rho), "{method:?}: {off:e}");
            }
        }
        Ok(())
    }

    #[test]
    fn memory_does_not_grow_with_the_iterations() -> Result<()> {
        let n = 64;
        let w = matrix(7, n, 0.999, true);
        let peak = |iterations: usize| -> Result<u64> {
            // A context of its own counts from zero.
            let context = sibling(&device());
            let mut tape = Tape::new(&context);
            // No tolerance that f32 could meet: every iteration is run.
            let method = Method::anderson(4);
            let options = SolveOptions { patience: 0, ..SolveOptions::new(method, 1e-30, iterations) };
            let (start, p) = problem(&mut tape, 5, 2, n, &w)?;
            let (start, weight, bias) = (tape.constant(start), tape.leaf(p[0].clone()), tape.leaf(p[1].clone()));
            let implicit = Implicit::like(&options).accepting_failure();
            let adjoint = Adjoint::Implicit(implicit);
            let found = fixed_point(&mut tape, start, &[weight, bias], saturating, &options, &adjoint)?;
            let seed = up(&mut tape, &numbers(6, 2 * n), &[2, n])?;
            let grads = tape.vjp(&[(found.best(), seed)])?;
            grads.read(&mut tape, weight)?;
            Ok(context.counters().peak_live_bytes)
        };
        let peaks = [peak(10)?, peak(100)?, peak(1000)?];
        println!("peak of live bytes at 10, 100 and 1000 iterations: {peaks:?}");
        assert!(peaks[0] > 0 && peaks[0] == peaks[1] && peaks[1] == peaks[2], "{peaks:?}");
        Ok(())
    }
}
