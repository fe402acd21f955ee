// dst[o, m, i] = bias[m] + sum_k W[m, k] x[o, k, i] + addend[o, m, i],   W[m, k] = w[m row + k col]
//
// Tokens have inner = 1, images the pixels there. The cotangent of x is the same map with W transposed: the strides say
// which. One invocation per output element.

struct Params {
    columns: u32,  // outer * inner
    rows: u32,     // channels of dst
    depth: u32,    // channels of x
    inner: u32,
    row: u32,
    col: u32,
    biased: u32,   // 0: bias is bound to w and not read
    added: u32,    // 0: so is addend
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;          // [outer, depth, inner]
@group(0) @binding(2) var<storage, read> w: array<Elem>;          // [rows, depth] or its transpose
@group(0) @binding(3) var<storage, read> bias: array<Elem>;       // [rows]
@group(0) @binding(4) var<storage, read> addend: array<Elem>;     // [outer, rows, inner]
@group(0) @binding(5) var<storage, read_write> dst: array<Elem>;  // [outer, rows, inner]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.columns * params.rows { return; }
    let i = index % params.inner;
    let m = (index / params.inner) % params.rows;
    let o = index / (params.inner * params.rows);
    let first = o * params.depth * params.inner + i;
    var sum = 0.0;
    if params.biased == 1u { sum = f32(bias[m]); }
    for (var k = 0u; k < params.depth; k++) {
        sum += f32(w[m * params.row + k * params.col]) * f32(x[first + k * params.inner]);
    }
    if params.added == 1u { sum += f32(addend[index]); }
    dst[index] = Elem(sum);
}
