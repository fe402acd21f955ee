// table_bar[v, d] = sum of dst_bar[o, d, i] over all positions (o, i) with indices[o, i] = v
//
// One workgroup per row v and BLOCK channels: each lane strides over the positions and keeps the channels' sums, then
// trees of fixed shape, so that no atomics are needed and the order of the sum never changes. Every workgroup reads all
// indices: the price is rows * positions / BLOCK per channel, right for tables of thousands of rows at most.

const BLOCK: u32 = 8u;

struct Params {
    positions: u32,  // outer * inner
    rows: u32,       // of the table
    width: u32,      // channels, D
    inner: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> indices: array<u32>;          // [outer, inner]
@group(0) @binding(2) var<storage, read> dst_bar: array<Elem>;         // [outer, width, inner]
@group(0) @binding(3) var<storage, read_write> table_bar: array<f32>;  // [rows, width]

// The cotangent of channel d, `base` being that of channel 0; zero past the last channel.
fn cotangent(base: u32, d: u32) -> f32 {
    if d >= params.width { return 0.0; }
    return f32(dst_bar[base + d * params.inner]);
}

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = linear_group(wid, groups);
    let blocks = (params.width + BLOCK - 1u) / BLOCK;
    let v = group / blocks;
    let first = group % blocks * BLOCK;

    var low = vec4<f32>(0.0);
    var high = vec4<f32>(0.0);
    if v < params.rows {
        for (var p = lane; p < params.positions; p += WG) {
            if indices[p] != v { continue; }
            let base = p / params.inner * params.width * params.inner + p % params.inner;
            low += vec4<f32>(
                cotangent(base, first),
                cotangent(base, first + 1u),
                cotangent(base, first + 2u),
                cotangent(base, first + 3u),
            );
            high += vec4<f32>(
                cotangent(base, first + 4u),
                cotangent(base, first + 5u),
                cotangent(base, first + 6u),
                cotangent(base, first + 7u),
            );
        }
    }
    for (var k = 0u; k < BLOCK; k++) {
        let total = tree_sum(lane, select(high[k % 4u], low[k % 4u], k < 4u));
        if lane == 0u && v < params.rows && first + k < params.width {
            table_bar[v * params.width + first + k] = total;
        }
    }
}
