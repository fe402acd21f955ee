//! From the extents of a tensor to its oscillators.

use crate::cpu::{Channels, Oscillators};
use crate::error::{Error, ErrorKind, Result};

/// Splits axis `axis` of a state with extents `shape` into oscillators of `n` components. The first axis counts samples.
pub(crate) fn oscillators(op: &str, shape: &[usize], axis: usize, n: usize) -> Result<Oscillators> {
    if n < 2 {
        return Err(Error::argument(ErrorKind::Param, op, "n", n, "at least 2 components (one cannot rotate)"));
    }
    split(op, shape, axis, "n", n)
}

/// Splits axis `axis` into neurons of `k` components, of which one is enough.
pub(crate) fn vectors(op: &str, shape: &[usize], axis: usize, k: usize) -> Result<Oscillators> {
    if k == 0 {
        return Err(Error::argument(ErrorKind::Param, op, "k", k, "at least 1 component"));
    }
    split(op, shape, axis, "k", k)
}

fn split(op: &str, shape: &[usize], axis: usize, argument: &str, n: usize) -> Result<Oscillators> {
    let channels = extent(op, shape, axis)?;
    if channels % n != 0 {
        let got = format!("{channels} channels along axis {axis}");
        let wanted = format!("a multiple of {argument} = {n}");
        return Err(Error::argument(ErrorKind::Shape, op, "x", got, wanted));
    }
    indexable(op, shape)?;
    let groups = channels / n;
    Ok(Oscillators {
        samples: shape[0],
        groups,
        outer: shape[..axis].iter().product::<usize>() * groups,
        n,
        inner: shape[axis + 1..].iter().product(),
    })
}

/// The extent of `axis`, which is any but the first.
pub(crate) fn extent(op: &str, shape: &[usize], axis: usize) -> Result<usize> {
    shape.get(axis).copied().filter(|_| axis > 0).ok_or_else(|| {
        let wanted = format!("an axis of {shape:?} after the first, which counts samples");
        Error::argument(ErrorKind::Shape, op, "axis", axis, wanted)
    })
}

/// Entries of the longest row that `indptr` cuts out.
pub(super) fn longest_row(indptr: &[u32]) -> usize {
    indptr.windows(2).map(|pair| (pair[1] - pair[0]) as usize).max().unwrap_or(0)
}

/// Elements of a plane of `[B, C, ..]`, of which there is at least one.
pub(crate) fn plane(op: &str, shape: &[usize]) -> Result<usize> {
    let plane = shape.iter().skip(2).product();
    if shape.len() < 2 || plane == 0 {
        let wanted = "[B, C, ..] with planes that are not empty";
        return Err(Error::argument(ErrorKind::Shape, op, "x", format!("{shape:?}"), wanted));
    }
    indexable(op, shape)?;
    Ok(plane)
}

/// Splits `shape` about its channel axis, which is any but the first.
pub(crate) fn channels(op: &str, shape: &[usize], axis: usize) -> Result<Channels> {
    let channels = extent(op, shape, axis)?;
    indexable(op, shape)?;
    Ok(Channels { outer: shape[..axis].iter().product(), channels, inner: shape[axis + 1..].iter().product() })
}

/// Refuses extents whose product 32-bit indices do not reach.
pub(crate) fn indexable(op: &str, shape: &[usize]) -> Result<()> {
    let elements = shape.iter().try_fold(1usize, |n, extent| n.checked_mul(*extent));
    if elements.is_none_or(|n| u32::try_from(n).is_err()) {
        let message = format!("{op}: {shape:?} has more elements than 32-bit indices reach ({})", u32::MAX);
        return Err(Error::new(ErrorKind::Index, message));
    }
    Ok(())
}
