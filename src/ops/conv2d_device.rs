//! How [`super::Conv2d`] runs on a device.

use super::contracts::{Params, ParamsReg, ParamsW};
use super::{BACKWARD_W, BACKWARD_W_REG, BACKWARD_W_STAGED, BACKWARD_X, Conv2d, FORWARD, REG, STAGED, Variant, choose};
use crate::cpu::conv2d::Extents;
use crate::error::Result;
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::{DType, WORKGROUP};
use crate::ops::call::Call;
use crate::ops::channel_sums;
use crate::ops::cooperative::{self, Axis, View};
use crate::ops::sum_columns::split;
use crate::ops::variant::{Extra, SIDE, Terms, WeightSums, split_staged};
use crate::tape::OpenSum;

/// Rows and columns of a tile of registers, as in the shaders.
const TILE: usize = 8;

/// Pixels of a workgroup of the register kernel.
const BLOCK: usize = 512;

impl Conv2d {
    fn variant(&self, commands: &Commands, dtype: DType) -> Result<Variant> {
        let (e, context) = (&self.extents, commands.context());
        if let Some(variant) = self.variant {
            return Ok(variant);
        }
        let extents = [e.c_out, e.c_in, e.kernel[0] * e.kernel[1]];
        let candidates: &[Variant] = if e.stride == [1, 1] { &Variant::ALL } else { &Variant::TILED };
        if let Some(pinned) = Variant::pinned(context, "conv2d", dtype, &extents, candidates)? {
            return Ok(pinned);
        }
        // The pixels are the batch: however many there are, they are enough.
        let elements = e.batch * (e.c_out * e.out[0] * e.out[1]).max(e.c_in * e.size[0] * e.size[1]);
        // The sums of the weights' gradient are filled up in both directions.
        let elements = elements.max(2 * e.c_out * e.c_in * e.kernel[0] * e.kernel[1]);
        let suits = e.stride == [1, 1] && cooperative::suits(context, dtype, [e.c_out, e.c_in, usize::MAX], elements)?;
        Ok(if suits { Variant::Cooperative } else { choose(e.c_in, e.c_out, context.is_software()) })
    }

    /// Between the weights of neighbouring channels of the result and of the operand.
    fn steps(&self, transposed: bool) -> [usize; 2] {
        let (c_in, taps) = (self.extents.c_in, self.extents.kernel[0] * self.extents.kernel[1]);
        if transposed { [taps, c_in * taps] } else { [c_in * taps, taps] }
    }

    /// The weights as a matrix for each tap, its rows the channels of the result.
    pub(super) fn by_taps<'a>(&self, w: &'a Tensor, transposed: bool) -> View<'a> {
        let e = &self.extents;
        let (rows, depth) = if transposed { (e.c_in, e.c_out) } else { (e.c_out, e.c_in) };
        let [row, col] = self.steps(transposed);
        View { tensor: w, batch_step: 1, rows: Axis::even(rows, row), columns: Axis::even(depth, col) }
    }

    /// Floating-point operations of one pass: a multiplication and an addition per tap.
    pub(super) fn flops(&self) -> usize {
        let e = &self.extents;
        2 * e.batch * e.out[0] * e.out[1] * e.c_out * e.c_in * e.kernel[0] * e.kernel[1]
    }

    fn params(&self, len: usize, terms: Terms<'_>) -> Params {
        let e = &self.extents;
        Params {
            len: len as u32,
            c_in: e.c_in as u32,
            c_out: e.c_out as u32,
            height: e.size[0] as u32,
            width: e.size[1] as u32,
            out_height: e.out[0] as u32,
            out_width: e.out[1] as u32,
            kh: e.kernel[0] as u32,
            kw: e.kernel[1] as u32,
            stride_h: e.stride[0] as u32,
            stride_w: e.stride[1] as u32,
            pad_h: e.padding[0] as u32,
            pad_w: e.padding[1] as u32,
            biased: terms.bias.is_some().into(),
            added: terms.addend.is_some().into(),
        }
    }

    /// `dst` with `terms` added, or with `transposed` the cotangent of `x` from that of `dst`.
    pub(super) fn map(
        &self,
        commands: &mut Commands,
        x: &Tensor,
        w: &Tensor,
        terms: Terms<'_>,
        transposed: bool,
    ) -> Result<Tensor> {
        let e = &self.extents;
        let (rows, depth) = if transposed { (e.c_in, e.c_out) } else { (e.c_out, e.c_in) };
        let dst = commands.empty(&if transposed { self.x_shape() } else { self.dst_shape() }, x.dtype())?;
        if dst.is_empty() {
            return Ok(dst);
        }
        let rounds = depth * (1 + e.kernel[0] * (1 + e.kernel[1]));
        match (self.variant(commands, x.dtype())?, transposed) {
            (Variant::Cooperative, _) if !w.is_empty() => {
                self.map_cooperative(commands, x, w, terms, transposed, &dst)?;
            }
            (Variant::Plain, false) => {
                let binds =
                    [read(x), read(w), read(terms.bias.unwrap_or(w)), read(terms.addend.unwrap_or(w)), write(&dst)];
                let work = Work::invocations(dst.len()).rounds(rounds).flops(self.flops());
                let params = self.params(dst.len(), terms);
                commands.dispatch(&FORWARD, x.dtype(), &[], &params, &binds, work)?;
            }
            (Variant::Plain, true) => {
                let work = Work::invocations(dst.len()).rounds(rounds).flops(self.flops());
                let binds = [read(w), read(x), write(&dst)];
                commands.dispatch(
                    &BACKWARD_X,
                    x.dtype(),
                    &[],
                    &self.params(dst.len(), Terms::default()),
                    &binds,
                    work,
                )?;
            }
            (variant, _) => {
                let taps = e.kernel[0] * e.kernel[1];
                let (src, size) = if transposed { (e.out, e.size) } else { (e.size, e.out) };
                let phases = if transposed { e.stride } else { [1, 1] };
                let grid = [size[0].div_ceil(phases[0]), size[1].div_ceil(phases[1])];
                let pixels = e.batch * grid[0] * grid[1];
                let [row, col] = self.steps(transposed);
                // Of a tap at a time, neighbouring weights lie apart; staging them then takes a sector of memory for each.
                let outermost = variant == Variant::Staged && taps > 1 && !w.is_empty();
                let packed;
                let (w, row, col, tap) = if outermost {
                    packed = self.by_taps(w, transposed).transposed().packed(commands, taps, depth, rows)?;
                    (&packed, 1, rows, depth * rows)
                } else {
                    (w, row, col, 1)
                };
                let params = ParamsReg {
                    pixels: pixels as u32,
                    rows: rows as u32,
                    depth: depth as u32,
                    grid_height: grid[0] as u32,
                    grid_width: grid[1] as u32,
                    dst_height: size[0] as u32,
                    dst_width: size[1] as u32,
                    height: src[0] as u32,
                    width: src[1] as u32,
                    kh: e.kernel[0] as u32,
                    kw: e.kernel[1] as u32,
                    stride_h: e.stride[0] as u32,
                    stride_w: e.stride[1] as u32,
                    pad_h: e.padding[0] as u32,
                    pad_w: e.padding[1] as u32,
                    row: row as u32,
                    col: col as u32,
                    tap: tap as u32,
                    transposed: transposed.into(),
                    biased: terms.bias.is_some().into(),
                    added: terms.addend.is_some().into(),
                };
                let binds =
                    [read(x), read(w), read(terms.bias.unwrap_or(w)), read(terms.addend.unwrap_or(w)), write(&dst)];
                let (kernel, groups, each) = match variant {
                    // Each channel of x is staged and multiplied, and the last ones are filled up to eight.
                    Variant::Staged | Variant::Cooperative => {
                        (&STAGED, rows.div_ceil(SIDE) * pixels.div_ceil(SIDE), 4 * depth + 32)
                    }
                    _ => (&REG, rows.div_ceil(TILE) * pixels.div_ceil(BLOCK), depth),
                };
                let rounds = e.kernel[0] * (1 + e.kernel[1] * (1 + each));
                let work = Work::workgroups(phases[0] * phases[1] * groups).rounds(rounds).flops(self.flops());
                commands.dispatch(kernel, x.dtype(), &[], &params, &binds, work)?;
            }
        }
        Ok(dst)
    }

    /// Cotangents of the weights and of the bias, those that are needed: into the call's sums, as far as these are free.
    fn parameters_bar(
        &self,
        commands: &mut Commands,
        x: &Tensor,
        g: &Tensor,
        needs: [bool; 2],
        sums: &mut [Option<OpenSum>],
    ) -> Result<[Option<Tensor>; 2]> {
        let e = &self.extents;
        if needs == [false, false] {
            return Ok([None, None]);
        }
        let columns = e.c_in * e.kernel[0] * e.kernel[1];
        let (pixels, weights) = (e.batch * e.out[0] * e.out[1], e.c_out * columns);
        // Without weights there is no tile whose invocation could hold the bias' sums.
        let variant = if weights == 0 { Variant::Plain } else { self.variant(commands, x.dtype())? };
        // Staged, the bias is a sum of its own.
        let is_apart = matches!(variant, Variant::Staged | Variant::Cooperative);
        let mut bias_bar = None;
        if is_apart && needs[1] {
            bias_bar = channel_sums::bias_bar(commands, g, [e.batch, e.c_out, e.out[0] * e.out[1]], sums, 2)?;
        }
        if is_apart && !needs[0] {
            return Ok([None, bias_bar]);
        }
        let bias = (needs[1] && !is_apart).then_some(e.c_out);
        let width = weights + bias.unwrap_or(0);
        let blocks = e.c_out.div_ceil(SIDE) * columns.div_ceil(SIDE);
        let (kernel, invocations) = match variant {
            Variant::Plain => (&BACKWARD_W, width),
            Variant::Registers => (&BACKWARD_W_REG, e.c_out.div_ceil(TILE) * columns.div_ceil(TILE)),
            Variant::Staged => (&BACKWARD_W_STAGED, blocks * WORKGROUP as usize),
            Variant::Cooperative => {
                return Ok([self.weights_bar_cooperative(commands, x, g, sums)?, bias_bar]);
            }
        };
        let split = if is_apart { split_staged(pixels, blocks) } else { split(pixels, invocations) };
        // Each step is staged and multiplied.
        let rounds = if is_apart { 4 * split.run + 8 } else { split.run };
        let work = Work::invocations(split.tiles * invocations).rounds(rounds).flops(self.flops());
        let weights = &self.w_shape();
        let first_stage = WeightSums { kernel, tiles: split.tiles, weights, needs_weights: needs[0], bias };
        let [w_bar, of_bias] = first_stage.record(commands, sums, |commands, partial| {
            let params = ParamsW {
                pixels: pixels as u32,
                c_in: e.c_in as u32,
                c_out: e.c_out as u32,
                height: e.size[0] as u32,
                width: e.size[1] as u32,
                out_height: e.out[0] as u32,
                out_width: e.out[1] as u32,
                kh: e.kernel[0] as u32,
                kw: e.kernel[1] as u32,
                stride_h: e.stride[0] as u32,
                stride_w: e.stride[1] as u32,
                pad_h: e.padding[0] as u32,
                pad_w: e.padding[1] as u32,
                run: split.run as u32,
                tiles: split.tiles as u32,
                sums: width as u32,
                begun: partial.begun.into(),
            };
            commands.dispatch(kernel, x.dtype(), &[], &params, &[read(x), read(g), partial.bind()], work)
        })?;
        Ok([w_bar, of_bias.or(bias_bar)])
    }

    /// Cotangents of all inputs that the call needs.
    pub(super) fn gradients(&self, commands: &mut Commands, call: Call<'_>) -> Result<Vec<Option<Tensor>>> {
        let Call { inputs, needs, sums, .. } = call;
        let Some(g) = call.cotangents[0] else { return Ok(vec![None; inputs.len()]) };
        let x_bar = needs[0].then(|| self.map(commands, g, inputs[1], Terms::default(), true)).transpose()?;
        let wanted = [needs[1], self.extra.biased && needs[2]];
        let [w_bar, bias_bar] = self.parameters_bar(commands, inputs[0], g, wanted, sums)?;
        Ok(self.extra.arranged([x_bar, w_bar, bias_bar], Some(g.clone())))
    }
}

/// The fast kernels for an op that is a convolution of stride 1 with an odd kernel, its centre on the pixel, a bias and perhaps
/// an addend. The extents are that op's to check.
impl Commands {
    pub(crate) fn conv2d_centred(&mut self, inputs: &[&Tensor]) -> Result<Tensor> {
        let op = centred(inputs);
        op.map(self, inputs[0], inputs[1], op.extra.terms(inputs), false)
    }

    pub(crate) fn conv2d_centred_bwd(&mut self, call: Call<'_>) -> Result<Vec<Option<Tensor>>> {
        centred(call.inputs).gradients(self, call)
    }
}

fn centred(inputs: &[&Tensor]) -> Conv2d {
    let (x, w) = (inputs[0].shape(), inputs[1].shape());
    let extents = Extents {
        batch: x[0],
        c_in: x[1],
        c_out: w[0],
        size: [x[2], x[3]],
        out: [x[2], x[3]],
        kernel: [w[2], w[3]],
        stride: [1, 1],
        padding: [w[2] / 2, w[3] / 2],
    };
    // Of one channel too, which the op itself would leave to the plain kernel.
    let variant = (extents.c_in.max(extents.c_out) < 2).then_some(Variant::Registers);
    Conv2d { extents, extra: Extra { biased: true, added: inputs.len() == 4 }, variant }
}
