// partial[0, h, d, tile] = 1/tau sum_bt query_gate q_bar . e,
// partial[1, h, d, tile] = sum_bt t (q_bar . J(q) + k_bar . J(k)),   J(x) = (-x_s, x_c)
// for the cosine x_c and the sine x_s of one angle, over the samples and tokens bt of a tile
//
// kuramoto_attention_bwd_gate, with samples and tokens cut into tiles whose sums sum_rows adds. One invocation per tile,
// head and four angles: those of a row load neighbours.

struct Params {
    batch: u32,
    tokens: u32,
    heads: u32,
    dim: u32,     // angles of a head
    half: u32,    // of the features, dim of which count and the rest are zero
    causal: u32,  // 1: keys past the query are left out
    content: u32, // 1: tokens have gates, and features a fourth part, phases without any
    run: u32,     // tokens of a tile
    tiles: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tau: array<f32>;             // [heads]
@group(0) @binding(2) var<storage, read> query_gate: array<Elem>;     // [batch, tokens, heads, dim]
@group(0) @binding(3) var<storage, read> features: array<vec4<f32>>;  // [3, rows, 2 half / 4]: q, k, v; or [4, ...]: and e
@group(0) @binding(4) var<storage, read> q_bar: array<vec4<f32>>;     // [rows, 2 half / 4]
@group(0) @binding(5) var<storage, read> k_bar: array<vec4<f32>>;     // [rows, 2 half / 4]
@group(0) @binding(6) var<storage, read_write> partial: array<f32>;   // [2, heads, dim, tiles]

// Gates of the four angles from d on of token i; past the last the last again, for what it gives is not stored.
fn gate4(i: u32, h: u32, d: u32) -> vec4<f32> {
    let last = params.dim - 1u;
    let at = vec4<u32>((i * params.heads + h) * params.dim) + min(vec4<u32>(d, d + 1u, d + 2u, d + 3u), vec4<u32>(last));
    return vec4<f32>(f32(query_gate[at.x]), f32(query_gate[at.y]), f32(query_gate[at.z]), f32(query_gate[at.w]));
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    let needed = (params.dim + 3u) / 4u;
    if index >= params.tiles * params.heads * needed { return; }
    let q = index % needed;
    let h = index / needed % params.heads;
    let tile = index / (needed * params.heads);

    let quads = params.half / 4u;
    let k = 2u * row_count() * quads;
    let end = min((tile + 1u) * params.run, params.batch * params.tokens);
    // Kept up by additions: a division of integers for each token costs more than what it finds.
    var token = tile * params.run % params.tokens;
    var row = (tile * params.run / params.tokens * params.heads + h) * params.tokens + token;
    var met = vec4<f32>();
    var moved = vec4<f32>();
    for (var i = tile * params.run; i < end; i++) {
        let c = row * 2u * quads + q;
        let s = c + quads;
        let q_bar_c = q_bar[c];
        let q_bar_s = q_bar[s];
        let k_bar_c = k_bar[c];
        let k_bar_s = k_bar[s];
        let q_c = features[c];
        let q_s = features[s];
        let k_c = features[k + c];
        let k_s = features[k + s];
        if params.content == 1u {
            met += gate4(i, h, 4u * q) * (q_bar_c * features[3u * k + c] + q_bar_s * features[3u * k + s]);
        } else {
            met += q_bar_c * k_c + q_bar_s * k_s;
        }
        moved += f32(token) * ((q_c * q_bar_s - q_s * q_bar_c) + (k_c * k_bar_s - k_s * k_bar_c));
        token += 1u;
        row += 1u;
        if token == params.tokens {
            token = 0u;
            row += (params.heads - 1u) * params.tokens;
        }
    }
    met = met / tau[h];
    let plane = params.heads * params.dim * params.tiles;
    for (var j = 0u; j < 4u; j++) {
        let d = 4u * q + j;
        if d < params.dim {
            let to = (h * params.dim + d) * params.tiles + tile;
            partial[to] = met[j];
            partial[plane + to] = moved[j];
        }
    }
}
