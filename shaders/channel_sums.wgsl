// partial[0, c, segment, tile] = sum over one tile of  dst_bar
// partial[1, c, segment, tile] = sum over one tile of  dst_bar h
//   mode 0: h = x        mode 1: h = x r        mode 2: h = (x - mean) r        mode 3: h = ((x - s) - mean) r
// with r = 1 / sqrt(variance + eps) of the element's row and s the first element of the row.
// sum_rows adds the partials: gradients of biases and weights per channel.
//
// x is [outer, channels, inner]; the outer * inner positions are cut into segments of len positions and those into
// tiles. One workgroup per channel and tile: each lane strides, then a tree of fixed shape.
// The row of an element is outer * row_outer + channel / row_channels + inner * row_inner.

const TILE: u32 = 1024u;

struct Params {
    channels: u32,
    inner: u32,
    segments: u32,
    len: u32,    // positions of a segment
    tiles: u32,  // per segment
    kinds: u32,  // 1: without the second sum, and x, mean and variance are not read
    mode: u32,
    row_outer: u32,
    row_channels: u32,
    row_inner: u32,
    eps: f32,
    begun: u32,  // 1: earlier calls left sums to add to
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;             // [outer, channels, inner]
@group(0) @binding(2) var<storage, read> dst_bar: array<Elem>;       // [outer, channels, inner]
@group(0) @binding(3) var<storage, read> mean: array<f32>;           // [rows]
@group(0) @binding(4) var<storage, read> variance: array<f32>;       // [rows]
@group(0) @binding(5) var<storage, read_write> partial: array<f32>;  // [kinds, channels, segments, tiles]

// Stores a sum, added to what earlier calls left there.
fn add_up(at: u32, sum: f32) {
    var total = sum;
    if params.begun == 1u { total += partial[at]; }
    partial[at] = total;
}

fn normalized(o: u32, c: u32, i: u32, at: u32) -> f32 {
    let value = f32(x[at]);
    if params.mode == 0u { return value; }
    let row = o * params.row_outer + c / params.row_channels + i * params.row_inner;
    let r = inverseSqrt(variance[row] + params.eps);
    if params.mode == 1u { return value * r; }
    if params.mode == 2u { return (value - mean[row]) * r; }
    // Rows that span the outer extent begin at its first index, rows that span the inner one likewise.
    let sample = select(0u, o * params.channels * params.inner, params.row_outer > 0u);
    let first = sample + (c / params.row_channels) * params.row_channels * params.inner + i * params.row_inner;
    return ((value - f32(x[first])) - mean[row]) * r;
}

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = linear_group(wid, groups);
    let tile = group % params.tiles;
    let segment = (group / params.tiles) % params.segments;
    let c = group / (params.tiles * params.segments);
    var sum = 0.0;
    var along = 0.0;
    if c < params.channels {
        let end = min((tile + 1u) * TILE, params.len);
        for (var j = tile * TILE + lane; j < end; j += WG) {
            let position = segment * params.len + j;
            let o = position / params.inner;
            let i = position % params.inner;
            let at = (o * params.channels + c) * params.inner + i;
            let g = f32(dst_bar[at]);
            sum += g;
            if params.kinds == 2u {
                along += g * normalized(o, c, i, at);
            }
        }
    }
    let total = tree_sum(lane, sum);
    let total_along = tree_sum(lane, along);
    if lane == 0u && c < params.channels {
        add_up(group, total);
        if params.kinds == 2u {
            add_up(params.channels * params.segments * params.tiles + group, total_along);
        }
    }
}
