//! A convolution in its general form, zero padding:
//! ```text
//! dst[b, o, r, c] = bias[o] + sum_{i, dr, dc} w[o, i, dr, dc] x[b, i, r s + dr - p, c t + dc - q] + addend[b, o, r, c]
//! ```
//! with strides `(s, t)` and padding `(p, q)`; `dst` has `floor((height + 2 p - kh) / s) + 1` rows.
//!
//! It is linear in each operand, so the backward passes are its transposes: `x_bar[b, i, row, col]` sums `w g` over the
//! taps for which `row + p - dr` is a multiple of `s` within `dst`, and so for columns; `w_bar[o, i, dr, dc]` sums
//! `g x` over the batch and the pixels, `bias_bar[o]` sums `g`, `addend_bar` is `g`.

use super::Real;

/// Extents of a convolution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extents {
    /// Samples.
    pub batch: usize,
    /// Channels of `x`.
    pub c_in: usize,
    /// Channels of `dst`.
    pub c_out: usize,
    /// Rows and columns of `x`.
    pub size: [usize; 2],
    /// Rows and columns of `dst`.
    pub out: [usize; 2],
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Steps of the kernel.
    pub stride: [usize; 2],
    /// Rows and columns of zeros on either side of `x`.
    pub padding: [usize; 2],
}

impl Extents {
    /// Where tap `d` of output `r` reads along `axis`, if that lies within `x`.
    fn source(&self, axis: usize, r: usize, d: usize) -> Option<usize> {
        (r * self.stride[axis] + d).checked_sub(self.padding[axis]).filter(|at| *at < self.size[axis])
    }

    /// Which output reads `at` by tap `d` along `axis`, if any.
    fn reader(&self, axis: usize, at: usize, d: usize) -> Option<usize> {
        let from = (at + self.padding[axis]).checked_sub(d)?;
        (from % self.stride[axis] == 0).then(|| from / self.stride[axis]).filter(|r| *r < self.out[axis])
    }

    fn x(&self, b: usize, i: usize, row: usize, col: usize) -> usize {
        ((b * self.c_in + i) * self.size[0] + row) * self.size[1] + col
    }

    fn dst(&self, b: usize, o: usize, r: usize, c: usize) -> usize {
        ((b * self.c_out + o) * self.out[0] + r) * self.out[1] + c
    }

    fn w(&self, o: usize, i: usize, dr: usize, dc: usize) -> usize {
        ((o * self.c_in + i) * self.kernel[0] + dr) * self.kernel[1] + dc
    }
}

/// `dst [batch, c_out, out]`.
pub fn forward<R: Real>(x: &[R], w: &[R], bias: Option<&[R]>, addend: Option<&[R]>, e: &Extents) -> Vec<R> {
    let mut dst = Vec::with_capacity(e.batch * e.c_out * e.out[0] * e.out[1]);
    for b in 0..e.batch {
        for o in 0..e.c_out {
            for r in 0..e.out[0] {
                for c in 0..e.out[1] {
                    let taps =
                        (0..e.kernel[0]).filter_map(|dr| Some((dr, e.source(0, r, dr)?))).flat_map(|(dr, row)| {
                            let columns = (0..e.kernel[1]).filter_map(move |dc| Some((dc, e.source(1, c, dc)?)));
                            columns.map(move |(dc, col)| (dr, row, dc, col))
                        });
                    let products = taps.flat_map(|(dr, row, dc, col)| {
                        (0..e.c_in).map(move |i| w[e.w(o, i, dr, dc)] * x[e.x(b, i, row, col)])
                    });
                    let terms = products.chain(bias.map(|bias| bias[o])).chain(addend.map(|addend| addend[dst.len()]));
                    dst.push(R::sum(terms));
                }
            }
        }
    }
    dst
}

fn x_bar<R: Real>(w: &[R], dst_bar: &[R], e: &Extents) -> Vec<R> {
    let mut x_bar = Vec::with_capacity(e.batch * e.c_in * e.size[0] * e.size[1]);
    for b in 0..e.batch {
        for i in 0..e.c_in {
            for row in 0..e.size[0] {
                for col in 0..e.size[1] {
                    let taps =
                        (0..e.kernel[0]).filter_map(|dr| Some((dr, e.reader(0, row, dr)?))).flat_map(|(dr, r)| {
                            let columns = (0..e.kernel[1]).filter_map(move |dc| Some((dc, e.reader(1, col, dc)?)));
                            columns.map(move |(dc, c)| (dr, r, dc, c))
                        });
                    x_bar.push(R::sum(taps.flat_map(|(dr, r, dc, c)| {
                        (0..e.c_out).map(move |o| w[e.w(o, i, dr, dc)] * dst_bar[e.dst(b, o, r, c)])
                    })));
                }
            }
        }
    }
    x_bar
}

/// `[x_bar, w_bar, bias_bar]`.
pub fn backward<R: Real>(x: &[R], w: &[R], dst_bar: &[R], e: &Extents) -> [Vec<R>; 3] {
    let mut w_bar = Vec::with_capacity(w.len());
    for o in 0..e.c_out {
        for i in 0..e.c_in {
            for dr in 0..e.kernel[0] {
                for dc in 0..e.kernel[1] {
                    let rows =
                        (0..e.batch).flat_map(|b| (0..e.out[0]).filter_map(move |r| Some((b, r, e.source(0, r, dr)?))));
                    w_bar.push(R::sum(rows.flat_map(|(b, r, row)| {
                        let columns = (0..e.out[1]).filter_map(move |c| Some((c, e.source(1, c, dc)?)));
                        columns.map(move |(c, col)| dst_bar[e.dst(b, o, r, c)] * x[e.x(b, i, row, col)])
                    })));
                }
            }
        }
    }
    let plane = e.out[0] * e.out[1];
    let of_channel =
        |o: usize| (0..e.batch).flat_map(move |b| (0..plane).map(move |at| (b * e.c_out + o) * plane + at));
    let bias_bar = (0..e.c_out).map(|o| R::sum(of_channel(o).map(|at| dst_bar[at]))).collect();
    [x_bar(w, dst_bar, e), w_bar, bias_bar]
}
