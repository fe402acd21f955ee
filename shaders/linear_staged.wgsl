// linear with operands staged in workgroup memory:
//   dst[o, m, i] = bias[m] + sum_k W[m, k] x[o, k, i] + addend[o, m, i],   W[m, k] = w[m row + k col]
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

// Where column p begins in a tensor with that many channels.
fn column(p: u32, channels: u32) -> u32 {
    return (p / params.inner) * (channels * params.inner) + p % params.inner;
}

fn columns_of(p: vec4<u32>, channels: u32) -> vec4<u32> {
    return vec4<u32>(column(p.x, channels), column(p.y, channels), column(p.z, channels), column(p.w, channels));
}

// Four rows of W, or four columns of x that begin at `own`, at one step; zero past the last step.
fn w_of(row: u32, step: u32) -> vec4<f32> {
    let inside = step < params.depth;
    let at = four_from(row, params.rows) * params.row + select(0u, step, inside) * params.col;
    return select(vec4<f32>(0.0), vec4<f32>(f32(w[at.x]), f32(w[at.y]), f32(w[at.z]), f32(w[at.w])), inside);
}

fn x_of(own: vec4<u32>, step: u32) -> vec4<f32> {
    let inside = step < params.depth;
    let at = own + select(0u, step, inside) * params.inner;
    return select(vec4<f32>(0.0), vec4<f32>(f32(x[at.x]), f32(x[at.y]), f32(x[at.z]), f32(x[at.w])), inside);
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
    let across = (params.columns + SIDE - 1u) / SIDE;
    let m = (group / across) * SIDE;
    let p = (group % across) * SIDE;
    if m >= params.rows { return; }
    let r = m + staged_row(lane);
    if params.biased == 1u {
        tile_begin(bias_of(four_from(r, params.rows)), bias_of(four_from(r + 32u, params.rows)));
    } else {
        tile_begin(vec4<f32>(0.0), vec4<f32>(0.0));
    }
    // Without inner extents columns are rows of x, whose steps lie side by side.
    let is_flat = params.inner == 1u;
    var own: array<vec4<u32>, TURNS>;
    for (var turn = 0u; turn < TURNS; turn++) {
        own[turn] = columns_of(four_from(p + place(lane, turn, is_flat).x, params.columns), params.depth);
    }
    for (var k = 0u; k < params.depth; k += DEEP) {
        workgroupBarrier();
        for (var turn = 0u; turn < TURNS; turn++) {
            let at = place(lane, turn, params.col == 1u);
            stage_left(at, w_of(m + at.x, k + at.y));
        }
        for (var turn = 0u; turn < TURNS; turn++) {
            let at = place(lane, turn, is_flat);
            stage_right(at, x_of(own[turn], k + at.y));
        }
        workgroupBarrier();
        multiply_staged(lane);
    }

    let pa = vec4<u32>(p + staged_column(lane)) + vec4<u32>(0u, 1u, 2u, 3u);
    let pb = pa + 32u;
    let ta = columns_of(pa, params.rows);
    let tb = columns_of(pb, params.rows);
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
