// norm_group_row for groups of up to 4 ROUNDS WG elements, which stay in registers between their passes:
//   dst = ((x - s) - m) r weight[c] + bias[c],   r = 1 / sqrt(v + eps)
// with s the first element of the group, m the mean of x - s, v the mean of ((x - s) - m)^2.
//
// An invocation takes four neighbours at a time, which lie in one channel: inner is a multiple of four.

struct Params {
    rows: u32,      // samples * groups
    len: u32,       // elements of a group
    channels: u32,  // of a group
    inner: u32,
    groups: u32,
    has_weight: u32,  // 0: weight is bound to x and not read
    has_bias: u32,    // 0: bias is bound to x and not read
    eps: f32,
    share: f32,       // 1 / len
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<Elem>>;          // [samples, groups * channels, inner / 4]
@group(0) @binding(2) var<storage, read> weight: array<Elem>;           // [groups * channels]
@group(0) @binding(3) var<storage, read> bias: array<Elem>;             // [groups * channels]
@group(0) @binding(4) var<storage, read_write> dst: array<vec4<Elem>>;  // [samples, groups * channels, inner / 4]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = linear_group(wid, groups);
    if index >= params.rows { return; }
    let len = params.len / 4u;
    let base = index * len;
    // All loads come before the first use, so that they run at once. Past the last four these again, left out of the sums.
    var h: array<vec4<f32>, ROUNDS>;
    for (var r = 0u; r < ROUNDS; r++) { h[r] = vec4<f32>(x[base + min(r * WG + lane, len - 1u)]); }
    let s = f32(x[base].x);
    var sum = vec4<f32>();
    for (var r = 0u; r < ROUNDS; r++) {
        h[r] = h[r] - s;
        sum += select(vec4<f32>(), h[r], r * WG + lane < len);
    }
    let m = tree_sum(lane, sum_of(sum)) * params.share;
    var squares = vec4<f32>();
    for (var r = 0u; r < ROUNDS; r++) {
        h[r] = h[r] - m;
        squares += select(vec4<f32>(), h[r] * h[r], r * WG + lane < len);
    }
    let scale = inverseSqrt(tree_sum(lane, sum_of(squares)) * params.share + params.eps);

    let round = RowPlace((4u * WG) / params.inner, (4u * WG) % params.inner);
    var at = place_in_row(lane, index);
    for (var r = 0u; r < ROUNDS; r++) {
        let j = r * WG + lane;
        if j < len {
            var y = h[r] * scale;
            if params.has_weight == 1u { y = y * f32(weight[at.channel]); }
            if params.has_bias == 1u { y = y + f32(bias[at.channel]); }
            dst[base + j] = vec4<Elem>(y);
        }
        at = place_beyond(at, round);
    }
}
