// dst = ((x - s) - m) r weight[c] + bias[c] over the channels of a position
//   s = x[0],   m = mean (x - s),   v = mean ((x - s) - m)^2,   r = 1 / sqrt(v + eps)
// Taking s off keeps the deviations accurate where the mean is large beside them.
//
// A workgroup per block of rows, see row_block.

struct Params {
    rows: u32,
    channels: u32,
    inner: u32,
    block: u32,
    has_weight: u32,  // 0: weight is bound to x and not read
    has_bias: u32,    // 0: bias is bound to x and not read
    share: f32,       // 1 / channels
    eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;          // [outer, channels, inner]
@group(0) @binding(2) var<storage, read> weight: array<Elem>;     // [channels]
@group(0) @binding(3) var<storage, read> bias: array<Elem>;       // [channels]
@group(0) @binding(4) var<storage, read_write> dst: array<Elem>;  // [outer, channels, inner]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let row = linear_group(wid, groups) * params.block + lane % params.block;
    let first = lane / params.block;
    let lanes = WG / params.block;
    // Past the last row nothing is read or written, but the sums are joined.
    let end = select(0u, params.channels, row < params.rows);
    let base = row_base(min(row, params.rows - 1u));
    let s = f32(x[base]);

    var sum = 0.0;
    for (var c = first; c < end; c += lanes) {
        sum += f32(x[base + c * params.inner]) - s;
    }
    let m = block_sum(lane, sum) * params.share;
    var square = 0.0;
    for (var c = first; c < end; c += lanes) {
        let d = (f32(x[base + c * params.inner]) - s) - m;
        square += d * d;
    }
    let r = inverseSqrt(block_sum(lane, square) * params.share + params.eps);
    for (var c = first; c < end; c += lanes) {
        let at = base + c * params.inner;
        var y = ((f32(x[at]) - s) - m) * r;
        if params.has_weight == 1u { y = y * f32(weight[c]); }
        if params.has_bias == 1u { y = y + f32(bias[c]); }
        dst[at] = Elem(y);
    }
}
