// logits_bar_k = dst_bar / positions (exp(x_k - m) / s - [k = label])
//
// One invocation per logit; m and s come from the forward kernel.

struct Params {
    positions: u32,  // outer * inner
    classes: u32,
    inner: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<Elem>;            // [outer, classes, inner]
@group(0) @binding(2) var<storage, read> labels: array<u32>;             // [outer, inner]
@group(0) @binding(3) var<storage, read> statistics: array<f32>;         // [2, positions]: m, then s
@group(0) @binding(4) var<storage, read> dst_bar: array<f32>;            // [1]
@group(0) @binding(5) var<storage, read_write> logits_bar: array<Elem>;  // [outer, classes, inner]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let e = linear_index(gid, groups);
    if e >= params.positions * params.classes { return; }
    let p = e / (params.classes * params.inner) * params.inner + e % params.inner;
    let k = (e / params.inner) % params.classes;
    let share = exp(f32(logits[e]) - statistics[p]) / statistics[params.positions + p];
    let scale = dst_bar[0] / f32(params.positions);
    logits_bar[e] = Elem(scale * (share - select(0.0, 1.0, k == labels[p])));
}
