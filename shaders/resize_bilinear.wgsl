// dst[o, r, c, i] = sum over the four neighbours of ((r + 1/2) H / h - 1/2, (c + 1/2) W / w - 1/2) of weight * x
//
// Bilinear, corners not aligned, coordinates above the first and below the last pixel clamped to it. One invocation per
// element of dst. Coordinates are exact: integers over 2 h and 2 w.

struct Params {
    outer: u32,
    in_rows: u32,
    in_cols: u32,
    rows: u32,
    cols: u32,
    inner: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;          // [outer, in_rows, in_cols, inner]
@group(0) @binding(2) var<storage, read_write> dst: array<Elem>;  // [outer, rows, cols, inner]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.outer * params.rows * params.cols * params.inner { return; }
    let i = index % params.inner;
    let c = (index / params.inner) % params.cols;
    let r = (index / (params.inner * params.cols)) % params.rows;
    let o = index / (params.inner * params.cols * params.rows);

    let row = place(r, params.in_rows, params.rows);
    let col = place(c, params.in_cols, params.cols);
    let line = params.in_cols * params.inner;
    let above = (o * params.in_rows + row.first) * line + i;
    let below = (o * params.in_rows + row.second) * line + i;
    let left = col.first * params.inner;
    let right = col.second * params.inner;
    let upper = (1.0 - col.beyond) * f32(x[above + left]) + col.beyond * f32(x[above + right]);
    let lower = (1.0 - col.beyond) * f32(x[below + left]) + col.beyond * f32(x[below + right]);
    dst[index] = Elem((1.0 - row.beyond) * upper + row.beyond * lower);
}
