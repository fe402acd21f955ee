// g = energy_bar of the sample.
// published: x_bar = - g y,             y_bar = - g x
// paper:     x_bar = - g / 2 (y + c),   y_bar = - g / 2 x   (also the cotangent of c)
//
// One invocation per element.

struct Params {
    len: u32,
    run: u32,    // elements of one sample
    paper: u32,  // 1: the paper's convention; 0: c is bound to y and not read
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;            // [len]
@group(0) @binding(2) var<storage, read> y: array<Elem>;            // [len]
@group(0) @binding(3) var<storage, read> c: array<Elem>;            // [len]
@group(0) @binding(4) var<storage, read> energy_bar: array<f32>;    // [samples]
@group(0) @binding(5) var<storage, read_write> x_bar: array<Elem>;  // [len]
@group(0) @binding(6) var<storage, read_write> y_bar: array<Elem>;  // [len]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    let g = energy_bar[i / params.run];
    if params.paper == 1u {
        x_bar[i] = Elem(-0.5 * g * (f32(y[i]) + f32(c[i])));
        y_bar[i] = Elem(-0.5 * g * f32(x[i]));
    } else {
        x_bar[i] = Elem(-g * f32(y[i]));
        y_bar[i] = Elem(-g * f32(x[i]));
    }
}
