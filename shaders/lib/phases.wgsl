// Where the angles of attention heads lie: [batch, tokens, heads, dim]. Their features are rows of 2 half numbers, cosines
// first; rows are samples, heads and tokens in this order.

// Angle 0 of a row.
fn angle_of(row: u32) -> u32 {
    let token = row % params.tokens;
    let head = row / params.tokens % params.heads;
    let sample = row / (params.tokens * params.heads);
    return ((sample * params.tokens + token) * params.heads + head) * params.dim;
}

fn head_of(row: u32) -> u32 {
    return row / params.tokens % params.heads;
}

fn row_count() -> u32 {
    return params.batch * params.heads * params.tokens;
}
