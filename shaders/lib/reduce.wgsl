// Sum over the invocations of a workgroup in a fixed order, so that a result never depends on timing. Every invocation
// must call it, from uniform control flow, and gets the sum.
//
// Eight invocations add a column each, then everyone adds the eight sums: three barriers, where halving takes seven. On
// software drivers a barrier costs as much as the work between two.

var<workgroup> tree: array<f32, WG>;

const COLUMNS: u32 = 8u;

fn tree_sum(lane: u32, value: f32) -> f32 {
    // An earlier sum may still be read.
    workgroupBarrier();
    tree[lane] = value;
    workgroupBarrier();
    if lane < COLUMNS {
        var column = value;
        for (var row = COLUMNS; row < WG; row += COLUMNS) { column += tree[row + lane]; }
        tree[lane] = column;
    }
    workgroupBarrier();
    return ((tree[0] + tree[1]) + (tree[2] + tree[3])) + ((tree[4] + tree[5]) + (tree[6] + tree[7]));
}
