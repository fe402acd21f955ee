// dst[b, i] = bias[i] + sum_j S[i, j] x[b, j]      S = J, or (J + J^T) / 2
//
// One invocation per output element.

struct Params {
    len: u32,        // batch * nodes
    nodes: u32,
    symmetric: u32,
    has_bias: u32,   // 0: bias is bound to x and not read
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;          // [batch, nodes]
@group(0) @binding(2) var<storage, read> j: array<Elem>;          // [nodes, nodes]
@group(0) @binding(3) var<storage, read> bias: array<Elem>;       // [nodes]
@group(0) @binding(4) var<storage, read_write> dst: array<Elem>;  // [batch, nodes]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    let i = index % params.nodes;
    let sample = index - i;

    var sum = 0.0;
    if params.has_bias == 1u { sum = f32(bias[i]); }
    if params.symmetric == 0u {
        for (var k = 0u; k < params.nodes; k++) {
            sum += f32(j[i * params.nodes + k]) * f32(x[sample + k]);
        }
    } else {
        for (var k = 0u; k < params.nodes; k++) {
            let s = 0.5 * (f32(j[i * params.nodes + k]) + f32(j[k * params.nodes + i]));
            sum += s * f32(x[sample + k]);
        }
    }
    dst[index] = Elem(sum);
}
