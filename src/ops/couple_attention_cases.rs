//! Cases of [`super::CoupleAttention`]: both layouts of states and heads, with and without mask and matrices, heads of
//! one channel to more than one block.

use super::{AttentionOptions, CoupleAttention};
use crate::kernel::DType;
use crate::ops::attention::Variant;
use crate::ops::spec::{Case, Fill};

const NONE: [bool; 4] = [false; 4];
const ALL: [bool; 4] = [true; 4];

/// What is added to a case after it is made.
type Finish = fn(Case) -> Case;

struct Row {
    shape: &'static [usize],
    positions: [bool; 4],
    options: AttentionOptions,
    label: &'static str,
    qkv: Fill,
    finish: Finish,
}

fn row(shape: &'static [usize], positions: [bool; 4], options: AttentionOptions) -> Row {
    Row { shape, positions, options, label: "", qkv: Fill::Between(-2.0, 2.0), finish: |case| case }
}

/// The case with these kernels, if they serve its heads.
fn case(row: Row, variant: Variant) -> Option<Case> {
    let Row { shape, positions, options, label, qkv, finish } = row;
    let mut op = CoupleAttention::new(shape, positions, &options).ok()?;
    op.scores.variant = Some(variant);
    if !variant.serves(op.scores.dim) {
        return None;
    }
    let heads = if options.interleaved { "interleaved" } else { "consecutive" };
    let causal = if options.causal { " causal" } else { "" };
    let given: String = "qkvo".chars().zip(positions).filter(|(_, given)| *given).map(|(part, _)| part).collect();
    let given = if given.is_empty() { given } else { format!(" M{given}") };
    let text = format!("{shape:?} axis {} heads {} {heads}{causal}{given}{label}", options.axis, options.heads);
    let mut fills = vec![qkv];
    fills.extend(positions.iter().filter(|given| **given).map(|_| Fill::Uniform));
    Some(finish(Case::new(text, op, fills)).variant(variant.name()))
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

/// Three tokens of 12 channels, the query of the first zero: it sees one key, so its score has no gradient, and only for
/// p = 1/2 does rounding in f64 leave none either.
fn first_query_zero() -> Fill {
    Fill::Values((0..36).map(|at| if at < 4 { 0.0 } else { f64::from(at * 29 % 31) / 8.0 - 2.0 }).collect())
}

fn rows() -> Vec<Row> {
    let options = AttentionOptions::new;
    let consecutive = |heads, axis| AttentionOptions { interleaved: false, ..options(heads, axis) };
    let causal = |o: AttentionOptions| AttentionOptions { causal: true, ..o };
    let edge = |label, qkv, row: Row| Row { label, qkv, ..row };
    let small = |row: Row| Row { label: " ladder", finish: Case::ladder, ..row };
    let timed = |row: Row| Row { finish: Case::bench, ..row };
    let law = |o| Row { finish: |case| case.law("rows sum to one", ones_law), ..row(&[1, 24, 37], NONE, o) };
    vec![
        row(&[0, 12, 2, 2], ALL, options(2, 1)),
        row(&[2, 6, 0], ALL, options(1, 1)),
        row(&[1, 3, 1], NONE, options(1, 1)),
        row(&[2, 9, 2, 3], NONE, options(3, 1)),
        row(&[2, 12, 3, 2], ALL, options(2, 1)),
        row(&[2, 5, 18], NONE, causal(consecutive(2, 2))),
        row(&[2, 3, 12, 5], ALL, causal(consecutive(1, 2))),
        row(&[1, 60, 3, 3], [true, true, false, false], options(2, 1)),
        row(&[1, 30, 2, 3], [false, false, true, false], causal(options(1, 1))),
        row(&[1, 7, 102], [false, false, false, true], consecutive(1, 2)),
        // More than one patch of rows, which ends within a sample; by tokens and by channels.
        row(&[3, 24, 5, 5], ALL, options(2, 1)),
        row(&[2, 40, 36], ALL, options(2, 2)),
        row(&[1, 156, 5], ALL, options(2, 1)),
        row(&[2, 198, 3], ALL, options(1, 1)),
        row(&[1, 210, 6], NONE, causal(options(1, 1))),
        row(&[1, 12, 65], NONE, causal(options(2, 1))),
        row(&[1, 12, 131], NONE, options(1, 1)),
        // Scores up to hundreds: one key takes all.
        edge(" sharp", Fill::Between(-16.0, 16.0), row(&[1, 24, 4, 4], ALL, options(1, 1))),
        edge(" mixed scales", Fill::Mixed(6), row(&[1, 24, 3, 3], ALL, options(2, 1))),
        edge(" no state", Fill::Zero, row(&[1, 24, 9], ALL, options(2, 1))),
        edge(" one channel", Fill::OneHot, row(&[1, 24, 9], NONE, options(2, 1))),
        edge(" ones", ones(37, 8), law(options(2, 1))),
        edge(" ones", ones(37, 8), law(causal(options(2, 1)))),
        small(row(&[1, 12, 2], [true, true, false, false], options(1, 1))),
        small(row(&[1, 6, 2], ALL, options(1, 1))),
        Row { qkv: first_query_zero(), ..small(row(&[1, 3, 12], NONE, causal(consecutive(2, 2)))) },
        timed(row(&[8, 192, 16, 16], ALL, options(8, 1))),
        timed(row(&[4, 1536, 9, 9], NONE, options(8, 1))),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    let of = |variant| rows().into_iter().filter_map(move |row| case(row, variant));
    [Variant::Four, Variant::Plain, Variant::Staged, Variant::Wide].into_iter().flat_map(of).collect()
}
