// The radial factor of phi(z) = tanh(r) / r z, r = |z|, without tanh, which WGSL promises to 1e-5 only: the power series
// near r = 0, and from there on tanh(r) = (1 - e) / (1 + e) with e = exp(-2 r), which is at most 1.

// tanh(r) / r for s = r^2 below 0.04, where the first term left out is 6e-17.
fn tanh_ratio(s: f32) -> f32 {
    return 1.0 + s * (-0.3333333333333333 + s * (0.13333333333333333 + s * (-0.05396825396825397
        + s * (0.021869488536155203 + s * (-0.008863235529902197 + s * (0.003592128036572481
        + s * (-0.0014558343870513183 + s * 0.000590027440945586)))))));
}

// Twice its derivative by s.
fn tanh_ratio_slope(s: f32) -> f32 {
    return -0.6666666666666666 + s * (0.5333333333333333 + s * (-0.3238095238095238
        + s * (0.17495590828924163 + s * (-0.08863235529902197 + s * (0.04310554443886977
        + s * (-0.020381681418718455 + s * 0.009440439055129377))))));
}

// exp(-2 r). Past r = 50 it is no normal number; r may be infinite there.
fn radial_decay(r: f32) -> f32 {
    return exp(-2.0 * min(r, 50.0));
}
