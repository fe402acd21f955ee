//! Transformer blocks against a plain f64 composition, and what must hold for fixed points: gradients, memory, independence
//! of the batch.
#![cfg(feature = "gpu")]

mod common;
#[path = "../examples/attractor_sudoku/rank.rs"]
mod rank;

use common::{device, error_of, numbers, own_device, refused};
use kuramoto::model::attractor::{
    AttractorConfig, AttractorLm, AttractorLmConfig, AttractorPuzzle, AttractorPuzzleConfig, Refine,
};
use kuramoto::model::transformer::{BlockNorm, Gate, Mlp, Placement, TransformerBlock, TransformerConfig};
use kuramoto::model::{Builder, Parameters};
use kuramoto::solve::{Adjoint, Implicit, Method, Sample, SolveOptions, Status};
use kuramoto::{DType, ErrorKind, Result, Tape};

/// Largest difference beside the largest element.
fn apart(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let size = b.iter().fold(0.0f64, |m, b| m.max(b.abs()));
    a.iter().zip(b).fold(0.0, |m, (a, b)| (a - b).abs().max(m)) / size.max(1e-30)
}

fn configs() -> Vec<TransformerConfig> {
    let gate = Some(Gate { limit: 0.75, start: -1.0 });
    let base = TransformerConfig { hidden: 6, ..TransformerConfig::new(8, 2) };
    vec![
        base,
        TransformerConfig { mlp: Mlp::Swiglu, causal: true, head_norm: Some(1e-6), gate, ..base },
        TransformerConfig {
            mlp: Mlp::ReluSquared,
            norm: BlockNorm::Layer { eps: 1e-5 },
            bias: true,
            rotary: None,
            placement: Placement::After,
            ..base
        },
    ]
}

/// The block's parameters with numbers on a grid of 2^-10, so that steps of 2^-21 are exact in f32.
fn block(config: TransformerConfig) -> Result<(TransformerBlock, Parameters)> {
    let block = TransformerBlock::new(config, "b.")?;
    let mut builder = Builder::new(1);
    block.parameters(&mut builder);
    let mut parameters = builder.finish()?;
    let all: Vec<(String, usize)> = parameters.iter().map(|p| (p.name.clone(), p.values.len())).collect();
    for (seed, (name, len)) in all.iter().enumerate() {
        let shift = if name.contains("norm") && name.ends_with("weight") { 1.0 } else { 0.0 };
        let values: Vec<f32> = numbers(seed as u64 + 7, *len).iter().map(|v| v * 0.5 + shift).collect();
        parameters.set(name, &values)?;
    }
    Ok((block, parameters))
}

const SHAPE: [usize; 3] = [2, 3, 8];

fn map(tape: &mut Tape, block: &TransformerBlock, parameters: &Parameters) -> Result<Vec<f64>> {
    let bound = parameters.place(tape)?.bind(tape);
    let x = tape.upload(&numbers(3, SHAPE.iter().product()), &SHAPE, DType::F32)?;
    let x = tape.constant(x);
    let y = block.forward(tape, &bound, x)?;
    tape.read(y)
}

/// The block in plain loops, from its definition.
fn composed(config: &TransformerConfig, parameters: &Parameters) -> Vec<f64> {
    let get = |name: &str| -> Vec<f64> {
        let found = parameters.get(&format!("b.{name}"));
        found.map(|p| p.values.iter().map(|v| f64::from(*v)).collect()).unwrap_or_default()
    };
    let affine = |x: &[f64], name: &str| -> Vec<f64> {
        let (w, b) = (get(&format!("{name}.weight")), get(&format!("{name}.bias")));
        let rows = w.len() / x.len();
        let row = |r: usize| (0..x.len()).map(|c| w[r * x.len() + c] * x[c]).sum::<f64>() + b.get(r).unwrap_or(&0.0);
        (0..rows).map(row).collect()
    };
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let norm = |x: &[f64], name: &str| -> Vec<f64> {
        let (w, b) = (get(&format!("{name}.weight")), get(&format!("{name}.bias")));
        let (shift, eps) = match config.norm {
            BlockNorm::Rms { eps } => (0.0, eps),
            BlockNorm::Layer { eps } => (mean(x), eps),
        };
        let squares: Vec<f64> = x.iter().map(|v| (v - shift).powi(2)).collect();
        let r = 1.0 / (mean(&squares) + f64::from(eps)).sqrt();
        (0..x.len()).map(|c| (x[c] - shift) * r * w[c] + b.get(c).unwrap_or(&0.0)).collect()
    };
    let dim = config.dim();
    let turn = |x: &[f64], token: usize| -> Vec<f64> {
        let Some(base) = config.rotary else { return x.to_vec() };
        let pair = |j: usize| {
            let angle = token as f64 * base.powf(-2.0 * j as f64 / dim as f64);
            let (s, c) = (f64::from(angle.sin() as f32), f64::from(angle.cos() as f32));
            [c * x[2 * j] - s * x[2 * j + 1], s * x[2 * j] + c * x[2 * j + 1]]
        };
        (0..dim / 2).flat_map(pair).collect()
    };
    let scaled = |x: Vec<f64>| -> Vec<f64> {
        let Some(eps) = config.head_norm else { return x };
        let squares: Vec<f64> = x.iter().map(|v| v * v).collect();
        let r = 1.0 / (mean(&squares) + f64::from(eps)).sqrt();
        x.iter().map(|v| v * r).collect()
    };
    let attention = |xs: &[Vec<f64>]| -> Vec<Vec<f64>> {
        let part = |name: &str| xs.iter().map(|x| affine(x, &format!("attn.{name}"))).collect::<Vec<_>>();
        let (q, k, v) = (part("c_q"), part("c_k"), part("c_v"));
        let head = |x: &[f64], h: usize| x[h * dim..(h + 1) * dim].to_vec();
        let mixed = (0..xs.len()).map(|i| {
            let seen = if config.causal { i + 1 } else { xs.len() };
            let of_head = |h: usize| {
                // Rotations rounded to f32 keep lengths to 1e-7 alone: here the order counts.
                let query = turn(&scaled(head(&q[i], h)), i);
                let score = |j: usize| {
                    let key = turn(&scaled(head(&k[j], h)), j);
                    (query.iter().zip(&key).map(|(a, b)| a * b).sum::<f64>() / (dim as f64).sqrt()).exp()
                };
                let weights: Vec<f64> = (0..seen).map(score).collect();
                let total: f64 = weights.iter().sum();
                (0..dim)
                    .map(|c| (0..seen).map(|j| weights[j] * v[j][h * dim + c]).sum::<f64>() / total)
                    .collect::<Vec<_>>()
            };
            let joined: Vec<f64> = (0..config.heads).flat_map(of_head).collect();
            affine(&joined, "attn.c_proj")
        });
        mixed.collect()
    };
    let perceptron = |x: &[f64]| -> Vec<f64> {
        let hidden = affine(x, "mlp.fc");
        let silu = |x: f64| x / (1.0 + (-x).exp());
        let half = hidden.len() / 2;
        let hidden: Vec<f64> = match config.mlp {
            Mlp::Gelu => hidden.iter().map(|x| x * normal_distribution(*x)).collect(),
            Mlp::ReluSquared => hidden.iter().map(|x| 0.5 * x.max(0.0).powi(2)).collect(),
            Mlp::Swiglu => (0..half).map(|c| silu(hidden[c]) * hidden[half + c]).collect(),
        };
        affine(&hidden, "mlp.proj")
    };
    let gated = |x: &[f64], change: &[f64], name: &str| -> Vec<f64> {
        let raw = get(name);
        let gate = |c: usize| config.gate.map_or(1.0, |g| f64::from(g.limit) / (1.0 + (-raw[c]).exp()));
        (0..x.len()).map(|c| x[c] + gate(c) * change[c]).collect()
    };
    let before = config.placement == Placement::Before;
    let input = |xs: &[Vec<f64>], name: &str| -> Vec<Vec<f64>> {
        xs.iter().map(|x| if before { norm(x, name) } else { x.clone() }).collect()
    };
    let output = |x: Vec<f64>, name: &str| if before { x } else { norm(&x, name) };
    let data: Vec<f64> = numbers(3, SHAPE.iter().product()).iter().map(|v| f64::from(*v)).collect();
    let mut all = Vec::new();
    for sample in data.chunks(SHAPE[1] * SHAPE[2]) {
        let xs: Vec<Vec<f64>> = sample.chunks(SHAPE[2]).map(<[f64]>::to_vec).collect();
        let changes = attention(&input(&xs, "norm_1"));
        let join = |(x, change): (&Vec<f64>, &Vec<f64>)| output(gated(x, change, "raw_gamma_attn"), "norm_1");
        let xs: Vec<Vec<f64>> = xs.iter().zip(&changes).map(join).collect();
        let changes: Vec<Vec<f64>> = input(&xs, "norm_2").iter().map(|x| perceptron(x)).collect();
        let join = |(x, change): (&Vec<f64>, &Vec<f64>)| output(gated(x, change, "raw_gamma_mlp"), "norm_2");
        all.extend(xs.iter().zip(&changes).flat_map(join));
    }
    all
}

/// By its series, which converges everywhere and within 60 terms for the numbers here.
fn normal_distribution(x: f64) -> f64 {
    assert!(x.abs() < 5.0);
    let (mut term, mut sum) = (x, x);
    for n in 1..60 {
        term *= -x * x / (2.0 * n as f64);
        sum += term / (2.0 * n as f64 + 1.0);
    }
    0.5 + sum / (2.0 * std::f64::consts::PI).sqrt()
}

#[test]
fn a_block_is_its_plain_composition() -> Result<()> {
    for config in configs() {
        let (block, parameters) = block(config)?;
        let expected = composed(&config, &parameters);
        let reference = map(&mut Tape::reference(), &block, &parameters)?;
        assert!(apart(&reference, &expected) < 1e-13, "{config:?}: {:e}", apart(&reference, &expected));
        let computed = map(&mut Tape::new(&device()), &block, &parameters)?;
        // A few dozen operations, each within an ulp of sums of magnitude about 1.
        assert!(apart(&computed, &expected) < 1e-5, "{config:?}: {:e}", apart(&computed, &expected));
    }
    Ok(())
}

#[test]
fn a_blocks_gradient_is_the_slope_along_a_line() -> Result<()> {
    // The squared rectifier has a kink in its slope, which differences may cross; the golden case has its gradient.
    for config in &configs()[..2] {
        let (block, parameters) = block(*config)?;
        let len: usize = SHAPE.iter().product();
        let weights: Vec<f64> = numbers(5, len).iter().map(|v| f64::from(*v)).collect();
        let at = |t: f32| -> Result<f64> {
            let mut moved = parameters.clone();
            for (seed, parameter) in parameters.iter().enumerate() {
                let direction = numbers(seed as u64 + 100, parameter.values.len());
                let values: Vec<f32> = parameter.values.iter().zip(&direction).map(|(p, d)| p + t * d).collect();
                moved.set(&parameter.name, &values)?;
            }
            let y = map(&mut Tape::reference(), &block, &moved)?;
            Ok(y.iter().zip(&weights).map(|(y, w)| y * w).sum())
        };
        let slope = |h: f32| -> Result<f64> { Ok((at(h)? - at(-h)?) / f64::from(2.0 * h)) };
        let (coarse, fine) = (slope(1.0 / 1024.0)?, slope(1.0 / 2048.0)?);
        let expected = (4.0 * fine - coarse) / 3.0;

        let mut tape = Tape::reference();
        let bound = parameters.place(&mut tape)?.bind(&mut tape);
        let x = tape.upload(&numbers(3, len), &SHAPE, DType::F32)?;
        let x = tape.constant(x);
        let y = block.forward(&mut tape, &bound, x)?;
        let seed = tape.upload(&weights, &SHAPE, DType::F32)?;
        let grads = tape.vjp(&[(y, seed)])?;
        let mut got = 0.0;
        for (seed, parameter) in parameters.iter().enumerate() {
            let gradient = grads.read(&mut tape, bound.get(&parameter.name)?)?;
            let direction = numbers(seed as u64 + 100, parameter.values.len());
            got += gradient.iter().zip(&direction).map(|(g, d)| g * f64::from(*d)).sum::<f64>();
        }
        assert!((got - expected).abs() < 1e-8 * expected.abs().max(1.0), "{config:?}: {got} beside {expected}");
    }
    Ok(())
}

#[test]
fn a_block_refuses_what_does_not_fit() -> Result<()> {
    let base = TransformerConfig::new(8, 2);
    let wrong = |config: TransformerConfig| TransformerBlock::new(config, "");
    let message = "TransformerBlock: heads is 3, expected a divisor of the 8 channels";
    refused(wrong(TransformerConfig { heads: 3, ..base }), ErrorKind::Param, message);
    let message =
        "TransformerBlock: channels per head is 1, expected even with rotary positions, which turn pairs of channels";
    refused(wrong(TransformerConfig { heads: 8, ..base }), ErrorKind::Param, message);
    let message = "TransformerBlock: head_norm is 0, expected a positive normal number";
    refused(wrong(TransformerConfig { head_norm: Some(0.0), ..base }), ErrorKind::Param, message);
    let (block, parameters) = block(base)?;
    let mut tape = Tape::reference();
    let bound = parameters.place(&mut tape)?.bind(&mut tape);
    let x = tape.upload(&numbers(3, 48), &[2, 4, 6], DType::F32)?;
    let x = tape.constant(x);
    let message = "TransformerBlock: x is [2, 4, 6], expected [B, T, 8]";
    refused(block.forward(&mut tape, &bound, x), ErrorKind::Shape, message);
    let message = "TransformerBlock: operands is 0, expected 7";
    refused(block.run(&mut tape, x, &[]), ErrorKind::Param, message);
    Ok(())
}

fn puzzle() -> Result<(AttractorPuzzle, Parameters)> {
    let attractor = AttractorConfig { hidden: 8, rotary: None, ..AttractorConfig::new(8, 2) };
    let model = AttractorPuzzle::new(AttractorPuzzleConfig { attractor, cells: 4, symbols: 3 })?;
    let parameters = model.parameters(3)?;
    Ok((model, parameters))
}

const BOARDS: [u32; 8] = [1, 0, 0, 3, 0, 2, 1, 0];
const SOLUTIONS: [u32; 8] = [1, 2, 1, 3, 3, 2, 1, 2];

/// Loss, all gradients one after the other, and the outcomes of the samples.
fn trained(tape: &mut Tape, refine: &Refine) -> Result<(f64, Vec<f64>, Vec<Sample>)> {
    let (model, parameters) = puzzle()?;
    let bound = parameters.place(tape)?.bind(tape);
    let answer = model.forward(tape, &bound, &BOARDS, refine)?;
    let loss = model.loss(tape, &answer, &SOLUTIONS)?;
    let grads = tape.backward(loss)?;
    let mut all = Vec::new();
    for parameter in parameters.iter() {
        all.extend(grads.read(tape, bound.get(&parameter.name)?)?);
    }
    let samples = answer.refined.equilibrium.map(|found| found.solution().samples().to_vec());
    Ok((tape.read(loss)?[0], all, samples.unwrap_or_default()))
}

fn picard(tolerance: f64, most: usize) -> SolveOptions {
    SolveOptions::new(Method::Picard, tolerance, most)
}

fn tight(adjoint: Adjoint) -> Refine {
    Refine::settle_strictly(picard(1e-13, 400), adjoint)
}

fn exact() -> Adjoint {
    Adjoint::Implicit(Implicit::new(picard(1e-13, 400)))
}

#[test]
fn the_implicit_gradient_is_that_of_all_steps() -> Result<()> {
    let mut tape = Tape::reference();
    let (loss, unrolled, _) = trained(&mut tape, &Refine::steps(60))?;
    let (settled, implicit, samples) = trained(&mut tape, &tight(exact()))?;
    assert!((loss - settled).abs() < 1e-11, "{loss} beside {settled}");
    assert!(samples.iter().all(|s| s.status == Status::Converged && s.iterations > 3), "{samples:?}");
    assert!(apart(&implicit, &unrolled) < 1e-10, "{:e}", apart(&implicit, &unrolled));
    Ok(())
}

#[test]
fn more_terms_of_the_gradient_come_closer() -> Result<()> {
    let mut tape = Tape::reference();
    let (_, exact, _) = trained(&mut tape, &tight(exact()))?;
    let mut errors = Vec::new();
    for terms in [0, 1, 2, 4, 8, 16] {
        errors.push(apart(&trained(&mut tape, &tight(Adjoint::neumann(terms)))?.1, &exact));
    }
    assert!(errors.windows(2).all(|pair| pair[1] < pair[0]), "{errors:?}");
    assert!(errors[0] > 1e-3 && errors[5] < 1e-4 * errors[0], "{errors:?}");
    Ok(())
}

#[test]
fn what_does_not_settle_says_so() -> Result<()> {
    let mut tape = Tape::reference();
    let hasty = trained(&mut tape, &Refine::settle_strictly(picard(1e-9, 2), Adjoint::one_step()));
    assert_eq!(error_of(hasty, "a solve that is cut short").kind(), ErrorKind::NotConverged);
    let (_, _, samples) = trained(&mut tape, &Refine::settle(picard(1e-9, 2), Adjoint::one_step()))?;
    assert!(samples.iter().all(|sample| sample.status == Status::MaxIters), "{samples:?}");
    let hasty = Adjoint::Implicit(Implicit::new(picard(1e-12, 2)));
    let error = error_of(trained(&mut tape, &tight(hasty)), "a gradient that is cut short");
    assert_eq!(error.kind(), ErrorKind::NotConverged);
    Ok(())
}

#[test]
fn memory_does_not_grow_with_iterations() -> Result<()> {
    let peak = |refine: Refine| -> Result<u64> {
        let context = own_device();
        let mut tape = Tape::new(&context);
        trained(&mut tape, &refine)?;
        Ok(context.counters().peak_live_bytes)
    };
    // A residual that no rounding reaches: every iteration is made.
    let exactly = |count: usize| {
        let options = SolveOptions { patience: 0, ..SolveOptions::new(Method::anderson(3), 1e-30, count) };
        Refine::settle(options, Adjoint::neumann(1))
    };
    let (few, many) = (peak(exactly(5))?, peak(exactly(40))?);
    assert_eq!(few, many, "bytes after 5 and 40 iterations");
    let unrolled = peak(Refine::steps(40))?;
    assert!(unrolled > 3 * many, "{unrolled} beside {many}: the measure sees memory grow");
    Ok(())
}

#[test]
fn without_the_solver_the_proposal_is_decoded() -> Result<()> {
    let model = AttractorLm::new(AttractorLmConfig::new(5, 8, 2))?;
    let parameters = model.parameters(1)?;
    let mut tape = Tape::reference();
    let bound = parameters.place(&mut tape)?.bind(&mut tape);
    let tokens = [0, 4, 2, 1, 3, 3];
    let predicted = model.forward(&mut tape, &bound, &tokens, 3, &Refine::steps(0))?;
    assert_eq!(tape.read(predicted.refined.state)?, tape.read(predicted.refined.proposal)?);
    // Causal: the last token of each sequence changes no earlier prediction.
    let other = model.forward(&mut tape, &bound, &[0, 4, 3, 1, 3, 0], 3, &Refine::steps(2))?;
    let same = model.forward(&mut tape, &bound, &tokens, 3, &Refine::steps(2))?;
    let (other, same) = (tape.read(other.logits)?, tape.read(same.logits)?);
    for sequence in 0..2 {
        let early = sequence * 15..sequence * 15 + 10;
        assert_eq!(other[early.clone()], same[early]);
    }
    assert!(other != same);
    let message = "AttractorLm: tokens is 4 tokens, expected sequences of 3";
    refused(model.forward(&mut tape, &bound, &[0; 4], 3, &Refine::steps(0)), ErrorKind::Shape, message);
    let message = "AttractorLm: tokens is 5 at 1, expected below 5";
    refused(model.forward(&mut tape, &bound, &[0, 5, 0], 3, &Refine::steps(0)), ErrorKind::Index, message);
    let (puzzle, _) = puzzle()?;
    let message = "AttractorPuzzle: boards is 4 at cell 1, expected from 0 to 3";
    refused(puzzle.forward(&mut tape, &bound, &[0, 4, 0, 0], &Refine::steps(0)), ErrorKind::Index, message);
    Ok(())
}

#[test]
fn rank_correlations_share_ranks_and_count_permutations() {
    // Ranks of the second are 1, 2, 3.5, 5, 3.5.
    let found = rank::spearman(&[1.0, 2.0, 3.0, 4.0, 5.0], &[5.0, 6.0, 7.0, 8.0, 7.0], 1);
    assert!((found.rho - 8.0 / 95f64.sqrt()).abs() < 1e-12, "{found:?}");
    // So many of all 120 orders are as strong, in either direction.
    assert!((found.p - 16.0 / 120.0).abs() < 0.02, "{found:?}");
    let rising: Vec<f64> = (0..12).map(f64::from).collect();
    let falling: Vec<f64> = rising.iter().map(|x| -x.powi(3)).collect();
    let found = rank::spearman(&rising, &falling, 1);
    assert!((found.rho + 1.0).abs() < 1e-12 && found.p < 1e-3, "{found:?}");
    let level = rank::spearman(&rising, &[2.0; 12], 1);
    assert_eq!((level.rho, level.p), (0.0, 1.0));
}
