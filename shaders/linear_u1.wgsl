// (dst[o,m,0,i], dst[o,m,1,i]) = sum_k [[w1, s w2], [-s w2, w1]] (x[o,k,0,i], x[o,k,1,i]),   w1 = w1[m row + k col]
//
// Complex neurons, multiplied by w1 - i s w2. Forward s = 1; the cotangent of x is the same map with the weights
// transposed (the strides say so) and s = -1. One invocation per output neuron.

struct Params {
    columns: u32,  // outer * inner
    rows: u32,     // neurons of dst
    depth: u32,    // neurons of x
    inner: u32,
    row: u32,
    col: u32,
    turn: f32,     // s
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;          // [outer, depth, 2, inner]
@group(0) @binding(2) var<storage, read> w1: array<Elem>;         // [rows, depth] or its transpose
@group(0) @binding(3) var<storage, read> w2: array<Elem>;         // [rows, depth] or its transpose
@group(0) @binding(4) var<storage, read_write> dst: array<Elem>;  // [outer, rows, 2, inner]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.columns * params.rows { return; }
    let i = index % params.inner;
    let m = (index / params.inner) % params.rows;
    let o = index / (params.inner * params.rows);
    var base = o * params.depth * 2u * params.inner + i;
    var re = 0.0;
    var im = 0.0;
    for (var k = 0u; k < params.depth; k++) {
        let at = m * params.row + k * params.col;
        let a = f32(x[base]);
        let b = f32(x[base + params.inner]);
        let u = f32(w1[at]);
        let v = params.turn * f32(w2[at]);
        re += u * a;
        im += -v * a;
        re += v * b;
        im += u * b;
        base += 2u * params.inner;
    }
    let to = (o * params.rows + m) * 2u * params.inner + i;
    dst[to] = Elem(re);
    dst[to + params.inner] = Elem(im);
}
