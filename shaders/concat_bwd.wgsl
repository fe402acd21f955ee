// part_bar[o] = the run of dst_bar[o] that begins at offset
//
// One invocation per element of the part.

struct Params {
    len: u32,
    part: u32,    // elements of the part for one outer index
    run: u32,     // elements of dst_bar for one outer index
    offset: u32,  // where the part begins among them
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dst_bar: array<Elem>;         // [outer, run]
@group(0) @binding(2) var<storage, read_write> part_bar: array<Elem>;  // [outer, part]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    part_bar[i] = dst_bar[i / params.part * params.run + params.offset + i % params.part];
}
