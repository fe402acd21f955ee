// linear_u1 with a tile of registers:
//   (dst[o,m,0,i], dst[o,m,1,i]) = sum_k [[w1, s w2], [-s w2, w1]] (x[o,k,0,i], x[o,k,1,i]),   w1 = w1[m row + k col]
//
// One invocation per 4 neurons m (8 rows: their real parts, then their imaginary parts) and 8 columns p = (o, i), a
// workgroup for one set of neurons and 512 columns. Neighbours take neighbouring columns in eights. The sums run in the
// order of the plain kernel.

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

const NEURONS: u32 = 4u;

fn w1_of(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(f32(w1[at.x]), f32(w1[at.y]), f32(w1[at.z]), f32(w1[at.w]));
}

fn w2_of(at: vec4<u32>) -> vec4<f32> {
    return params.turn * vec4<f32>(f32(w2[at.x]), f32(w2[at.y]), f32(w2[at.z]), f32(w2[at.w]));
}

fn x_of(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(f32(x[at.x]), f32(x[at.y]), f32(x[at.z]), f32(x[at.w]));
}

// Where columns p begin in a tensor with that many neurons.
fn column(p: vec4<u32>, neurons: u32) -> vec4<u32> {
    return (p / params.inner) * (neurons * 2u * params.inner) + p % params.inner;
}

// The real and the imaginary part of neuron m at four columns.
fn store(m: u32, p: vec4<u32>, at: vec4<u32>, re: vec4<f32>, im: vec4<f32>) {
    if m >= params.rows { return; }
    let to = at + 2u * m * params.inner;
    if p.x < params.columns {
        dst[to.x] = Elem(re.x);
        dst[to.x + params.inner] = Elem(im.x);
    }
    if p.y < params.columns {
        dst[to.y] = Elem(re.y);
        dst[to.y + params.inner] = Elem(im.y);
    }
    if p.z < params.columns {
        dst[to.z] = Elem(re.z);
        dst[to.z + params.inner] = Elem(im.z);
    }
    if p.w < params.columns {
        dst[to.w] = Elem(re.w);
        dst[to.w + params.inner] = Elem(im.w);
    }
}

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = linear_group(wid, groups);
    let blocks = (params.columns + WG * TILE - 1u) / (WG * TILE);
    let m = (group / blocks) * NEURONS;
    let first = (group % blocks) * (WG * TILE) + (lane / 8u) * (8u * TILE) + lane % 8u;
    if m >= params.rows || first >= params.columns { return; }
    let pa = vec4<u32>(first) + vec4<u32>(0u, 8u, 16u, 24u);
    let pb = pa + 32u;

    // Past the last row and the last column these compute what is there once more, and do not store it.
    let ms = min(vec4<u32>(m) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.rows - 1u));
    var xa = column(min(pa, vec4<u32>(params.columns - 1u)), params.depth);
    var xb = column(min(pb, vec4<u32>(params.columns - 1u)), params.depth);
    var at = ms * params.row;
    tile_begin(vec4<f32>(0.0), vec4<f32>(0.0));
    for (var k = 0u; k < params.depth; k++) {
        let u = w1_of(at);
        let v = w2_of(at);
        tile_add(u, -v, x_of(xa), x_of(xb));
        tile_add(v, u, x_of(xa + params.inner), x_of(xb + params.inner));
        at += params.col;
        xa += 2u * params.inner;
        xb += 2u * params.inner;
    }

    let ta = column(pa, params.rows);
    let tb = column(pb, params.rows);
    store(m, pa, ta, tile[0], tile[4]);
    store(m + 1u, pa, ta, tile[1], tile[5]);
    store(m + 2u, pa, ta, tile[2], tile[6]);
    store(m + 3u, pa, ta, tile[3], tile[7]);
    store(m, pb, tb, tile[8], tile[12]);
    store(m + 1u, pb, tb, tile[9], tile[13]);
    store(m + 2u, pb, tb, tile[10], tile[14]);
    store(m + 3u, pb, tb, tile[11], tile[15]);
}
