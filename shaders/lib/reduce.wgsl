// Sum over the invocations of a workgroup as a tree of fixed shape, so that a result never depends
// on timing. Every invocation must call it, from uniform control flow; lane 0 gets the sum.

var<workgroup> tree: array<f32, WG>;

fn tree_sum(lane: u32, value: f32) -> f32 {
    // An earlier sum may still be read by lane 0.
    workgroupBarrier();
    tree[lane] = value;
    for (var half = WG / 2u; half > 0u; half = half / 2u) {
        workgroupBarrier();
        if lane < half {
            tree[lane] = tree[lane] + tree[lane + half];
        }
    }
    workgroupBarrier();
    return tree[0];
}
