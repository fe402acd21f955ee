// x_bar[o] = dst_bar[o] in the run that begins at offset, zero elsewhere
//
// One invocation per element of x_bar.

struct Params {
    len: u32,     // elements of x_bar
    part: u32,    // elements of dst_bar for one outer index
    run: u32,     // elements of x_bar for one outer index: channels * inner
    offset: u32,  // where the part begins among them
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dst_bar: array<Elem>;      // [outer, part]
@group(0) @binding(2) var<storage, read_write> x_bar: array<Elem>;  // [outer, run]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    let at = i % params.run;
    // Before the offset the difference wraps to a large number.
    let inside = at - params.offset;
    if inside < params.part {
        x_bar[i] = dst_bar[i / params.run * params.part + inside];
    } else {
        x_bar[i] = Elem(0.0);
    }
}
