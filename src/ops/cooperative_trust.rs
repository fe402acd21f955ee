//! Whether a device's cooperative matrices can be had, are right, and suit a product.

use super::{Axis, LANES, Partial, Product, Terms, View, unpack};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Context, Tensor};
use crate::kernel::DType;

/// Extents from which on a subgroup's block of matrices is worth its filling.
const LEAST: usize = 64;

/// Whether cooperative matrices are to be chosen for `[rows, depth, columns]`: for f16, on a GPU whose products are right,
/// once a block is full, and as long as the device can bind the f32 sums of the result's `elements` with their filling.
pub(in crate::ops) fn suits(context: &Context, dtype: DType, extents: [usize; 3], elements: usize) -> Result<bool> {
    let large = extents.iter().all(|extent| *extent >= LEAST);
    let fits = elements as u64 * 8 <= context.device().limits().max_storage_buffer_binding_size;
    Ok(large && fits && !context.is_software() && serves(context, dtype)?)
}

/// Whether they can run at all.
pub(in crate::ops) fn serves(context: &Context, dtype: DType) -> Result<bool> {
    Ok(dtype == DType::F16 && trusted_tile(context)?.is_some())
}

/// Whether a workgroup of the product, and what it stages, fits the device, whose subgroups are all of one known size.
fn fits(context: &Context, edge: u32) -> bool {
    let (limits, info) = (context.device().limits(), context.info());
    let fours = 8 * edge * (edge / 2 + 2) + 2 * edge * (2 * edge + 2);
    // What the gradient of a convolution's weights finds ahead.
    let places = 4 * edge;
    info.subgroup_min_size == info.subgroup_max_size
        && LANES.contains(&info.subgroup_min_size)
        && limits.max_compute_workgroup_storage_size >= 8 * fours + 4 * places
        && limits.max_compute_invocations_per_workgroup >= 4 * info.subgroup_min_size
}

/// The edge of the cooperative matrices (f16 operands, f32 sums) whose products this device gets right: 8, 16, or `None`
/// where it has none or gets them wrong.
///
/// The first call multiplies some matrices of small integers, whose products are exact in any order, and compares every
/// element; it waits for the device, and later calls know the answer.
///
/// # Errors
/// `DeviceLost`, `Timeout`.
pub fn trusted_tile(context: &Context) -> Result<Option<u32>> {
    let Some(edge) = context.cooperative_tile().filter(|edge| fits(context, *edge)) else { return Ok(None) };
    let right = match context.cooperation() {
        Some(right) => right,
        None => {
            let right = match self_test(context, edge, 4) {
                Ok(wrong) => wrong == 0,
                Err(error) if error.is_recoverable() => false,
                Err(error) => return Err(error),
            };
            context.set_cooperation(right);
            right
        }
    };
    Ok(right.then_some(edge))
}

/// Multiplies random matrices of integers by cooperative matrices, `rounds` times those of three sizes, and counts the
/// elements that are wrong; see [`trusted_tile`], which asks for four rounds. More rounds find races that are rarer.
///
/// # Errors
/// `Feature` where the device has no such matrices; `Shader` if it does not compile them; as
/// [`Commands::dispatch`](crate::Commands::dispatch).
pub fn self_test(context: &Context, edge: u32, rounds: usize) -> Result<usize> {
    // No extent of the first two is a multiple of a tile's; the sums of the last are long.
    const SIZES: [[usize; 4]; 3] = [[2, 100, 70, 50], [1, 33, 200, 130], [1, 128, 512, 64]];
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut number = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as i64 % 9
    };
    let mut wrong = 0;
    for [batch, rows, depth, columns] in std::iter::repeat_n(SIZES, rounds).flatten() {
        let a: Vec<i64> = (0..batch * rows * depth).map(|_| number()).collect();
        let b: Vec<i64> = (0..batch * depth * columns).map(|_| number()).collect();
        let upload = |data: &[i64], shape: [usize; 3]| {
            let floats: Vec<f32> = data.iter().map(|v| *v as f32).collect();
            Tensor::from_slice(context, &floats, &shape, DType::F16)
        };
        let (left, right) = (upload(&a, [batch, rows, depth])?, upload(&b, [batch, depth, columns])?);
        let mut commands = context.commands();
        let dst = commands.empty(&[batch, rows, columns], DType::F32)?;
        let view = |tensor, rows: usize, columns: usize| View {
            tensor,
            batch_step: rows * columns,
            rows: Axis::even(rows, columns),
            columns: Axis::even(columns, 1),
        };
        let product = Product { batch, a: view(&left, rows, depth), b: view(&right, depth, columns) };
        // Once into new sums and once added to these.
        let sizes = product.sizes(edge, 1);
        let sums = commands.empty(&[batch, sizes.rows * sizes.columns], DType::F32)?;
        for begun in [false, true] {
            product.add_up(&mut commands, edge, 1, &Partial { tensor: sums.clone(), begun })?;
        }
        unpack(&mut commands, &sums, batch, sizes, &view(&dst, rows, columns), Terms::default())?;
        let got = commands.read(&dst)?;
        for (at, got) in got.iter().enumerate() {
            let (z, m, n) = (at / (rows * columns), at / columns % rows, at % columns);
            let want: i64 = (0..depth).map(|k| a[(z * rows + m) * depth + k] * b[(z * depth + k) * columns + n]).sum();
            wrong += usize::from(*got != 2.0 * want as f32);
        }
    }
    Ok(wrong)
}

/// The edge of a device that must have trusted matrices: a case's.
pub(in crate::ops) fn demanded_tile(context: &Context) -> Result<u32> {
    let missing = |why: &str| Error::new(ErrorKind::Feature, format!("cooperative matrices: {why}"));
    match trusted_tile(context)? {
        Some(edge) => Ok(edge),
        None if context.cooperative_tile().is_some() => {
            Err(missing("this device rejects the product, or gets it wrong"))
        }
        None => Err(missing("the device has none with f16 operands and f32 sums")),
    }
}
