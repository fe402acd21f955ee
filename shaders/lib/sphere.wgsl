// Oscillators on the unit sphere: the n components of oscillator i lie `inner` apart, from `origin`.
// A state is [outer, n, inner]; i = outer_index * inner + inner_index.

// Norms below this are replaced by it, as PyTorch's normalize does.
const NORM_CLAMP: f32 = 1e-12;

// Below this largest component the norm is below the clamp and its square vanishes.
const NORM_TINY: f32 = 1e-20;

fn origin(i: u32, n: u32, inner: u32) -> u32 {
    // (i / inner) n inner + i % inner, with one division: they are dear.
    return i + (i / inner) * (n - 1u) * inner;
}

// How to normalise a vector v: normalize(v)_k = (v_k * shrink) * stretch, with shrink = 1 / max |v_k| and
// stretch = 1 / |v shrink|, so that no square overflows or vanishes. Below the clamp normalize is the
// linear map v / NORM_CLAMP: then shrink = 1 and stretch = 1 / NORM_CLAMP.
struct Norm {
    largest: f32,
    stretch: f32,
    clamped: u32,  // 1 below the clamp
}

fn norm_of(largest: f32, scaled_square: f32) -> Norm {
    if largest < NORM_TINY { return Norm(1.0, 1.0 / NORM_CLAMP, 1u); }
    let stretch = inverseSqrt(scaled_square);
    if largest / stretch < NORM_CLAMP { return Norm(1.0, 1.0 / NORM_CLAMP, 1u); }
    return Norm(largest, stretch, 0u);
}
