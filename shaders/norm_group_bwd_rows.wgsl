// row_means[k, sample, group] = 1 / row * sum over the group's channels of weight[c] sums[k, c, sample]
// where sums holds those of dst_bar (k = 0) and dst_bar h (k = 1) over the positions.
//
// One invocation per k, sample and group.

struct Params {
    samples: u32,
    groups: u32,
    channels: u32,
    has_weight: u32,  // 0: weight is not read
    share: f32,       // 1 / elements of a group
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sums: array<f32>;             // [2, channels, samples]
@group(0) @binding(2) var<storage, read> weight: array<Elem>;          // [channels]
@group(0) @binding(3) var<storage, read_write> row_means: array<f32>;  // [2, samples, groups]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    let rows = params.samples * params.groups;
    if index >= 2u * rows { return; }
    let kind = index / rows;
    let sample = (index % rows) / params.groups;
    let group = index % params.groups;
    let count = params.channels / params.groups;
    var sum = 0.0;
    for (var k = 0u; k < count; k++) {
        let c = group * count + k;
        let value = sums[(kind * params.channels + c) * params.samples + sample];
        if params.has_weight == 1u {
            sum += f32(weight[c]) * value;
        } else {
            sum += value;
        }
    }
    row_means[index] = sum * params.share;
}
