// x_bar = r ((dst_bar weight[c] - a) - h b),   h = ((x - s) - m) r,   r = 1 / sqrt(v + eps)
// with a and b the means over the group of dst_bar weight and dst_bar weight h (norm_group_bwd_rows).
//
// One invocation per element.

struct Params {
    len: u32,
    row: u32,  // elements of a group
    rows: u32,
    channels: u32,
    inner: u32,
    has_weight: u32,  // 0: weight is bound to x and not read
    eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;            // [samples, channels, inner]
@group(0) @binding(2) var<storage, read> weight: array<Elem>;       // [channels]
@group(0) @binding(3) var<storage, read> dst_bar: array<Elem>;      // [samples, channels, inner]
@group(0) @binding(4) var<storage, read> mean: array<f32>;          // [rows]
@group(0) @binding(5) var<storage, read> variance: array<f32>;      // [rows]
@group(0) @binding(6) var<storage, read> row_means: array<f32>;     // [2, rows]: a, b
@group(0) @binding(7) var<storage, read_write> x_bar: array<Elem>;  // [samples, channels, inner]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let e = linear_index(gid, groups);
    if e >= params.len { return; }
    let row = e / params.row;
    let r = inverseSqrt(variance[row] + params.eps);
    let h = ((f32(x[e]) - f32(x[row * params.row])) - mean[row]) * r;
    var g = f32(dst_bar[e]);
    if params.has_weight == 1u { g = g * f32(weight[(e / params.inner) % params.channels]); }
    x_bar[e] = Elem(((g - row_means[row]) - h * row_means[params.rows + row]) * r);
}
