// norm_group with a workgroup per group of a sample:
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
@group(0) @binding(1) var<storage, read> x: array<Elem>;          // [samples, groups * channels, inner]
@group(0) @binding(2) var<storage, read> weight: array<Elem>;     // [groups * channels]
@group(0) @binding(3) var<storage, read> bias: array<Elem>;       // [groups * channels]
@group(0) @binding(4) var<storage, read_write> dst: array<Elem>;  // [samples, groups * channels, inner]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = linear_group(wid, groups);
    if index >= params.rows { return; }
    let base = index * params.len;
    let row = row_of(lane, base);
    let round = RowPlace((4u * WG) / params.inner, (4u * WG) % params.inner);
    var at = place_in_row(lane, index);
    for (var j = 4u * lane; j < params.len; j += 4u * WG) {
        var y = normalized(base + j, row);
        if params.has_weight == 1u { y = y * f32(weight[at.channel]); }
        if params.has_bias == 1u { y = y + f32(bias[at.channel]); }
        dst[base + j] = Elem(y.x);
        dst[base + j + 1u] = Elem(y.y);
        dst[base + j + 2u] = Elem(y.z);
        dst[base + j + 3u] = Elem(y.w);
        at = place_beyond(at, round);
    }
}
