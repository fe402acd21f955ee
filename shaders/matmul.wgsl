// dst[z, m, n] = sum_k a[z a_batch + m a_row + k a_col] b[z b_batch + k b_row + n b_col]
//
// The strides say which operand is transposed. One invocation per element of dst.

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

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.batch * params.rows * params.columns { return; }
    let n = index % params.columns;
    let m = (index / params.columns) % params.rows;
    let z = index / (params.columns * params.rows);
    let first_a = z * params.a_batch + m * params.a_row;
    let first_b = z * params.b_batch + n * params.b_col;
    var sum = 0.0;
    for (var k = 0u; k < params.depth; k++) {
        sum += f32(a[first_a + k * params.a_col]) * f32(b[first_b + k * params.b_row]);
    }
    dst[index] = Elem(sum);
}
