// dst[z, m, n] = sum_k a[z a_batch + m a_row + k] b[z b_batch + k columns + n],   products and sums in f32
//
// By cooperative matrices of EDGE x EDGE, which a subgroup multiplies as one: f16 operands, f32 sums. A subgroup keeps 4 x 4
// of them, a workgroup two such blocks, one above the other. Operands are read where they lie and nothing passes through
// workgroup memory: between invocations there is nothing to be made visible.
//
// rows is a multiple of 8 EDGE, columns of 4 EDGE, depth of EDGE; matmul_cooperative_pack fills up with zeros.

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
@group(0) @binding(1) var<storage, read> a: array<Elem>;         // rows of a_row
@group(0) @binding(2) var<storage, read> b: array<Elem>;         // rows of columns
@group(0) @binding(3) var<storage, read_write> dst: array<f32>;  // [batch, rows, columns]

const BLOCK: u32 = 4u * EDGE;

fn left(at: u32) -> Left {
    let width = params.a_row;
    return coopLoadT<Left>(&a[at], width);
}

fn right(at: u32) -> Right {
    let width = params.columns;
    return coopLoadT<Right>(&b[at], width);
}

// The block of dst whose first element is at (m, n).
fn multiply(z: u32, m: u32, n: u32) {
    var s00 = Sum(); var s01 = Sum(); var s02 = Sum(); var s03 = Sum();
    var s10 = Sum(); var s11 = Sum(); var s12 = Sum(); var s13 = Sum();
    var s20 = Sum(); var s21 = Sum(); var s22 = Sum(); var s23 = Sum();
    var s30 = Sum(); var s31 = Sum(); var s32 = Sum(); var s33 = Sum();
    let down = EDGE * params.a_row;
    for (var k = 0u; k < params.depth; k += EDGE) {
        let at_a = z * params.a_batch + m * params.a_row + k;
        let at_b = z * params.b_batch + k * params.columns + n;
        let a0 = left(at_a);
        let a1 = left(at_a + down);
        let a2 = left(at_a + 2u * down);
        let a3 = left(at_a + 3u * down);
        let b0 = right(at_b);
        let b1 = right(at_b + EDGE);
        let b2 = right(at_b + 2u * EDGE);
        let b3 = right(at_b + 3u * EDGE);
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
    // naga 30 takes nothing but names in a store.
    let width = params.columns;
    let step = EDGE * width;
    let p0 = (z * params.rows + m) * width + n;
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

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
) {
    let group = linear_group(wid, groups);
    let across = params.columns / BLOCK;
    let down = params.rows / (2u * BLOCK);
    let z = group / (across * down);
    if z >= params.batch { return; }
    let m = ((group / across) % down) * 2u * BLOCK;
    let n = (group % across) * BLOCK;
    // Two subgroups of 32 take a block each; one of 64 takes both, of several small ones only the first two have work.
    for (var half = subgroup; half < 2u; half += subgroups) {
        multiply(z, m + half * BLOCK, n);
    }
}
