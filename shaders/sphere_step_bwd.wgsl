// Vector-Jacobian product of sphere_step for the state. With g = dst_bar, d = dst, |v| the norm of the step's argument:
//   v_bar = (g - (g . d) d) / |v|,   u = gamma v_bar
//   y_bar = u - (u . x) x
//   x_bar = v_bar + Omega^T u - (x . y) u - (u . x) y
// Without projection y_bar = u and the last two terms of x_bar are absent. v_bar is kept where the cotangents of
// gamma and of the frequencies are wanted; sphere_step_bwd_scalars reduces it.
//
// One invocation per oscillator.

struct Params {
    count: u32,   // oscillators
    groups: u32,  // oscillators per position
    n: u32,
    inner: u32,
    rotation: u32,
    projection: u32,
    keep: u32,    // 1: write v_bar
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;            // [outer, n, inner]
@group(0) @binding(2) var<storage, read> y: array<Elem>;            // [outer, n, inner]
@group(0) @binding(3) var<storage, read> gamma: array<f32>;         // [1]
@group(0) @binding(4) var<storage, read> frequencies: array<f32>;   // [1] or [C / 2]
@group(0) @binding(5) var<storage, read> dst_bar: array<Elem>;      // [outer, n, inner]
@group(0) @binding(6) var<storage, read_write> x_bar: array<Elem>;  // [outer, n, inner]
@group(0) @binding(7) var<storage, read_write> y_bar: array<Elem>;  // [outer, n, inner]
@group(0) @binding(8) var<storage, read_write> v_bar: array<f32>;   // [outer, n, inner] if kept

// Component k of v_bar; along_g is g . d, or 0 below the clamp of the norm.
fn v_bar_of(i: u32, base: u32, k: u32, pull: f32, norm: Norm, along_g: f32) -> f32 {
    let d = (argument(i, base, k, pull) / norm.largest) * norm.stretch;
    let g = f32(dst_bar[base + k * params.inner]);
    return (g - along_g * d) * (norm.stretch / norm.largest);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
    let i = linear_index(gid, grid);
    if i >= params.count { return; }
    let base = origin(i, params.n, params.inner);
    let projects = params.projection == 1u;
    let along = x_along_y(base);
    let pull = select(0.0, along, projects);
    let norm = norm_of_argument(i, base, pull);

    var along_g = 0.0;
    if !norm.clamped {
        for (var k = 0u; k < params.n; k++) {
            let d = (argument(i, base, k, pull) / norm.largest) * norm.stretch;
            along_g += f32(dst_bar[base + k * params.inner]) * d;
        }
    }
    var u_along_x = 0.0;
    for (var k = 0u; k < params.n; k++) {
        let u = gamma[0] * v_bar_of(i, base, k, pull, norm, along_g);
        u_along_x += u * f32(x[base + k * params.inner]);
    }
    for (var k = 0u; k < params.n; k++) {
        let at = base + k * params.inner;
        let vk = v_bar_of(i, base, k, pull, norm, along_g);
        let uk = gamma[0] * vk;
        var dx = vk;
        switch params.rotation {
            case ROTATION_NONE: {}
            case ROTATION_IDENTITY: { dx += uk; }
            default: {
                let partner = gamma[0] * v_bar_of(i, base, k ^ 1u, pull, norm, along_g);
                let w = frequency(i, k);
                dx += select(w, -w, k % 2u == 0u) * partner;
            }
        }
        var dy = uk;
        if projects {
            dx = dx - along * uk - u_along_x * f32(y[at]);
            dy = dy - u_along_x * f32(x[at]);
        }
        x_bar[at] = Elem(dx);
        y_bar[at] = Elem(dy);
        if params.keep == 1u { v_bar[at] = vk; }
    }
}
