// dst[row, part] = alpha * sum_j src[offset + row * len + j], j in the part
//
// The second stage of every reduction. One workgroup per part of a row, a short row being one part: each lane strides over
// it with four sums, whose loads a GPU waits for together, then a tree of fixed shape. f32 whatever the storage type of the
// first stage is.

struct Params {
    rows: u32,
    len: u32,
    offset: u32,
    alpha: f32,
    parts: u32,  // of a row
    part: u32,   // numbers of a part; the last may have fewer
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> src: array<f32>;        // [offset + rows * len]
@group(0) @binding(2) var<storage, read_write> dst: array<f32>;  // [rows, parts]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = linear_group(wid, groups);
    let row = index / params.parts;
    var sums = vec4<f32>();
    if row < params.rows {
        let start = (index % params.parts) * params.part;
        let len = min(params.part, params.len - start);
        let base = params.offset + row * params.len + start;
        var j = lane;
        for (; j + 3u * WG < len; j += 4u * WG) {
            sums += vec4<f32>(src[base + j], src[base + j + WG], src[base + j + 2u * WG], src[base + j + 3u * WG]);
        }
        for (; j < len; j += WG) {
            sums.x += src[base + j];
        }
    }
    let total = tree_sum(lane, (sums.x + sums.y) + (sums.z + sums.w));
    if lane == 0u && row < params.rows {
        dst[index] = params.alpha * total;
    }
}
