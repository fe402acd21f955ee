//! [`super::Conv2d`] by cooperative matrices, with strides of 1.

use super::contracts::{ParamsCooperative, ParamsWCooperative};
use super::{BACKWARD_W_COOPERATIVE, COOPERATIVE, Conv2d};
use crate::error::Result;
use crate::gpu::{Commands, Tensor, read, write};
use crate::kernel::DType;
use crate::ops::call::Partial;
use crate::ops::cooperative::{self, Axis, Sizes, View};
use crate::ops::variant::Terms;
use crate::tape::OpenSum;

impl Conv2d {
    /// [`Conv2d::map`] into `dst`.
    pub(super) fn map_cooperative(
        &self,
        commands: &mut Commands,
        x: &Tensor,
        w: &Tensor,
        terms: Terms<'_>,
        transposed: bool,
        dst: &Tensor,
    ) -> Result<()> {
        let e = &self.extents;
        let edge = cooperative::demanded_tile(commands.context())?;
        let taps = e.kernel[0] * e.kernel[1];
        let (rows, depth) = if transposed { (e.c_in, e.c_out) } else { (e.c_out, e.c_in) };
        let (src, size) = if transposed { (e.out, e.size) } else { (e.size, e.out) };
        let plane = size[0] * size[1];
        let pixels = e.batch * plane;
        let sizes = Sizes::new(rows, pixels, depth, edge, 1);
        let packed = self.by_taps(w, transposed).packed(commands, taps, sizes.rows, sizes.depth)?;
        let sums = commands.empty(&[sizes.rows, sizes.columns], DType::F32)?;
        let params = ParamsCooperative {
            rows: sizes.rows as u32,
            columns: sizes.columns as u32,
            pixels: pixels as u32,
            depth: depth as u32,
            deep: sizes.depth as u32,
            height: src[0] as u32,
            width: src[1] as u32,
            out_height: size[0] as u32,
            out_width: size[1] as u32,
            kh: e.kernel[0] as u32,
            kw: e.kernel[1] as u32,
            pad_h: e.padding[0] as u32,
            pad_w: e.padding[1] as u32,
            transposed: transposed.into(),
        };
        let (constants, work) = sizes.work(commands.context(), edge, 1, taps);
        let work = work.flops(self.flops());
        let binds = [read(x), read(&packed), write(&sums)];
        commands.dispatch(&COOPERATIVE, DType::F16, &constants, &params, &binds, work)?;
        let columns = Axis::runs(pixels, plane, rows * plane);
        let to = View { tensor: dst, batch_step: 0, rows: Axis::even(rows, plane), columns };
        cooperative::unpack(commands, &sums, 1, sizes, &to, terms)
    }

    /// The cotangent of the weights: for each tap, `dst_bar` times the shifted `x` transposed, one long sum; into the call's
    /// sum, if that is free.
    pub(super) fn weights_bar_cooperative(
        &self,
        commands: &mut Commands,
        x: &Tensor,
        g: &Tensor,
        sums: &mut [Option<OpenSum>],
    ) -> Result<Option<Tensor>> {
        let e = &self.extents;
        let edge = cooperative::demanded_tile(commands.context())?;
        let taps = e.kernel[0] * e.kernel[1];
        let (plane, x_plane) = (e.out[0] * e.out[1], e.size[0] * e.size[1]);
        let (pixels, x_pixels) = (e.batch * plane, e.batch * x_plane);
        let whole = Sizes::new(e.c_out, e.c_in, pixels, edge, 1);
        let parts = whole.parts(edge, taps, pixels);
        let sizes = Sizes::new(e.c_out, e.c_in, pixels, edge, parts);
        let run = sizes.depth / parts;
        let of_bar = Axis::runs(pixels, plane, e.c_out * plane);
        let bar = View { tensor: g, batch_step: 0, rows: Axis::even(e.c_out, plane), columns: of_bar };
        let bar = bar.packed(commands, 1, sizes.rows, sizes.depth)?;
        let of_x = Axis::runs(x_pixels, x_plane, e.c_in * x_plane);
        let pixelwise = View { tensor: x, batch_step: 0, rows: of_x, columns: Axis::even(e.c_in, x_plane) };
        // One row more, of zeros: what taps read outside of the image.
        let pixelwise = pixelwise.packed(commands, 1, x_pixels + 1, sizes.columns)?;
        let width = taps * sizes.rows * sizes.columns;
        let partial = Partial::find(commands, sums, &[1], &BACKWARD_W_COOPERATIVE, &[parts, width])?;
        let params = ParamsWCooperative {
            rows: sizes.rows as u32,
            columns: sizes.columns as u32,
            pixels: pixels as u32,
            run: run as u32,
            parts: parts as u32,
            zeros: x_pixels as u32,
            height: e.size[0] as u32,
            width: e.size[1] as u32,
            out_height: e.out[0] as u32,
            out_width: e.out[1] as u32,
            kh: e.kernel[0] as u32,
            kw: e.kernel[1] as u32,
            pad_h: e.padding[0] as u32,
            pad_w: e.padding[1] as u32,
            begun: partial.begun.into(),
        };
        let (constants, work) = Sizes { depth: run, ..sizes }.work(commands.context(), edge, parts * taps, 1);
        let work = work.flops(self.flops());
        let binds = [read(&pixelwise), read(&bar), partial.bind()];
        commands.dispatch(&BACKWARD_W_COOPERATIVE, DType::F16, &constants, &params, &binds, work)?;
        let of = self.clone();
        partial.leave(commands, sums, 1, &BACKWARD_W_COOPERATIVE, move |commands, partial| {
            let whole = cooperative::add_parts(commands, partial)?;
            let w_bar = commands.empty(&of.w_shape(), DType::F32)?;
            cooperative::unpack(commands, &whole, taps, sizes, &of.by_taps(&w_bar, false), Terms::default())?;
            Ok(w_bar)
        })
    }
}
