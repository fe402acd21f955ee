// m = max_k x_k,  s = sum_k exp(x_k - m),  loss = ln s + (m - x_label)
// partial[group] = sum of the losses of WG positions / positions;  sum_rows adds the partials
//
// One invocation per position, then a tree over the workgroup. The backward pass runs this kernel again for m and s.
// A label past the classes makes its loss, and s, NaN.

struct Params {
    positions: u32,  // outer * inner
    classes: u32,
    inner: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<Elem>;           // [outer, classes, inner]
@group(0) @binding(2) var<storage, read> labels: array<u32>;            // [outer, inner]
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;     // [groups]
@group(0) @binding(4) var<storage, read_write> statistics: array<f32>;  // [2, positions]: m, then s

@compute @workgroup_size(WG)
fn main(
    @builtin(global_invocation_id) gid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let p = linear_index(gid, groups);
    var loss = 0.0;
    if p < params.positions {
        let base = p / params.inner * params.classes * params.inner + p % params.inner;
        var most = f32(logits[base]);
        for (var k = 1u; k < params.classes; k++) {
            most = max(most, f32(logits[base + k * params.inner]));
        }
        var sum = 0.0;
        for (var k = 0u; k < params.classes; k++) {
            sum += exp(f32(logits[base + k * params.inner]) - most);
        }
        let label = labels[p];
        if label < params.classes {
            loss = log(sum) + (most - f32(logits[base + label * params.inner]));
        } else {
            // All ones in the exponent and a bit of the fraction: NaN whatever the label is.
            sum = bitcast<f32>(0x7fc00000u | label);
            loss = sum;
        }
        statistics[p] = most;
        statistics[params.positions + p] = sum;
    }
    let group = linear_group(wid, groups);
    let total = tree_sum(lane, loss);
    if lane == 0u && group * WG < params.positions {
        partial[group] = total / f32(params.positions);
    }
}
