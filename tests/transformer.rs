//! Transformer blocks against a plain f64 composition, their gradient, and what they refuse.
#![cfg(feature = "gpu")]

mod common;

use common::{device, numbers, refused};
use kuramoto::model::transformer::{BlockNorm, Gate, Mlp, Placement, Positions, TransformerBlock, TransformerConfig};
use kuramoto::model::{Builder, Parameters};
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
        TransformerConfig { heads: 1, positions: Positions::Board { side: 4 }, head_norm: Some(1e-6), gate, ..base },
        TransformerConfig {
            mlp: Mlp::ReluSquared,
            norm: BlockNorm::Layer { eps: 1e-5 },
            bias: true,
            positions: Positions::None,
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

/// Samples, tokens, channels of the states that a block is tried on.
fn shape(config: &TransformerConfig) -> [usize; 3] {
    match config.positions {
        Positions::Board { side } => [2, side * side, 8],
        _ => [2, 3, 8],
    }
}

fn map(tape: &mut Tape, block: &TransformerBlock, parameters: &Parameters) -> Result<Vec<f64>> {
    let bound = parameters.place(tape)?.bind(tape);
    let shape = shape(block.config());
    let x = tape.upload(&numbers(3, shape.iter().product()), &shape, DType::F32)?;
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
    let angle = |token: usize, j: usize| match config.positions {
        Positions::None => 0.0,
        Positions::Rotary { base } => token as f64 * base.powf(-2.0 * j as f64 / dim as f64),
        // Pairs 1, 2 and 3 turn over with the column of boxes, the row of boxes, and both.
        Positions::Board { .. } => {
            let (below, beside) = (token / 8, token % 4 / 2);
            std::f64::consts::PI * [0, beside, below, (below + beside) % 2][j] as f64
        }
    };
    let turn = |x: &[f64], token: usize, way: f64| -> Vec<f64> {
        let pair = |j: usize| {
            let angle = way * angle(token, j);
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
    let turns_values = matches!(config.positions, Positions::Board { .. });
    let attention = |xs: &[Vec<f64>]| -> Vec<Vec<f64>> {
        let part = |name: &str| xs.iter().map(|x| affine(x, &format!("attn.{name}"))).collect::<Vec<_>>();
        let (q, k, v) = (part("c_q"), part("c_k"), part("c_v"));
        let head = |x: &[f64], h: usize| x[h * dim..(h + 1) * dim].to_vec();
        let mixed = (0..xs.len()).map(|i| {
            let seen = if config.causal { i + 1 } else { xs.len() };
            let of_head = |h: usize| {
                // Rotations rounded to f32 keep lengths to 1e-7 alone: here the order counts.
                let query = turn(&scaled(head(&q[i], h)), i, 1.0);
                let score = |j: usize| {
                    let key = turn(&scaled(head(&k[j], h)), j, 1.0);
                    (query.iter().zip(&key).map(|(a, b)| a * b).sum::<f64>() / (dim as f64).sqrt()).exp()
                };
                let weights: Vec<f64> = (0..seen).map(score).collect();
                let total: f64 = weights.iter().sum();
                let value = |j: usize| match turns_values {
                    true => turn(&head(&v[j], h), j, 1.0),
                    false => head(&v[j], h),
                };
                let values: Vec<Vec<f64>> = (0..seen).map(value).collect();
                let mixed: Vec<f64> =
                    (0..dim).map(|c| (0..seen).map(|j| weights[j] * values[j][c]).sum::<f64>() / total).collect();
                if turns_values { turn(&mixed, i, -1.0) } else { mixed }
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
    let [samples, tokens, width] = shape(config);
    let data: Vec<f64> = numbers(3, samples * tokens * width).iter().map(|v| f64::from(*v)).collect();
    let mut all = Vec::new();
    for sample in data.chunks(tokens * width) {
        let xs: Vec<Vec<f64>> = sample.chunks(width).map(<[f64]>::to_vec).collect();
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
    for config in &configs()[..3] {
        let (block, parameters) = block(*config)?;
        let shape = shape(config);
        let len: usize = shape.iter().product();
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
        let x = tape.upload(&numbers(3, len), &shape, DType::F32)?;
        let x = tape.constant(x);
        let y = block.forward(&mut tape, &bound, x)?;
        let seed = tape.upload(&weights, &shape, DType::F32)?;
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
        "TransformerBlock: channels per head is 1, expected even with positions, which turn pairs of channels";
    refused(wrong(TransformerConfig { heads: 8, ..base }), ErrorKind::Param, message);
    let message = "TransformerBlock: base is -1, expected a positive number";
    let positions = Positions::Rotary { base: -1.0 };
    refused(wrong(TransformerConfig { positions, ..base }), ErrorKind::Param, message);
    let message = "TransformerBlock: side is 6, expected the square of the side of a box, from 4";
    let positions = Positions::Board { side: 6 };
    refused(wrong(TransformerConfig { positions, ..base }), ErrorKind::Param, message);
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
    let positions = Positions::Board { side: 4 };
    let board = TransformerBlock::new(TransformerConfig { positions, ..base }, "b.")?;
    let message = "TransformerBlock: tokens is 9, expected the cells of a board of 4 x 4";
    refused(board.operands(&mut tape, &bound, 9), ErrorKind::Shape, message);
    Ok(())
}
