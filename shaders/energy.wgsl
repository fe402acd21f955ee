// partial[sample, tile] = - sum over one tile of x y              (published convention)
//                       = - 1/2 sum over one tile of x (y + c)    (the paper's)
// sum_rows adds the partials of a sample.
//
// One workgroup per tile of TILE elements of one sample: each lane strides, then a tree of fixed shape.

const TILE: u32 = 1024u;

struct Params {
    samples: u32,
    run: u32,    // elements of one sample
    tiles: u32,  // workgroups per sample
    paper: u32,  // 1: the paper's convention; 0: c is bound to y and not read
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;             // [samples, run]
@group(0) @binding(2) var<storage, read> y: array<Elem>;             // [samples, run]
@group(0) @binding(3) var<storage, read> c: array<Elem>;             // [samples, run]
@group(0) @binding(4) var<storage, read_write> partial: array<f32>;  // [samples, tiles]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = linear_group(wid, groups);
    let sample = group / params.tiles;
    let tile = group % params.tiles;
    var sum = 0.0;
    if sample < params.samples {
        let end = min((tile + 1u) * TILE, params.run);
        for (var j = tile * TILE + lane; j < end; j += WG) {
            let at = sample * params.run + j;
            if params.paper == 1u {
                sum += f32(x[at]) * (f32(y[at]) + f32(c[at]));
            } else {
                sum += f32(x[at]) * f32(y[at]);
            }
        }
    }
    let total = tree_sum(lane, sum);
    if lane == 0u && sample < params.samples {
        partial[group] = select(-1.0, -0.5, params.paper == 1u) * total;
    }
}
