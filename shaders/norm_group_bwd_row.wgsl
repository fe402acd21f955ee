// The backward pass of norm_group with a workgroup per group of a sample:
//   x_bar = r ((dst_bar weight[c] - a) - h b),   h = ((x - s) - m) r
//   sums[0, c, sample] = sum over the positions of dst_bar,   sums[1, c, sample] = sum of dst_bar h
// with a and b the means over the group of dst_bar weight and dst_bar weight h. The sums over the samples of `sums` are
// the gradients of bias and weight.
//
// An invocation takes four neighbours at a time, which lie in one channel: inner is a multiple of four.

struct Params {
    rows: u32,      // samples * groups
    len: u32,       // elements of a group
    channels: u32,  // of a group
    inner: u32,
    groups: u32,
    has_weight: u32,  // 0: weight is bound to x and not read
    eps: f32,
    share: f32,       // 1 / len
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;            // [samples, groups * channels, inner]
@group(0) @binding(2) var<storage, read> weight: array<Elem>;       // [groups * channels]
@group(0) @binding(3) var<storage, read> dst_bar: array<Elem>;      // [samples, groups * channels, inner]
@group(0) @binding(4) var<storage, read_write> x_bar: array<Elem>;  // [samples, groups * channels, inner]
@group(0) @binding(5) var<storage, read_write> sums: array<f32>;    // [2, groups * channels, samples]

fn g4(at: u32) -> vec4<f32> {
    return vec4<f32>(f32(dst_bar[at]), f32(dst_bar[at + 1u]), f32(dst_bar[at + 2u]), f32(dst_bar[at + 3u]));
}

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

    let samples = params.rows / params.groups;
    let sample = index / params.groups;
    let first = (index % params.groups) * params.channels;
    var along = vec2<f32>();
    for (var k = 0u; k < params.channels; k++) {
        let plane = base + k * params.inner;
        var plain = vec4<f32>();
        var times = vec4<f32>();
        for (var j = 4u * lane; j < params.inner; j += 4u * WG) {
            let g = g4(plane + j);
            plain += g;
            times += g * normalized(plane + j, row);
        }
        let total = tree_sum_two(lane, vec2<f32>(sum_of(plain), sum_of(times)));
        let c = first + k;
        if lane == 0u {
            sums[c * samples + sample] = total.x;
            sums[(params.groups * params.channels + c) * samples + sample] = total.y;
        }
        var w = 1.0;
        if params.has_weight == 1u { w = f32(weight[c]); }
        along += w * total;
    }
    let a = along.x * params.share;
    let b = along.y * params.share;

    var at = place_in_row(lane, index);
    let round = RowPlace((4u * WG) / params.inner, (4u * WG) % params.inner);
    for (var j = 4u * lane; j < params.len; j += 4u * WG) {
        var g = g4(base + j);
        if params.has_weight == 1u { g = g * f32(weight[at.channel]); }
        let y = ((g - a) - normalized(base + j, row) * b) * row.scale;
        x_bar[base + j] = Elem(y.x);
        x_bar[base + j + 1u] = Elem(y.y);
        x_bar[base + j + 2u] = Elem(y.z);
        x_bar[base + j + 3u] = Elem(y.w);
        at = place_beyond(at, round);
    }
}
