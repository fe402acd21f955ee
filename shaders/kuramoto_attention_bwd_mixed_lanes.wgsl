// kuramoto_attention_bwd_mixed with LANES invocations a row:
//   C_bar = -eta G sin theta,   S_bar = eta G cos theta,   delta = C_bar . C + S_bar . S,
//   pull = G . (S cos theta - C sin theta),   G = dst_bar
//
// An invocation takes four angles at a time, so that the invocations of a row load neighbours; the first of them add up
// their sums.

struct Params {
    batch: u32,
    tokens: u32,
    heads: u32,
    dim: u32,     // angles of a head
    half: u32,    // of the features, dim of which count and the rest are zero
    causal: u32,  // 1: keys past the query are left out
    content: u32, // 1: tokens have gates, and features a fourth part, phases without any
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> eta: array<f32>;                    // [heads]
@group(0) @binding(2) var<storage, read> features: array<vec4<f32>>;         // [3, rows, 2 half / 4]: q, k, v
@group(0) @binding(3) var<storage, read> mixed: array<vec4<f32>>;            // [rows, 2 half / 4]: C, S
@group(0) @binding(4) var<storage, read> dst_bar: array<Elem>;               // [batch, tokens, heads, dim]
@group(0) @binding(5) var<storage, read_write> mixed_bar: array<vec4<f32>>;  // [rows, 2 half / 4]
@group(0) @binding(6) var<storage, read_write> delta: array<f32>;            // [rows]
@group(0) @binding(7) var<storage, read_write> pull: array<f32>;             // [rows]

const ROWS: u32 = WG / LANES;

var<workgroup> sums: array<vec2<f32>, WG>;

// Four angles from d on of the row that begins at `row_at`, zero past the last.
fn g4(row_at: u32, d: u32) -> vec4<f32> {
    let last = params.dim - 1u;
    let at = vec4<u32>(row_at) + min(vec4<u32>(d) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(last));
    let g = vec4<f32>(f32(dst_bar[at.x]), f32(dst_bar[at.y]), f32(dst_bar[at.z]), f32(dst_bar[at.w]));
    return select(vec4<f32>(), g, vec4<u32>(d) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.dim));
}

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let first = linear_group(wid, groups) * ROWS;
    let row = first + lane / LANES;
    var along = 0.0;
    var pulled = 0.0;
    if row < row_count() {
        let row_at = angle_of(row);
        let step = eta[head_of(row)];
        let quads = params.half / 4u;
        for (var q = lane % LANES; q < quads; q += LANES) {
            let c = row * 2u * quads + q;
            let s = c + quads;
            let v = 4u * row_count() * quads;
            let v_c = features[v + c];
            let v_s = features[v + s];
            let mixed_c = mixed[c];
            let mixed_s = mixed[s];
            let g = g4(row_at, 4u * q);
            let c_bar = -(step * g) * v_s;
            let s_bar = (step * g) * v_c;
            mixed_bar[c] = c_bar;
            mixed_bar[s] = s_bar;
            along += dot(c_bar, mixed_c) + dot(s_bar, mixed_s);
            pulled += dot(g, mixed_s * v_c - mixed_c * v_s);
        }
    }
    sums[lane] = vec2<f32>(along, pulled);
    workgroupBarrier();
    if lane < ROWS && first + lane < row_count() {
        var sum = vec2<f32>();
        for (var l = 0u; l < LANES; l++) { sum += sums[lane * LANES + l]; }
        delta[first + lane] = sum.x;
        pull[first + lane] = sum.y;
    }
}
