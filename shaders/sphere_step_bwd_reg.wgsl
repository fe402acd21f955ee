// sphere_step_bwd with the oscillator in registers: N is a constant of the prelude. With v_bar the cotangent of the
// normalisation's argument and e that of the sample's energy:
//   u = gamma v_bar
//   y_bar = u - (u . x) x - e x
//   x_bar = v_bar + Omega^T u - (x . y) u - (u . x) y - e y
// Without projection y_bar = u - e x and the two middle terms of x_bar are absent.
//
// One invocation per oscillator.

struct Params {
    count: u32,       // oscillators
    per_sample: u32,  // oscillators of one sample
    groups: u32,      // oscillators per position
    n: u32,           // N
    inner: u32,
    rotation: u32,
    projection: u32,
    energy: u32,      // 0: energy_bar is bound to gamma and not read
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;            // [outer, n, inner]
@group(0) @binding(2) var<storage, read> y: array<Elem>;            // [outer, n, inner]
@group(0) @binding(3) var<storage, read> gamma: array<f32>;         // [1]
@group(0) @binding(4) var<storage, read> frequencies: array<f32>;   // [1] or [C / 2]
@group(0) @binding(5) var<storage, read> dst_bar: array<Elem>;      // [outer, n, inner]
@group(0) @binding(6) var<storage, read> energy_bar: array<f32>;    // [samples]
@group(0) @binding(7) var<storage, read_write> x_bar: array<Elem>;  // [outer, n, inner]
@group(0) @binding(8) var<storage, read_write> y_bar: array<Elem>;  // [outer, n, inner]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
    let i = linear_index(gid, grid);
    if i >= params.count { return; }
    let base = origin(i, N, params.inner);
    var s = step_of(i);
    var e = 0.0;
    if params.energy == 1u { e = energy_bar[i / params.per_sample]; }

    var u: array<f32, N>;
    var dx: array<f32, N>;
    var u_along_x = 0.0;
    for (var k = 0u; k < N; k++) {
        u[k] = gamma[0] * s.v_bar[k];
        dx[k] = s.v_bar[k];
        u_along_x += u[k] * s.x[k];
    }
    if params.rotation == ROTATION_IDENTITY {
        for (var k = 0u; k < N; k++) { dx[k] += u[k]; }
    } else if params.rotation != ROTATION_NONE {
        for (var p = 0u; p < PAIRS; p++) {
            let w = frequency(i, p);
            dx[2u * p] += -w * u[2u * p + 1u];
            dx[2u * p + 1u] += w * u[2u * p];
        }
    }
    for (var k = 0u; k < N; k++) {
        let at = base + k * params.inner;
        var dy = u[k];
        if params.projection == 1u {
            dx[k] = dx[k] - s.along * u[k] - u_along_x * s.y[k];
            dy = dy - u_along_x * s.x[k];
        }
        x_bar[at] = Elem(dx[k] - e * s.y[k]);
        y_bar[at] = Elem(dy - e * s.x[k]);
    }
}
