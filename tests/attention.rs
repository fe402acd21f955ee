//! Laws of attention as a coupling, on a device and on the reference backend.
#![cfg(feature = "gpu")]

mod common;

use common::{device, numbers};
use kuramoto::ops::couple_attention::CoupleAttention;
use kuramoto::{
    AttentionOptions, AttentionWeights, Context, DType, ErrorKind, Result, Tape, Tensor, Var,
    cpu::couple_attention as cpu,
};

/// The core without matrices over `qkv` `[B, 3 C, ..]` or `[B, T, 3 C]`.
fn core(context: &Context, qkv: &[f32], shape: &[usize], options: &AttentionOptions) -> Result<Vec<f32>> {
    let op = CoupleAttention::new(shape, [false; 4], options)?;
    let mut commands = context.commands();
    let qkv = Tensor::from_slice(context, qkv, shape, DType::F32)?;
    let dst = commands.apply(&op, &[&qkv])?.remove(0);
    commands.read(&dst)
}

/// `rows` of tokens `[T, C]` in another order.
fn permuted(x: &[f32], channels: usize, order: &[usize]) -> Vec<f32> {
    order.iter().flat_map(|t| x[t * channels..(t + 1) * channels].iter().copied()).collect()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs()).fold(0.0, f64::max)
}

/// Weights sum to one and values are at most 1, so that a result is the sum of `tokens` products with weights that are
/// each off by the rounding of a score of `dim` products of at most 1, of exp2 and of the sums: in units of 2^-23.
fn rounding(tokens: usize, dim: usize) -> f64 {
    2.0 * (2.0 * tokens as f64 + 2.0 * (dim as f64 + 4.0) * (dim as f64).sqrt() + 8.0) * f64::powi(2.0, -23)
}

#[test]
fn attention_without_matrices_and_mask_permutes_with_its_tokens() -> Result<()> {
    let (tokens, channels, heads) = (21, 12, 3);
    let options = AttentionOptions::new(heads, 2);
    let qkv = numbers(1, tokens * 3 * channels);
    // 8 and 21 share no divisor.
    let order: Vec<usize> = (0..tokens).map(|t| (8 * t + 5) % tokens).collect();
    let context = device();
    let there = core(&context, &permuted(&qkv, 3 * channels, &order), &[1, tokens, 3 * channels], &options)?;
    let here = permuted(&core(&context, &qkv, &[1, tokens, 3 * channels], &options)?, channels, &order);
    let (off, allowed) = (largest_difference(&here, &there), rounding(tokens, channels / heads));
    assert!(off <= allowed, "off by {off:e}, {allowed:e} allowed");
    // The mask does not permute.
    let masked = AttentionOptions { causal: true, ..options };
    let there = core(&context, &permuted(&qkv, 3 * channels, &order), &[1, tokens, 3 * channels], &masked)?;
    let here = permuted(&core(&context, &qkv, &[1, tokens, 3 * channels], &masked)?, channels, &order);
    assert!(largest_difference(&here, &there) > 0.01);
    Ok(())
}

#[test]
fn a_vector_added_to_all_keys_changes_nothing() -> Result<()> {
    let (tokens, channels, heads) = (17, 8, 2);
    let options = AttentionOptions::new(heads, 2);
    let mut qkv = numbers(2, tokens * 3 * channels);
    let context = device();
    let before = core(&context, &qkv, &[1, tokens, 3 * channels], &options)?;
    for token in qkv.chunks_exact_mut(3 * channels) {
        for (c, k) in token[channels..2 * channels].iter_mut().enumerate() {
            *k += [4.0, -3.0, 2.0, 0.5][c % 4];
        }
    }
    let after = core(&context, &qkv, &[1, tokens, 3 * channels], &options)?;
    // Keys are up to 5 now, and so are the rounding errors of scores.
    let (off, allowed) = (largest_difference(&before, &after), 5.0 * rounding(tokens, channels / heads));
    assert!(off <= allowed, "off by {off:e}, {allowed:e} allowed");
    Ok(())
}

#[test]
fn long_queries_pick_the_value_of_the_nearest_key() -> Result<()> {
    let (tokens, dim) = (9, 8);
    // Keys and queries along coordinate axes; the query of token t is 2000 times the key of t + 1.
    let mut qkv = vec![0.0f32; tokens * 3 * dim];
    let values = numbers(3, tokens * dim);
    for t in 0..tokens {
        let row = &mut qkv[t * 3 * dim..(t + 1) * 3 * dim];
        row[(t + 1) % tokens % dim] = 2000.0;
        row[dim + t % dim] = if t < dim { 1.0 } else { -1.0 };
        row[2 * dim..].copy_from_slice(&values[t * dim..(t + 1) * dim]);
    }
    let found = core(&device(), &qkv, &[1, tokens, 3 * dim], &AttentionOptions::new(1, 2))?;
    for t in 0..tokens - 2 {
        let (got, wanted) = (&found[t * dim..(t + 1) * dim], &values[(t + 1) * dim..(t + 2) * dim]);
        // One weight: p v / p.
        let off = got.iter().zip(wanted).map(|(a, b)| (a - b).abs() / b.abs()).fold(0.0, f32::max);
        assert!(off <= 4.0 * f32::EPSILON, "token {t}: off by {off:e}");
    }
    Ok(())
}

#[test]
fn a_causal_result_does_not_see_later_tokens() -> Result<()> {
    let (tokens, channels) = (70, 6);
    let options = AttentionOptions { causal: true, interleaved: false, ..AttentionOptions::new(2, 2) };
    let mut qkv = numbers(4, tokens * 3 * channels);
    let context = device();
    let before = core(&context, &qkv, &[1, tokens, 3 * channels], &options)?;
    let kept = 40;
    for v in &mut qkv[kept * 3 * channels..] {
        *v = -*v;
    }
    let after = core(&context, &qkv, &[1, tokens, 3 * channels], &options)?;
    assert_eq!(before[..kept * channels], after[..kept * channels]);
    assert_ne!(before[kept * channels..], after[kept * channels..]);
    // The first token sees itself alone.
    for c in 0..channels {
        let value = numbers(4, tokens * 3 * channels)[2 * channels + c];
        assert!((before[c] - value).abs() <= 4.0 * f32::EPSILON * value.abs());
    }
    Ok(())
}

#[test]
fn a_sample_does_not_depend_on_its_batch() -> Result<()> {
    let (batch, channels, plane) = (5, 20, 12);
    let options = AttentionOptions::new(2, 1);
    let qkv = numbers(5, batch * 3 * channels * plane);
    let context = device();
    let all = core(&context, &qkv, &[batch, 3 * channels, 3, 4], &options)?;
    for (sample, together) in qkv.chunks_exact(3 * channels * plane).zip(all.chunks_exact(channels * plane)) {
        assert_eq!(core(&context, sample, &[1, 3 * channels, 3, 4], &options)?, together);
    }
    Ok(())
}

/// Scores as a matrix, softmax row by row, as a textbook has it: the reference's own algebra is checked by other algebra.
#[test]
fn the_reference_is_the_textbook_formula() -> Result<()> {
    let (batch, tokens, heads, dim) = (2, 6, 2, 4);
    let channels = heads * dim;
    for (interleaved, causal) in [(true, false), (true, true), (false, false), (false, true)] {
        let at = cpu::Layout { batch, tokens, inner: 1, heads, dim, interleaved, causal };
        let qkv: Vec<f64> = numbers(6, batch * tokens * 3 * channels).iter().map(|v| 3.0 * f64::from(*v)).collect();
        let matrices: Vec<Vec<f64>> =
            (0..4).map(|m| numbers(7 + m, tokens * dim * 2).iter().map(|v| f64::from(*v)).collect()).collect();
        let given: Vec<Option<&[f64]>> = matrices.iter().map(|m| Some(m.as_slice())).collect();
        let found = cpu::forward(&qkv, &[given[0], given[1], given[2], given[3]], &at);
        let channel = |h: usize, c: usize| if interleaved { c * heads + h } else { h * dim + c };
        let turn = |m: usize, t: usize, x: &[f64]| -> Vec<f64> {
            let entry = |c: usize, k: usize| matrices[m][((t * dim / 2 + c / 2) * 2 + c % 2) * 2 + k];
            (0..dim).map(|c| entry(c, 0) * x[c / 2 * 2] + entry(c, 1) * x[c / 2 * 2 + 1]).collect()
        };
        for b in 0..batch {
            for h in 0..heads {
                let part = |m: usize, t: usize| {
                    let at = |c| qkv[(b * tokens + t) * 3 * channels + m * channels + channel(h, c)];
                    turn(m, t, &(0..dim).map(at).collect::<Vec<f64>>())
                };
                for i in 0..tokens {
                    let q = part(0, i);
                    let keys = if causal { 0..i + 1 } else { 0..tokens };
                    let logit = |j| q.iter().zip(part(1, j)).map(|(a, b)| a * b).sum::<f64>() / (dim as f64).sqrt();
                    let weights: Vec<f64> = keys.clone().map(|j| f64::exp(logit(j))).collect();
                    let total: f64 = weights.iter().sum();
                    let sum = |c: usize| keys.clone().map(|j| weights[j] / total * part(2, j)[c]).sum::<f64>();
                    let o = turn(3, i, &(0..dim).map(sum).collect::<Vec<f64>>());
                    for (c, wanted) in o.iter().enumerate() {
                        let got = found[(b * tokens + i) * channels + channel(h, c)];
                        assert!((got - wanted).abs() <= 1e-13, "{got} is not {wanted}");
                    }
                }
            }
        }
    }
    Ok(())
}

#[test]
fn bad_extents_are_refused() {
    let options = AttentionOptions::new;
    let kind = |shape: &[usize], positions: [bool; 4], options: AttentionOptions| {
        CoupleAttention::new(shape, positions, &options).map(|_| ()).unwrap_err().kind()
    };
    let none = [false; 4];
    assert_eq!(kind(&[2, 12, 4], none, options(0, 1)), ErrorKind::Param);
    assert_eq!(kind(&[2, 12, 4], none, options(1, 0)), ErrorKind::Shape);
    assert_eq!(kind(&[2, 12, 4], none, options(1, 3)), ErrorKind::Shape);
    assert_eq!(kind(&[2, 13, 4], none, options(1, 1)), ErrorKind::Shape);
    assert_eq!(kind(&[2, 12, 4], none, options(3, 1)), ErrorKind::Shape);
    assert_eq!(kind(&[2, 0, 4], none, options(1, 1)), ErrorKind::Shape);
    assert_eq!(kind(&[2, 9, 4], [false, false, true, false], options(1, 1)), ErrorKind::Shape);
    assert_eq!(kind(&[1 << 20, 12, 1 << 12], none, options(1, 1)), ErrorKind::Index);
    assert_eq!(kind(&[usize::MAX, 12, 1 << 12], none, options(1, 1)), ErrorKind::Index);
    // Padding counts: 64 channels stand for the 33 of a head.
    assert_eq!(kind(&[1 << 15, 3 * 33, 1 << 10], none, options(1, 1)), ErrorKind::Index);
    // The matrices' extents are those of the tokens.
    let context = device();
    let op = CoupleAttention::new(&[1, 12, 2, 3], [true, false, false, false], &options(2, 1)).unwrap();
    let mut tape = Tape::new(&context);
    let vars = [(&[1, 12, 2, 3][..], 72), (&[5, 1, 2, 2], 20)].map(|(shape, len)| {
        let value = tape.upload(&numbers(1, len), shape, DType::F32).unwrap();
        tape.leaf(value)
    });
    assert_eq!(tape.apply(op, &vars).unwrap_err().kind(), ErrorKind::Shape);
}

/// The published layer's coupling on both backends: images and tokens, with every operand.
#[test]
fn a_device_agrees_with_the_reference_on_the_whole_coupling() -> Result<()> {
    let context = device();
    let (heads, channels, tokens) = (3, 12, 10);
    for (shape, axis) in [([2, channels, 2, 5], 1), ([2, 2, 5, channels], 3)] {
        let run = |tape: &mut Tape| -> Result<Vec<Vec<f64>>> {
            let mut leaf = |seed, shape: &[usize]| -> Result<Var> {
                let value = tape.upload(&numbers(seed, shape.iter().product()), shape, DType::F32)?;
                Ok(tape.leaf(value))
            };
            let x = leaf(1, &shape)?;
            let matrices = [tokens, channels / heads / 2, 2, 2];
            let positions = [leaf(2, &matrices)?, leaf(3, &matrices)?, leaf(4, &matrices)?, leaf(5, &matrices)?];
            let weights = AttentionWeights {
                w_qkv: leaf(6, &[3 * channels, channels])?,
                b_qkv: Some(leaf(7, &[3 * channels])?),
                w_o: leaf(8, &[channels, channels])?,
                b_o: Some(leaf(9, &[channels])?),
                positions: positions.map(Some),
            };
            let y = tape.couple_attention(x, &weights, &AttentionOptions::new(heads, axis))?;
            assert_eq!(tape.spec(y)?.shape, shape);
            let seed = tape.upload(&numbers(10, 2 * channels * tokens), &shape, DType::F32)?;
            let grads = tape.vjp(&[(y, seed)])?;
            let mut all = vec![tape.read(y)?];
            let AttentionWeights { w_qkv, b_qkv, w_o, b_o, .. } = weights;
            for var in [Some(x), Some(w_qkv), b_qkv, Some(w_o), b_o].into_iter().flatten().chain(positions) {
                all.push(grads.read(tape, var)?);
            }
            Ok(all)
        };
        let (got, wanted) = (run(&mut Tape::new(&context))?, run(&mut Tape::reference())?);
        for (k, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
            let size = (wanted.iter().map(|v| v * v).sum::<f64>() / wanted.len() as f64).sqrt();
            let off = got.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(size > 0.01 && off <= 2e-5 * size, "value {k}: off by {off:e} of {size:e}");
        }
    }
    Ok(())
}
