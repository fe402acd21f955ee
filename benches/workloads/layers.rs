//! Single layers and couplings.

use kuramoto::ops::adam::AdamOptions;
use kuramoto::{
    AnchorOptions, AnchorReadout, Context, ConvOptions, EdgeCoupling, Error, ErrorKind, FlowMethod, FlowOptions, Graph,
    MatmulOptions, PhaseCoupling, Result, Rotation, StepOptions, Tape, Tensor, Value, Var,
};
use serde_json::json;

use super::Workload;
use super::inputs::{halved, on_sphere, tensor};

/// Makes the workloads of one kind whose name contains the text.
pub type Make = fn(&Context, bool, &str) -> Result<Vec<Workload>>;

/// Every kind of this file.
pub static ALL: &[Make] = &[sphere_step, norm_group, adam, matmul, conv2d, anchors, equilibrate, torus, edges];

/// Forward alone, and with the gradients of all of `inputs`, the first of which is compared.
pub fn passes(
    name: &'static str,
    sizes: serde_json::Value,
    inputs: Vec<Tensor>,
    seed: Tensor,
    apply: impl Fn(&mut Tape, &[Var]) -> Result<Var> + Clone + 'static,
) -> Vec<Workload> {
    let (given, forward) = (inputs.clone(), apply.clone());
    let run = move |tape: &mut Tape| {
        let vars: Vec<Var> = given.iter().map(|input| tape.constant(input)).collect();
        let out = forward(tape, &vars)?;
        Ok(tape.value(out)?.clone())
    };
    let first = Workload { name, pass: "forward", sizes: sizes.clone(), run: Box::new(run) };
    let run = move |tape: &mut Tape| {
        let vars: Vec<Var> = inputs.iter().map(|input| tape.leaf(input)).collect();
        let out = apply(tape, &vars)?;
        let gradients = tape.vjp(&[(out, Value::from(&seed))])?;
        gradients.get(vars[0]).cloned().ok_or_else(|| Error::new(ErrorKind::Param, "the first input got no gradient"))
    };
    vec![first, Workload { name, pass: "training", sizes, run: Box::new(run) }]
}

/// The same with operands of f16, on devices that have more than a cast for these.
pub fn passes_f16(
    context: &Context,
    large: bool,
    name: &'static str,
    mut sizes: serde_json::Value,
    inputs: &[Tensor],
    seed: &Tensor,
    apply: impl Fn(&mut Tape, &[Var]) -> Result<Var> + Clone + 'static,
) -> Result<Vec<Workload>> {
    if !large || !context.has_f16() {
        return Ok(vec![]);
    }
    sizes["dtype"] = json!("f16");
    let seed = halved(std::slice::from_ref(seed))?.remove(0);
    Ok(passes(name, sizes, halved(inputs)?, seed, apply))
}

fn sphere_step(context: &Context, large: bool, filter: &str) -> Result<Vec<Workload>> {
    if !"sphere_step".contains(filter) {
        return Ok(vec![]);
    }
    let mut all = Vec::new();
    for n in [2, 4] {
        let [b, c, h] = if large { [64, 64, 128] } else { [16, 64, 64] };
        let shape = [b, c, h, h];
        let x = on_sphere(context, &shape, 0, 1, n)?;
        let y = tensor(context, &shape, 1, 1.0, 0.0)?;
        let gamma = tensor(context, &[1], 2, 0.0, 0.3)?;
        let frequency = tensor(context, &[1], 3, 0.0, 0.5)?;
        let seed = tensor(context, &shape, 4, 1.0, 0.0)?;
        let options = StepOptions::new(n, 1).rotation(Rotation::Global);
        let step = move |tape: &mut Tape, v: &[Var]| Ok(tape.sphere_step(v[0], v[1], v[2], Some(v[3]), &options)?.0);
        let sizes = json!({ "batch": b, "channels": c, "side": h, "n": n });
        all.extend(passes("sphere_step", sizes, vec![x, y, gamma, frequency], seed, step));
    }
    Ok(all)
}

fn norm_group(context: &Context, large: bool, filter: &str) -> Result<Vec<Workload>> {
    if !"norm_group".contains(filter) {
        return Ok(vec![]);
    }
    let [b, c, h] = if large { [128, 256, 32] } else { [32, 64, 32] };
    let groups = c / 2;
    let shape = [b, c, h, h];
    let inputs = vec![
        tensor(context, &shape, 0, 1.0, 0.0)?,
        tensor(context, &[c], 1, 0.5, 1.0)?,
        tensor(context, &[c], 2, 0.5, 0.0)?,
    ];
    let seed = tensor(context, &shape, 3, 1.0, 0.0)?;
    let sizes = json!({ "batch": b, "channels": c, "side": h, "groups": groups });
    let norm = move |tape: &mut Tape, v: &[Var]| tape.norm_group(v[0], Some(v[1]), Some(v[2]), groups, 1e-5);
    Ok(passes("norm_group", sizes, inputs, seed, norm))
}

fn adam(context: &Context, large: bool, filter: &str) -> Result<Vec<Workload>> {
    if !"adam".contains(filter) {
        return Ok(vec![]);
    }
    let len = if large { 1 << 26 } else { 1 << 22 };
    let mut moments = super::inputs::numbers(len, 0, 1.0, 0.0);
    moments.resize(3 * len, 0.0);
    let state = Value::from(Tensor::from_slice(context, &moments, &[3, len], kuramoto::DType::F32)?);
    let gradients = Value::from(tensor(context, &[len], 1, 1.0, 0.0)?);
    let mut step = 0;
    let run = move |tape: &mut Tape| {
        step += 1;
        let state = tape.adam(&state, &gradients, step, &AdamOptions::new(1e-3))?;
        // The parameters alone.
        state.slice(0, &[len])
    };
    Ok(vec![Workload { name: "adam", pass: "step", sizes: json!({ "parameters": len }), run: Box::new(run) }])
}

fn matmul(context: &Context, large: bool, filter: &str) -> Result<Vec<Workload>> {
    if !"matmul".contains(filter) {
        return Ok(vec![]);
    }
    let n = if large { 4096 } else { 1024 };
    let inputs = vec![tensor(context, &[n, n], 0, 1.0, 0.0)?, tensor(context, &[n, n], 1, 1.0, 0.0)?];
    let seed = tensor(context, &[n, n], 2, 1.0, 0.0)?;
    let product = |tape: &mut Tape, v: &[Var]| tape.matmul(v[0], v[1], MatmulOptions::default());
    let mut all = passes("matmul", json!({ "n": n }), inputs.clone(), seed.clone(), product);
    all.extend(passes_f16(context, large, "matmul", json!({ "n": n }), &inputs, &seed, product)?);
    Ok(all)
}

fn conv2d(context: &Context, large: bool, filter: &str) -> Result<Vec<Workload>> {
    if !"conv2d".contains(filter) {
        return Ok(vec![]);
    }
    let [b, c, k, h] = if large { [128, 128, 9, 32] } else { [8, 16, 9, 32] };
    let inputs = vec![
        tensor(context, &[b, c, h, h], 0, 1.0, 0.0)?,
        tensor(context, &[c, c, k, k], 1, 0.1, 0.0)?,
        tensor(context, &[c], 2, 0.1, 0.0)?,
    ];
    let seed = tensor(context, &[b, c, h, h], 3, 1.0, 0.0)?;
    let options = ConvOptions { stride: [1, 1], padding: [k / 2, k / 2] };
    let conv = move |tape: &mut Tape, v: &[Var]| tape.conv2d(v[0], v[1], Some(v[2]), options);
    let sizes = json!({ "batch": b, "channels": c, "kernel": k, "side": h });
    let mut all = passes("conv2d", sizes.clone(), inputs.clone(), seed.clone(), conv);
    all.extend(passes_f16(context, large, "conv2d", sizes, &inputs, &seed, conv)?);
    Ok(all)
}

/// Fixed-query attention after its projections: field, direction, readout.
fn anchors(context: &Context, large: bool, filter: &str) -> Result<Vec<Workload>> {
    if !"fixed_query".contains(filter) {
        return Ok(vec![]);
    }
    let [b, t, heads, d, n] = if large { [64, 512, 8, 64, 16] } else { [8, 128, 4, 16, 8] };
    let tokens = [b, t, heads * d];
    let positions = on_sphere(context, &[heads, t, n], 3, 2, n)?;
    let inputs = vec![
        tensor(context, &tokens, 0, 1.0, 0.0)?,
        tensor(context, &tokens, 1, 1.0, 0.0)?,
        tensor(context, &tokens, 2, 1.0, 0.0)?,
        positions,
    ];
    let seed = tensor(context, &tokens, 4, 1.0, 0.0)?;
    let attend = move |tape: &mut Tape, v: &[Var]| {
        let options = AnchorOptions { causal: true, ..Default::default() };
        let field = tape.couple_anchors(v[0], v[1], v[3], None, &options)?;
        let x = tape.sphere_normalize(field, 3, n)?;
        let readout = AnchorReadout { causal: true, power: 2, separated: false };
        tape.readout_anchors(x, v[2], v[3], None, &readout)
    };
    let sizes = json!({ "batch": b, "tokens": t, "heads": heads, "dim": d, "n": n });
    Ok(passes("fixed_query", sizes, inputs, seed, attend))
}

/// 200 steps of projected Euler in constant fields.
fn equilibrate(context: &Context, large: bool, filter: &str) -> Result<Vec<Workload>> {
    if !"equilibrate".contains(filter) {
        return Ok(vec![]);
    }
    let [count, n] = if large { [64 * 8 * 512, 16] } else { [8 * 4 * 128, 8] };
    let x = on_sphere(context, &[count, n], 0, 1, n)?;
    let h = tensor(context, &[count, n], 1, 1.0, 0.0)?;
    // So short a step and so small a tolerance that no oscillator ends before the last step.
    let options = FlowOptions { method: FlowMethod::Euler, dt: 0.01, steps: 200, tolerance: 1e-20 };
    let run = move |tape: &mut Tape| {
        let (x, h) = (tape.constant(&x), tape.constant(&h));
        let state = tape.equilibrate(x, h, &options)?.state;
        Ok(tape.value(state)?.clone())
    };
    let sizes = json!({ "oscillators": count, "n": n, "steps": 200 });
    Ok(vec![Workload { name: "equilibrate", pass: "forward", sizes, run: Box::new(run) }])
}

/// Attention on the torus after its projections.
fn torus(context: &Context, large: bool, filter: &str) -> Result<Vec<Workload>> {
    if !"torus".contains(filter) {
        return Ok(vec![]);
    }
    let [b, t, heads, d] = if large { [64, 512, 8, 32] } else { [8, 128, 4, 16] };
    let inputs = vec![
        tensor(context, &[b, t, heads, d], 0, 3.0, 0.0)?,
        tensor(context, &[heads, d], 1, 0.5, 1.0)?,
        tensor(context, &[heads], 2, 0.2, 2.0)?,
        tensor(context, &[heads], 3, 0.1, 0.5)?,
        tensor(context, &[heads, d], 4, 0.1, 0.0)?,
    ];
    let seed = tensor(context, &[b, t, heads, d], 5, 1.0, 0.0)?;
    let attend = |tape: &mut Tape, v: &[Var]| {
        let coupling = PhaseCoupling { gate: v[1], tau: v[2], eta: v[3], drift: v[4], content: None };
        tape.kuramoto_attention(v[0], &coupling, true)
    };
    let sizes = json!({ "batch": b, "tokens": t, "heads": heads, "dim": d });
    Ok(passes("torus", sizes, inputs, seed, attend))
}

/// The rate of a network over edges: nodes in a ring, each with the `k` nearest on either side that a stride reaches.
fn edges(context: &Context, large: bool, filter: &str) -> Result<Vec<Workload>> {
    if !"edges".contains(filter) {
        return Ok(vec![]);
    }
    let [nodes, neighbours] = if large { [10_000_000, 10] } else { [100_000, 10] };
    // In CSR at once, sorted within a row: no list of a hundred million pairs.
    let half = neighbours / 2;
    let mut indices = Vec::with_capacity(nodes * neighbours);
    for i in 0..nodes {
        let begin = indices.len();
        indices.extend((1..=half).flat_map(|s| [(i + s) % nodes, (i + nodes - s) % nodes]));
        indices[begin..].sort_unstable();
    }
    let indptr: Vec<usize> = (0..=nodes).map(|i| i * neighbours).collect();
    let graph = Graph::new(&indptr, &indices)?;
    drop((indptr, indices));
    let inputs = [
        tensor(context, &[1, nodes], 0, 3.0, 0.0)?,
        tensor(context, &[nodes], 1, 1.0, 0.0)?,
        tensor(context, &[1, nodes * neighbours], 2, 0.5, 1.0)?,
        tensor(context, &[1], 3, 0.0, 0.2)?,
        tensor(context, &[1, 1], 4, 0.0, 0.0)?,
    ];
    let run = move |tape: &mut Tape| {
        let v: Vec<Var> = inputs.iter().map(|input| tape.constant(input)).collect();
        let coupling = EdgeCoupling { weights: v[2], strength: v[3], lag: v[4] };
        let rate = tape.couple_phases(v[0], v[1], &coupling, &graph, 1)?;
        Ok(tape.value(rate)?.clone())
    };
    let sizes = json!({ "nodes": nodes, "neighbours": neighbours });
    Ok(vec![Workload { name: "edges", pass: "forward", sizes, run: Box::new(run) }])
}
