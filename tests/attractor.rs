//! Transformer blocks against a plain f64 composition, and what must hold for fixed points: gradients, memory, independence
//! of the batch.
#![cfg(feature = "gpu")]

mod common;

use common::{device, error_of, numbers, own_device, refused};
use kuramoto::model::attractor::{
    Adjoint, AttractorConfig, AttractorLm, AttractorLmConfig, AttractorPuzzle, AttractorPuzzleConfig, Limits, Outcome,
    Refine, Settle, settle,
};
use kuramoto::model::transformer::{BlockNorm, Gate, Mlp, Placement, TransformerBlock, TransformerConfig};
use kuramoto::model::{Builder, Parameters};
use kuramoto::{DType, ErrorKind, Result, Tape, Var};

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
                let query = scaled(turn(&head(&q[i], h), i));
                let score = |j: usize| {
                    let key = scaled(turn(&head(&k[j], h), j));
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
fn trained(tape: &mut Tape, refine: &Refine) -> Result<(f64, Vec<f64>, Vec<Outcome>)> {
    let (model, parameters) = puzzle()?;
    let bound = parameters.place(tape)?.bind(tape);
    let answer = model.forward(tape, &bound, &BOARDS, refine)?;
    let loss = model.loss(tape, &answer, &SOLUTIONS)?;
    let grads = tape.backward(loss)?;
    let mut all = Vec::new();
    for parameter in parameters.iter() {
        all.extend(grads.read(tape, bound.get(&parameter.name)?)?);
    }
    Ok((tape.read(loss)?[0], all, answer.refined.outcomes))
}

fn tight(adjoint: Adjoint) -> Refine {
    Refine::Settle(Settle::new(Limits::new(400, 1e-13)).adjoint(adjoint).demanded())
}

#[test]
fn the_implicit_gradient_is_that_of_all_steps() -> Result<()> {
    let mut tape = Tape::reference();
    let (loss, unrolled, _) = trained(&mut tape, &Refine::steps(60))?;
    let exact = Adjoint::Implicit(Limits::new(400, 1e-13));
    let (settled, implicit, outcomes) = trained(&mut tape, &tight(exact))?;
    assert!((loss - settled).abs() < 1e-12, "{loss} beside {settled}");
    assert!(outcomes.iter().all(|outcome| outcome.converged && outcome.iterations > 3), "{outcomes:?}");
    assert!(apart(&implicit, &unrolled) < 1e-10, "{:e}", apart(&implicit, &unrolled));
    Ok(())
}

#[test]
fn more_terms_and_more_phantom_steps_come_closer() -> Result<()> {
    let mut tape = Tape::reference();
    let (_, exact, _) = trained(&mut tape, &tight(Adjoint::Implicit(Limits::new(400, 1e-13))))?;
    let mut errors = |adjoints: &[Adjoint]| -> Result<Vec<f64>> {
        adjoints.iter().map(|adjoint| Ok(apart(&trained(&mut tape, &tight(*adjoint))?.1, &exact))).collect()
    };
    let neumann = errors(&[0, 1, 2, 4, 8, 16].map(|terms| Adjoint::Neumann { terms }))?;
    assert!(neumann.windows(2).all(|pair| pair[1] < pair[0]), "{neumann:?}");
    assert!(neumann[0] > 1e-3 && neumann[5] < 1e-4 * neumann[0], "{neumann:?}");
    let phantom = errors(&[1, 2, 4, 8, 16].map(|steps| Adjoint::Phantom { steps, tau: 1.0 }))?;
    assert!(phantom.windows(2).all(|pair| pair[1] < pair[0]), "{phantom:?}");
    // k undamped steps from the fixed point are the first k terms.
    for (k, error) in [(0, 1), (2, 3)].map(|(p, terms)| (p, errors(&[Adjoint::Neumann { terms: terms - 1 }]))) {
        assert!((phantom[k] - error?[0]).abs() < 1e-9, "{phantom:?}");
    }
    let damped = errors(&[20, 80].map(|steps| Adjoint::Phantom { steps, tau: 0.5 }))?;
    assert!(damped[1] < 1e-6 && damped[1] < damped[0], "{damped:?}");
    Ok(())
}

/// `y <- a y + b` with a rate for each sample.
fn linear(tape: &mut Tape, rates: &[f32], settings: &Settle) -> Result<(Vec<f64>, Vec<Outcome>)> {
    let samples = rates.len();
    let rates = tape.upload(rates, &[samples], DType::F32)?;
    let rates = tape.constant(rates);
    let b = tape.upload(&vec![1.0f32; 3 * samples], &[samples, 3], DType::F32)?;
    let b = tape.leaf(b);
    let start = tape.fill(0.0, &[samples, 3], DType::F32)?;
    let step = |tape: &mut Tape, y: Var, params: &[Var]| {
        let shape = tape.spec(y)?.shape;
        let zero = tape.fill(0.0, &shape, DType::F32)?;
        let scaled = tape.blend(y, zero, params[0], 1)?;
        tape.add(scaled, params[1])
    };
    let (y, outcomes) = settle(tape, start, &[rates, b], settings, step)?;
    Ok((tape.read(y)?, outcomes))
}

#[test]
fn samples_settle_by_themselves() -> Result<()> {
    let settings = Settle::new(Limits::new(300, 1e-5));
    let rates = [0.1f32, 0.9, 0.5];
    for mut tape in [Tape::reference(), Tape::new(&device())] {
        let (all, outcomes) = linear(&mut tape, &rates, &settings)?;
        for (sample, rate) in rates.iter().enumerate() {
            let (alone, outcome) = linear(&mut tape, &[*rate], &settings)?;
            assert_eq!(all[3 * sample..3 * sample + 3], alone, "sample {sample}");
            assert_eq!(outcomes[sample], outcome[0]);
            // The residual is below 1e-5, the error below rate / (1 - rate) of that.
            let exact = 1.0 / (1.0 - f64::from(*rate));
            assert!((alone[0] - exact).abs() < 1e-4 * exact, "{} beside {exact}", alone[0]);
        }
        // |f(y_k) - y_k| / |f(y_k)| is a^k (1 - a) / (1 - a^(k+1)), below 1e-5 from k = 5, 88, 16 on; that is evaluation k + 1.
        assert_eq!(outcomes.iter().map(|o| o.iterations).collect::<Vec<_>>(), [6, 89, 17]);
    }
    Ok(())
}

#[test]
fn what_does_not_settle_says_so() -> Result<()> {
    let mut tape = Tape::reference();
    let few = Settle::new(Limits::new(20, 1e-6));
    let (_, outcomes) = linear(&mut tape, &[0.1, 0.99], &few)?;
    assert!(outcomes[0].converged && !outcomes[1].converged && outcomes[1].iterations == 20, "{outcomes:?}");
    let error = error_of(linear(&mut tape, &[0.1, 0.99], &few.demanded()), "a sample that does not converge");
    assert_eq!(error.kind(), ErrorKind::NotConverged);
    assert!(error.to_string().starts_with("settle: the fixed point of sample 1 has residual"), "{error}");
    let error = error_of(linear(&mut tape, &[1e30], &Settle::new(Limits::new(20, 1e-6))), "a sample that diverges");
    assert_eq!(error.kind(), ErrorKind::NonFinite);
    let message = "settle: limits is 0, expected a positive tolerance";
    refused(linear(&mut tape, &[0.1], &Settle::new(Limits::new(20, 0.0))), ErrorKind::Param, message);
    let message = "settle: limits is 1 to 0 iterations, expected at least one, in order";
    refused(linear(&mut tape, &[0.1], &Settle::new(Limits::new(0, 1e-6))), ErrorKind::Param, message);
    let phantom = few.adjoint(Adjoint::Phantom { steps: 1, tau: 0.0 });
    let message = "settle: tau is 0, expected above 0 and at most 1";
    refused(linear(&mut tape, &[0.1], &phantom), ErrorKind::Param, message);
    // A captured variable would be a gradient that silently is zero.
    let outer = tape.fill(1.0, &[1, 2], DType::F32)?;
    let captured = settle(&mut tape, outer, &[], &few, move |tape, y, _| tape.add(y, outer));
    assert_eq!(error_of(captured, "a captured variable").kind(), ErrorKind::Foreign);
    // A gradient that is not reached makes the backward pass fail.
    let hasty = few.adjoint(Adjoint::Implicit(Limits::new(2, 1e-12)));
    let error = error_of(trained(&mut tape, &Refine::Settle(hasty)), "a gradient that is not reached");
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
    let exactly = |count: usize| {
        let limits = Limits { at_least: count, at_most: count, tolerance: 1.0 };
        Refine::Settle(Settle::new(limits).adjoint(Adjoint::Neumann { terms: 1 }))
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
