// Patches of WG rows by CHANNELS channels of a head, which pass through workgroup memory: a state is read and written along
// its neighbours, heads by fours of channels. Rows are the tokens of all samples, n = sample * tokens + token, so that
// patches are full whatever the number of tokens.

const CHANNELS: u32 = 16u;
// Invocations of a row of heads, four channels each; a workgroup takes WG / QUADS rows at a time, QUADS times.
const QUADS: u32 = CHANNELS / 4u;
// Past WG by 2, so that neither the state's side nor the heads' meets one bank of memory twice.
const STRIDE: u32 = WG + 2u;

var<workgroup> turned: array<f32, CHANNELS * STRIDE>;

struct PatchPlace {
    head: u32,
    own: u32,    // the first channel
    part: u32,
    first: u32,  // the first row
}

// Heads follow each other, for in a state their channels are neighbours.
fn place_of(group: u32, blocks: u32, parts: u32) -> PatchPlace {
    let above = group / params.heads;
    return PatchPlace(
        group % params.heads,
        above % blocks * CHANNELS,
        above / blocks % parts,
        above / (blocks * parts) * WG,
    );
}

fn row_count() -> u32 { return params.batch * params.tokens; }

// Channel 0 of a row in a state; channel c lies c * inner further.
fn state_of(n: u32, channels: u32) -> u32 {
    return n / params.inner * channels * params.inner + n % params.inner;
}

// The row of [batch, heads, tokens] that is row n of a head.
fn row_of(n: u32, head: u32) -> u32 {
    return n + params.tokens * (n / params.tokens * (params.heads - 1u) + head);
}

// Four channels from c on of row r of the patch.
fn turned4(r: u32, c: u32) -> vec4<f32> {
    let at = c * STRIDE + r;
    return vec4<f32>(turned[at], turned[at + STRIDE], turned[at + 2u * STRIDE], turned[at + 3u * STRIDE]);
}

fn set_turned4(r: u32, c: u32, v: vec4<f32>) {
    let at = c * STRIDE + r;
    turned[at] = v.x;
    turned[at + STRIDE] = v.y;
    turned[at + 2u * STRIDE] = v.z;
    turned[at + 3u * STRIDE] = v.w;
}

// The matrix that acts on channels c and c + 1 of row n, among [tokens, dim / 2].
fn matrix_at(n: u32, c: u32) -> u32 {
    return n % params.tokens * (params.dim / 2u) + c / 2u;
}

// M x and Mᵀ x for M by rows.
fn times(m: vec4<f32>, x: vec2<f32>) -> vec2<f32> { return m.xz * x.x + m.yw * x.y; }

fn transposed_times(m: vec4<f32>, x: vec2<f32>) -> vec2<f32> { return m.xy * x.x + m.zw * x.y; }
