// partial[t, e] = sum_{b in tile t} strength[b] s[b, e],  s = terms[.., 1]
// sum_columns adds the tiles, of `run` samples each; weights of each sample's own are tiles of one sample.
//
// The cotangent of the weights of a coupling of phases: terms are (cos, sin) of each edge's or triangle's difference, times
// the cotangent of its receiver.
//
// One invocation per element of the partial sums.

struct Params {
    len: u32,    // tiles * nnz
    edges: u32,
    batch: u32,
    run: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> strength: array<f32>;       // [batch]
@group(0) @binding(2) var<storage, read> terms: array<f32>;          // [batch, nnz, 2]
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;  // [tiles, nnz]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    let e = index % params.edges;
    let first = index / params.edges * params.run;
    let last = min(first + params.run, params.batch);

    var sum = 0.0;
    for (var b = first; b < last; b++) {
        sum += strength[b] * terms[2u * (b * params.edges + e) + 1u];
    }
    partial[index] = sum;
}
