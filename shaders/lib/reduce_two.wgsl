// As tree_sum, for two sums at once with the barriers of one.

var<workgroup> tree_two: array<vec2<f32>, WG>;

fn tree_sum_two(lane: u32, value: vec2<f32>) -> vec2<f32> {
    // An earlier sum may still be read.
    workgroupBarrier();
    tree_two[lane] = value;
    workgroupBarrier();
    if lane < COLUMNS {
        var column = value;
        for (var row = COLUMNS; row < WG; row += COLUMNS) { column += tree_two[row + lane]; }
        tree_two[lane] = column;
    }
    workgroupBarrier();
    let low = (tree_two[0] + tree_two[1]) + (tree_two[2] + tree_two[3]);
    return low + ((tree_two[4] + tree_two[5]) + (tree_two[6] + tree_two[7]));
}
