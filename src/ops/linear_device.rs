//! Dispatches of [`super::Linear`].

use super::contracts::{Params, ParamsW};
use super::{BACKWARD_W, BACKWARD_W_REG, BACKWARD_W_STAGED, FORWARD, FORWARD_REG, FORWARD_STAGED, Linear, Variant};
use crate::error::Result;
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::{DType, WORKGROUP};
use crate::ops::channel_sums;
use crate::ops::cooperative::{self, Axis, Product, View};
use crate::ops::sum_columns::split;
use crate::ops::variant::{SIDE, Terms, WeightSums, split_staged};
use crate::tape::OpenSum;

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

    /// `dst = W x` and `terms`, or with `transposed` the cotangent of `x`.
    pub(super) fn map(
        &self,
        commands: &mut Commands,
        x: &Tensor,
        w: &Tensor,
        terms: Terms<'_>,
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
            biased: terms.bias.is_some().into(),
            added: terms.addend.is_some().into(),
        };
        let binds = [read(x), read(w), read(terms.bias.unwrap_or(w)), read(terms.addend.unwrap_or(w)), write(&dst)];
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
                Product::of(w, b).record(commands, edge, &to, terms)?;
                return Ok(dst);
            }
        };
        let work = work.flops(2 * dst.len() * depth);
        commands.dispatch(kernel, x.dtype(), &[], &params, &binds, work)?;
        Ok(dst)
    }

    /// Cotangents of the weights and of the bias, those that are needed: into the call's sums, as far as these are free.
    pub(super) fn parameters_bar(
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
        let (columns, weights) = (e.outer * e.inner, e.rows * e.depth);
        // Without weights there is no tile whose invocation could hold the bias' sums.
        let variant = if weights == 0 { Variant::Plain } else { self.variant(commands, x.dtype())? };
        // Staged, the bias is a sum of its own.
        let is_apart = matches!(variant, Variant::Staged | Variant::Cooperative);
        let mut bias_bar = None;
        if is_apart && needs[1] {
            bias_bar = channel_sums::bias_bar(commands, g, [e.outer, e.rows, e.inner], sums, 2)?;
        }
        if is_apart && !needs[0] {
            return Ok([None, bias_bar]);
        }
        let bias = (needs[1] && !is_apart).then_some(e.rows);
        let width = weights + bias.unwrap_or(0);
        let blocks = e.rows.div_ceil(SIDE) * e.depth.div_ceil(SIDE);
        let (kernel, invocations) = match variant {
            Variant::Plain => (&BACKWARD_W, width),
            Variant::Registers => (&BACKWARD_W_REG, e.rows.div_ceil(TILE) * e.depth.div_ceil(TILE)),
            Variant::Staged => (&BACKWARD_W_STAGED, blocks * WORKGROUP as usize),
            Variant::Cooperative => {
                let edge = cooperative::demanded_tile(commands.context())?;
                let (a, b) = (self.view(g, e.rows), self.view(x, e.depth).transposed());
                let w_bar = Product::of(a, b).record_long(commands, edge, &[e.rows, e.depth], sums, 1)?;
                return Ok([w_bar, bias_bar]);
            }
        };
        let split = if is_apart { split_staged(columns, blocks) } else { split(columns, invocations) };
        let work = Work::invocations(split.tiles * invocations).flops(2 * columns * width);
        // Each step is staged and multiplied.
        let work = work.rounds(if is_apart { 4 * split.run + 8 } else { split.run });
        let weights = &[e.rows, e.depth];
        let first_stage = WeightSums { kernel, tiles: split.tiles, weights, needs_weights: needs[0], bias };
        let [w_bar, of_bias] = first_stage.record(commands, sums, |commands, partial| {
            let params = ParamsW {
                columns: columns as u32,
                rows: e.rows as u32,
                depth: e.depth as u32,
                inner: e.inner as u32,
                run: split.run as u32,
                tiles: split.tiles as u32,
                width: width as u32,
                begun: partial.begun.into(),
            };
            commands.dispatch(kernel, x.dtype(), &[], &params, &[read(x), read(g), partial.bind()], work)
        })?;
        Ok([w_bar, of_bias.or(bias_bar)])
    }
}
