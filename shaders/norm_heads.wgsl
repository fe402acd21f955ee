// dst = x r,   r = 1 / sqrt(mean x^2 + eps) over the channels of a head, for the first heads of a token; the others are
// copied
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
@group(0) @binding(1) var<storage, read> x: array<Elem>;          // [rows, dim]
@group(0) @binding(2) var<storage, read_write> dst: array<Elem>;  // [rows, dim]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = linear_index(gid, groups);
    if row >= params.rows { return; }
    let base = row * params.dim;
    if row % params.heads >= params.normed {
        for (var c = 0u; c < params.dim; c++) { dst[base + c] = x[base + c]; }
        return;
    }
    var square = 0.0;
    for (var c = 0u; c < params.dim; c++) {
        let value = f32(x[base + c]);
        square += value * value;
    }
    let r = inverseSqrt(square * params.share + params.eps);
    for (var c = 0u; c < params.dim; c++) { dst[base + c] = Elem(f32(x[base + c]) * r); }
}
