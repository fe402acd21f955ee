// partial[tile, s, m, r, c] = sum_{b in tile, h} left[b, h, s, 2m + r] right[b, h, s, 2m + c]
//
// couple_attention_bwd_mat, with the samples cut into tiles whose sums sum_columns adds. One invocation per tile, token
// and four matrices, that is eight channels of a head: tokens are neighbours in a state, and eight channels of heads are
// whole sectors of memory.

struct Params {
    batch: u32,
    tokens: u32,
    inner: u32,
    heads: u32,
    dim: u32,
    padded: u32,
    interleaved: u32,  // 1: channel = c * heads + h; 0: channel = h * dim + c
    channels: u32,     // of the state
    offset: u32,
    state_left: u32,   // 1: left is the state; 0: right is
    run: u32,          // samples of a tile
    tiles: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> in_heads: array<vec4<f32>>;       // [batch, heads, tokens, padded / 4]
@group(0) @binding(2) var<storage, read> state: array<Elem>;               // [batch, rows, channels, inner]
@group(0) @binding(3) var<storage, read_write> partial: array<vec4<f32>>;  // [tiles, tokens, dim / 2]

const MATRICES: u32 = 4u;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    let blocks = (params.dim + 7u) / 8u;
    if index >= params.tiles * blocks * params.tokens { return; }
    let token = index % params.tokens;
    let c = index / params.tokens % blocks * 8u;
    let tile = index / (params.tokens * blocks);

    var sums: array<vec4<f32>, MATRICES>;
    let end = min((tile + 1u) * params.run, params.batch);
    for (var b = tile * params.run; b < end; b++) {
        let at = token_of(b, token, params.channels);
        for (var h = 0u; h < params.heads; h++) {
            let row = (((b * params.heads + h) * params.tokens + token) * params.padded + c) / 4u;
            let first = in_heads[row];
            let second = in_heads[row + 1u];
            // Past the last channel the last again; what it gives is not stored.
            var of_state: array<f32, 8>;
            for (var k = 0u; k < 8u; k++) {
                let channel = params.offset + channel_of(h, min(c + k, params.dim - 1u));
                of_state[k] = f32(state[at + channel * params.inner]);
            }
            let of_heads = array<vec2<f32>, MATRICES>(first.xy, first.zw, second.xy, second.zw);
            for (var m = 0u; m < MATRICES; m++) {
                let pair = vec2<f32>(of_state[2u * m], of_state[2u * m + 1u]);
                let left = select(of_heads[m], pair, params.state_left == 1u);
                let right = select(pair, of_heads[m], params.state_left == 1u);
                // Entries by rows: (0, 0), (0, 1), (1, 0), (1, 1).
                sums[m] += left.xxyy * right.xyxy;
            }
        }
    }
    let to = (tile * params.tokens + token) * (params.dim / 2u) + c / 2u;
    for (var m = 0u; m < MATRICES; m++) {
        if c + 2u * m < params.dim { partial[to + m] = sums[m]; }
    }
}
