// sphere_step with the oscillator in registers: N is a constant of the prelude.
//   dst_i = normalize(x_i + gamma (Omega x_i + P_x y_i)),   partial[tile] = - sum over one tile of x_i . y_i
//
// One invocation per PER oscillators WG apart, one workgroup per tile of WG PER oscillators of one sample.

const ROTATION_NONE: u32 = 0u;
const ROTATION_IDENTITY: u32 = 1u;  // Omega x = x
const ROTATION_GLOBAL: u32 = 2u;    // one frequency
const ROTATION_PER_PAIR: u32 = 3u;  // one per pair of channels (2p, 2p + 1)

struct Params {
    samples: u32,
    per_sample: u32,  // oscillators of one sample
    tiles: u32,       // workgroups per sample
    groups: u32,      // oscillators per position
    n: u32,           // N
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

// One oscillator: writes the next state and returns x . y. `size` is gamma, `only` the first frequency; both are read once for all.
fn step_one(i: u32, size: f32, only: f32) -> f32 {
    let base = origin(i, N, params.inner);
    var xs: array<f32, N>;
    var v: array<f32, N>;
    var along = 0.0;
    for (var k = 0u; k < N; k++) {
        xs[k] = f32(x[base + k * params.inner]);
        v[k] = f32(y[base + k * params.inner]);
        along += xs[k] * v[k];
    }
    let pull = select(0.0, along, params.projection == 1u);
    for (var k = 0u; k < N; k++) { v[k] = v[k] - pull * xs[k]; }
    if params.rotation == ROTATION_IDENTITY {
        for (var k = 0u; k < N; k++) { v[k] = xs[k] + v[k]; }
    } else if params.rotation != ROTATION_NONE {
        for (var p = 0u; p < N / 2u; p++) {
            var w = only;
            if params.rotation == ROTATION_PER_PAIR {
                w = frequencies[((i / params.inner) % params.groups) * (N / 2u) + p];
            }
            v[2u * p] = w * xs[2u * p + 1u] + v[2u * p];
            v[2u * p + 1u] = -w * xs[2u * p] + v[2u * p + 1u];
        }
    }
    var largest = 0.0;
    for (var k = 0u; k < N; k++) {
        v[k] = xs[k] + size * v[k];
        largest = max(largest, abs(v[k]));
    }
    let divisor = max(largest, NORM_TINY);
    var square = 0.0;
    for (var k = 0u; k < N; k++) {
        let scaled = v[k] / divisor;
        square += scaled * scaled;
    }
    let norm = norm_of(largest, square);
    for (var k = 0u; k < N; k++) {
        dst[base + k * params.inner] = Elem((v[k] / norm.largest) * norm.stretch);
    }
    return along;
}

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
) {
    let group = linear_group(wid, grid);
    let sample = group / params.tiles;
    let tile = group % params.tiles;
    let size = gamma[0];
    let only = frequencies[0];
    var along = 0.0;
    if sample < params.samples {
        let end = min((tile + 1u) * WG * PER, params.per_sample);
        for (var i = tile * WG * PER + lane; i < end; i += WG) {
            along += step_one(sample * params.per_sample + i, size, only);
        }
    }
    let total = tree_sum(lane, along);
    if lane == 0u && sample < params.samples {
        partial[group] = -total;
    }
}
