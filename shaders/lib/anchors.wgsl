// Attention over anchors: what q, k and v share is [batch, tokens, heads * dim], head h owning channels h dim ..; fields
// and oscillators are [batch, heads, tokens, N], anchors [heads, positions, N]. Channels and components stand in vectors
// of four, D at least dim, so that they stay in registers; what is past dim or N is zero.
//
// A workgroup stays within one head, so that all its invocations load the same other tokens.

const D4: u32 = D / 4u;
const N4: u32 = (N + 3u) / 4u;

struct Place {
    batch: u32,
    head: u32,
    first: u32,  // the first token of the workgroup
    token: u32,
}

// `span` tokens of a head are shared out.
fn place_of(group: u32, lane: u32, span: u32) -> Place {
    let blocks = (span + WG - 1u) / WG;
    let row = group / blocks;
    let first = group % blocks * WG;
    return Place(row / params.heads, row % params.heads, first, first + lane);
}

// Channel 0 of a token.
fn channels_of(place: Place, token: u32) -> u32 {
    return ((place.batch * params.tokens + token) * params.heads + place.head) * params.dim;
}

// Component 0 of the oscillator of a token.
fn row_of(place: Place, token: u32) -> u32 {
    return (place.batch * params.heads + place.head) * params.tokens + token;
}

// How many keys of a sample there are.
fn keys_of(place: Place) -> u32 {
    if params.padded == 0u { return params.tokens; }
    return min(lengths[place.batch], params.tokens);
}

// Which of the four channels from c on are there.
fn within(c: u32) -> vec4<bool> {
    return vec4<u32>(c) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.dim);
}

// The same for components.
fn component(c: u32) -> vec4<bool> {
    return vec4<u32>(c) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(N);
}

// Four components from c on of the anchor that starts at `at`.
fn anchor4(at: u32, c: u32) -> vec4<f32> {
    let i = at + c;
    let loaded = vec4<f32>(f32(anchors[i]), f32(anchors[i + 1u]), f32(anchors[i + 2u]), f32(anchors[i + 3u]));
    return select(vec4<f32>(), loaded, component(c));
}
