// What one evaluation F = f(y) of a fixed-point iteration tells, per sample. Newest pair of the ring:
//   ring[0, slot] = F,  ring[1, slot] = G = F - y
// and sums over the sample's elements, in tiles that sum_rows adds:
//   |G|^2, |F|^2, how many elements are beyond in F or y, how many of y differ in bits from the anchor's,
//   <G, ring[1, i]> for the first `dots` slots i; in a secant method's ring, slots before G's hold its steps
// An element is beyond if it is NaN, infinite or at least 2^50: squares of smaller ones cannot overflow a sum. F is
// replaced by y there and y by 0, so that the ring and the sums are finite.
//
// One workgroup per tile of TILE elements of one sample: each lane strides, then a tree of fixed shape per sum. A lane
// reads back only what it wrote itself. Non-finite numbers are told by their bits: WGSL lets compilers assume there are none.

const TILE: u32 = 1024u;

// Bits of 2^50.
const BEYOND: u32 = 0x58800000u;

struct Params {
    samples: u32,
    len: u32,     // elements of a sample
    tiles: u32,   // per sample
    window: u32,  // slots of the ring
    dots: u32,    // slots whose inner products with the newest G are taken
    slot: u32,    // of the newest pair
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> y: array<f32>;              // [samples, len]
@group(0) @binding(2) var<storage, read> f: array<f32>;              // [samples, len]
@group(0) @binding(3) var<storage, read> kept: array<f32>;           // [2, samples, len]: best, anchor
@group(0) @binding(4) var<storage, read_write> ring: array<f32>;     // [2, window, samples, len]: F, G
@group(0) @binding(5) var<storage, read_write> partial: array<f32>;  // [samples, 4 + window, tiles]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = linear_group(wid, groups);
    let sample = group / params.tiles;
    let tile = group % params.tiles;
    let live = sample < params.samples;
    let plane = params.samples * params.len;
    let base = sample * params.len;
    let end = min((tile + 1u) * TILE, params.len);
    let newest = (params.window + params.slot) * plane + base;
    var residual = 0.0;
    var size = 0.0;
    var beyond = 0.0;
    var moved = 0.0;
    if live {
        for (var e = tile * TILE + lane; e < end; e += WG) {
            let bits = bitcast<u32>(y[base + e]);
            let y_beyond = (bits & 0x7FFFFFFFu) >= BEYOND;
            let f_beyond = (bitcast<u32>(f[base + e]) & 0x7FFFFFFFu) >= BEYOND;
            let old = select(y[base + e], 0.0, y_beyond);
            let mapped = select(f[base + e], old, f_beyond);
            let g = mapped - old;
            ring[params.slot * plane + base + e] = mapped;
            ring[newest + e] = g;
            residual += g * g;
            size += mapped * mapped;
            beyond += select(0.0, 1.0, y_beyond || f_beyond);
            moved += select(1.0, 0.0, bits == bitcast<u32>(kept[plane + base + e]));
        }
    }
    let first = sample * (4u + params.window) * params.tiles + tile;
    let residual_sum = tree_sum(lane, residual);
    let size_sum = tree_sum(lane, size);
    let beyond_sum = tree_sum(lane, beyond);
    let moved_sum = tree_sum(lane, moved);
    if live && lane == 0u {
        partial[first] = residual_sum;
        partial[first + params.tiles] = size_sum;
        partial[first + 2u * params.tiles] = beyond_sum;
        partial[first + 3u * params.tiles] = moved_sum;
        for (var i = params.dots; i < params.window; i++) {
            partial[first + (4u + i) * params.tiles] = 0.0;
        }
    }
    for (var i = 0u; i < params.dots; i++) {
        var product = 0.0;
        if live {
            let other = (params.window + i) * plane + base;
            for (var e = tile * TILE + lane; e < end; e += WG) {
                product += ring[other + e] * ring[newest + e];
            }
        }
        let total = tree_sum(lane, product);
        if live && lane == 0u { partial[first + (4u + i) * params.tiles] = total; }
    }
}
