// Partial sums of the cotangents of gamma and of the frequencies, over tiles of TILE oscillators of one group:
//   gamma_bar       = sum v_bar . (Omega x + P_x y)                   rows 0 .. groups - 1
//   frequency_bar_p = sum gamma (v_bar_2p x_2p+1 - v_bar_2p+1 x_2p)   rows groups .. groups + groups n / 2 - 1
// sum_rows adds the tiles; a frequency that several pairs share is the sum of their rows.
//
// One workgroup per (row, tile): each lane strides, then a tree of fixed shape.

const TILE: u32 = 1024u;

struct Params {
    rows: u32,
    tiles: u32,
    per_group: u32,  // oscillators of one group, over all samples and positions
    groups: u32,     // oscillators per position
    n: u32,
    inner: u32,
    rotation: u32,
    projection: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;             // [outer, n, inner]
@group(0) @binding(2) var<storage, read> y: array<Elem>;             // [outer, n, inner]
@group(0) @binding(3) var<storage, read> gamma: array<f32>;          // [1]
@group(0) @binding(4) var<storage, read> frequencies: array<f32>;    // [1] or [C / 2]
@group(0) @binding(5) var<storage, read> dst_bar: array<Elem>;       // [outer, n, inner]
@group(0) @binding(6) var<storage, read_write> partial: array<f32>;  // [rows, tiles]

// Oscillator j of group g.
fn oscillator(g: u32, j: u32) -> u32 {
    return ((j / params.inner) * params.groups + g) * params.inner + j % params.inner;
}

// The term of oscillator i in row `row`.
fn term(i: u32, row: u32) -> f32 {
    let base = origin(i, params.n, params.inner);
    let pull = select(0.0, x_along_y(base), params.projection == 1u);
    let norm = norm_of_argument(i, base, pull);
    let along_g = along_of_g(i, base, pull, norm);
    if row < params.groups {
        var sum = 0.0;
        for (var k = 0u; k < params.n; k++) {
            sum += v_bar(i, base, k, pull, norm, along_g) * velocity(i, base, k, pull);
        }
        return sum;
    }
    let k = 2u * ((row - params.groups) % (params.n / 2u));
    let x_even = f32(x[base + k * params.inner]);
    let x_odd = f32(x[base + (k + 1u) * params.inner]);
    return gamma[0] * (v_bar(i, base, k, pull, norm, along_g) * x_odd
        - v_bar(i, base, k + 1u, pull, norm, along_g) * x_even);
}

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
) {
    let group = linear_group(wid, grid);
    let row = group / params.tiles;
    let tile = group % params.tiles;
    var sum = 0.0;
    if row < params.rows {
        let group_of_row = select((row - params.groups) / (params.n / 2u), row, row < params.groups);
        let end = min((tile + 1u) * TILE, params.per_group);
        for (var j = tile * TILE + lane; j < end; j += WG) {
            sum += term(oscillator(group_of_row, j), row);
        }
    }
    let total = tree_sum(lane, sum);
    if lane == 0u && row < params.rows {
        partial[group] = total;
    }
}
