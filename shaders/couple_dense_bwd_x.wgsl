// x_bar[b, k] = sum_i S[i, k] dst_bar[b, i]      S = J, or (J + J^T) / 2
//
// One invocation per element of x.

struct Params {
    len: u32,        // batch * nodes
    nodes: u32,
    symmetric: u32,
    has_bias: u32,   // not read
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> j: array<Elem>;            // [nodes, nodes]
@group(0) @binding(2) var<storage, read> dst_bar: array<Elem>;      // [batch, nodes]
@group(0) @binding(3) var<storage, read_write> x_bar: array<Elem>;  // [batch, nodes]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    let k = index % params.nodes;
    let sample = index - k;

    var sum = 0.0;
    if params.symmetric == 0u {
        for (var i = 0u; i < params.nodes; i++) {
            sum += f32(j[i * params.nodes + k]) * f32(dst_bar[sample + i]);
        }
    } else {
        for (var i = 0u; i < params.nodes; i++) {
            let s = 0.5 * (f32(j[i * params.nodes + k]) + f32(j[k * params.nodes + i]));
            sum += s * f32(dst_bar[sample + i]);
        }
    }
    x_bar[index] = Elem(sum);
}
