// The rates of a step's stages, weighted: sum_{s < stages} c_s k_s at element i. What is not a stage is bound to k_0
// and not read.
fn slope(i: u32) -> f32 {
    var sum = params.c0 * k0[i];
    if params.stages > 1u { sum += params.c1 * k1[i]; }
    if params.stages > 2u { sum += params.c2 * k2[i]; }
    if params.stages > 3u { sum += params.c3 * k3[i]; }
    if params.stages > 4u { sum += params.c4 * k4[i]; }
    return sum;
}
