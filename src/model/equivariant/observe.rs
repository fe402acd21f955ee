//! What survives in a state: lengths, relative phases, relative orientations. On the host, in f64.

use crate::error::{Error, ErrorKind, Result};

/// The order parameter of a state, two ways.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Order {
    /// Mean length of a neuron.
    pub norm: f64,
    /// `c`, the mean squared length.
    pub square: f64,
}

fn neurons(of: &str, len: usize, k: usize) -> Result<usize> {
    if k == 0 || len == 0 || !len.is_multiple_of(k) {
        let wanted = "some neurons, each of at least one component";
        return Err(Error::argument(ErrorKind::Shape, of, "state", format!("{len} numbers, k {k}"), wanted));
    }
    Ok(len / k)
}

/// The order parameter over all neurons of `state`, of all its samples.
///
/// # Errors
/// `Shape` if `state` does not split into neurons of `k`.
pub fn order(state: &[f64], k: usize) -> Result<Order> {
    let count = neurons("order", state.len(), k)? as f64;
    let squares = state.chunks_exact(k).map(|z| z.iter().map(|v| v * v).sum::<f64>());
    let (norm, square) = squares.fold((0.0, 0.0), |(norm, square), s| (norm + s.sqrt(), square + s));
    Ok(Order { norm: norm / count, square: square / count })
}

/// `E a bᵀ` `[k, k]` over the neurons of two states.
///
/// # Errors
/// `Shape` if they do not split into neurons of `k`, or are not as long as each other.
pub fn covariance(a: &[f64], b: &[f64], k: usize) -> Result<Vec<f64>> {
    let count = neurons("covariance", a.len(), k)?;
    if a.len() != b.len() {
        return Err(Error::argument(ErrorKind::Shape, "covariance", "b", b.len(), format!("{} numbers", a.len())));
    }
    let mut sum = vec![0.0; k * k];
    for (a, b) in a.chunks_exact(k).zip(b.chunks_exact(k)) {
        for (row, a) in sum.chunks_exact_mut(k).zip(a) {
            row.iter_mut().zip(b).for_each(|(sum, b)| *sum += a * b);
        }
    }
    Ok(sum.into_iter().map(|v| v / count as f64).collect())
}

/// Magnitude and phase of `E a conj(b)` over complex neurons: how much of two inputs still agrees, and by which phase `a` is
/// ahead.
///
/// # Errors
/// As [`covariance`].
pub fn relative_phase(a: &[f64], b: &[f64]) -> Result<(f64, f64)> {
    match covariance(a, b, 2)?[..] {
        [rr, ri, ir, ii] => {
            let (re, im) = (rr + ii, ir - ri);
            Ok((re.hypot(im), im.atan2(re)))
        }
        _ => Err(Error::argument(ErrorKind::Shape, "relative_phase", "state", a.len(), "complex neurons")),
    }
}

/// `C = rotation (V S Vᵀ)`: the polar decomposition of a square matrix.
#[derive(Clone, PartialEq, Debug)]
pub struct Polar {
    /// The orthogonal factor `U Vᵀ` `[k, k]`; it may reflect.
    pub rotation: Vec<f64>,
    /// The singular values, largest first.
    pub scales: Vec<f64>,
}

/// The polar decomposition of `c` `[k, k]` by one-sided Jacobi rotations: the orientation of two inputs to each other, and
/// how much of it is left.
///
/// # Errors
/// `Shape` if `c` is not `[k, k]`; `Param` if it is singular to rounding, for then the orientation is not defined;
/// `NonFinite`.
pub fn polar(c: &[f64], k: usize) -> Result<Polar> {
    if k == 0 || k.checked_mul(k) != Some(c.len()) {
        let got = format!("{} numbers", c.len());
        return Err(Error::argument(ErrorKind::Shape, "polar", "c", got, format!("[{k}, {k}] with some rows")));
    }
    if !c.iter().all(|v| v.is_finite()) {
        return Err(Error::argument(ErrorKind::NonFinite, "polar", "c", "numbers that are not", "finite numbers"));
    }
    // Columns of `a` become those of U S, while the same rotations make V of the identity.
    let column = |m: &dyn Fn(usize, usize) -> f64| -> Vec<Vec<f64>> {
        (0..k).map(|j| (0..k).map(|i| m(i, j)).collect()).collect()
    };
    let mut a = column(&|i, j| c[i * k + j]);
    let mut v = column(&|i, j| if i == j { 1.0 } else { 0.0 });
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    // Quadratic convergence: a handful of sweeps does; a fixed number cannot run away.
    for _ in 0..60 {
        let mut turned = false;
        for p in 0..k {
            for q in p + 1..k {
                let (pp, qq, pq) = (dot(&a[p], &a[p]), dot(&a[q], &a[q]), dot(&a[p], &a[q]));
                if pq.abs() <= 1e-15 * (pp * qq).sqrt() {
                    continue;
                }
                turned = true;
                let zeta = (qq - pp) / (2.0 * pq);
                let t = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let cos = 1.0 / t.hypot(1.0);
                for columns in [&mut a, &mut v] {
                    let (left, right) = columns.split_at_mut(q);
                    for (x, y) in left[p].iter_mut().zip(&mut right[0]) {
                        (*x, *y) = (cos * (*x - t * *y), cos * (t * *x + *y));
                    }
                }
            }
        }
        if !turned {
            break;
        }
    }
    let norms: Vec<f64> = a.iter().map(|column| dot(column, column).sqrt()).collect();
    let largest = norms.iter().fold(0.0f64, |m, s| m.max(*s));
    if norms.iter().any(|s| *s <= k as f64 * f64::EPSILON * largest) {
        return Err(Error::argument(ErrorKind::Param, "polar", "c", "a singular matrix", "one of full rank"));
    }
    let mut rotation = vec![0.0; k * k];
    for ((u, v), s) in a.iter().zip(&v).zip(&norms) {
        for (row, u) in rotation.chunks_exact_mut(k).zip(u) {
            row.iter_mut().zip(v).for_each(|(r, v)| *r += u / s * v);
        }
    }
    let mut scales = norms;
    scales.sort_by(|a, b| b.total_cmp(a));
    Ok(Polar { rotation, scales })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_phases() {
        let order = order(&[3.0, 4.0, 0.0, 1.0], 2).unwrap();
        assert_eq!(order, Order { norm: 3.0, square: 13.0 });
        // b is a turned back by 0.3.
        let a: [f64; 4] = [1.0, 0.0, 0.6, -0.8];
        let b: Vec<f64> = a
            .chunks_exact(2)
            .flat_map(|z| {
                let (s, c) = 0.3f64.sin_cos();
                [c * z[0] + s * z[1], -s * z[0] + c * z[1]]
            })
            .collect();
        let (magnitude, phase) = relative_phase(&a, &b).unwrap();
        approx::assert_abs_diff_eq!(magnitude, 1.0, epsilon = 1e-15);
        approx::assert_abs_diff_eq!(phase, 0.3, epsilon = 1e-15);
        assert!(super::order(&[1.0; 3], 2).is_err() && super::order(&[], 2).is_err());
        assert!(covariance(&a, &b[..2], 2).is_err() && relative_phase(&a[..3], &b[..3]).is_err());
    }

    #[test]
    fn the_polar_factor_of_a_stretched_rotation_is_the_rotation() {
        // A reflection times a symmetric positive matrix.
        let (s, c) = 0.7f64.sin_cos();
        let q = [c, s, 0.0, s, -c, 0.0, 0.0, 0.0, 1.0];
        let p = [2.0, 0.3, -0.1, 0.3, 0.5, 0.2, -0.1, 0.2, 1.0];
        let product: Vec<f64> = (0..9).map(|e| (0..3).map(|j| q[e / 3 * 3 + j] * p[j * 3 + e % 3]).sum()).collect();
        let found = polar(&product, 3).unwrap();
        for (got, wanted) in found.rotation.iter().zip(q) {
            approx::assert_abs_diff_eq!(*got, wanted, epsilon = 1e-13);
        }
        approx::assert_abs_diff_eq!(found.scales.iter().sum::<f64>(), 3.5, epsilon = 1e-13);
        assert!(found.scales.is_sorted_by(|a, b| a >= b));
        let kind = |c: &[f64], k: usize| polar(c, k).unwrap_err().kind();
        assert_eq!(kind(&[1.0, 2.0, 2.0, 4.0], 2), ErrorKind::Param);
        assert_eq!(kind(&[0.0; 4], 2), ErrorKind::Param);
        assert_eq!(kind(&[1.0; 3], 2), ErrorKind::Shape);
        assert_eq!(kind(&[f64::NAN; 4], 2), ErrorKind::NonFinite);
    }
}
