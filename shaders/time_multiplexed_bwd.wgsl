// For t = steps - 1 .. 0, with g[steps] = the cotangent of the last state and bank = (first + t) mod banks:
//   s[t] = f'(argument of step t) g[t+1]
//   g[t] = alpha g[t+1] + w[bank]^T s[t] + (the cotangent of h[t], if it is among the outputs)
// state_bar = g[0],   drive_bar[t] = s[t], or their sum over t,   partial[b] = sum_t g[t+1] . h[t] for alpha_bar
//
// A workgroup per four samples side by side, for all steps; an invocation owns the nodes lane, lane + WG, ... s is kept
// twice, so that one barrier a step suffices. time_multiplexed_bwd_w takes s; sum_rows adds what alpha gets.

const MOST: u32 = 256u;       // nodes
const SIDE: u32 = 4u;         // samples of a workgroup
const ROWS: u32 = MOST / WG;  // nodes of an invocation

struct Params {
    batch: u32,
    steps: u32,
    drives: u32,  // steps, or 1 for a drive that does not change
    nodes: u32,
    banks: u32,
    first: u32,   // bank of the first step
    every: u32,   // 1: dst_bar has all steps
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<Elem>;                // [banks, nodes, nodes]
@group(0) @binding(2) var<storage, read> alpha: array<f32>;             // [1]
@group(0) @binding(3) var<storage, read> trace: array<f32>;             // [batch, steps, 2, nodes]
@group(0) @binding(4) var<storage, read> dst_bar: array<Elem>;          // [batch, steps or 1, nodes]
@group(0) @binding(5) var<storage, read_write> s: array<f32>;           // [batch, steps, nodes]
@group(0) @binding(6) var<storage, read_write> drive_bar: array<Elem>;  // [batch, drives, nodes]
@group(0) @binding(7) var<storage, read_write> state_bar: array<Elem>;  // [batch, nodes]
@group(0) @binding(8) var<storage, read_write> partial: array<f32>;     // [batch]

var<workgroup> pulled: array<vec4<f32>, 2u * MOST>;

// w[bank]^T s[t] at node i.
fn back(t: u32, i: u32) -> vec4<f32> {
    let n = params.nodes;
    let column = (params.first + t) % params.banks * n * n + i;
    let half = t % 2u * MOST;
    var sum = vec4<f32>(0.0);
    var j = 0u;
    for (; j + 4u <= n; j += 4u) {
        let at = column + j * n;
        sum += (f32(w[at]) * pulled[half + j] + f32(w[at + n]) * pulled[half + j + 1u])
            + (f32(w[at + 2u * n]) * pulled[half + j + 2u] + f32(w[at + 3u * n]) * pulled[half + j + 3u]);
    }
    for (; j < n; j++) { sum += f32(w[column + j * n]) * pulled[half + j]; }
    return sum;
}

// Node i of row `row` of dst_bar of samples b to b + 3; zero past the last sample.
fn given(b: u32, row: u32, rows: u32, i: u32) -> vec4<f32> {
    var v = vec4<f32>(0.0);
    for (var k = 0u; k < SIDE; k++) {
        if b + k < params.batch { v[k] = f32(dst_bar[((b + k) * rows + row) * params.nodes + i]); }
    }
    return v;
}

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let b = linear_group(wid, groups) * SIDE;
    let n = params.nodes;
    // Past the last sample nothing is read or written, but the barriers are joined.
    let end = select(0u, n, b < params.batch);
    let rows = select(1u, params.steps, params.every == 1u);
    var g: array<vec4<f32>, ROWS>;
    var total: array<vec4<f32>, ROWS>;
    for (var r = 0u; r < ROWS; r++) {
        let i = r * WG + lane;
        if i < end { g[r] = given(b, rows - 1u, rows, i); }
    }
    var along = vec4<f32>(0.0);
    for (var left = params.steps; left > 0u; left--) {
        let t = left - 1u;
        for (var r = 0u; r < ROWS; r++) {
            let i = r * WG + lane;
            if i >= end { break; }
            var v = vec4<f32>(0.0);
            var now = vec4<f32>(0.0);
            for (var k = 0u; k < SIDE; k++) {
                if b + k < params.batch {
                    let step = (b + k) * params.steps + t;
                    now[k] = trace[step * 2u * n + i];
                    v[k] = trace[(step * 2u + 1u) * n + i] * g[r][k];
                    s[step * n + i] = v[k];
                    if params.drives == params.steps { drive_bar[step * n + i] = Elem(v[k]); }
                }
            }
            pulled[t % 2u * MOST + i] = v;
            total[r] += v;
            along += g[r] * now;
        }
        workgroupBarrier();
        for (var r = 0u; r < ROWS; r++) {
            let i = r * WG + lane;
            if i >= end { break; }
            var next = alpha[0] * g[r] + back(t, i);
            if t > 0u && params.every == 1u { next += given(b, t - 1u, rows, i); }
            g[r] = next;
        }
    }
    for (var k = 0u; k < SIDE; k++) {
        let sample = b + k;
        for (var r = 0u; r < ROWS; r++) {
            let i = r * WG + lane;
            if i < end && sample < params.batch {
                state_bar[sample * n + i] = Elem(g[r][k]);
                if params.drives < params.steps { drive_bar[sample * n + i] = Elem(total[r][k]); }
            }
        }
        let sum = tree_sum(lane, along[k]);
        if lane == 0u && sample < params.batch { partial[sample] = sum; }
    }
}
