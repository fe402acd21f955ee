// couple_phases with the edges of 64 successive nodes staged in workgroup memory: they lie side by side, so that neighbouring
// invocations load neighbouring edges, whatever rows these belong to.
//   rate[b, i] = base[b, i] + strength[b] sum_{e in row i} w[b, e] sin(q (theta[b, indices[e]] - theta[b, i]) - lag[b, e])
//
// One workgroup per sample and 64 nodes, one invocation per node, in the order of the row. What samples share has stride 0.
// The graph was checked on the host.

struct Params {
    len: u32,             // batch * nodes
    nodes: u32,
    base_stride: u32,     // from sample to sample: nodes or 0
    weights_stride: u32,  // from sample to sample: nnz or 0
    lag_sample: u32,      // from sample to sample: 1 or 0
    lag_edge: u32,        // from edge to edge: 0 or 1
    harmonic: f32,        // q, an integer
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<f32>;       // [batch, nodes]
@group(0) @binding(2) var<storage, read> base: array<f32>;        // [nodes] or [batch, nodes]
@group(0) @binding(3) var<storage, read> weights: array<f32>;     // [1, nnz] or [batch, nnz]
@group(0) @binding(4) var<storage, read> strength: array<f32>;    // [batch]
@group(0) @binding(5) var<storage, read> lag: array<f32>;         // [batch, 1] or [1, nnz]
@group(0) @binding(6) var<storage, read> indptr: array<u32>;      // [nodes + 1]
@group(0) @binding(7) var<storage, read> indices: array<u32>;     // [nnz], senders
@group(0) @binding(8) var<storage, read_write> rate: array<f32>;  // [batch, nodes]

// Edges that are staged at a time.
const CHUNK: u32 = 1024u;
// Edges whose loads an invocation begins before it needs the first.
const AHEAD: u32 = 4u;

var<workgroup> senders: array<f32, CHUNK>;  // their phases
var<workgroup> pulls: array<f32, CHUNK>;    // their weights
var<workgroup> lags: array<f32, CHUNK>;

// Edges from `first` on, at most CHUNK and none from `end` on, of sample b.
fn stage(lane: u32, b: u32, first: u32, end: u32) {
    let sample = b * params.nodes;
    let first_weight = b * params.weights_stride;
    let first_lag = b * params.lag_sample;
    for (var round = 0u; round < CHUNK && first + round < end; round += AHEAD * WG) {
        var sender: array<u32, AHEAD>;
        var w: array<f32, AHEAD>;
        var a: array<f32, AHEAD>;
        for (var s = 0u; s < AHEAD; s++) {
            let e = min(first + round + s * WG + lane, end - 1u);
            sender[s] = indices[e];
            w[s] = weights[first_weight + e];
            a[s] = lag[first_lag + e * params.lag_edge];
        }
        for (var s = 0u; s < AHEAD; s++) {
            let to = round + s * WG + lane;
            senders[to] = theta[sample + sender[s]];
            pulls[to] = w[s];
            lags[to] = a[s];
        }
    }
}

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = linear_group(wid, groups);
    let blocks = (params.nodes + WG - 1u) / WG;
    let b = group / blocks;
    let node = (group % blocks) * WG;
    if b * params.nodes >= params.len { return; }
    // Past the last node the last one once more, without edges.
    let i = min(node + lane, params.nodes - 1u);
    let own = theta[b * params.nodes + i];
    let own_begin = indptr[i];
    let own_end = select(own_begin, indptr[i + 1u], node + lane < params.nodes);
    let end = indptr[min(node + WG, params.nodes)];

    var sum = 0.0;
    for (var first = indptr[node]; first < end; first += CHUNK) {
        workgroupBarrier();
        stage(lane, b, first, end);
        workgroupBarrier();
        for (var e = max(own_begin, first); e < min(own_end, first + CHUNK); e++) {
            let at = e - first;
            sum += pulls[at] * sin_only(params.harmonic * (senders[at] - own) - lags[at]);
        }
    }
    if node + lane < params.nodes {
        rate[b * params.nodes + i] = base[b * params.base_stride + i] + strength[b] * sum;
    }
}
