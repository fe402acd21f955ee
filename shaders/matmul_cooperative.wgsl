// dst[z, m, n] = sum_k a[z a_batch + m a_row + k] b[z b_batch + k columns + n],   products and sums in f32
//
// By cooperative matrices. rows and columns are multiples of 8 EDGE, depth of 2 EDGE; matmul_cooperative_pack fills up with
// zeros.

struct Params {
    batch: u32,
    rows: u32,
    columns: u32,
    depth: u32,
    a_batch: u32,
    a_row: u32,  // depth, or more where a batch is made of parts of longer sums
    b_batch: u32,
    begun: u32,  // 1: earlier calls left sums in dst to add to
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<Elem>>;   // rows of a_row
@group(0) @binding(2) var<storage, read> b: array<vec4<Elem>>;   // rows of columns
@group(0) @binding(3) var<storage, read_write> dst: array<f32>;  // [batch, rows, columns]

fn has_begun() -> bool {
    return params.begun == 1u;
}

fn load(lane: u32, block: Block, step: u32) {
    let l = left_place(lane);
    let r = right_place(lane);
    let a_row = params.a_row / 4u;
    let b_row = params.columns / 4u;
    let of_a = (block.z * params.a_batch + step * DEEP) / 4u + (block.m + l.x) * a_row + l.y;
    let of_b = (block.z * params.b_batch + block.n) / 4u + (step * DEEP + r.x) * b_row + r.y;
    for (var turn = 0u; turn < TURNS; turn++) {
        next_left[turn] = a[of_a + turn * LEFT_APART * a_row];
        next_right[turn] = b[of_b + turn * RIGHT_APART * b_row];
    }
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_id) subgroup: u32,
) {
    let block = block_of(linear_group(wid, groups), params.rows, params.columns);
    if block.z >= params.batch { return; }
    let to = (block.z * params.rows + block.m) * params.columns + block.n;
    sum_block(lane, subgroup, block, params.depth / DEEP, to, params.columns);
}
