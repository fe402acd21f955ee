use super::*;

#[test]
fn dual_differentiates_a_quotient_of_roots() {
    let x = Dual { value: 2.0, tangent: 1.0 };
    let y = x.sqrt() / (x * x + Dual::exact(1.0));
    let f = |x: f64| x.sqrt() / (x * x + 1.0);
    let h = 1e-6;
    approx::assert_relative_eq!(y.tangent, (f(2.0 + h) - f(2.0 - h)) / (2.0 * h), max_relative = 1e-9);
}

#[test]
fn bound_covers_f32_arithmetic_and_is_not_loose() {
    let (mut worst, mut state) = (0.0f64, 1u32);
    let mut next = || {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    for _ in 0..10_000 {
        let (a, b, c) = (next(), next(), next());
        let f32_value = (a * b - c * c) * (1.0 / (1.0 + a * a).sqrt());
        let [a, b, c] = [a, b, c].map(|v| Bound::exact(v as f64));
        let bound = (a * b - c * c) * (Bound::exact(1.0) + a * a).inverse_sqrt();
        worst = worst.max((f32_value as f64 - bound.value).abs() / bound.error[1]);
    }
    assert!(worst <= 1.0 && worst > 0.2, "worst ratio {worst}");
}

#[test]
fn sums_count_nonzero_terms_only() {
    let exact = Bound::sum([1.0, 0.0, 0.0].map(Bound::exact));
    assert_eq!(exact.error, [0.0; 2]);
    let two = Bound::sum([1.0, 2.0].map(Bound::exact));
    assert!(two.error[0] > 2.0 * two.error[1] * 0.99);
}

#[test]
fn a_divisor_that_may_vanish_bounds_nothing() {
    let shaky = Bound { value: 1e-9, error: [1e-8, 1e-10] };
    let q = Bound::exact(1.0) / shaky;
    assert!(q.error[0].is_infinite() && q.error[1].is_finite());
}
