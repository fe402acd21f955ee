// partial[tile, (l nodes + i) nodes + k]           = sum over one tile of uses of bank l of s[b, t, i] h[b, t, k]
// partial[tile, banks nodes nodes + l nodes + i]   = sum over one tile of uses of bank l of s[b, t, i]
// A use p of bank l is the sample p / turns and the (p % turns)-th step t with (first + t) mod banks = l, if there are so
// many steps. sum_columns adds the tiles; gradients of parameters are f32.
//
// One invocation per element of w, then one per element of bias, and tile of `run` uses.

struct Params {
    uses: u32,   // batch * turns
    turns: u32,  // ceil(steps / banks)
    steps: u32,
    nodes: u32,
    banks: u32,
    first: u32,  // bank of the first step
    run: u32,    // uses of one tile
    tiles: u32,
    width: u32,  // elements of one tile's sums: banks * nodes * (nodes + 1)
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> trace: array<f32>;          // [batch, steps, 2, nodes]
@group(0) @binding(2) var<storage, read> s: array<f32>;              // [batch, steps, nodes]
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;  // [tiles, width]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.tiles * params.width { return; }
    let tile = index / params.width;
    let at = index % params.width;
    let n = params.nodes;
    let weights = params.banks * n * n;
    let is_weight = at < weights;
    let row = select(at - weights, at / n, is_weight);  // l nodes + i
    let i = row % n;
    let k = select(0u, at % n, is_weight);
    let offset = (row / n + params.banks - params.first % params.banks) % params.banks;

    let begin = tile * params.run;
    let end = min(begin + params.run, params.uses);
    var sum = 0.0;
    for (var p = begin; p < end; p++) {
        let t = offset + p % params.turns * params.banks;
        if t < params.steps {
            let step = p / params.turns * params.steps + t;
            let v = s[step * n + i];
            if is_weight {
                sum += v * trace[step * 2u * n + k];
            } else {
                sum += v;
            }
        }
    }
    partial[index] = sum;
}
