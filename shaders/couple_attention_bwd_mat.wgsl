// mat_bar[s, m, r, c] = sum_{b, h} left[b, h, s, 2m + r] right[b, h, s, 2m + c]
//
// Cotangent of one set of matrices y = M x: left is y_bar, right is x. One of them lies in heads, the other in the
// channels of a state from `offset` on. One invocation per matrix, which sums over samples and heads in their order.

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
    let pairs = params.dim / 2u;
    if index >= params.tokens * pairs { return; }
    let token = index / pairs;
    let c = index % pairs * 2u;

    // Entries by rows: (0, 0), (0, 1), (1, 0), (1, 1).
    var sum = vec4<f32>();
    for (var b = 0u; b < params.batch; b++) {
        let at = token_of(b, token, params.channels);
        for (var h = 0u; h < params.heads; h++) {
            let row = ((b * params.heads + h) * params.tokens + token) * params.padded + c;
            let of_heads = vec2<f32>(in_heads[row], in_heads[row + 1u]);
            let channel = params.offset + channel_of(h, c);
            let next = params.offset + channel_of(h, c + 1u);
            let of_state =
                vec2<f32>(f32(state[at + channel * params.inner]), f32(state[at + next * params.inner]));
            let left = select(of_heads, of_state, params.state_left == 1u);
            let right = select(of_state, of_heads, params.state_left == 1u);
            sum += left.xxyy * right.xyxy;
        }
    }
    let to = index * 4u;
    mat_bar[to] = sum.x;
    mat_bar[to + 1u] = sum.y;
    mat_bar[to + 2u] = sum.z;
    mat_bar[to + 3u] = sum.w;
}
