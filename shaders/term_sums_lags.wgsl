// partial[t, e] = -sum_{b in tile t} strength[b] w[b, e] c[b, e],  c = terms[.., 0] of couple_phases_bwd_edges
// sum_columns adds the tiles, of `run` samples each.
//
// One invocation per element of the partial sums, for a lag per edge.

struct Params {
    len: u32,             // tiles * nnz
    edges: u32,
    batch: u32,
    run: u32,
    weights_stride: u32,  // from sample to sample: nnz or 0
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights: array<f32>;        // [1, nnz] or [batch, nnz]
@group(0) @binding(2) var<storage, read> strength: array<f32>;       // [batch]
@group(0) @binding(3) var<storage, read> terms: array<f32>;          // [batch, nnz, 2]
@group(0) @binding(4) var<storage, read_write> partial: array<f32>;  // [tiles, nnz]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    let e = index % params.edges;
    let first = index / params.edges * params.run;
    let last = min(first + params.run, params.batch);

    var sum = 0.0;
    for (var b = first; b < last; b++) {
        sum += strength[b] * (weights[b * params.weights_stride + e] * terms[2u * (b * params.edges + e)]);
    }
    partial[index] = -sum;
}
