// Sine, cosine and the wrapping of angles. WGSL's sin and cos may be off by 2^-11, and promise nothing beyond pi.
//
// Multiples of a period are subtracted in three parts, the first two of 11 bits: up to 2^13 periods their products are
// exact. So (sin, cos) are within 3e-7 up to |x| = 10,000, if the compiler leaves the order of the subtractions alone;
// where it does not, |x| 2^-21 more.

const HALF_PI_HIGH: f32 = 1.5703125;
const HALF_PI_MIDDLE: f32 = 0.0004837512969970703;
const HALF_PI_LOW: f32 = 7.549790126404332e-08;
const TAU_HIGH: f32 = 6.28125;
const TAU_MIDDLE: f32 = 0.0019350051879882812;
const TAU_LOW: f32 = 3.019916050561733e-07;

// (sin, cos) of a in [-pi/4, pi/4], by Taylor series.
fn sin_cos_series(a: f32) -> vec2<f32> {
    let q = a * a;
    let sin_a = a * ((((2.7557319223985893e-06 * q - 0.0001984126984126984) * q + 0.008333333333333333) * q
        - 0.16666666666666666) * q + 1.0);
    let cos_a = ((((-2.755731922398589e-07 * q + 2.48015873015873e-05) * q - 0.001388888888888889) * q
        + 0.041666666666666664) * q - 0.5) * q + 1.0;
    return vec2<f32>(sin_a, cos_a);
}

// (sin, cos) of a + quadrant pi / 2.
fn sin_cos_quadrant(a: f32, quadrant: u32) -> vec2<f32> {
    let near = sin_cos_series(a);
    switch quadrant % 4u {
        case 0u: { return vec2<f32>(near.x, near.y); }
        case 1u: { return vec2<f32>(near.y, -near.x); }
        case 2u: { return vec2<f32>(-near.x, -near.y); }
        default: { return vec2<f32>(-near.y, near.x); }
    }
}

fn sin_cos(x: f32) -> vec2<f32> {
    let n = round(x * 0.6366197723675814);  // 2 / pi
    let a = ((x - n * HALF_PI_HIGH) - n * HALF_PI_MIDDLE) - n * HALF_PI_LOW;
    return sin_cos_quadrant(a, bitcast<u32>(i32(n)));
}

// sin_cos(x).x without a branch: odd quadrants take the cosine, the second bit of the quadrant is the sign.
fn sin_only(x: f32) -> f32 {
    let n = round(x * 0.6366197723675814);  // 2 / pi
    let near = sin_cos_series(((x - n * HALF_PI_HIGH) - n * HALF_PI_MIDDLE) - n * HALF_PI_LOW);
    let quadrant = bitcast<u32>(i32(n));
    let size = select(near.x, near.y, (quadrant & 1u) == 1u);
    return bitcast<f32>(bitcast<u32>(size) ^ ((quadrant & 2u) << 30u));
}

// x less the nearest multiple of 2 pi: in [-pi, pi], to rounding.
fn wrap(x: f32) -> f32 {
    let n = round(x * 0.15915494309189535);  // 1 / (2 pi)
    return ((x - n * TAU_HIGH) - n * TAU_MIDDLE) - n * TAU_LOW;
}
