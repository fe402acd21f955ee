// Adds the cotangent e of a sample's energy, - sum x . y, to those of a step:
//   x_bar = step_x_bar - e y,   y_bar = step_y_bar - e x
//
// One invocation per element.

struct Params {
    len: u32,
    run: u32,  // elements of one sample
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;            // [len]
@group(0) @binding(2) var<storage, read> y: array<Elem>;            // [len]
@group(0) @binding(3) var<storage, read> energy_bar: array<f32>;    // [samples]
@group(0) @binding(4) var<storage, read> step_x_bar: array<Elem>;   // [len]
@group(0) @binding(5) var<storage, read> step_y_bar: array<Elem>;   // [len]
@group(0) @binding(6) var<storage, read_write> x_bar: array<Elem>;  // [len]
@group(0) @binding(7) var<storage, read_write> y_bar: array<Elem>;  // [len]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    let e = energy_bar[i / params.run];
    x_bar[i] = Elem(f32(step_x_bar[i]) - e * f32(y[i]));
    y_bar[i] = Elem(f32(step_y_bar[i]) - e * f32(x[i]));
}
