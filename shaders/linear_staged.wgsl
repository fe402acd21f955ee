// linear with operands staged in workgroup memory:
//   dst[o, m, i] = bias[m] + sum_k W[m, k] x[o, k, i],   W[m, k] = w[m row + k col]
//
// One workgroup per 64 rows m and 64 columns p = (o, i). The sum runs in the order of the plain kernel.

struct Params {
    columns: u32,  // outer * inner
    rows: u32,     // channels of dst
    depth: u32,    // channels of x
    inner: u32,
    row: u32,
    col: u32,
    biased: u32,   // 0: bias is bound to w and not read
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;          // [outer, depth, inner]
@group(0) @binding(2) var<storage, read> w: array<Elem>;          // [rows, depth] or its transpose
@group(0) @binding(3) var<storage, read> bias: array<Elem>;       // [rows]
@group(0) @binding(4) var<storage, read_write> dst: array<Elem>;  // [outer, rows, inner]

fn bias_of(m: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(f32(bias[m.x]), f32(bias[m.y]), f32(bias[m.z]), f32(bias[m.w]));
}

// Where column p begins in a tensor with that many channels.
fn column(p: u32, channels: u32) -> u32 {
    return (p / params.inner) * (channels * params.inner) + p % params.inner;
}

// Position (x) and step (y) of the s-th number that an invocation stages: neighbours take neighbouring steps where those lie
// side by side, else neighbouring positions.
fn place(lane: u32, s: u32, steps_adjoin: bool) -> vec2<u32> {
    return select(vec2<u32>(lane, s), vec2<u32>(lane / DEEP + (WG / DEEP) * s, lane % DEEP), steps_adjoin);
}

// `own` is where the column of this invocation begins; without inner extents columns are rows of x.
fn stage(lane: u32, m: u32, p: u32, k: u32, own: u32) {
    for (var s = 0u; s < DEEP; s++) {
        let at = place(lane, s, params.col == 1u);
        let row = m + at.x;
        let step = k + at.y;
        let inside = row < params.rows && step < params.depth;
        let origin = select(0u, row * params.row + step * params.col, inside);
        left[at.y * PITCH + at.x] = select(0.0, f32(w[origin]), inside);
    }
    let is_flat = params.inner == 1u;
    for (var s = 0u; s < DEEP; s++) {
        let at = place(lane, s, is_flat);
        let step = k + at.y;
        let inside = p + at.x < params.columns && step < params.depth;
        let begin = select(own, (p + at.x) * params.depth, is_flat);
        let origin = select(0u, begin + step * params.inner, inside);
        right[at.y * PITCH + at.x] = select(0.0, f32(x[origin]), inside);
    }
}

fn store(m: u32, p: vec4<u32>, at: vec4<u32>, v: vec4<f32>) {
    if m >= params.rows { return; }
    let to = at + m * params.inner;
    if p.x < params.columns { dst[to.x] = Elem(v.x); }
    if p.y < params.columns { dst[to.y] = Elem(v.y); }
    if p.z < params.columns { dst[to.z] = Elem(v.z); }
    if p.w < params.columns { dst[to.w] = Elem(v.w); }
}

fn columns_of(p: vec4<u32>) -> vec4<u32> {
    return vec4<u32>(column(p.x, params.rows), column(p.y, params.rows), column(p.z, params.rows), column(p.w, params.rows));
}

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = linear_group(wid, groups);
    let across = (params.columns + SIDE - 1u) / SIDE;
    let m = (group / across) * SIDE;
    let p = (group % across) * SIDE;
    if m >= params.rows { return; }
    let r = m + staged_row(lane);
    let ma = min(vec4<u32>(r) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.rows - 1u));
    let mb = min(vec4<u32>(r) + vec4<u32>(32u, 33u, 34u, 35u), vec4<u32>(params.rows - 1u));
    if params.biased == 1u {
        tile_begin(bias_of(ma), bias_of(mb));
    } else {
        tile_begin(vec4<f32>(0.0), vec4<f32>(0.0));
    }
    let own = column(min(p + lane, params.columns - 1u), params.depth);
    for (var k = 0u; k < params.depth; k += DEEP) {
        workgroupBarrier();
        stage(lane, m, p, k, own);
        workgroupBarrier();
        multiply_staged(lane);
    }

    let pa = vec4<u32>(p + staged_column(lane)) + vec4<u32>(0u, 1u, 2u, 3u);
    let pb = pa + 32u;
    let ta = columns_of(pa);
    let tb = columns_of(pb);
    store(r, pa, ta, tile[0]);
    store(r + 1u, pa, ta, tile[1]);
    store(r + 2u, pa, ta, tile[2]);
    store(r + 3u, pa, ta, tile[3]);
    store(r + 32u, pa, ta, tile[4]);
    store(r + 33u, pa, ta, tile[5]);
    store(r + 34u, pa, ta, tile[6]);
    store(r + 35u, pa, ta, tile[7]);
    store(r, pb, tb, tile[8]);
    store(r + 1u, pb, tb, tile[9]);
    store(r + 2u, pb, tb, tile[10]);
    store(r + 3u, pb, tb, tile[11]);
    store(r + 32u, pb, tb, tile[12]);
    store(r + 33u, pb, tb, tile[13]);
    store(r + 34u, pb, tb, tile[14]);
    store(r + 35u, pb, tb, tile[15]);
}
