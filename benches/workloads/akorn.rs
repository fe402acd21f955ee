//! The attention coupling of AKOrN, and its Sudoku network.

use kuramoto::model::akorn::{Run, Sudoku, SudokuConfig};
use kuramoto::model::{Bound, Trainer, TrainerOptions};
use kuramoto::ops::adam::AdamOptions;
use kuramoto::{AttentionOptions, AttentionWeights, Context, DType, Result, Tape, Tensor, Value, Var};
use serde_json::json;

use super::Workload;
use super::inputs::{halved, numbers, tensor};
use super::layers::{Make, passes, passes_f16};

/// Every kind of this file.
pub static ALL: &[Make] = &[attention, layer, training];

/// Cells along a side.
const SIDE: usize = 9;

fn attention(context: &Context, large: bool, filter: &str) -> Result<Vec<Workload>> {
    if !"attention".contains(filter) {
        return Ok(vec![]);
    }
    let [b, c, heads] = if large { [100, 512, 8] } else { [16, 64, 4] };
    let pairs = [SIDE * SIDE, c / heads / 2, 2, 2];
    let scale = 1.0 / (c as f32).sqrt();
    let mut inputs = vec![
        tensor(context, &[b, c, SIDE, SIDE], 0, 1.0, 0.0)?,
        tensor(context, &[3 * c, c], 1, scale, 0.0)?,
        tensor(context, &[3 * c], 2, 0.1, 0.0)?,
        tensor(context, &[c, c], 3, scale, 0.0)?,
        tensor(context, &[c], 4, 0.1, 0.0)?,
    ];
    for k in 5..9 {
        inputs.push(tensor(context, &pairs, k, 1.0, 0.0)?);
    }
    let seed = tensor(context, &[b, c, SIDE, SIDE], 9, 1.0, 0.0)?;
    let couple = move |tape: &mut Tape, v: &[Var]| {
        let positions = [Some(v[5]), Some(v[6]), Some(v[7]), Some(v[8])];
        let weights = AttentionWeights { w_qkv: v[1], b_qkv: Some(v[2]), w_o: v[3], b_o: Some(v[4]), positions };
        tape.couple_attention(v[0], &weights, &AttentionOptions::new(heads, 1))
    };
    let sizes = json!({ "batch": b, "channels": c, "heads": heads });
    let mut all = passes("attention", sizes.clone(), inputs.clone(), seed.clone(), couple);
    all.extend(passes_f16(context, large, "attention", sizes, &inputs, &seed, couple)?);
    Ok(all)
}

/// A network whose parameters come from the formula, in the order of the model, and their names and extents.
fn network(large: bool) -> Result<(Sudoku, kuramoto::model::Parameters, serde_json::Value, [usize; 2])> {
    let [b, c, heads, steps] = if large { [100, 512, 8, 16] } else { [50, 64, 4, 8] };
    let sudoku = Sudoku::new(SudokuConfig { channels: c, heads, ..SudokuConfig::default() })?;
    let mut parameters = sudoku.parameters(1)?;
    let described: Vec<(String, Vec<usize>)> =
        parameters.iter().map(|parameter| (parameter.name.clone(), parameter.shape.clone())).collect();
    for (k, (name, shape)) in described.iter().enumerate() {
        let fan_in: usize = shape.iter().skip(1).product::<usize>().max(1);
        let (scale, shift) = match name.as_str() {
            "gamma" => (0.0, 1.0),
            name if name.contains("omg") => (0.0, 0.35),
            _ => (1.0 / (fan_in as f32).sqrt(), 0.0),
        };
        parameters.set(name, &numbers(shape.iter().product(), k, scale, shift))?;
    }
    let sizes = json!({ "batch": b, "channels": c, "heads": heads, "n": 4, "steps": steps, "parameters": described });
    Ok((sudoku, parameters, sizes, [b, steps]))
}

fn digits(boards: usize, most: usize) -> Vec<u32> {
    (0..boards * SIDE * SIDE).map(|i| (i * 7919 % 2003 % most) as u32).collect()
}

/// The storage types of operands that are timed.
fn dtypes(context: &Context, large: bool) -> Vec<DType> {
    if large && context.has_f16() { vec![DType::F32, DType::F16] } else { vec![DType::F32] }
}

fn with_dtype(mut sizes: serde_json::Value, dtype: DType) -> serde_json::Value {
    if dtype == DType::F16 {
        sizes["dtype"] = json!("f16");
    }
    sizes
}

/// Parameters as operands: all but the scalars of a step.
fn operands(tape: &mut Tape, bound: Bound, dtype: DType) -> Result<Bound> {
    if dtype == DType::F32 {
        return Ok(bound);
    }
    bound.cast(tape, dtype, |name| name != "gamma" && !name.contains("omg"))
}

/// The network without gradients: embedding, T steps of the layer, readout.
fn layer(context: &Context, large: bool, filter: &str) -> Result<Vec<Workload>> {
    if !"sudoku_forward".contains(filter) {
        return Ok(vec![]);
    }
    let mut all = Vec::new();
    for dtype in dtypes(context, large) {
        let (sudoku, parameters, sizes, [b, steps]) = network(large)?;
        let placed = parameters.place(&mut Tape::new(context))?;
        let noise = noise(context, &sudoku, b, dtype)?;
        let puzzles = digits(b, 10);
        let run = move |tape: &mut Tape| {
            let bound = placed.bind_constant(tape);
            let bound = operands(tape, bound, dtype)?;
            let noise = tape.constant(&noise);
            let solved = sudoku.forward(tape, &bound, &puzzles, noise, &Run::new(steps))?;
            Ok(tape.value(solved.logits)?.clone())
        };
        let sizes = with_dtype(sizes, dtype);
        all.push(Workload { name: "sudoku_forward", pass: "forward", sizes, run: Box::new(run) });
    }
    Ok(all)
}

fn noise(context: &Context, sudoku: &Sudoku, boards: usize, dtype: DType) -> Result<Tensor> {
    let noise = tensor(context, &sudoku.noise_shape(boards), 40, 1.0, 0.0)?;
    if dtype == DType::F32 { Ok(noise) } else { Ok(halved(&[noise])?.remove(0)) }
}

/// A whole training step: forward, backward through all steps, clipping, Adam. The loss is compared.
fn training(context: &Context, large: bool, filter: &str) -> Result<Vec<Workload>> {
    if !"sudoku_training".contains(filter) {
        return Ok(vec![]);
    }
    let mut all = Vec::new();
    for dtype in dtypes(context, large) {
        let (sudoku, parameters, sizes, [b, steps]) = network(large)?;
        let options = TrainerOptions::new(AdamOptions::new(1e-3).clip(1.0));
        let mut trainer = Trainer::new(&mut Tape::new(context), &parameters, options)?;
        let noise = noise(context, &sudoku, b, dtype)?;
        let (puzzles, solutions) = (digits(b, 10), digits(b, 9).iter().map(|digit| digit + 1).collect::<Vec<u32>>());
        let run = move |tape: &mut Tape| {
            let bound = trainer.bind(tape)?;
            let cast = operands(tape, bound.clone(), dtype)?;
            let noise = tape.constant(&noise);
            let solved = sudoku.forward(tape, &cast, &puzzles, noise, &Run::new(steps))?;
            let loss = sudoku.loss(tape, &solved, &solutions)?;
            let gradients = tape.backward(loss)?;
            trainer.step(tape, &bound, &gradients, &[])?;
            let value: Value = tape.value(loss)?.clone();
            Ok(value)
        };
        let sizes = with_dtype(sizes, dtype);
        all.push(Workload { name: "sudoku_training", pass: "step", sizes, run: Box::new(run) });
    }
    Ok(all)
}
