// sphere_step_bwd_scalars with the oscillator in registers: N is a constant of the prelude. Partial sums of the cotangents
// of gamma and of the frequencies, over tiles of TILE oscillators of one group:
//   gamma_bar       = sum v_bar . (Omega x + P_x y)                   rows 0 .. groups - 1
//   frequency_bar_p = sum gamma (v_bar_2p x_2p+1 - v_bar_2p+1 x_2p)   rows groups .. groups + groups n / 2 - 1
// sum_rows adds the tiles; a frequency that several pairs share is the sum of their rows.
//
// One workgroup per (group, tile): each lane strides and keeps a sum per row of its group, so that v_bar is computed once
// per oscillator; then a tree of fixed shape per row.

const TILE: u32 = 1024u;

struct Params {
    rows: u32,
    tiles: u32,
    per_group: u32,  // oscillators of one group, over all samples and positions
    groups: u32,     // oscillators per position
    n: u32,          // N
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

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
) {
    let index = linear_group(wid, grid);
    let group = index / params.tiles;
    let tile = index % params.tiles;
    let turns = params.rotation == ROTATION_GLOBAL || params.rotation == ROTATION_PER_PAIR;
    // A sum per pair, then gamma's.
    var sums: array<f32, PAIRS + 1u>;
    if group < params.groups {
        let end = min((tile + 1u) * TILE, params.per_group);
        for (var j = tile * TILE + lane; j < end; j += WG) {
            var s = step_of(oscillator(group, j));
            var along = 0.0;
            for (var k = 0u; k < N; k++) { along += s.v_bar[k] * s.velocity[k]; }
            sums[PAIRS] += along;
            if turns {
                for (var p = 0u; p < PAIRS; p++) {
                    let turn = s.v_bar[2u * p] * s.x[2u * p + 1u] - s.v_bar[2u * p + 1u] * s.x[2u * p];
                    sums[p] += gamma[0] * turn;
                }
            }
        }
    }
    let total = tree_sum(lane, sums[PAIRS]);
    if lane == 0u && group < params.groups {
        partial[index] = total;
    }
    if turns {
        for (var p = 0u; p < PAIRS; p++) {
            let total_p = tree_sum(lane, sums[p]);
            if lane == 0u && group < params.groups {
                partial[(params.groups + group * PAIRS + p) * params.tiles + tile] = total_p;
            }
        }
    }
}
