//! Repeats without pauses. A GPU that idles between two repeats lowers its clock, and the same kernel takes several times as
//! long: repeats that count follow, in the same recording, others that do not.

use std::time::Duration;

use kuramoto::{Commands, Context, Result, Span};

/// Work before the repeats that count.
pub const WARM: Duration = Duration::from_millis(60);

/// Dispatches of it at most: recording takes time too.
const DISPATCHES: usize = 1 << 13;

/// One repeat: what recording it gave, and its dispatches, the first of which begins at 0.
pub struct Repeat<T> {
    pub value: T,
    pub spans: Vec<Span>,
}

impl<T> Repeat<T> {
    /// Of all its dispatches.
    pub fn nanos(&self) -> f64 {
        self.spans.iter().map(|span| span.nanos).sum()
    }
}

/// What records one repeat.
type Record<'a, T> = dyn FnMut(&mut Commands) -> Result<T> + 'a;

/// `count` repeats in one recording.
fn together<T>(context: &Context, count: usize, record: &mut Record<'_, T>) -> Result<Vec<Repeat<T>>> {
    let (recorded, profile) = context.profile(|commands| {
        let mut recorded = Vec::with_capacity(count);
        for _ in 0..count {
            let before = context.counters().dispatches;
            let value = record(commands)?;
            recorded.push((value, (context.counters().dispatches - before) as usize));
        }
        Ok(recorded)
    })?;
    let mut rest = profile.spans.into_iter();
    let repeat = |(value, dispatches)| {
        let mut spans: Vec<Span> = rest.by_ref().take(dispatches).collect();
        let begin = spans.first().map_or(0.0, |span| span.start_nanos);
        spans.iter_mut().for_each(|span| span.start_nanos -= begin);
        Repeat { value, spans }
    };
    Ok(recorded.into_iter().map(repeat).collect())
}

/// Repeats that fill [`WARM`] if each is as `last`.
fn filling<T>(last: Option<&Repeat<T>>) -> usize {
    let Some(last) = last else { return 1 };
    let most = (DISPATCHES / last.spans.len().max(1)).max(1);
    // A clock may be too coarse for it, and a pass may have no dispatch.
    ((WARM.as_nanos() as f64 / last.nanos().max(1.0)).ceil() as usize).clamp(1, most)
}

/// Compiles, lets the clock settle, and tells how many repeats keep the device busy for [`WARM`]. On a software driver,
/// whose clock is the processor's, none are needed.
pub fn settle<T>(context: &Context, record: &mut Record<'_, T>) -> Result<usize> {
    let mut last = together(context, 1, record)?;
    if context.is_software() {
        return Ok(0);
    }
    // The first estimate is that of a slow clock, and too few.
    for _ in 0..2 {
        last = together(context, filling(last.last()), record)?;
    }
    Ok(filling(last.last()))
}

/// `count` repeats after `warm` others without a pause; on a software driver each in a recording of its own.
pub fn measure<T>(context: &Context, count: usize, warm: usize, record: &mut Record<'_, T>) -> Result<Vec<Repeat<T>>> {
    if !context.is_software() {
        return Ok(together(context, warm + count, record)?.split_off(warm));
    }
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        all.extend(together(context, 1, record)?);
    }
    Ok(all)
}

/// The shortest of `count` repeats, in nanoseconds.
pub fn least(context: &Context, count: usize, mut record: impl FnMut(&mut Commands) -> Result<()>) -> Result<f64> {
    let warm = settle(context, &mut record)?;
    let repeats = measure(context, count, warm, &mut record)?;
    Ok(repeats.iter().map(Repeat::nanos).filter(|nanos| *nanos > 0.0).fold(f64::INFINITY, f64::min))
}

#[cfg(test)]
mod tests {
    use kuramoto::DType;

    use super::*;

    #[test]
    fn warming_up_takes_as_many_repeats_as_fill_the_time() {
        let repeat = |dispatches: usize, nanos: f64| {
            let span = Span { kernel: "k", dtype: DType::F32, start_nanos: 0.0, nanos, bytes: 0, flops: 0 };
            Repeat { value: (), spans: vec![span; dispatches] }
        };
        assert_eq!(filling(Some(&repeat(1, 1e6))), 60);
        assert_eq!(filling(Some(&repeat(3, 1e6))), 20);
        assert_eq!(filling(Some(&repeat(2, 1e9))), 1);
        // A clock that is too coarse, a pass without dispatches.
        assert_eq!(filling(Some(&repeat(2, 0.0))), DISPATCHES / 2);
        assert_eq!(filling(Some(&repeat(0, 0.0))), DISPATCHES);
        assert_eq!(filling::<()>(None), 1);
    }
}
