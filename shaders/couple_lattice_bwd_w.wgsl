// partial[tap, t] = sum_{p in tile t} strength[b] rate_bar[p] sin(theta[q] - theta[p] - lag[b])
// over places p of all samples b, q being the place that p sees at the tap; sum_rows adds the tiles, of TILE places each.
//
// One workgroup per tap and tile.

const TILE: u32 = 4096u;

struct Params {
    rows: u32,   // kh * kw * tiles
    tiles: u32,
    len: u32,    // batch * height * width
    height: u32,
    width: u32,
    kh: u32,
    kw: u32,
    periodic: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<f32>;          // [batch, height, width]
@group(0) @binding(2) var<storage, read> strength: array<f32>;       // [batch]
@group(0) @binding(3) var<storage, read> lag: array<f32>;            // [batch]
@group(0) @binding(4) var<storage, read> rate_bar: array<f32>;       // [batch, height, width]
@group(0) @binding(5) var<storage, read_write> partial: array<f32>;  // [kh, kw, tiles]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = linear_group(wid, groups);
    let tap = group / params.tiles;
    let first = group % params.tiles * TILE;
    let plane = params.height * params.width;
    let periodic = params.periodic != 0u;
    var sum = 0.0;
    if group < params.rows {
        let last = min(first + TILE, params.len);
        for (var index = first + lane; index < last; index += WG) {
            let b = index / plane;
            let place = index % plane;
            let row = neighbour(place / params.width, tap / params.kw, params.kh / 2u, params.height, periodic);
            let col = neighbour(place % params.width, tap % params.kw, params.kw / 2u, params.width, periodic);
            if row >= params.height || col >= params.width { continue; }
            let other = theta[b * plane + row * params.width + col];
            sum += strength[b] * (rate_bar[index] * sin_only(other - (theta[index] + lag[b])));
        }
    }
    let total = tree_sum(lane, sum);
    if lane == 0u && group < params.rows {
        partial[group] = total;
    }
}
