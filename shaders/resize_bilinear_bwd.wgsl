// x_bar[o, r, c, i] = sum over the pixels of dst that have (r, c) as a neighbour of weight * dst_bar
//
// A gather over the few pixels that can have it. One invocation per element of x.

struct Params {
    outer: u32,
    in_rows: u32,
    in_cols: u32,
    rows: u32,
    cols: u32,
    inner: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dst_bar: array<Elem>;      // [outer, rows, cols, inner]
@group(0) @binding(2) var<storage, read_write> x_bar: array<Elem>;  // [outer, in_rows, in_cols, inner]

// First pixel of dst that may have pixel `at` of `source` as a neighbour: those before lie at or below at - 1.
fn first_of(at: u32, source: u32, extent: u32) -> u32 {
    if at == 0u { return 0u; }
    return (max(extent * (2u * at - 1u), source) - source) / (2u * source);
}

// One past the last such pixel: those after lie at or beyond at + 1.
fn end_of(at: u32, source: u32, extent: u32) -> u32 {
    return min(extent, extent * (2u * at + 3u) / (2u * source) + 1u);
}

fn weight(pixel: u32, at: u32, source: u32, extent: u32) -> f32 {
    let found = place(pixel, source, extent);
    if found.first == at { return 1.0 - found.beyond; }
    return select(0.0, found.beyond, found.second == at);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.outer * params.in_rows * params.in_cols * params.inner { return; }
    let i = index % params.inner;
    let c = (index / params.inner) % params.in_cols;
    let r = (index / (params.inner * params.in_cols)) % params.in_rows;
    let o = index / (params.inner * params.in_cols * params.in_rows);

    var sum = 0.0;
    let end_row = end_of(r, params.in_rows, params.rows);
    let end_col = end_of(c, params.in_cols, params.cols);
    for (var row = first_of(r, params.in_rows, params.rows); row < end_row; row++) {
        let down = weight(row, r, params.in_rows, params.rows);
        for (var col = first_of(c, params.in_cols, params.cols); col < end_col; col++) {
            let across = weight(col, c, params.in_cols, params.cols);
            let at = ((o * params.rows + row) * params.cols + col) * params.inner + i;
            sum += down * (across * f32(dst_bar[at]));
        }
    }
    x_bar[index] = Elem(sum);
}
