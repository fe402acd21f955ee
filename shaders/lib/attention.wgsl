// Where the channels of attention heads lie. Heads are [batch, heads, tokens, padded] in f32, `padded` channels of which
// the first `dim` count and the rest are zero; states are [batch, rows, channels, inner], token = row * inner + inner_index.

// Channel 0 of a token in a state; channel c lies c * inner further.
fn token_of(b: u32, token: u32, channels: u32) -> u32 {
    let row = b * (params.tokens / params.inner) + token / params.inner;
    return row * channels * params.inner + token % params.inner;
}

// Channel of the state that is channel c of head h.
fn channel_of(h: u32, c: u32) -> u32 {
    return select(h * params.dim + c, c * params.heads + h, params.interleaved == 1u);
}

// First of the four entries, by rows, of the matrix that acts on channels c and c ^ 1 of a token.
fn matrix_of(token: u32, c: u32) -> u32 {
    return (token * (params.dim / 2u) + c / 2u) * 4u;
}
