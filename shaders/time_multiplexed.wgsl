// h[t+1] = alpha h[t] + f(drive[t] + bias[bank] + w[bank] h[t]),   bank = (first + t) mod banks,   h[0] = state
// dst is h after every step, or after the last.
//
// A workgroup per four samples, for all steps; an invocation owns the nodes lane, lane + WG, ... The state stays in f32 in
// workgroup memory whatever the storage type is.

struct Params {
    batch: u32,
    steps: u32,
    drives: u32,      // steps, or 1 for a drive that does not change
    nodes: u32,
    banks: u32,
    first: u32,       // bank of the first step
    activation: u32,  // 0: tanh, 1: relu, 2: none
    every: u32,       // 1: dst has all steps
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> drive: array<Elem>;      // [batch, drives, nodes]
@group(0) @binding(2) var<storage, read> state: array<Elem>;      // [batch, nodes]
@group(0) @binding(3) var<storage, read> w: array<Elem>;          // [banks, nodes, nodes]
@group(0) @binding(4) var<storage, read> bias: array<Elem>;       // [banks, nodes]
@group(0) @binding(5) var<storage, read> alpha: array<f32>;       // [1]
@group(0) @binding(6) var<storage, read_write> dst: array<Elem>;  // [batch, steps or 1, nodes]

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
        let kept = params.every == 1u || t + 1u == params.steps;
        for (var i = lane; i < end; i += WG) {
            let next = alpha[0] * h[t % 2u * MOST + i] + activation(arguments(b, t, i));
            h[(t + 1u) % 2u * MOST + i] = next;
            for (var k = 0u; k < SIDE; k++) {
                let row = select(b + k, (b + k) * params.steps + t, params.every == 1u);
                if kept && b + k < params.batch { dst[row * params.nodes + i] = Elem(next[k]); }
            }
        }
    }
}
