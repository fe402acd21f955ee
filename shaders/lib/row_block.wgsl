// A workgroup takes `block` rows that lie next to each other, a power of two up to WG: lane l has row l % block and
// every (WG / block)-th element of it from l / block on. Where elements of a row lie `inner` apart, neighbouring lanes
// then read neighbouring addresses. A tensor is [outer, channels, inner]; row = outer_index * inner + inner_index.

var<workgroup> block_tree: array<f32, WG>;

// The sum over the lanes of each row as a tree of fixed shape; every lane gets that of its row. Every invocation must
// call it, from uniform control flow.
fn block_sum(lane: u32, value: f32) -> f32 {
    // An earlier sum may still be read.
    workgroupBarrier();
    block_tree[lane] = value;
    for (var half = WG / 2u; half >= params.block; half = half / 2u) {
        workgroupBarrier();
        if lane < half {
            block_tree[lane] = block_tree[lane] + block_tree[lane + half];
        }
    }
    workgroupBarrier();
    return block_tree[lane % params.block];
}

// Index of channel 0 of a row.
fn row_base(row: u32) -> u32 {
    return (row / params.inner) * params.channels * params.inner + row % params.inner;
}
