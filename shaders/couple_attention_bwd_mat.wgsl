// mat_bar[s, m, r, c] = sum_{b, h} left[b, h, s, 2m + r] right[b, h, s, 2m + c]
//
// Cotangent of one set of matrices y = M x: left is y_bar, right is x. One of them lies in heads, the other in the
// channels of a state from `offset` on. One invocation per entry, which sums over samples and heads in their order.

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
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> in_heads: array<f32>;        // [batch, heads, tokens, padded]
@group(0) @binding(2) var<storage, read> state: array<Elem>;          // [batch, rows, channels, inner]
@group(0) @binding(3) var<storage, read_write> mat_bar: array<f32>;   // [tokens, dim / 2, 2, 2]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.tokens * params.dim * 2u { return; }
    let token = index / (params.dim * 2u);
    let first = (index / 4u) % (params.dim / 2u) * 2u;
    let r = first + (index / 2u) % 2u;
    let c = first + index % 2u;
    let by_heads = select(r, c, params.state_left == 1u);
    let by_state = select(c, r, params.state_left == 1u);

    var sum = 0.0;
    for (var b = 0u; b < params.batch; b++) {
        for (var h = 0u; h < params.heads; h++) {
            let row = (b * params.heads + h) * params.tokens + token;
            let channel = params.offset + channel_of(h, by_state);
            sum += in_heads[row * params.padded + by_heads] * f32(state[in_state(b, token, channel, params.channels)]);
        }
    }
    mat_bar[index] = sum;
}
