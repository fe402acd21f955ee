// partial_strength[b, t] = sum_{p in tile t} rate_bar[b, p] sum_{dr, dc} w[dr, dc] sin D
// partial_lag[b, t]      = -strength[b] sum_{p in tile t} rate_bar[b, p] sum_{dr, dc} w[dr, dc] cos D
// where D = theta[b, q] - theta[b, p] - lag[b] for the place q that p sees at the tap; sum_rows adds the tiles, of TILE
// places each.
//
// One workgroup per sample and tile.

const TILE: u32 = 1024u;

struct Params {
    rows: u32,   // batch * tiles
    tiles: u32,
    height: u32,
    width: u32,
    kh: u32,
    kw: u32,
    periodic: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<f32>;                   // [batch, height, width]
@group(0) @binding(2) var<storage, read> weights: array<f32>;                 // [kh, kw]
@group(0) @binding(3) var<storage, read> strength: array<f32>;                // [batch]
@group(0) @binding(4) var<storage, read> lag: array<f32>;                     // [batch]
@group(0) @binding(5) var<storage, read> rate_bar: array<f32>;                // [batch, height, width]
@group(0) @binding(6) var<storage, read_write> partial_strength: array<f32>;  // [batch, tiles]
@group(0) @binding(7) var<storage, read_write> partial_lag: array<f32>;       // [batch, tiles]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = linear_group(wid, groups);
    let b = group / params.tiles;
    let first = group % params.tiles * TILE;
    let plane = params.height * params.width;
    let periodic = params.periodic != 0u;
    var sums = vec2<f32>(0.0, 0.0);
    if group < params.rows {
        let last = min(first + TILE, plane);
        for (var place = first + lane; place < last; place += WG) {
            let r = place / params.width;
            let c = place % params.width;
            let own = theta[b * plane + place] + lag[b];
            var pulled = vec2<f32>(0.0, 0.0);
            for (var dr = 0u; dr < params.kh; dr++) {
                let row = neighbour(r, dr, params.kh / 2u, params.height, periodic);
                if row >= params.height { continue; }
                for (var dc = 0u; dc < params.kw; dc++) {
                    let col = neighbour(c, dc, params.kw / 2u, params.width, periodic);
                    if col >= params.width { continue; }
                    let direction = sin_cos(theta[b * plane + row * params.width + col] - own);
                    pulled += weights[dr * params.kw + dc] * direction;
                }
            }
            sums += rate_bar[b * plane + place] * pulled;
        }
    }
    let sin_sum = tree_sum(lane, sums.x);
    let cos_sum = tree_sum(lane, sums.y);
    if lane == 0u && group < params.rows {
        partial_strength[group] = sin_sum;
        partial_lag[group] = -strength[b] * cos_sum;
    }
}
