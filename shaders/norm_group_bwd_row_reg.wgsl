// norm_group_bwd_row for groups of up to 4 ROUNDS WG elements, which stay in registers between their passes:
//   x_bar = r ((dst_bar weight[c] - a) - h b),   h = ((x - s) - m) r
//   sums[0, c, sample] = sum over the positions of dst_bar,   sums[1, c, sample] = sum of dst_bar h
// with a and b the means over the group of dst_bar weight and dst_bar weight h.
//
// An invocation takes four neighbours at a time. A round of the workgroup lies in one channel: inner is a multiple of 4 WG.

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
@group(0) @binding(1) var<storage, read> x: array<vec4<Elem>>;            // [samples, groups * channels, inner / 4]
@group(0) @binding(2) var<storage, read> weight: array<Elem>;             // [groups * channels]
@group(0) @binding(3) var<storage, read> dst_bar: array<vec4<Elem>>;      // [samples, groups * channels, inner / 4]
@group(0) @binding(4) var<storage, read_write> x_bar: array<vec4<Elem>>;  // [samples, groups * channels, inner / 4]
@group(0) @binding(5) var<storage, read_write> sums: array<f32>;          // [2, groups * channels, samples]

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
    // Rounds of the group and of a channel; the last may be fewer than ROUNDS, and what is loaded past them is not used.
    let rounds = len / WG;
    let per_channel = params.inner / (4u * WG);
    // All loads come before the first use, so that they run at once.
    var h: array<vec4<f32>, ROUNDS>;
    var g: array<vec4<f32>, ROUNDS>;
    for (var r = 0u; r < ROUNDS; r++) {
        let at = base + min(r, rounds - 1u) * WG + lane;
        h[r] = vec4<f32>(x[at]);
        g[r] = vec4<f32>(dst_bar[at]);
    }
    let s = f32(x[base].x);
    var sum = vec4<f32>();
    for (var r = 0u; r < ROUNDS; r++) {
        h[r] = h[r] - s;
        sum += select(vec4<f32>(), h[r], r < rounds);
    }
    let m = tree_sum(lane, sum_of(sum)) * params.share;
    var squares = vec4<f32>();
    for (var r = 0u; r < ROUNDS; r++) {
        h[r] = h[r] - m;
        squares += select(vec4<f32>(), h[r] * h[r], r < rounds);
    }
    let scale = inverseSqrt(tree_sum(lane, sum_of(squares)) * params.share + params.eps);

    let samples = params.rows / params.groups;
    let sample = index / params.groups;
    let first = (index % params.groups) * params.channels;
    var along = vec2<f32>();
    var plain = vec4<f32>();
    var times = vec4<f32>();
    // The channel of a round, and the rounds that it has had.
    var c = first;
    var had = 0u;
    for (var r = 0u; r < ROUNDS; r++) {
        h[r] = h[r] * scale;
        if r < rounds {
            plain += g[r];
            times += g[r] * h[r];
            var w = 1.0;
            if params.has_weight == 1u { w = f32(weight[c]); }
            g[r] = g[r] * w;
            had += 1u;
            if had == per_channel {
                let total = tree_sum_two(lane, vec2<f32>(sum_of(plain), sum_of(times)));
                if lane == 0u {
                    sums[c * samples + sample] = total.x;
                    sums[(params.groups * params.channels + c) * samples + sample] = total.y;
                }
                along += w * total;
                plain = vec4<f32>();
                times = vec4<f32>();
                c += 1u;
                had = 0u;
            }
        }
    }
    let a = along.x * params.share;
    let b = along.y * params.share;
    for (var r = 0u; r < ROUNDS; r++) {
        if r < rounds { x_bar[base + r * WG + lane] = vec4<Elem>(((g[r] - a) - h[r] * b) * scale); }
    }
}
