// dst[row] = alpha * sum_j src[offset + row * len + j]
//
// The second stage of every reduction. One workgroup per row: each lane strides over the row, then
// a tree of fixed shape. f32 whatever the storage type of the first stage is.

struct Params {
    rows: u32,
    len: u32,
    offset: u32,
    alpha: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> src: array<f32>;        // [offset + rows * len]
@group(0) @binding(2) var<storage, read_write> dst: array<f32>;  // [rows]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let row = linear_group(wid, groups);
    var sum = 0.0;
    if row < params.rows {
        let base = params.offset + row * params.len;
        for (var j = lane; j < params.len; j += WG) {
            sum += src[base + j];
        }
    }
    let total = tree_sum(lane, sum);
    if lane == 0u && row < params.rows {
        dst[row] = params.alpha * total;
    }
}
