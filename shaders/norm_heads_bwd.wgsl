// x_bar = r (dst_bar - h mean(dst_bar h)),   h = x r,   r = 1 / sqrt(mean x^2 + eps), for the first heads of a token; the
// cotangents of the others are copied
//
// One invocation per token and head: heads are short.

struct Params {
    rows: u32,    // tokens * heads
    heads: u32,   // of a token
    normed: u32,  // how many of them are normalised
    dim: u32,     // channels of a head
    share: f32,   // 1 / dim
    eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;            // [rows, dim]
@group(0) @binding(2) var<storage, read> dst_bar: array<Elem>;      // [rows, dim]
@group(0) @binding(3) var<storage, read_write> x_bar: array<Elem>;  // [rows, dim]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = linear_index(gid, groups);
    if row >= params.rows { return; }
    let base = row * params.dim;
    if row % params.heads >= params.normed {
        for (var c = 0u; c < params.dim; c++) { x_bar[base + c] = dst_bar[base + c]; }
        return;
    }
    var square = 0.0;
    for (var c = 0u; c < params.dim; c++) {
        let value = f32(x[base + c]);
        square += value * value;
    }
    let r = inverseSqrt(square * params.share + params.eps);
    var along = 0.0;
    for (var c = 0u; c < params.dim; c++) { along += f32(dst_bar[base + c]) * (f32(x[base + c]) * r); }
    let b = along * params.share;
    for (var c = 0u; c < params.dim; c++) {
        let at = base + c;
        x_bar[at] = Elem((f32(dst_bar[at]) - (f32(x[at]) * r) * b) * r);
    }
}
