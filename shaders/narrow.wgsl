// dst[o] = the run of x[o] that begins at offset
//
// One invocation per element of dst.

struct Params {
    len: u32,     // elements of dst
    part: u32,    // elements of dst for one outer index
    run: u32,     // elements of x for one outer index: channels * inner
    offset: u32,  // where the part begins among them
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;          // [outer, run]
@group(0) @binding(2) var<storage, read_write> dst: array<Elem>;  // [outer, part]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    dst[i] = x[i / params.part * params.run + params.offset + i % params.part];
}
