// dst[b, i] = x[b, i] + h[b] sum_{s < stages} c_s k_s[b, i], less the nearest multiple of 2 pi if it is to be wrapped
//
// One invocation per element.

struct Params {
    len: u32,
    run: u32,     // elements of one sample
    stages: u32,  // 1 to 5
    wrap: u32,
    c0: f32,
    c1: f32,
    c2: f32,
    c3: f32,
    c4: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;          // [len]
@group(0) @binding(2) var<storage, read> k0: array<f32>;         // [len]
@group(0) @binding(3) var<storage, read> k1: array<f32>;         // [len]
@group(0) @binding(4) var<storage, read> k2: array<f32>;         // [len]
@group(0) @binding(5) var<storage, read> k3: array<f32>;         // [len]
@group(0) @binding(6) var<storage, read> k4: array<f32>;         // [len]
@group(0) @binding(7) var<storage, read> h: array<f32>;          // [samples]
@group(0) @binding(8) var<storage, read_write> dst: array<f32>;  // [len]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    let moved = x[i] + h[i / params.run] * slope(i);
    if params.wrap == 1u {
        dst[i] = wrap(moved);
    } else {
        dst[i] = moved;
    }
}
