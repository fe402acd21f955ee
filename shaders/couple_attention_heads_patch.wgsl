// couple_attention_heads by patches: heads[part, b, h, s, c] = (M_part[s] x_part)_c   for part = q, k, v
//
// A workgroup takes 64 rows by 16 channels of a head and part.

struct Params {
    batch: u32,
    tokens: u32,
    inner: u32,
    heads: u32,
    dim: u32,
    padded: u32,
    interleaved: u32,  // 1: channel = c * heads + h; 0: channel = h * dim + c
    given: u32,        // bit p: matrices of part p (q, k, v, o) are given; others are not read
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qkv: array<Elem>;               // [batch, rows, 3 C, inner]
@group(0) @binding(2) var<storage, read> mat_q: array<vec4<Elem>>;       // [tokens, dim / 2]
@group(0) @binding(3) var<storage, read> mat_k: array<vec4<Elem>>;       // [tokens, dim / 2]
@group(0) @binding(4) var<storage, read> mat_v: array<vec4<Elem>>;       // [tokens, dim / 2]
@group(0) @binding(5) var<storage, read_write> heads: array<vec4<f32>>;  // [3, batch, heads, tokens, padded / 4]

fn of_state(at: u32) -> f32 { return f32(qkv[at]); }

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let place = place_of(linear_group(wid, groups), (params.padded + CHANNELS - 1u) / CHANNELS, 3u);
    if place.first >= row_count() { return; }
    let width = params.heads * params.dim;
    load_patch(lane, place, 3u * width, place.part * width);

    let given = ((params.given >> place.part) & 1u) == 1u;
    let across = 4u * (lane % QUADS);
    let c = place.own + across;
    for (var k = 0u; k < QUADS; k++) {
        let r = lane / QUADS + k * (WG / QUADS);
        let n = place.first + r;
        if n < row_count() && c < params.padded {
            var x = turned4(r, across);
            if given && c < params.dim {
                let low = times(matrix(place.part, matrix_at(n, c)), x.xy);
                // Past the last pair both channels are zero.
                let next = min(c + 2u, params.dim - 2u);
                let high = times(matrix(place.part, matrix_at(n, next)), x.zw);
                x = vec4<f32>(low, high);
            }
            let row = place.part * params.heads * row_count() + row_of(n, place.head);
            heads[row * (params.padded / 4u) + c / 4u] = x;
        }
    }
}
