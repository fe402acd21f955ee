// sphere_step, four neighbouring oscillators of one group at a time: every load and store moves four numbers. N is a
// constant of the prelude.
//   dst_i = normalize(x_i + gamma (Omega x_i + P_x y_i)),   partial[tile] = - sum over one tile of x_i . y_i
//
// One invocation per four, one workgroup per tile of WG fours of one sample.

struct Params {
    samples: u32,
    per_sample: u32,  // fours of one sample
    tiles: u32,       // workgroups per sample
    groups: u32,      // oscillators per position
    n: u32,           // N
    inner: u32,       // fours
    rotation: u32,
    projection: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<Elem>>;          // [outer, n, inner]
@group(0) @binding(2) var<storage, read> y: array<vec4<Elem>>;          // [outer, n, inner]
@group(0) @binding(3) var<storage, read> gamma: array<f32>;             // [1]
@group(0) @binding(4) var<storage, read> frequencies: array<f32>;       // [1] or [C / 2]
@group(0) @binding(5) var<storage, read_write> dst: array<vec4<Elem>>;  // [outer, n, inner]
@group(0) @binding(6) var<storage, read_write> partial: array<f32>;     // [samples, tiles]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
) {
    let group = linear_group(wid, grid);
    let sample = group / params.tiles;
    let tile = group % params.tiles;
    let j = tile * WG + lane;
    var along = vec4<f32>();
    if sample < params.samples && j < params.per_sample {
        let i = sample * params.per_sample + j;
        let base = origin(i, N, params.inner);
        var s = step_of(i, base);
        for (var k = 0u; k < N; k++) { dst[base + k * params.inner] = vec4<Elem>(s.d[k]); }
        along = s.along;
    }
    let total = tree_sum(lane, (along.x + along.y) + (along.z + along.w));
    if lane == 0u && sample < params.samples {
        partial[group] = -total;
    }
}
