//! Cases of [`super::CoupleAttention`]: both layouts of states and heads, with and without mask and matrices, heads of
//! one channel to more than one block.

use super::{AttentionOptions, CoupleAttention};
use crate::kernel::DType;
use crate::ops::spec::{Case, Fill};

const NONE: [bool; 4] = [false; 4];
const ALL: [bool; 4] = [true; 4];

fn case(shape: &[usize], positions: [bool; 4], options: AttentionOptions, label: &str, qkv: Fill) -> Option<Case> {
    let op = CoupleAttention::new(shape, positions, &options).ok()?;
    let heads = if options.interleaved { "interleaved" } else { "consecutive" };
    let causal = if options.causal { " causal" } else { "" };
    let given: String = "qkvo".chars().zip(positions).filter(|(_, given)| *given).map(|(part, _)| part).collect();
    let given = if given.is_empty() { given } else { format!(" M{given}") };
    let text = format!("{shape:?} axis {} heads {} {heads}{causal}{given}{label}", options.axis, options.heads);
    let mut fills = vec![qkv];
    fills.extend(positions.iter().filter(|given| **given).map(|_| Fill::Uniform));
    Some(Case::new(text, op, fills))
}

/// The weights of a row sum to one: with all values 1 so is every result. 1/l and the product round, and f16 stores it.
fn ones_law(_: &[Vec<f64>], outputs: &[Vec<f64>], _: &Case, dtype: DType) -> f64 {
    let allowed = if dtype == DType::F16 { f64::powi(2.0, -10) } else { 4.0 * f64::powi(2.0, -23) };
    outputs[0]
        .iter()
        .map(|v| (v - 1.0).abs() / allowed)
        .fold(0.0, |worst, r| if r > worst || r.is_nan() { r } else { worst })
}

/// Queries and keys that differ, then values of one.
fn ones(tokens: usize, width: usize) -> Fill {
    let channels = (0..3 * width * tokens).map(|at| match at / tokens / width {
        2 => 1.0,
        _ => f64::from((at * 37 % 64) as u32) / 16.0 - 2.0,
    });
    Fill::Values(channels.collect())
}

pub(super) fn cases() -> Vec<Case> {
    let options = AttentionOptions::new;
    let consecutive = |heads, axis| AttentionOptions { interleaved: false, ..options(heads, axis) };
    let causal = |o: AttentionOptions| AttentionOptions { causal: true, ..o };
    let uniform = || Fill::Between(-2.0, 2.0);
    let mut cases: Vec<Option<Case>> = vec![
        case(&[0, 12, 2, 2], ALL, options(2, 1), "", uniform()),
        case(&[2, 6, 0], ALL, options(1, 1), "", uniform()),
        case(&[1, 3, 1], NONE, options(1, 1), "", uniform()),
        case(&[2, 9, 2, 3], NONE, options(3, 1), "", uniform()),
        case(&[2, 12, 3, 2], ALL, options(2, 1), "", uniform()),
        case(&[2, 5, 18], NONE, causal(consecutive(2, 2)), "", uniform()),
        case(&[2, 3, 12, 5], ALL, causal(consecutive(1, 2)), "", uniform()),
        case(&[1, 60, 3, 3], [true, true, false, false], options(2, 1), "", uniform()),
        case(&[1, 30, 2, 3], [false, false, true, false], causal(options(1, 1)), "", uniform()),
        case(&[1, 7, 102], [false, false, false, true], consecutive(1, 2), "", uniform()),
        case(&[1, 3 * 140, 5], ALL, options(2, 1), "", uniform()),
        case(&[1, 3 * 130, 6], NONE, causal(options(1, 1)), "", uniform()),
        case(&[1, 12, 65], NONE, causal(options(2, 1)), "", uniform()),
        case(&[1, 12, 131], NONE, options(1, 1), "", uniform()),
        // Scores up to hundreds: one key takes all.
        case(&[1, 24, 4, 4], ALL, options(1, 1), " sharp", Fill::Between(-16.0, 16.0)),
        case(&[1, 24, 3, 3], ALL, options(2, 1), " mixed scales", Fill::Mixed(6)),
        case(&[1, 24, 9], ALL, options(2, 1), " no state", Fill::Zero),
        case(&[1, 24, 9], NONE, options(2, 1), " one channel", Fill::OneHot),
        case(&[1, 12, 2], [true, true, false, false], options(1, 1), " ladder", uniform()).map(Case::ladder),
        case(&[1, 6, 2], ALL, options(1, 1), " ladder", uniform()).map(Case::ladder),
        case(&[1, 3, 12], NONE, causal(consecutive(2, 2)), " ladder", uniform()).map(Case::ladder),
        case(&[8, 192, 16, 16], ALL, options(8, 1), "", uniform()).map(Case::bench),
        case(&[4, 1536, 9, 9], NONE, options(8, 1), "", uniform()).map(Case::bench),
    ];
    for o in [options(2, 1), causal(options(2, 1))] {
        cases.push(case(&[1, 24, 37], NONE, o, " ones", ones(37, 8)).map(|c| c.law("rows sum to one", ones_law)));
    }
    cases.into_iter().flatten().collect()
}
