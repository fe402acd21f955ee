// couple_attention_bwd_qkv by patches:
//   qkv_bar[b, part, channel(h, c), s] = (M_part[s]ᵀ part_bar[b, h, s])_c   for part = q, k, v
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
@group(0) @binding(1) var<storage, read> q_bar: array<vec4<f32>>;      // [batch, heads, tokens, padded / 4]
@group(0) @binding(2) var<storage, read> k_bar: array<vec4<f32>>;      // [batch, heads, tokens, padded / 4]
@group(0) @binding(3) var<storage, read> v_bar: array<vec4<f32>>;      // [batch, heads, tokens, padded / 4]
@group(0) @binding(4) var<storage, read> mat_q: array<vec4<Elem>>;     // [tokens, dim / 2]
@group(0) @binding(5) var<storage, read> mat_k: array<vec4<Elem>>;     // [tokens, dim / 2]
@group(0) @binding(6) var<storage, read> mat_v: array<vec4<Elem>>;     // [tokens, dim / 2]
@group(0) @binding(7) var<storage, read_write> qkv_bar: array<Elem>;   // [batch, rows, 3 C, inner]

fn bar(part: u32, at: u32) -> vec4<f32> {
    if part == 0u { return q_bar[at]; }
    if part == 1u { return k_bar[at]; }
    return v_bar[at];
}

fn to_state(at: u32, value: f32) { qkv_bar[at] = Elem(value); }

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let place = place_of(linear_group(wid, groups), (params.dim + CHANNELS - 1u) / CHANNELS, 3u);
    if place.first >= row_count() { return; }

    let given = ((params.given >> place.part) & 1u) == 1u;
    let across = 4u * (lane % QUADS);
    let c = place.own + across;
    for (var k = 0u; k < QUADS; k++) {
        let r = lane / QUADS + k * (WG / QUADS);
        let n = place.first + r;
        if n < row_count() && c < params.dim {
            var g = bar(place.part, row_of(n, place.head) * (params.padded / 4u) + c / 4u);
            if given {
                let low = transposed_times(matrix(place.part, matrix_at(n, c)), g.xy);
                // Past the last pair both channels are zero.
                let next = min(c + 2u, params.dim - 2u);
                let high = transposed_times(matrix(place.part, matrix_at(n, next)), g.zw);
                g = vec4<f32>(low, high);
            }
            set_turned4(r, across, g);
        }
    }
    let width = params.heads * params.dim;
    store_patch(lane, place, 3u * width, place.part * width);
}
