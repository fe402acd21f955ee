// erfc(z) = 2/sqrt(pi) * integral of exp(-s^2) from z to infinity, relatively accurate in the tail; erf(z) = 1 - erfc(z).
//
// For z >= 0, erfc(z) = exp(-z^2) f(t) / (1 + 2 z) with t = (z - 2) / (z + 2), which maps the half line to an interval
// on which f is nearly a polynomial (Schonfelder 1978). The one here is of degree 10, fitted at Chebyshev's nodes for z
// up to 10; with its coefficients in f32 it is within 2.5e-8 of f. Past 10 the result is below every f32.
// In f32 the whole is off by at most 2 units in the last place, besides what the exponential and z^2 lose.

fn erfc(x: f32) -> f32 {
    let z = min(abs(x), 10.0);
    let t = (z - 2.0) / (z + 2.0);
    var sum = 2.03195887e-05;
    sum = sum * t - 0.000375897886;
    sum = sum * t - 0.00125184411;
    sum = sum * t + 0.00128473435;
    sum = sum * t + 0.00864051189;
    sum = sum * t - 0.00804855209;
    sum = sum * t - 0.0542060323;
    sum = sum * t + 0.164053693;
    sum = sum * t - 0.166031271;
    sum = sum * t - 0.0927639157;
    sum = sum * t + 1.27697837;
    let tail = exp(-z * z) * sum / (1.0 + 2.0 * z);
    return select(tail, 2.0 - tail, x < 0.0);
}
