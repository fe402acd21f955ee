// dst[o] = a[o] followed by b[o]
//
// One invocation per element of dst.

struct Params {
    len: u32,
    run_a: u32,  // elements of a for one outer index: channels * inner
    run_b: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<Elem>;          // [outer, run_a]
@group(0) @binding(2) var<storage, read> b: array<Elem>;          // [outer, run_b]
@group(0) @binding(3) var<storage, read_write> dst: array<Elem>;  // [outer, run_a + run_b]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    let run = params.run_a + params.run_b;
    let o = i / run;
    let at = i % run;
    if at < params.run_a {
        dst[i] = a[o * params.run_a + at];
    } else {
        dst[i] = b[o * params.run_b + (at - params.run_a)];
    }
}
