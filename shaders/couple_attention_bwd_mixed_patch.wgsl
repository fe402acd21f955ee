// couple_attention_bwd_mixed by patches:
//   mixed_bar[b, h, s] = M_o[s]ᵀ dst_bar[b, channel(h, .), s],   delta[b, h, s] = mixed_bar . mixed
//
// A workgroup takes 64 rows of a head, 16 channels at a time. An invocation adds up the products of four channels in each
// of these rounds, then four such sums make one of delta.

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
@group(0) @binding(1) var<storage, read> dst_bar: array<Elem>;               // [batch, rows, C, inner]
@group(0) @binding(2) var<storage, read> mat_o: array<vec4<Elem>>;           // [tokens, dim / 2]
@group(0) @binding(3) var<storage, read> mixed: array<vec4<f32>>;            // [batch, heads, tokens, padded / 4]
@group(0) @binding(4) var<storage, read_write> mixed_bar: array<vec4<f32>>;  // [batch, heads, tokens, padded / 4]
@group(0) @binding(5) var<storage, read_write> delta: array<f32>;            // [batch, heads, tokens]

fn of_state(at: u32) -> f32 { return f32(dst_bar[at]); }

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    var place = place_of(linear_group(wid, groups), 1u, 1u);
    if place.first >= row_count() { return; }

    let given = (params.given & 8u) != 0u;
    let across = 4u * (lane % QUADS);
    var sums: array<f32, QUADS>;
    for (var own = 0u; own < params.padded; own += CHANNELS) {
        place.own = own;
        // The patch before may still be read.
        workgroupBarrier();
        load_patch(lane, place, params.heads * params.dim, 0u);
        let c = own + across;
        for (var k = 0u; k < QUADS; k++) {
            let r = lane / QUADS + k * (WG / QUADS);
            let n = place.first + r;
            if n < row_count() && c < params.padded {
                var g = turned4(r, across);
                if given && c < params.dim {
                    let low = transposed_times(vec4<f32>(mat_o[matrix_at(n, c)]), g.xy);
                    // Past the last pair both channels are zero.
                    let next = min(c + 2u, params.dim - 2u);
                    let high = transposed_times(vec4<f32>(mat_o[matrix_at(n, next)]), g.zw);
                    g = vec4<f32>(low, high);
                }
                let at = row_of(n, place.head) * (params.padded / 4u) + c / 4u;
                mixed_bar[at] = g;
                sums[k] += dot(g, mixed[at]);
            }
        }
    }
    workgroupBarrier();
    for (var k = 0u; k < QUADS; k++) { turned[lane % QUADS * STRIDE + lane / QUADS + k * (WG / QUADS)] = sums[k]; }
    workgroupBarrier();
    let n = place.first + lane;
    if n < row_count() {
        let four = turned4(lane, 0u);
        delta[row_of(n, place.head)] = (four.x + four.y) + (four.z + four.w);
    }
}
