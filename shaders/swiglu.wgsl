// dst = silu(a) b, a the first half of the channels of x, b the second
//
// One invocation per element of dst.

struct Params {
    len: u32,
    run: u32,  // channels of dst * inner
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;          // [outer, 2, run]
@group(0) @binding(2) var<storage, read_write> dst: array<Elem>;  // [outer, run]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    let at = i + i / params.run * params.run;
    dst[i] = Elem(silu(f32(x[at])) * f32(x[at + params.run]));
}
