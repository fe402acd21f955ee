// Scores of queries and keys from `heads`, [3, batch, heads, tokens, padded]: q, k, v after their matrices.
// A score is in units of ln 2: t = (q . k) log2(e) / sqrt(dim), so that exp(logit) = exp2(t).

const D4: u32 = D / 4u;

fn heads4(at: u32) -> vec4<f32> {
    return vec4<f32>(heads[at], heads[at + 1u], heads[at + 2u], heads[at + 3u]);
}

// Sum over the channels outside the block that starts at `own`; zero where a head is one block.
fn dot_beyond(a: u32, b: u32, own: u32) -> f32 {
    var sum = 0.0;
    for (var c = 0u; c < params.padded; c += 4u) {
        if c < own || c >= own + D {
            sum += dot(heads4(a + c), heads4(b + c));
        }
    }
    return sum;
}
