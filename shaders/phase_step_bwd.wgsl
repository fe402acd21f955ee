// k_bar[b, i] = c h[b] dst_bar[b, i], for the rate with the coefficient c
//
// One invocation per element.

struct Params {
    len: u32,
    run: u32,  // elements of one sample
    c: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> h: array<f32>;            // [samples]
@group(0) @binding(2) var<storage, read> dst_bar: array<f32>;      // [len]
@group(0) @binding(3) var<storage, read_write> k_bar: array<f32>;  // [len]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    k_bar[i] = params.c * h[i / params.run] * dst_bar[i];
}
