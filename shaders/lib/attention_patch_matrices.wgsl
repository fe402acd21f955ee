// Reads `mat_q`, `mat_k` and `mat_v`, [tokens, dim / 2], a matrix of four entries by rows each.

fn matrix(part: u32, at: u32) -> vec4<f32> {
    if part == 0u { return vec4<f32>(mat_q[at]); }
    if part == 1u { return vec4<f32>(mat_k[at]); }
    return vec4<f32>(mat_v[at]);
}
