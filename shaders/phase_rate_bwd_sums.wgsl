// What a sample's nodes add up to, per tile; sum_rows adds the tiles. With g = rate_bar, a = m theta + lag and the field
// Y:
//   partial[0][b, tile]    = sum g (Y_s cos a - Y_c sin a)           strength_bar
//   partial[1][b, tile]    = - sum K g (Y_s sin a + Y_c cos a)       lag_bar
//   partial[2][b, 0, tile] = - sum K g sin a                         field_bar of a field per sample
//   partial[2][b, 1, tile] = sum K g cos a
//
// One workgroup per tile of TILE nodes of one sample: each lane strides, then a tree of fixed shape per sum.

const TILE: u32 = 1024u;

struct Params {
    samples: u32,
    nodes: u32,
    tiles: u32,     // workgroups per sample
    m: f32,
    per_node: u32,  // 1: a field per node; 0: one per sample
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<f32>;          // [samples, nodes]
@group(0) @binding(2) var<storage, read> field: array<f32>;          // [samples, nodes, 2] or [samples, 1, 2]
@group(0) @binding(3) var<storage, read> strength: array<f32>;       // [samples]
@group(0) @binding(4) var<storage, read> lag: array<f32>;            // [samples]
@group(0) @binding(5) var<storage, read> rate_bar: array<f32>;       // [samples, nodes]
@group(0) @binding(6) var<storage, read_write> partial: array<f32>;  // [4, samples, tiles]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = linear_group(wid, groups);
    let sample = group / params.tiles;
    let tile = group % params.tiles;
    let live = sample < params.samples;
    var sums = vec4<f32>();
    if live {
        let end = min((tile + 1u) * TILE, params.nodes);
        for (var j = tile * TILE + lane; j < end; j += WG) {
            let i = sample * params.nodes + j;
            let p = pull(i, sample);
            let g = strength[sample] * rate_bar[i];
            sums += vec4<f32>(rate_bar[i] * p.z, g * p.w, -(g * p.x), g * p.y);
        }
    }
    let strength_sum = tree_sum(lane, sums.x);
    let lag_sum = tree_sum(lane, sums.y);
    let cos_sum = tree_sum(lane, sums.z);
    let sin_sum = tree_sum(lane, sums.w);
    if live && lane == 0u {
        let rows = params.samples * params.tiles;
        let first = 2u * rows + 2u * sample * params.tiles + tile;
        partial[group] = strength_sum;
        partial[rows + group] = lag_sum;
        partial[first] = cos_sum;
        partial[first + params.tiles] = sin_sum;
    }
}
