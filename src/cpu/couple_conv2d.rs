//! Convolutional coupling, stride 1, odd kernel, zero padding:
//! ```text
//! dst[b, o, r, c] = bias[o] + sum_{i, dr, dc} w[o, i, dr, dc] x[b, i, r + dr - kh/2, c + dc - kw/2] + drive[b, o, r, c]
//! ```
//! Source: AKOrN equation 7; `w[g n + a, h n + b, ., .]` is the n x n block from oscillator h to oscillator g.
//!
//! The map is linear in each operand, so the backward passes are its transposes.

use super::Real;

/// Extents of a coupling.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extents {
    /// Samples.
    pub batch: usize,
    /// Channels of `x`.
    pub c_in: usize,
    /// Channels of `dst`.
    pub c_out: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Kernel rows, odd.
    pub kh: usize,
    /// Kernel columns, odd.
    pub kw: usize,
}

impl Extents {
    /// `r + dr - k/2` if that lies in `0..extent`.
    fn tap(r: usize, dr: usize, k: usize, extent: usize) -> Option<usize> {
        (r + dr).checked_sub(k / 2).filter(|r| *r < extent)
    }

    /// Calls `f(dst index, w index, x index)` for every product of the sum.
    fn for_each(&self, mut f: impl FnMut(usize, usize, usize)) {
        let e = self;
        for b in 0..e.batch {
            for o in 0..e.c_out {
                for r in 0..e.height {
                    for c in 0..e.width {
                        let dst = ((b * e.c_out + o) * e.height + r) * e.width + c;
                        for i in 0..e.c_in {
                            for dr in 0..e.kh {
                                let Some(row) = Extents::tap(r, dr, e.kh, e.height) else { continue };
                                for dc in 0..e.kw {
                                    let Some(col) = Extents::tap(c, dc, e.kw, e.width) else { continue };
                                    let w = ((o * e.c_in + i) * e.kh + dr) * e.kw + dc;
                                    f(dst, w, ((b * e.c_in + i) * e.height + row) * e.width + col);
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn plane(&self) -> usize {
        self.height * self.width
    }
}

fn sums<R: Real>(terms: Vec<Vec<R>>) -> Vec<R> {
    terms.into_iter().map(R::sum).collect()
}

/// `dst [batch, c_out, height, width]`.
pub fn forward<R: Real>(x: &[R], w: &[R], bias: &[R], drive: Option<&[R]>, e: &Extents) -> Vec<R> {
    let mut terms: Vec<Vec<R>> =
        (0..e.batch * e.c_out * e.plane()).map(|d| vec![bias[d / e.plane() % e.c_out]]).collect();
    e.for_each(|d, k, s| terms[d].push(w[k] * x[s]));
    if let Some(drive) = drive {
        terms.iter_mut().zip(drive).for_each(|(terms, drive)| terms.push(*drive));
    }
    sums(terms)
}

/// `[x_bar, w_bar, bias_bar]`.
pub fn backward<R: Real>(x: &[R], w: &[R], dst_bar: &[R], e: &Extents) -> [Vec<R>; 3] {
    let mut x_terms = vec![Vec::new(); x.len()];
    let mut w_terms = vec![Vec::new(); w.len()];
    let mut bias_terms = vec![Vec::new(); e.c_out];
    e.for_each(|d, k, s| {
        x_terms[s].push(w[k] * dst_bar[d]);
        w_terms[k].push(x[s] * dst_bar[d]);
    });
    for (d, g) in dst_bar.iter().enumerate() {
        bias_terms[d / e.plane() % e.c_out].push(*g);
    }
    [sums(x_terms), sums(w_terms), sums(bias_terms)]
}
