// dst_i = normalize(x_i + gamma (Omega x_i + P_x y_i)),   partial[tile] = - sum over one tile of x_i . y_i
//
// One invocation per oscillator, one workgroup per tile of WG oscillators of one sample; sum_rows adds the
// partials of a sample to its energy. Any n, so components are computed again instead of being kept.

struct Params {
    samples: u32,
    per_sample: u32,  // oscillators of one sample
    tiles: u32,       // workgroups per sample
    groups: u32,      // oscillators per position
    n: u32,
    inner: u32,
    rotation: u32,
    projection: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;             // [outer, n, inner]
@group(0) @binding(2) var<storage, read> y: array<Elem>;             // [outer, n, inner]
@group(0) @binding(3) var<storage, read> gamma: array<f32>;          // [1]
@group(0) @binding(4) var<storage, read> frequencies: array<f32>;    // [1] or [C / 2]
@group(0) @binding(5) var<storage, read_write> dst: array<Elem>;     // [outer, n, inner]
@group(0) @binding(6) var<storage, read_write> partial: array<f32>;  // [samples, tiles]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
) {
    let group = linear_group(wid, grid);
    let sample = group / params.tiles;
    let within = (group % params.tiles) * WG + lane;
    let in_range = sample < params.samples && within < params.per_sample;

    var along = 0.0;
    if in_range {
        let i = sample * params.per_sample + within;
        let base = origin(i, params.n, params.inner);
        along = x_along_y(base);
        let pull = select(0.0, along, params.projection == 1u);
        let norm = norm_of_argument(i, base, pull);
        for (var k = 0u; k < params.n; k++) {
            let v = argument(i, base, k, pull);
            dst[base + k * params.inner] = Elem((v / norm.largest) * norm.stretch);
        }
    }

    let total = tree_sum(lane, along);
    if lane == 0u && sample < params.samples {
        partial[group] = -total;
    }
}
