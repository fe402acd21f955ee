//! Dispatches of [`super::Linear`].

use super::contracts::{Params, ParamsW};
use super::{BACKWARD_W, BACKWARD_W_REG, BACKWARD_W_STAGED, FORWARD, FORWARD_REG, FORWARD_STAGED, Linear, Variant};
use crate::error::Result;
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::{DType, WORKGROUP};
use crate::ops::channel_sums::bias_bar;
use crate::ops::cooperative::{self, Axis, Product, View};
use crate::ops::sum_columns::{split, sum_columns};
use crate::ops::variant::{SIDE, split_staged};

/// Rows and columns of a tile of registers, as in the shaders.
const TILE: usize = 8;

/// Columns of a workgroup of the register kernel.
const BLOCK: usize = 512;

impl Linear {
    fn variant(&self, commands: &Commands, dtype: DType) -> Result<Variant> {
        let (e, context) = (&self.extents, commands.context());
        if let Some(variant) = self.variant {
            return Ok(variant);
        }
        // The columns are the batch: however many there are, they are enough.
        let (extents, elements) = ([e.rows, e.depth, usize::MAX], e.outer * e.inner * e.rows.max(e.depth));
        Ok(match Variant::pinned(context, "linear", dtype, &[e.rows, e.depth], &Variant::ALL)? {
            Some(pinned) => pinned,
            None if cooperative::suits(context, dtype, extents, elements)? => Variant::Cooperative,
            None => Variant::choose(e.rows.min(e.depth), context.is_software()),
        })
    }

    /// The channels of all tokens as a matrix of `channels` rows.
    fn view<'a>(&self, tensor: &'a Tensor, channels: usize) -> View<'a> {
        let e = &self.extents;
        let columns = Axis::runs(e.outer * e.inner, e.inner, channels * e.inner);
        View { tensor, batch_step: 0, rows: Axis::even(channels, e.inner), columns }
    }

    /// Cotangents of weights and bias by cooperative matrices: `dst_bar` times `x` transposed, one long sum.
    fn parameters_bar_cooperative(
        &self,
        commands: &mut Commands,
        x: &Tensor,
        g: &Tensor,
        needs: [bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        let e = &self.extents;
        let edge = cooperative::demanded_tile(commands.context())?;
        let mut found = [None, None];
        if needs[0] {
            let w_bar = commands.empty(&[e.rows, e.depth], DType::F32)?;
            let (rows, columns) = (Axis::even(e.rows, e.depth), Axis::even(e.depth, 1));
            let dst = View { tensor: &w_bar, batch_step: 0, rows, columns };
            let (a, b) = (self.view(g, e.rows), self.view(x, e.depth).transposed());
            Product { batch: 1, a, b, dst, shift: None }.record_long(commands, edge)?;
            found[0] = Some(w_bar);
        }
        found[1] = bias_bar(commands, g, [e.outer, e.rows, e.inner], needs[1])?;
        Ok(found)
    }

    /// `dst = W x + bias`, or with `transposed` the cotangent of `x`.
    pub(super) fn map(
        &self,
        commands: &mut Commands,
        x: &Tensor,
        w: &Tensor,
        bias: Option<&Tensor>,
        transposed: bool,
    ) -> Result<Tensor> {
        let e = &self.extents;
        let (shape, rows, depth) = if transposed { (&self.x, e.depth, e.rows) } else { (&self.dst, e.rows, e.depth) };
        let (row, col) = if transposed { (1, e.depth) } else { (e.depth, 1) };
        let dst = commands.empty(shape, x.dtype())?;
        if dst.is_empty() {
            return Ok(dst);
        }
        let columns = e.outer * e.inner;
        let params = Params {
            columns: columns as u32,
            rows: rows as u32,
            depth: depth as u32,
            inner: e.inner as u32,
            row: row as u32,
            col: col as u32,
            biased: bias.is_some().into(),
        };
        let binds = [read(x), read(w), read(bias.unwrap_or(w)), write(&dst)];
        let (kernel, work) = match self.variant(commands, x.dtype())? {
            Variant::Plain => (&FORWARD, Work::invocations(dst.len()).rounds(depth)),
            Variant::Registers => {
                let groups = rows.div_ceil(TILE) * columns.div_ceil(BLOCK);
                (&FORWARD_REG, Work::workgroups(groups).rounds(depth))
            }
            Variant::Staged => {
                let groups = rows.div_ceil(SIDE) * columns.div_ceil(SIDE);
                // Each step is staged and multiplied.
                (&FORWARD_STAGED, Work::workgroups(groups).rounds(4 * depth + 8))
            }
            Variant::Cooperative => {
                let edge = cooperative::demanded_tile(commands.context())?;
                let w = View { tensor: w, batch_step: 0, rows: Axis::even(rows, row), columns: Axis::even(depth, col) };
                let (b, to) = (self.view(x, depth), self.view(&dst, rows));
                Product { batch: 1, a: w, b, dst: to, shift: bias }.record(commands, edge)?;
                return Ok(dst);
            }
        };
        let work = work.flops(2 * dst.len() * depth);
        commands.dispatch(kernel, x.dtype(), &[], &params, &binds, work)?;
        Ok(dst)
    }

    /// Cotangents of the weights and of the bias, those that are needed.
    pub(super) fn parameters_bar(
        &self,
        commands: &mut Commands,
        x: &Tensor,
        g: &Tensor,
        needs: [bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        let e = &self.extents;
        let (columns, weights) = (e.outer * e.inner, e.rows * e.depth);
        // Without weights there is no tile whose invocation could hold the bias' sums.
        let variant = if weights == 0 { Variant::Plain } else { self.variant(commands, x.dtype())? };
        // Staged, the bias is a sum of its own.
        let is_staged = variant == Variant::Staged;
        let width = weights + if needs[1] && !is_staged { e.rows } else { 0 };
        let blocks = e.rows.div_ceil(SIDE) * e.depth.div_ceil(SIDE);
        let (kernel, invocations) = match variant {
            Variant::Plain => (&BACKWARD_W, width),
            Variant::Registers => (&BACKWARD_W_REG, e.rows.div_ceil(TILE) * e.depth.div_ceil(TILE)),
            Variant::Staged if !needs[0] => {
                return Ok([None, bias_bar(commands, g, [e.outer, e.rows, e.inner], needs[1])?]);
            }
            Variant::Staged => (&BACKWARD_W_STAGED, blocks * WORKGROUP as usize),
            Variant::Cooperative => return self.parameters_bar_cooperative(commands, x, g, needs),
        };
        let split = if is_staged { split_staged(columns, blocks) } else { split(columns, invocations) };
        let partial = commands.empty(&[split.tiles, width], DType::F32)?;
        let params = ParamsW {
            columns: columns as u32,
            rows: e.rows as u32,
            depth: e.depth as u32,
            inner: e.inner as u32,
            run: split.run as u32,
            tiles: split.tiles as u32,
            width: width as u32,
        };
        let work = Work::invocations(split.tiles * invocations).flops(2 * columns * width);
        // Each step is staged and multiplied.
        let work = work.rounds(if is_staged { 4 * split.run + 8 } else { split.run });
        commands.dispatch(kernel, x.dtype(), &[], &params, &[read(x), read(g), write(&partial)], work)?;
        let w_bar = needs[0].then(|| sum_columns(commands, &partial, 0, &[e.rows, e.depth])).transpose()?;
        let of_bias = if is_staged {
            bias_bar(commands, g, [e.outer, e.rows, e.inner], needs[1])?
        } else {
            needs[1].then(|| sum_columns(commands, &partial, weights, &[e.rows])).transpose()?
        };
        Ok([w_bar, of_bias])
    }
}
