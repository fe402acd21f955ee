// x_bar[b, j, c] = sum_{e out of j} w[e] dst_bar[b, i_e, c]                   i_e the receiver of edge e
//                = sum_{e out of j} sum_a w[e, a, c] dst_bar[b, i_e, a]
//
// One invocation per element of x, a gather over the transposed structure: no two invocations write one element.

struct Params {
    len: u32,     // batch * nodes * n
    nodes: u32,
    n: u32,
    blocks: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<Elem>;            // [nnz] or [nnz, n, n]
@group(0) @binding(2) var<storage, read> dst_bar: array<Elem>;      // [batch, nodes, n]
@group(0) @binding(3) var<storage, read> indptr_t: array<u32>;      // [nodes + 1]
@group(0) @binding(4) var<storage, read> targets: array<u32>;       // [nnz], receivers, sender by sender
@group(0) @binding(5) var<storage, read> edges_t: array<u32>;       // [nnz], numbers of those edges
@group(0) @binding(6) var<storage, read_write> x_bar: array<Elem>;  // [batch, nodes, n]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    let c = index % params.n;
    let j = (index / params.n) % params.nodes;
    let sample = index / (params.n * params.nodes) * params.nodes;

    var sum = 0.0;
    for (var k = indptr_t[j]; k < indptr_t[j + 1u]; k++) {
        let e = edges_t[k];
        let place = (sample + targets[k]) * params.n;
        if params.blocks == 0u {
            sum += f32(w[e]) * f32(dst_bar[place + c]);
        } else {
            for (var a = 0u; a < params.n; a++) {
                sum += f32(w[(e * params.n + a) * params.n + c]) * f32(dst_bar[place + a]);
            }
        }
    }
    x_bar[index] = Elem(sum);
}
