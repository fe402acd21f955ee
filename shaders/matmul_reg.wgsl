// matmul with a tile of registers:
//   dst[z, m, n] = sum_k a[z a_batch + m a_row + k a_col] b[z b_batch + k b_row + n b_col]
//
// One invocation per 8 rows and 8 columns. A workgroup is ACROSS invocations wide and WG / ACROSS high; neighbours take
// neighbouring columns in eights. The sum runs in the order of the plain kernel.

struct Params {
    batch: u32,
    rows: u32,
    columns: u32,
    depth: u32,
    a_batch: u32,
    a_row: u32,
    a_col: u32,
    b_batch: u32,
    b_row: u32,
    b_col: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<Elem>;          // [batch, rows, depth] or transposed
@group(0) @binding(2) var<storage, read> b: array<Elem>;          // [batch, depth, columns] or transposed
@group(0) @binding(3) var<storage, read_write> dst: array<Elem>;  // [batch, rows, columns]

fn a_of(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(f32(a[at.x]), f32(a[at.y]), f32(a[at.z]), f32(a[at.w]));
}

fn b_of(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(f32(b[at.x]), f32(b[at.y]), f32(b[at.z]), f32(b[at.w]));
}

fn store(z: u32, m: u32, n: vec4<u32>, v: vec4<f32>) {
    if m >= params.rows { return; }
    let to = (z * params.rows + m) * params.columns + n;
    if n.x < params.columns { dst[to.x] = Elem(v.x); }
    if n.y < params.columns { dst[to.y] = Elem(v.y); }
    if n.z < params.columns { dst[to.z] = Elem(v.z); }
    if n.w < params.columns { dst[to.w] = Elem(v.w); }
}

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = linear_group(wid, groups);
    let wide = ACROSS * TILE;
    let high = (WG / ACROSS) * TILE;
    let blocks = (params.columns + wide - 1u) / wide;
    let down = (params.rows + high - 1u) / high;
    let z = group / (blocks * down);
    let m = ((group / blocks) % down) * high + (lane / ACROSS) * TILE;
    let slot = lane % ACROSS;
    let first = (group % blocks) * wide + (slot / 8u) * (8u * TILE) + slot % 8u;
    if z >= params.batch || m >= params.rows || first >= params.columns { return; }
    let na = vec4<u32>(first) + vec4<u32>(0u, 8u, 16u, 24u);
    let nb = na + 32u;

    // Past the last row and the last column these compute what is there once more, and do not store it.
    let ma = min(vec4<u32>(m) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.rows - 1u));
    let mb = min(vec4<u32>(m) + vec4<u32>(4u, 5u, 6u, 7u), vec4<u32>(params.rows - 1u));
    var aa = z * params.a_batch + ma * params.a_row;
    var ab = z * params.a_batch + mb * params.a_row;
    var ba = z * params.b_batch + min(na, vec4<u32>(params.columns - 1u)) * params.b_col;
    var bb = z * params.b_batch + min(nb, vec4<u32>(params.columns - 1u)) * params.b_col;
    tile_begin(vec4<f32>(0.0), vec4<f32>(0.0));
    for (var k = 0u; k < params.depth; k++) {
        tile_add(a_of(aa), a_of(ab), b_of(ba), b_of(bb));
        aa += params.a_col;
        ab += params.a_col;
        ba += params.b_row;
        bb += params.b_row;
    }

    store(z, m, na, tile[0]);
    store(z, m + 1u, na, tile[1]);
    store(z, m + 2u, na, tile[2]);
    store(z, m + 3u, na, tile[3]);
    store(z, m + 4u, na, tile[4]);
    store(z, m + 5u, na, tile[5]);
    store(z, m + 6u, na, tile[6]);
    store(z, m + 7u, na, tile[7]);
    store(z, m, nb, tile[8]);
    store(z, m + 1u, nb, tile[9]);
    store(z, m + 2u, nb, tile[10]);
    store(z, m + 3u, nb, tile[11]);
    store(z, m + 4u, nb, tile[12]);
    store(z, m + 5u, nb, tile[13]);
    store(z, m + 6u, nb, tile[14]);
    store(z, m + 7u, nb, tile[15]);
}
