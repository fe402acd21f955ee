// couple_attention_merge by patches: dst[b, channel(h, c), s] = (M_o[s] mixed[b, h, s])_c
//
// A workgroup takes 64 rows by 16 channels of a head.

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
@group(0) @binding(1) var<storage, read> mixed: array<vec4<f32>>;   // [batch, heads, tokens, padded / 4]
@group(0) @binding(2) var<storage, read> mat_o: array<vec4<Elem>>;  // [tokens, dim / 2]
@group(0) @binding(3) var<storage, read_write> dst: array<Elem>;    // [batch, rows, C, inner]

fn to_state(at: u32, value: f32) { dst[at] = Elem(value); }

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let place = place_of(linear_group(wid, groups), (params.dim + CHANNELS - 1u) / CHANNELS, 1u);
    if place.first >= row_count() { return; }

    let given = (params.given & 8u) != 0u;
    let across = 4u * (lane % QUADS);
    let c = place.own + across;
    for (var k = 0u; k < QUADS; k++) {
        let r = lane / QUADS + k * (WG / QUADS);
        let n = place.first + r;
        if n < row_count() && c < params.dim {
            var o = mixed[row_of(n, place.head) * (params.padded / 4u) + c / 4u];
            if given {
                let low = times(vec4<f32>(mat_o[matrix_at(n, c)]), o.xy);
                // Past the last pair both channels are zero.
                let next = min(c + 2u, params.dim - 2u);
                let high = times(vec4<f32>(mat_o[matrix_at(n, next)]), o.zw);
                o = vec4<f32>(low, high);
            }
            set_turned4(r, across, o);
        }
    }
    store_patch(lane, place, params.heads * params.dim, 0u);
}
