// dst[b, l] = -sum_k round((theta[b, i_(k+1)] - theta[b, i_k]) / (2 pi)) around the nodes i_0, i_1, .., i_0 of loop l
//
// That is the sum of the wrapped differences over 2 pi: an integer, counted as one. One invocation per sample and loop.
// The loops were checked on the host.

struct Params {
    len: u32,    // batch * loops
    loops: u32,
    nodes: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<f32>;      // [batch, nodes]
@group(0) @binding(2) var<storage, read> indptr: array<u32>;     // [loops + 1]
@group(0) @binding(3) var<storage, read> indices: array<u32>;    // [entries], nodes of the loops
@group(0) @binding(4) var<storage, read_write> dst: array<f32>;  // [batch, loops]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    let sample = index / params.loops * params.nodes;
    let l = index % params.loops;
    let first = indptr[l];
    let last = indptr[l + 1u];

    var turns = 0;
    for (var k = first; k < last; k++) {
        let next = select(k + 1u, first, k + 1u == last);
        let difference = theta[sample + indices[next]] - theta[sample + indices[k]];
        turns -= i32(round(difference * 0.15915494309189535));  // 1 / (2 pi)
    }
    dst[index] = f32(turns);
}
