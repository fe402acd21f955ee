// What the backward kernels of a step share when they take a four at a time: the cotangent of the normalisation's argument,
//   v_bar = (g - (g . d) d) / |v|   with g = dst_bar, d = v / |v|;   g / 1e-12 below the clamp
// read from the binding dst_bar of the kernel. Sums run in the order of the plain kernels.

// Four i, whose first component is at base, with v_bar.
fn step_back_of(i: u32, base: u32) -> Step {
    // Before the step, so that every load is on its way before the first use of one.
    var g: array<vec4<f32>, N>;
    for (var k = 0u; k < N; k++) { g[k] = vec4<f32>(dst_bar[base + k * params.inner]); }
    var s = step_of(i, base);
    var along_g = vec4<f32>();
    for (var k = 0u; k < N; k++) { along_g += g[k] * s.d[k]; }
    // Below the clamp the map is linear and nothing is projected out.
    along_g = select(along_g, vec4<f32>(), s.clamped);
    for (var k = 0u; k < N; k++) { s.v_bar[k] = (g[k] - along_g * s.d[k]) * (s.stretch / s.largest); }
    return s;
}
