// What the backward kernels of a step share: the cotangent of the normalisation's argument,
//   v_bar = (g - (g . d) d) / |v|   with g = dst_bar, d = v / |v|;   g / 1e-12 below the clamp
// read component by component from the binding dst_bar of the kernel.

// g . d, or 0 below the clamp, where the map is linear and nothing is projected out.
fn along_of_g(i: u32, base: u32, pull: f32, norm: Norm) -> f32 {
    var sum = 0.0;
    if norm.clamped == 0u {
        for (var k = 0u; k < params.n; k++) {
            let d = (argument(i, base, k, pull) / norm.largest) * norm.stretch;
            sum += f32(dst_bar[base + k * params.inner]) * d;
        }
    }
    return sum;
}

fn v_bar(i: u32, base: u32, k: u32, pull: f32, norm: Norm, along_g: f32) -> f32 {
    let d = (argument(i, base, k, pull) / norm.largest) * norm.stretch;
    let g = f32(dst_bar[base + k * params.inner]);
    return (g - along_g * d) * (norm.stretch / norm.largest);
}
