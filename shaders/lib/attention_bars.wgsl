// Reads `mixed_bar`, [rows, padded], the cotangent of what the heads see.

fn bar4(at: u32) -> vec4<f32> {
    return vec4<f32>(mixed_bar[at], mixed_bar[at + 1u], mixed_bar[at + 2u], mixed_bar[at + 3u]);
}

// <mixed_bar, v> over the channels outside the block that starts at `own`.
fn bar_dot_beyond(bar: u32, value: u32, own: u32) -> f32 {
    var sum = 0.0;
    for (var c = 0u; c < params.padded; c += 4u) {
        if c < own || c >= own + D {
            sum += dot(bar4(bar + c), heads4(value + c));
        }
    }
    return sum;
}
