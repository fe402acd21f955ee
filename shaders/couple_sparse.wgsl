// dst[b, i, a] = sum_{e in row i} w[e] x[b, indices[e], a]                    one number per edge
//              = sum_{e in row i} sum_c w[e, a, c] x[b, indices[e], c]        one block per edge
//
// One invocation per output element, in the order of the row. The graph was checked on the host.

struct Params {
    len: u32,     // batch * nodes * n
    nodes: u32,
    n: u32,
    blocks: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;          // [batch, nodes, n]
@group(0) @binding(2) var<storage, read> w: array<Elem>;          // [nnz] or [nnz, n, n]
@group(0) @binding(3) var<storage, read> indptr: array<u32>;      // [nodes + 1]
@group(0) @binding(4) var<storage, read> indices: array<u32>;     // [nnz]
@group(0) @binding(5) var<storage, read_write> dst: array<Elem>;  // [batch, nodes, n]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    let a = index % params.n;
    let i = (index / params.n) % params.nodes;
    let sample = index / (params.n * params.nodes) * params.nodes;

    var sum = 0.0;
    for (var e = indptr[i]; e < indptr[i + 1u]; e++) {
        let source = (sample + indices[e]) * params.n;
        if params.blocks == 0u {
            sum += f32(w[e]) * f32(x[source + a]);
        } else {
            let row = (e * params.n + a) * params.n;
            for (var c = 0u; c < params.n; c++) {
                sum += f32(w[row + c]) * f32(x[source + c]);
            }
        }
    }
    dst[index] = Elem(sum);
}
