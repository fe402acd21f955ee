// Vector-Jacobian product of sphere_step for the state. With v_bar the cotangent of the normalisation's argument and e
// that of the sample's energy:
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
    n: u32,
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
    let base = origin(i, params.n, params.inner);
    let projects = params.projection == 1u;
    let along = x_along_y(base);
    let pull = select(0.0, along, projects);
    let norm = norm_of_argument(i, base, pull);
    let along_g = along_of_g(i, base, pull, norm);
    var e = 0.0;
    if params.energy == 1u { e = energy_bar[i / params.per_sample]; }

    var u_along_x = 0.0;
    for (var k = 0u; k < params.n; k++) {
        u_along_x += gamma[0] * v_bar(i, base, k, pull, norm, along_g) * f32(x[base + k * params.inner]);
    }
    for (var k = 0u; k < params.n; k++) {
        let at = base + k * params.inner;
        let vk = v_bar(i, base, k, pull, norm, along_g);
        let uk = gamma[0] * vk;
        var dx = vk;
        switch params.rotation {
            case ROTATION_NONE: {}
            case ROTATION_IDENTITY: { dx += uk; }
            default: {
                let partner = gamma[0] * v_bar(i, base, k ^ 1u, pull, norm, along_g);
                let w = frequency(i, k);
                dx += select(w, -w, k % 2u == 0u) * partner;
            }
        }
        var dy = uk;
        if projects {
            dx = dx - along * uk - u_along_x * f32(y[at]);
            dy = dy - u_along_x * f32(x[at]);
        }
        x_bar[at] = Elem(dx - e * f32(y[at]));
        y_bar[at] = Elem(dy - e * f32(x[at]));
    }
}
