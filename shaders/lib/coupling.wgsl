// The non-negative coupling of a query and a key from their score z, and its slope.

const SOFTPLUS: u32 = 0u;  // ln(1 + exp(z))
const RELU: u32 = 1u;      // max(z, 0) + 1e-3
const ELU: u32 = 2u;       // elu(z) + 1

// With e = exp(-|z|), softplus(z) = max(z, 0) + ln(1 + e), and with s = e / (2 + e), at most 1/3,
//   ln(1 + e) = 2 artanh(s) = 2 s (1 + s^2/3 + s^4/5 + ..),
// whose terms are positive: relatively exact however small e is. What follows s^14/15 is below 2^-28 of the sum.
fn coupling(z: f32) -> f32 {
    if params.coupling == RELU { return max(z, 0.0) + 1e-3; }
    let e = exp(-abs(z));
    if params.coupling == ELU { return select(e, z + 1.0, z > 0.0); }
    let s = e / (2.0 + e);
    let t = s * s;
    var sum = 1.0 / 15.0;
    sum = sum * t + 1.0 / 13.0;
    sum = sum * t + 1.0 / 11.0;
    sum = sum * t + 1.0 / 9.0;
    sum = sum * t + 1.0 / 7.0;
    sum = sum * t + 1.0 / 5.0;
    sum = sum * t + 1.0 / 3.0;
    sum = sum * t + 1.0;
    return max(z, 0.0) + 2.0 * s * sum;
}

fn coupling_slope(z: f32) -> f32 {
    if params.coupling == RELU { return select(0.0, 1.0, z > 0.0); }
    if params.coupling == ELU { return select(exp(-abs(z)), 1.0, z > 0.0); }
    return logistic(z).x;
}
