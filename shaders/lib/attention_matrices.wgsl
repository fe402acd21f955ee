// Reads `mat_q`, `mat_k` and `mat_v`, [tokens, dim / 2, 2, 2], the matrices of the three parts.

// The four entries from `at` on, by rows.
fn matrix(part: u32, at: u32) -> vec4<f32> {
    if part == 0u {
        return vec4<f32>(f32(mat_q[at]), f32(mat_q[at + 1u]), f32(mat_q[at + 2u]), f32(mat_q[at + 3u]));
    }
    if part == 1u {
        return vec4<f32>(f32(mat_k[at]), f32(mat_k[at + 1u]), f32(mat_k[at + 2u]), f32(mat_k[at + 3u]));
    }
    return vec4<f32>(f32(mat_v[at]), f32(mat_v[at + 1u]), f32(mat_v[at + 2u]), f32(mat_v[at + 3u]));
}
