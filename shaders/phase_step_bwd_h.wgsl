// partial[b, tile] = sum_{i in tile} dst_bar[b, i] sum_{s < stages} c_s k_s[b, i]; sum_rows adds the tiles to h_bar[b].
//
// One workgroup per tile of TILE elements of one sample: each lane strides, then a tree of fixed shape.

const TILE: u32 = 1024u;

struct Params {
    samples: u32,
    run: u32,     // elements of one sample
    tiles: u32,   // workgroups per sample
    stages: u32,  // 1 to 5
    c0: f32,
    c1: f32,
    c2: f32,
    c3: f32,
    c4: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dst_bar: array<f32>;        // [samples, run]
@group(0) @binding(2) var<storage, read> k0: array<f32>;             // [samples, run]
@group(0) @binding(3) var<storage, read> k1: array<f32>;             // [samples, run]
@group(0) @binding(4) var<storage, read> k2: array<f32>;             // [samples, run]
@group(0) @binding(5) var<storage, read> k3: array<f32>;             // [samples, run]
@group(0) @binding(6) var<storage, read> k4: array<f32>;             // [samples, run]
@group(0) @binding(7) var<storage, read_write> partial: array<f32>;  // [samples, tiles]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = linear_group(wid, groups);
    let sample = group / params.tiles;
    let tile = group % params.tiles;
    var sum = 0.0;
    if sample < params.samples {
        let end = min((tile + 1u) * TILE, params.run);
        for (var j = tile * TILE + lane; j < end; j += WG) {
            let at = sample * params.run + j;
            sum += dst_bar[at] * slope(at);
        }
    }
    let total = tree_sum(lane, sum);
    if lane == 0u && sample < params.samples {
        partial[group] = total;
    }
}
