// a_bar = dst_bar b silu'(a), b_bar = dst_bar silu(a), a the first half of the channels of x, b the second
//
// One invocation per element of dst writes one element of either half.

struct Params {
    len: u32,
    run: u32,  // channels of dst * inner
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;            // [outer, 2, run]
@group(0) @binding(2) var<storage, read> dst_bar: array<Elem>;      // [outer, run]
@group(0) @binding(3) var<storage, read_write> x_bar: array<Elem>;  // [outer, 2, run]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    let at = i + i / params.run * params.run;
    let a = f32(x[at]);
    let g = f32(dst_bar[i]);
    x_bar[at] = Elem(g * f32(x[at + params.run]) * silu_slope(a));
    x_bar[at + params.run] = Elem(g * silu(a));
}
