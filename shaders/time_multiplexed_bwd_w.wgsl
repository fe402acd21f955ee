// partial[tile, (l nodes + i) nodes + k]           = sum over one tile of uses of bank l of s[b, t, i] h[b, t, k]
// partial[tile, banks nodes nodes + l nodes + i]   = sum over one tile of uses of bank l of s[b, t, i]
// A use p of bank l is the sample p / turns and the (p % turns)-th step t with (first + t) mod banks = l, if there are so
// many steps. sum_columns adds the tiles; gradients of parameters are f32.
//
// One invocation per tile of `run` uses and block of four rows i and four columns k of a bank, where the column after the
// last is the bias, whose factor is 1. Indices past the edge are drawn in, and what they give is not written.

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
    let n = params.nodes;
    let down = (n + 3u) / 4u;
    let across = (n + 4u) / 4u;
    let blocks = params.banks * down * across;
    if index >= params.tiles * blocks { return; }
    let tile = index / blocks;
    let bank = index % blocks / (down * across);
    let row = index / across % down * 4u;
    let column = index % across * 4u;
    let offset = (bank + params.banks - params.first % params.banks) % params.banks;
    let i = min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(n - 1u));
    let wanted = vec4<u32>(column) + vec4<u32>(0u, 1u, 2u, 3u);
    let k = min(wanted, vec4<u32>(n - 1u));
    let is_bias = wanted == vec4<u32>(n);

    let begin = tile * params.run;
    let end = min(begin + params.run, params.uses);
    var b = begin / params.turns;
    var turn = begin % params.turns;
    var sums: array<vec4<f32>, 4>;
    for (var p = begin; p < end; p++) {
        let t = offset + turn * params.banks;
        if t < params.steps {
            let step = b * params.steps + t;
            let at = step * n;
            let v = vec4<f32>(s[at + i.x], s[at + i.y], s[at + i.z], s[at + i.w]);
            let base = 2u * at;
            let states = vec4<f32>(trace[base + k.x], trace[base + k.y], trace[base + k.z], trace[base + k.w]);
            let x = select(states, vec4<f32>(1.0), is_bias);
            sums[0] += v.x * x;
            sums[1] += v.y * x;
            sums[2] += v.z * x;
            sums[3] += v.w * x;
        }
        turn++;
        if turn == params.turns {
            turn = 0u;
            b++;
        }
    }
    let first = tile * params.width;
    for (var r = 0u; r < 4u && row + r < n; r++) {
        let node = bank * n + row + r;
        for (var c = 0u; c < 4u; c++) {
            if column + c < n { partial[first + node * n + column + c] = sums[r][c]; }
            if column + c == n { partial[first + params.banks * n * n + node] = sums[r][c]; }
        }
    }
}
