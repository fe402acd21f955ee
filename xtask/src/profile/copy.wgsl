// dst = src, four numbers at a time: what memory can do.

struct Params {
    len: u32,  // groups of four
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> src: array<vec4<f32>>;        // [len]
@group(0) @binding(2) var<storage, read_write> dst: array<vec4<f32>>;  // [len]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = gid.x + gid.y * groups.x * WG;
    if i < params.len { dst[i] = src[i]; }
}
