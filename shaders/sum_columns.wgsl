// dst[j] = sum_{t < rows} src[offset + t * stride + j]
//
// The second stage of gradients of parameters: few rows, many columns. One invocation per column, from the first row to
// the last.

struct Params {
    len: u32,
    rows: u32,
    stride: u32,
    offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> src: array<f32>;        // [rows, stride]
@group(0) @binding(2) var<storage, read_write> dst: array<f32>;  // [len]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    var sum = 0.0;
    var at = params.offset + index;
    // Four loads run at once; the order of the sum is the same.
    let fours = params.rows / 4u;
    for (var t = 0u; t < fours; t++) {
        let a = src[at];
        let b = src[at + params.stride];
        let c = src[at + 2u * params.stride];
        let d = src[at + 3u * params.stride];
        sum = (((sum + a) + b) + c) + d;
        at += 4u * params.stride;
    }
    for (var t = 4u * fours; t < params.rows; t++) {
        sum += src[at];
        at += params.stride;
    }
    dst[index] = sum;
}
