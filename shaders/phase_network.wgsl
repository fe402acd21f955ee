// dst = theta after `steps` steps of
//   d theta_i / dt = base_i + strength sum_{e in row i} w_e sin(q (theta[indices[e]] - theta_i) - lag_e)
// by an explicit scheme of 1, 2 or 4 stages (Euler, Heun, Runge-Kutta), phases wrapped after each step
//
// A workgroup per sample keeps its phases in workgroup memory, lanes stride over the nodes. Phases of a stage lie beside
// those of the next, so that one barrier a stage parts who reads from who writes. What samples share has stride 0.

const MOST: u32 = 1024u;  // nodes

struct Params {
    samples: u32,
    nodes: u32,
    steps: u32,
    stages: u32,          // 1, 2 or 4
    base_stride: u32,     // from sample to sample: nodes or 0
    weights_stride: u32,  // from sample to sample: nnz or 0
    lag_sample: u32,      // from sample to sample: 1 or 0
    lag_edge: u32,        // from edge to edge: 0 or 1
    harmonic: f32,        // q, an integer
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<f32>;      // [samples, nodes]
@group(0) @binding(2) var<storage, read> base: array<f32>;       // [nodes] or [samples, nodes]
@group(0) @binding(3) var<storage, read> weights: array<f32>;    // [1, nnz] or [samples, nnz]
@group(0) @binding(4) var<storage, read> scalars: array<f32>;    // [2, samples]: strength, step size
@group(0) @binding(5) var<storage, read> lag: array<f32>;        // [samples, 1] or [1, nnz]
@group(0) @binding(6) var<storage, read> indptr: array<u32>;     // [nodes + 1]
@group(0) @binding(7) var<storage, read> indices: array<u32>;    // [nnz], senders
@group(0) @binding(8) var<storage, read_write> dst: array<f32>;  // [samples, nodes]

var<workgroup> point: array<f32, 2u * MOST>;  // at this stage and at the next, in turn
var<workgroup> begun: array<f32, MOST>;       // where the step began
var<workgroup> total: array<f32, MOST>;       // its weighted rates

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let b = linear_group(wid, groups);
    let sample = min(b, params.samples - 1u);
    // Past the last sample nothing is read or written, but the barriers are joined.
    let end = select(0u, params.nodes, b < params.samples);
    let first = sample * params.nodes;
    let strength = scalars[sample];
    let step = scalars[params.samples + sample];
    for (var i = lane; i < end; i += WG) {
        point[i] = theta[first + i];
        begun[i] = theta[first + i];
    }
    workgroupBarrier();
    var now = 0u;
    for (var n = 0u; n < params.steps; n++) {
        for (var stage = 0u; stage < params.stages; stage++) {
            let weight = weight_of(stage);
            let is_last = stage + 1u == params.stages;
            let then = MOST - now;
            for (var i = lane; i < end; i += WG) {
                let own = point[now + i];
                var pulled = 0.0;
                let last = indptr[i + 1u];
                for (var e = indptr[i]; e < last; e++) {
                    let turned = lag[sample * params.lag_sample + e * params.lag_edge];
                    let difference = params.harmonic * (point[now + indices[e]] - own) - turned;
                    pulled += weights[sample * params.weights_stride + e] * sin_only(difference);
                }
                let rate = base[sample * params.base_stride + i] + strength * pulled;
                var sum = weight.x * rate;
                if stage > 0u { sum += total[i]; }
                var next = begun[i];
                if is_last {
                    next = wrap(next + step * sum);
                    begun[i] = next;
                } else {
                    total[i] = sum;
                    next += step * (weight.y * rate);
                }
                point[then + i] = next;
            }
            now = then;
            workgroupBarrier();
        }
    }
    for (var i = lane; i < end; i += WG) { dst[first + i] = begun[i]; }
}
