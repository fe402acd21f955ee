// A workgroup that keeps to one row of `params.len` elements of `x`, all channels of a group, by fours.

fn x4(at: u32) -> vec4<f32> {
    return vec4<f32>(f32(x[at]), f32(x[at + 1u]), f32(x[at + 2u]), f32(x[at + 3u]));
}

struct Row {
    first: f32,  // s, the first element
    mean: f32,   // of x - s
    scale: f32,  // r = 1 / sqrt(v + eps)
}

// What the elements of the row that begins at base have in common.
fn row_of(lane: u32, base: u32) -> Row {
    let s = f32(x[base]);
    var sum = vec4<f32>();
    for (var j = 4u * lane; j < params.len; j += 4u * WG) { sum += x4(base + j) - s; }
    let m = tree_sum(lane, sum_of(sum)) * params.share;
    var squares = vec4<f32>();
    for (var j = 4u * lane; j < params.len; j += 4u * WG) {
        let d = (x4(base + j) - s) - m;
        squares += d * d;
    }
    let v = tree_sum(lane, sum_of(squares)) * params.share;
    return Row(s, m, inverseSqrt(v + params.eps));
}

// h of the four elements at `at`.
fn normalized(at: u32, row: Row) -> vec4<f32> {
    return ((x4(at) - row.first) - row.mean) * row.scale;
}
