// dst = theta after `steps` steps of
//   d theta_i / dt = base_i + K (Y_s cos a - Y_c sin a),   a = m theta_i + lag,   (Y_c, Y_s) = mean_j (cos m theta_j, sin m theta_j)
// by an explicit scheme of 1, 2 or 4 stages (Euler, Heun, Runge-Kutta), phases wrapped after each step
//
// A workgroup per sample: lanes stride over its nodes, two trees of fixed shape at once make the field of the next stage.
// Of each node its lane keeps in memory, where no other lane looks: the step's weighted rates and the cosine and sine at
// the stage, [3, samples, nodes]. The field is turned by the lag, not each angle.

struct Params {
    samples: u32,
    nodes: u32,
    steps: u32,
    stages: u32,      // 1, 2 or 4
    m: f32,
    per_sample: u32,  // 1: a base per sample; 0: samples share one
    share: f32,       // 1 / nodes
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<f32>;          // [samples, nodes]
@group(0) @binding(2) var<storage, read> base: array<f32>;           // [nodes] or [samples, nodes]
@group(0) @binding(3) var<storage, read> strength: array<f32>;       // [samples]
@group(0) @binding(4) var<storage, read> lag: array<f32>;            // [samples]
@group(0) @binding(5) var<storage, read> h: array<f32>;              // [samples]
@group(0) @binding(6) var<storage, read_write> scratch: array<f32>;  // [3, samples, nodes]
@group(0) @binding(7) var<storage, read_write> dst: array<f32>;      // [samples, nodes]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let b = linear_group(wid, groups);
    let sample = min(b, params.samples - 1u);
    // Past the last sample nothing is read or written, but the sums are joined.
    let end = select(0u, params.nodes, b < params.samples);
    let first = sample * params.nodes;
    let own = select(0u, first, params.per_sample == 1u);
    let plane = params.samples * params.nodes;
    let turn = sin_cos(lag[sample]);
    let step = h[sample];

    var met = vec2<f32>();
    for (var i = lane; i < end; i += WG) {
        let at = first + i;
        let point = sin_cos(params.m * theta[at]);
        dst[at] = theta[at];
        scratch[plane + at] = point.y;
        scratch[2u * plane + at] = point.x;
        met += point.yx;
    }
    var field = params.share * tree_sum_two(lane, met);
    for (var n = 0u; n < params.steps; n++) {
        for (var stage = 0u; stage < params.stages; stage++) {
            let weight = weight_of(stage);
            let is_last = stage + 1u == params.stages;
            // K (Y_s cos a - Y_c sin a) = drive.y cos m theta - drive.x sin m theta
            let turned = vec2<f32>(field.x * turn.y + field.y * turn.x, field.y * turn.y - field.x * turn.x);
            let drive = strength[sample] * turned;
            met = vec2<f32>();
            for (var i = lane; i < end; i += WG) {
                let at = first + i;
                let rate = base[own + i] + (drive.y * scratch[plane + at] - drive.x * scratch[2u * plane + at]);
                var sum = weight.x * rate;
                if stage > 0u { sum += scratch[at]; }
                var next = dst[at];
                if is_last {
                    next = wrap(next + step * sum);
                    dst[at] = next;
                } else {
                    scratch[at] = sum;
                    next += step * (weight.y * rate);
                }
                let point = sin_cos(params.m * next);
                scratch[plane + at] = point.y;
                scratch[2u * plane + at] = point.x;
                met += point.yx;
            }
            field = params.share * tree_sum_two(lane, met);
        }
    }
}
