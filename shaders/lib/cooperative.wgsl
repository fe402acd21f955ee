// A block of 8 x 8 cooperative matrices of EDGE x EDGE, which a subgroup multiplies as one: f16 operands, f32 sums. A workgroup
// is four subgroups of LANES invocations, each of which keeps a quarter of its block. Two matrices' worth of terms of both
// operands lie in workgroup memory at a time; while they are multiplied, the next ones are on their way into registers.
//
// The kernel's function `load(lane, block, step)` fills `next_left` and `next_right` with the fours that an invocation stages,
// its `has_begun()` tells whether dst holds sums of earlier calls to add to.

const THREADS: u32 = 4u * LANES;
const BLOCK: u32 = 8u * EDGE;
const HALF: u32 = 4u * EDGE;
const DEEP: u32 = 2u * EDGE;
// Fours of a row in workgroup memory: two more than there are, so that the rows of a matrix do not fall into one bank.
const LEFT_PITCH: u32 = DEEP / 4u + 2u;
const RIGHT_PITCH: u32 = BLOCK / 4u + 2u;
// Fours of either operand that an invocation stages, and how many rows those of two turns lie apart.
const TURNS: u32 = BLOCK * DEEP / 4u / THREADS;
const LEFT_APART: u32 = THREADS / (DEEP / 4u);
const RIGHT_APART: u32 = THREADS / (BLOCK / 4u);

var<workgroup> left_rows: array<vec4<Elem>, BLOCK * LEFT_PITCH>;
var<workgroup> right_rows: array<vec4<Elem>, DEEP * RIGHT_PITCH>;

var<private> next_left: array<vec4<Elem>, TURNS>;
var<private> next_right: array<vec4<Elem>, TURNS>;

// Row (x) and four (y) of the block that an invocation stages in its first turn.
fn left_place(lane: u32) -> vec2<u32> {
    return vec2<u32>(lane / (DEEP / 4u), lane % (DEEP / 4u));
}

fn right_place(lane: u32) -> vec2<u32> {
    return vec2<u32>(lane / (BLOCK / 4u), lane % (BLOCK / 4u));
}

// Where a block begins.
struct Block {
    z: u32,
    m: u32,
    n: u32,
}

// Blocks come in bands of eight block rows: what neighbouring workgroups read then stays in the cache.
fn block_of(group: u32, rows: u32, columns: u32) -> Block {
    let across = columns / BLOCK;
    let down = rows / BLOCK;
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

// The sums of a block over `steps` into dst from `to` on, whose rows are `width` apart. All invocations stage together.
fn sum_block(lane: u32, quarter: u32, block: Block, steps: u32, to: u32, width: u32) {
    let row = (quarter / 2u) * HALF;
    let column = (quarter % 2u) * HALF;
    let l = left_place(lane);
    let r = right_place(lane);
    var s00 = Sum(); var s01 = Sum(); var s02 = Sum(); var s03 = Sum();
    var s10 = Sum(); var s11 = Sum(); var s12 = Sum(); var s13 = Sum();
    var s20 = Sum(); var s21 = Sum(); var s22 = Sum(); var s23 = Sum();
    var s30 = Sum(); var s31 = Sum(); var s32 = Sum(); var s33 = Sum();
    if has_begun() {
        let step = EDGE * width;
        let p0 = to + row * width + column;
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
        s00 = coopLoadT<Sum>(&dst[p0], width);
        s01 = coopLoadT<Sum>(&dst[p1], width);
        s02 = coopLoadT<Sum>(&dst[p2], width);
        s03 = coopLoadT<Sum>(&dst[p3], width);
        s10 = coopLoadT<Sum>(&dst[q0], width);
        s11 = coopLoadT<Sum>(&dst[q1], width);
        s12 = coopLoadT<Sum>(&dst[q2], width);
        s13 = coopLoadT<Sum>(&dst[q3], width);
        s20 = coopLoadT<Sum>(&dst[r0], width);
        s21 = coopLoadT<Sum>(&dst[r1], width);
        s22 = coopLoadT<Sum>(&dst[r2], width);
        s23 = coopLoadT<Sum>(&dst[r3], width);
        s30 = coopLoadT<Sum>(&dst[s0], width);
        s31 = coopLoadT<Sum>(&dst[s1], width);
        s32 = coopLoadT<Sum>(&dst[s2], width);
        s33 = coopLoadT<Sum>(&dst[s3], width);
    }
    load(lane, block, 0u);
    for (var step = 0u; step < steps; step++) {
        workgroupBarrier();
        for (var turn = 0u; turn < TURNS; turn++) {
            left_rows[(l.x + turn * LEFT_APART) * LEFT_PITCH + l.y] = next_left[turn];
            right_rows[(r.x + turn * RIGHT_APART) * RIGHT_PITCH + r.y] = next_right[turn];
        }
        workgroupBarrier();
        if step + 1u < steps { load(lane, block, step + 1u); }
        for (var k = 0u; k < DEEP; k += EDGE) {
            let at_a = row * LEFT_PITCH + k / 4u;
            let at_b = k * RIGHT_PITCH + column / 4u;
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
    // naga 30 takes nothing but names in a load or a store.
    let step = EDGE * width;
    let p0 = to + row * width + column;
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
