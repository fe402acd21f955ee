// partial[row, tile] = alpha * sum over one tile of  x - s             (order 1)
//                                                or  ((x - s) - m)^2   (order 2)
// where s is the first element of the row and m the mean of x - s over the row. sum_rows adds the partials of a row.
// Taking s off keeps what is summed as small as the deviations where the mean is large beside them.
//
// One workgroup per tile of TILE elements of one row: each lane strides, then a tree of fixed shape. Element j of a
// row lies at row * row_stride + (j / run) * jump + j % run.

const TILE: u32 = 1024u;

struct Params {
    rows: u32,
    tiles: u32,  // workgroups per row
    len: u32,    // elements of one row
    row_stride: u32,
    run: u32,    // elements that follow each other
    jump: u32,   // from one run to the next
    order: u32,
    alpha: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;             // [rows, len], strided
@group(0) @binding(2) var<storage, read> mean: array<f32>;           // [rows], read for order 2
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;  // [rows, tiles]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = linear_group(wid, groups);
    let row = group / params.tiles;
    let tile = group % params.tiles;
    var sum = 0.0;
    if row < params.rows {
        let base = row * params.row_stride;
        let s = f32(x[base]);
        let end = min((tile + 1u) * TILE, params.len);
        for (var j = tile * TILE + lane; j < end; j += WG) {
            let shifted = f32(x[base + (j / params.run) * params.jump + j % params.run]) - s;
            if params.order == 1u {
                sum += shifted;
            } else {
                let d = shifted - mean[row];
                sum += d * d;
            }
        }
    }
    let total = tree_sum(lane, sum);
    if lane == 0u && row < params.rows {
        partial[group] = params.alpha * total;
    }
}
