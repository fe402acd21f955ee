// dst[z, m, n] = sum_k a[z a_batch + m a_row + k] b[z b_batch + k columns + n],   products and sums in f32
//
// By cooperative matrices of EDGE x EDGE, which a subgroup multiplies as one: f16 operands, f32 sums. A workgroup is four
// subgroups of LANES invocations and computes a block of 8 x 8 matrices, each of them a quarter. Two matrices' worth of steps
// lie in workgroup memory at a time; while they are multiplied, the next ones are on their way into registers.
//
// rows and columns are multiples of 8 EDGE, depth of 2 EDGE; matmul_cooperative_pack fills up with zeros.

struct Params {
    batch: u32,
    rows: u32,
    columns: u32,
    depth: u32,
    a_batch: u32,
    a_row: u32,  // depth, or more where a batch is made of parts of longer sums
    b_batch: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<Elem>>;   // rows of a_row
@group(0) @binding(2) var<storage, read> b: array<vec4<Elem>>;   // rows of columns
@group(0) @binding(3) var<storage, read_write> dst: array<f32>;  // [batch, rows, columns]

const THREADS: u32 = 4u * LANES;
const BLOCK: u32 = 8u * EDGE;
const HALF: u32 = 4u * EDGE;
const DEEP: u32 = 2u * EDGE;
// Fours of a row in workgroup memory: two more than there are, so that the rows of a matrix do not fall into one bank.
const LEFT_PITCH: u32 = DEEP / 4u + 2u;
const RIGHT_PITCH: u32 = BLOCK / 4u + 2u;
// Fours of either operand that an invocation stages.
const TURNS: u32 = BLOCK * DEEP / 4u / THREADS;

var<workgroup> left_rows: array<vec4<Elem>, BLOCK * LEFT_PITCH>;
var<workgroup> right_rows: array<vec4<Elem>, DEEP * RIGHT_PITCH>;

// Where a block begins.
struct Block {
    z: u32,
    m: u32,
    n: u32,
}

// Blocks come in bands of eight block rows: what neighbouring workgroups read then stays in the cache.
fn block_of(group: u32) -> Block {
    let across = params.columns / BLOCK;
    let down = params.rows / BLOCK;
    let in_sample = group % (across * down);
    let band = in_sample / (8u * across);
    let high = min(8u, down - 8u * band);
    let in_band = in_sample % (8u * across);
    return Block(group / (across * down), (8u * band + in_band % high) * BLOCK, (in_band / high) * BLOCK);
}

fn left(at: u32) -> Left {
    return coopLoadT<Left>(&left_rows[at], LEFT_PITCH);
}

fn right(at: u32) -> Right {
    return coopLoadT<Right>(&right_rows[at], RIGHT_PITCH);
}

// One quarter of a block. All invocations of the workgroup stage together.
fn multiply(lane: u32, block: Block, quarter: u32) {
    let row = (quarter / 2u) * HALF;
    let column = (quarter % 2u) * HALF;
    var s00 = Sum(); var s01 = Sum(); var s02 = Sum(); var s03 = Sum();
    var s10 = Sum(); var s11 = Sum(); var s12 = Sum(); var s13 = Sum();
    var s20 = Sum(); var s21 = Sum(); var s22 = Sum(); var s23 = Sum();
    var s30 = Sum(); var s31 = Sum(); var s32 = Sum(); var s33 = Sum();

    // The first step of the fours that this invocation stages, and how far those of two turns lie apart.
    let left_four = lane % (DEEP / 4u);
    let left_row = lane / (DEEP / 4u);
    let right_four = lane % (BLOCK / 4u);
    let right_row = lane / (BLOCK / 4u);
    let left_apart = THREADS / (DEEP / 4u);
    let right_apart = THREADS / (BLOCK / 4u);
    let a_row = params.a_row / 4u;
    let b_row = params.columns / 4u;
    let of_a = (block.z * params.a_batch) / 4u + (block.m + left_row) * a_row + left_four;
    let of_b = (block.z * params.b_batch + block.n) / 4u + right_row * b_row + right_four;
    var next_a: array<vec4<Elem>, TURNS>;
    var next_b: array<vec4<Elem>, TURNS>;
    for (var turn = 0u; turn < TURNS; turn++) {
        next_a[turn] = a[of_a + turn * left_apart * a_row];
        next_b[turn] = b[of_b + turn * right_apart * b_row];
    }
    for (var k = 0u; k < params.depth; k += DEEP) {
        workgroupBarrier();
        for (var turn = 0u; turn < TURNS; turn++) {
            left_rows[(left_row + turn * left_apart) * LEFT_PITCH + left_four] = next_a[turn];
            right_rows[(right_row + turn * right_apart) * RIGHT_PITCH + right_four] = next_b[turn];
        }
        workgroupBarrier();
        let next = k + DEEP;
        if next < params.depth {
            for (var turn = 0u; turn < TURNS; turn++) {
                next_a[turn] = a[of_a + turn * left_apart * a_row + next / 4u];
                next_b[turn] = b[of_b + (turn * right_apart + next) * b_row];
            }
        }
        for (var step = 0u; step < DEEP; step += EDGE) {
            let at_a = row * LEFT_PITCH + step / 4u;
            let at_b = step * RIGHT_PITCH + column / 4u;
            let a0 = left(at_a);
            let a1 = left(at_a + EDGE * LEFT_PITCH);
            let a2 = left(at_a + 2u * EDGE * LEFT_PITCH);
            let a3 = left(at_a + 3u * EDGE * LEFT_PITCH);
            let b0 = right(at_b);
            let b1 = right(at_b + EDGE / 4u);
            let b2 = right(at_b + 2u * EDGE / 4u);
            let b3 = right(at_b + 3u * EDGE / 4u);
            s00 = coopMultiplyAdd(a0, b0, s00);
            s01 = coopMultiplyAdd(a0, b1, s01);
            s02 = coopMultiplyAdd(a0, b2, s02);
            s03 = coopMultiplyAdd(a0, b3, s03);
            s10 = coopMultiplyAdd(a1, b0, s10);
            s11 = coopMultiplyAdd(a1, b1, s11);
            s12 = coopMultiplyAdd(a1, b2, s12);
            s13 = coopMultiplyAdd(a1, b3, s13);
            s20 = coopMultiplyAdd(a2, b0, s20);
            s21 = coopMultiplyAdd(a2, b1, s21);
            s22 = coopMultiplyAdd(a2, b2, s22);
            s23 = coopMultiplyAdd(a2, b3, s23);
            s30 = coopMultiplyAdd(a3, b0, s30);
            s31 = coopMultiplyAdd(a3, b1, s31);
            s32 = coopMultiplyAdd(a3, b2, s32);
            s33 = coopMultiplyAdd(a3, b3, s33);
        }
    }
    // naga 30 takes nothing but names in a store.
    let width = params.columns;
    let step = EDGE * width;
    let p0 = (block.z * params.rows + block.m + row) * width + block.n + column;
    let p1 = p0 + EDGE;
    let p2 = p1 + EDGE;
    let p3 = p2 + EDGE;
    let q0 = p0 + step;
    let q1 = q0 + EDGE;
    let q2 = q1 + EDGE;
    let q3 = q2 + EDGE;
    let r0 = q0 + step;
    let r1 = r0 + EDGE;
    let r2 = r1 + EDGE;
    let r3 = r2 + EDGE;
    let s0 = r0 + step;
    let s1 = s0 + EDGE;
    let s2 = s1 + EDGE;
    let s3 = s2 + EDGE;
    coopStoreT(s00, &dst[p0], width);
    coopStoreT(s01, &dst[p1], width);
    coopStoreT(s02, &dst[p2], width);
    coopStoreT(s03, &dst[p3], width);
    coopStoreT(s10, &dst[q0], width);
    coopStoreT(s11, &dst[q1], width);
    coopStoreT(s12, &dst[q2], width);
    coopStoreT(s13, &dst[q3], width);
    coopStoreT(s20, &dst[r0], width);
    coopStoreT(s21, &dst[r1], width);
    coopStoreT(s22, &dst[r2], width);
    coopStoreT(s23, &dst[r3], width);
    coopStoreT(s30, &dst[s0], width);
    coopStoreT(s31, &dst[s1], width);
    coopStoreT(s32, &dst[s2], width);
    coopStoreT(s33, &dst[s3], width);
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_id) subgroup: u32,
) {
    let block = block_of(linear_group(wid, groups));
    if block.z >= params.batch { return; }
    multiply(lane, block, subgroup);
}
