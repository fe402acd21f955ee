// partial[b, k, t] = number of nodes i in tile t whose wrapped phase is in bin k of `bins` equal bins of [-pi, pi)
// sum_rows adds the tiles, of TILE nodes each: integers, exact up to 2^24.
//
// One workgroup per sample and tile: first each phase's bin, then each lane counts for bins of its own.

const TILE: u32 = 1024u;
const NO_BIN: u32 = 0xffffffffu;
const PI: f32 = 3.14159265358979;

struct Params {
    rows: u32,   // batch * tiles
    tiles: u32,
    nodes: u32,
    bins: u32,
    scale: f32,  // bins / (2 pi)
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<f32>;          // [batch, nodes]
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;  // [batch, bins, tiles]

var<workgroup> bin_of: array<u32, TILE>;

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let row = linear_group(wid, groups);
    let b = row / params.tiles;
    let tile = row % params.tiles;
    for (var i = lane; i < TILE; i += WG) {
        var bin = NO_BIN;
        let node = tile * TILE + i;
        if row < params.rows && node < params.nodes {
            // Rounding may put a phase just outside the circle.
            let place = max((wrap(theta[b * params.nodes + node]) + PI) * params.scale, 0.0);
            bin = min(u32(place), params.bins - 1u);
        }
        bin_of[i] = bin;
    }
    workgroupBarrier();
    if row >= params.rows { return; }
    for (var k = lane; k < params.bins; k += WG) {
        var count = 0u;
        for (var i = 0u; i < TILE; i++) {
            count += select(0u, 1u, bin_of[i] == k);
        }
        partial[(b * params.bins + k) * params.tiles + tile] = f32(count);
    }
}
