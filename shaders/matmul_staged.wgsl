// matmul with operands staged in workgroup memory:
//   dst[z, m, n] = sum_k a[z a_batch + m a_row + k a_col] b[z b_batch + k b_row + n b_col]
//
// One workgroup per 64 x 64 elements of dst. The sum runs in the order of the plain kernel.

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

// Four rows of a, or four columns of b, at one step; zero past the last step.
fn a_of(z: u32, row: u32, step: u32) -> vec4<f32> {
    let inside = step < params.depth;
    let at = z * params.a_batch + select(0u, step, inside) * params.a_col + four_from(row, params.rows) * params.a_row;
    return select(vec4<f32>(0.0), vec4<f32>(f32(a[at.x]), f32(a[at.y]), f32(a[at.z]), f32(a[at.w])), inside);
}

fn b_of(z: u32, column: u32, step: u32) -> vec4<f32> {
    let inside = step < params.depth;
    let at = z * params.b_batch + select(0u, step, inside) * params.b_row + four_from(column, params.columns) * params.b_col;
    return select(vec4<f32>(0.0), vec4<f32>(f32(b[at.x]), f32(b[at.y]), f32(b[at.z]), f32(b[at.w])), inside);
}

fn stage(lane: u32, z: u32, m: u32, n: u32, k: u32) {
    for (var turn = 0u; turn < TURNS; turn++) {
        let at = place(lane, turn, params.a_col == 1u);
        stage_left(at, a_of(z, m + at.x, k + at.y));
    }
    for (var turn = 0u; turn < TURNS; turn++) {
        let at = place(lane, turn, params.b_row == 1u);
        stage_right(at, b_of(z, n + at.x, k + at.y));
    }
}

fn store(z: u32, m: u32, n: u32, v: vec4<f32>) {
    if m >= params.rows { return; }
    let to = (z * params.rows + m) * params.columns + n;
    if n < params.columns { dst[to] = Elem(v.x); }
    if n + 1u < params.columns { dst[to + 1u] = Elem(v.y); }
    if n + 2u < params.columns { dst[to + 2u] = Elem(v.z); }
    if n + 3u < params.columns { dst[to + 3u] = Elem(v.w); }
}

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = linear_group(wid, groups);
    let across = (params.columns + SIDE - 1u) / SIDE;
    let down = (params.rows + SIDE - 1u) / SIDE;
    let z = group / (across * down);
    if z >= params.batch { return; }
    let m = ((group / across) % down) * SIDE;
    let n = (group % across) * SIDE;
    tile_begin(vec4<f32>(0.0), vec4<f32>(0.0));
    for (var k = 0u; k < params.depth; k += DEEP) {
        workgroupBarrier();
        stage(lane, z, m, n, k);
        workgroupBarrier();
        multiply_staged(lane);
    }

    let r = m + staged_row(lane);
    let c = n + staged_column(lane);
    store(z, r, c, tile[0]);
    store(z, r + 1u, c, tile[1]);
    store(z, r + 2u, c, tile[2]);
    store(z, r + 3u, c, tile[3]);
    store(z, r + 32u, c, tile[4]);
    store(z, r + 33u, c, tile[5]);
    store(z, r + 34u, c, tile[6]);
    store(z, r + 35u, c, tile[7]);
    store(z, r, c + 32u, tile[8]);
    store(z, r + 1u, c + 32u, tile[9]);
    store(z, r + 2u, c + 32u, tile[10]);
    store(z, r + 3u, c + 32u, tile[11]);
    store(z, r + 32u, c + 32u, tile[12]);
    store(z, r + 33u, c + 32u, tile[13]);
    store(z, r + 34u, c + 32u, tile[14]);
    store(z, r + 35u, c + 32u, tile[15]);
}
