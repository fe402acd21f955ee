// linear with a tile of registers:
//   dst[o, m, i] = bias[m] + sum_k W[m, k] x[o, k, i] + addend[o, m, i],   W[m, k] = w[m row + k col]
//
// One invocation per 8 rows m and 8 columns p = (o, i), a workgroup for one set of rows and 512 columns. Neighbours
// take neighbouring columns in eights. The sum runs in the order of the plain kernel.

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

fn bias_of(m: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(f32(bias[m.x]), f32(bias[m.y]), f32(bias[m.z]), f32(bias[m.w]));
}

fn w_of(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(f32(w[at.x]), f32(w[at.y]), f32(w[at.z]), f32(w[at.w]));
}

fn x_of(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(f32(x[at.x]), f32(x[at.y]), f32(x[at.z]), f32(x[at.w]));
}

// Where columns p begin in a tensor with that many channels.
fn column(p: vec4<u32>, channels: u32) -> vec4<u32> {
    return (p / params.inner) * (channels * params.inner) + p % params.inner;
}

// What is added to element `at` of the map.
fn addend_of(at: u32) -> f32 {
    if params.added == 0u { return 0.0; }
    return f32(addend[at]);
}

fn store(m: u32, p: vec4<u32>, at: vec4<u32>, v: vec4<f32>) {
    if m >= params.rows { return; }
    let to = at + m * params.inner;
    if p.x < params.columns { dst[to.x] = Elem(v.x + addend_of(to.x)); }
    if p.y < params.columns { dst[to.y] = Elem(v.y + addend_of(to.y)); }
    if p.z < params.columns { dst[to.z] = Elem(v.z + addend_of(to.z)); }
    if p.w < params.columns { dst[to.w] = Elem(v.w + addend_of(to.w)); }
}

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = linear_group(wid, groups);
    let blocks = (params.columns + WG * TILE - 1u) / (WG * TILE);
    let m = (group / blocks) * TILE;
    let first = (group % blocks) * (WG * TILE) + (lane / 8u) * (8u * TILE) + lane % 8u;
    if m >= params.rows || first >= params.columns { return; }
    let pa = vec4<u32>(first) + vec4<u32>(0u, 8u, 16u, 24u);
    let pb = pa + 32u;

    // Past the last row and the last column these compute what is there once more, and do not store it.
    let ma = min(vec4<u32>(m) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.rows - 1u));
    let mb = min(vec4<u32>(m) + vec4<u32>(4u, 5u, 6u, 7u), vec4<u32>(params.rows - 1u));
    var xa = column(min(pa, vec4<u32>(params.columns - 1u)), params.depth);
    var xb = column(min(pb, vec4<u32>(params.columns - 1u)), params.depth);
    var wa = ma * params.row;
    var wb = mb * params.row;
    if params.biased == 1u {
        tile_begin(bias_of(ma), bias_of(mb));
    } else {
        tile_begin(vec4<f32>(0.0), vec4<f32>(0.0));
    }
    for (var k = 0u; k < params.depth; k++) {
        tile_add(w_of(wa), w_of(wb), x_of(xa), x_of(xb));
        wa += params.col;
        wb += params.col;
        xa += params.inner;
        xb += params.inner;
    }

    let ta = column(pa, params.rows);
    let tb = column(pb, params.rows);
    store(m, pa, ta, tile[0]);
    store(m + 1u, pa, ta, tile[1]);
    store(m + 2u, pa, ta, tile[2]);
    store(m + 3u, pa, ta, tile[3]);
    store(m + 4u, pa, ta, tile[4]);
    store(m + 5u, pa, ta, tile[5]);
    store(m + 6u, pa, ta, tile[6]);
    store(m + 7u, pa, ta, tile[7]);
    store(m, pb, tb, tile[8]);
    store(m + 1u, pb, tb, tile[9]);
    store(m + 2u, pb, tb, tile[10]);
    store(m + 3u, pb, tb, tile[11]);
    store(m + 4u, pb, tb, tile[12]);
    store(m + 5u, pb, tb, tile[13]);
    store(m + 6u, pb, tb, tile[14]);
    store(m + 7u, pb, tb, tile[15]);
}
