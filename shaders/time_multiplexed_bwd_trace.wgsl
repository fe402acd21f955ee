// The forward recurrence once more, in f32, for the backward pass:
// trace[b, t] = (h[t], f'(argument of step t))
//
// Mapping as in time_multiplexed.

struct Params {
    batch: u32,
    steps: u32,
    drives: u32,      // steps, or 1 for a drive that does not change
    nodes: u32,
    banks: u32,
    first: u32,       // bank of the first step
    activation: u32,  // 0: tanh, 1: relu, 2: none
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> drive: array<Elem>;       // [batch, drives, nodes]
@group(0) @binding(2) var<storage, read> state: array<Elem>;       // [batch, nodes]
@group(0) @binding(3) var<storage, read> w: array<Elem>;           // [banks, nodes, nodes]
@group(0) @binding(4) var<storage, read> bias: array<Elem>;        // [banks, nodes]
@group(0) @binding(5) var<storage, read> alpha: array<f32>;        // [1]
@group(0) @binding(6) var<storage, read_write> trace: array<f32>;  // [batch, steps, 2, nodes]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let b = linear_group(wid, groups) * SIDE;
    // Past the last sample nothing is read or written, but the barriers are joined.
    let end = select(0u, params.nodes, b < params.batch);
    for (var i = lane; i < end; i += WG) { h[i] = starts(b, i); }
    for (var t = 0u; t < params.steps; t++) {
        workgroupBarrier();
        for (var i = lane; i < end; i += WG) {
            let now = h[t % 2u * MOST + i];
            let x = arguments(b, t, i);
            let f = slope(x);
            for (var k = 0u; k < SIDE; k++) {
                let row = ((b + k) * params.steps + t) * 2u * params.nodes;
                if b + k < params.batch {
                    trace[row + i] = now[k];
                    trace[row + params.nodes + i] = f[k];
                }
            }
            h[(t + 1u) % 2u * MOST + i] = alpha[0] * now + activation(x);
        }
    }
}
