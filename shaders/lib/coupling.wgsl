// The non-negative coupling of a query and a key from their score z, and its slope.

const SOFTPLUS: u32 = 0u;  // ln(1 + exp(z))
const RELU: u32 = 1u;      // max(z, 0) + 1e-3
const ELU: u32 = 2u;       // elu(z) + 1

fn coupling(z: f32) -> f32 {
    if params.coupling == RELU { return max(z, 0.0) + 1e-3; }
    if params.coupling == ELU { return select(exp(-abs(z)), z + 1.0, z > 0.0); }
    return softplus(z);
}

fn coupling_slope(z: f32) -> f32 {
    if params.coupling == RELU { return select(0.0, 1.0, z > 0.0); }
    if params.coupling == ELU { return select(exp(-abs(z)), 1.0, z > 0.0); }
    return logistic(z).x;
}
