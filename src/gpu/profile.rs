//! Timestamps around every dispatch: a table for people, a trace for Perfetto or `chrome://tracing`.

use std::fmt::{self, Write};

use super::commands::Commands;
use super::context::Context;
use super::readback::words;
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;

/// One dispatch as the device timed it.
#[derive(Clone, Debug)]
pub struct Span {
    /// The kernel's name.
    pub kernel: &'static str,
    /// Storage type.
    pub dtype: DType,
    /// Begin, since the first dispatch of the profile.
    pub start_nanos: f64,
    /// Duration.
    pub nanos: f64,
    /// Bytes of all tensors bound: each read or written once, or both where it is updated in place.
    pub bytes: u64,
    /// Floating-point operations, as the op states them.
    pub flops: u64,
}

/// The spans of one [`Context::profile`], in the order of recording.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// One per dispatch.
    pub spans: Vec<Span>,
    /// Adapter, driver and its version.
    pub device: String,
}

/// Dispatches per query set.
const PER_SET: usize = 2048;

/// Query sets and what each pair of queries times.
pub(crate) struct Timing {
    sets: Vec<wgpu::QuerySet>,
    spans: Vec<Span>,
}

/// The two queries of one pass.
pub(crate) struct Writes {
    set: wgpu::QuerySet,
    first: u32,
}

impl Writes {
    pub(crate) fn passes(&self) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.set,
            beginning_of_pass_write_index: Some(self.first),
            end_of_pass_write_index: Some(self.first + 1),
        }
    }
}

impl Timing {
    pub(crate) fn writes(
        &mut self,
        context: &Context,
        kernel: &'static str,
        dtype: DType,
        bytes: u64,
        flops: u64,
    ) -> Result<Writes> {
        let at = self.spans.len() % PER_SET;
        if at == 0 {
            let descriptor =
                wgpu::QuerySetDescriptor { label: None, ty: wgpu::QueryType::Timestamp, count: 2 * PER_SET as u32 };
            let set = context
                .scoped(|| context.0.device.create_query_set(&descriptor))
                .map_err(|e| context.explain(ErrorKind::Feature, "profile", e))?;
            self.sets.push(set);
        }
        self.spans.push(Span { kernel, dtype, start_nanos: 0.0, nanos: 0.0, bytes, flops });
        match self.sets.last() {
            Some(set) => Ok(Writes { set: set.clone(), first: 2 * at as u32 }),
            None => Err(Error::new(ErrorKind::Feature, "profile: no query set")),
        }
    }
}

impl Profile {
    pub(crate) fn run<T>(context: &Context, f: impl FnOnce(&mut Commands) -> Result<T>) -> Result<(T, Profile)> {
        if !context.0.features.contains(wgpu::Features::TIMESTAMP_QUERY) {
            let message = "profile: the device was created without TIMESTAMP_QUERY; see Context::required_features";
            return Err(Error::new(ErrorKind::Feature, message));
        }
        let mut commands = Commands::timed(context, Timing { sets: vec![], spans: vec![] });
        let value = f(&mut commands)?;
        let info = context.info();
        let device = format!("{}, {} {}", info.name, info.driver, info.driver_info);
        let Some(Timing { sets, mut spans }) = commands.take_timing() else {
            return Ok((value, Profile { spans: vec![], device }));
        };
        let ticks = resolve(context, &mut commands, &sets, spans.len())?;
        let period = f64::from(context.0.queue.get_timestamp_period());
        let origin = ticks.iter().copied().min().unwrap_or(0);
        for (span, pair) in spans.iter_mut().zip(ticks.chunks_exact(2)) {
            span.start_nanos = (pair[0] - origin) as f64 * period;
            // A driver whose clock is coarser than the dispatch may report the end before the begin.
            span.nanos = pair[1].saturating_sub(pair[0]) as f64 * period;
        }
        Ok((value, Profile { spans, device }))
    }

    /// The spans as a Chrome trace: open it in Perfetto or `chrome://tracing`.
    pub fn chrome_trace(&self) -> String {
        let mut text = String::from("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
        for (i, span) in self.spans.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            let _ = write!(
                text,
                "{comma}\n{{\"name\":\"{}\",\"cat\":\"{}\",\"ph\":\"X\",\"pid\":1,\"tid\":1,\"ts\":{:.3},\"dur\":{:.3},\
                 \"args\":{{\"bytes\":{},\"flops\":{}}}}}",
                span.kernel,
                span.dtype,
                span.start_nanos / 1e3,
                span.nanos / 1e3,
                span.bytes,
                span.flops
            );
        }
        text.push_str("\n]}\n");
        text
    }
}

fn resolve(context: &Context, commands: &mut Commands, sets: &[wgpu::QuerySet], spans: usize) -> Result<Vec<u64>> {
    let set_bytes = 16 * PER_SET as u64;
    let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
    let size = (set_bytes * sets.len() as u64).max(16);
    let resolved = context
        .create_buffer("profile", &wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })?;
    for (i, set) in sets.iter().enumerate() {
        // Queries that no pass wrote are undefined to resolve.
        let used = (spans - i * PER_SET).min(PER_SET) as u32;
        commands.encoder().resolve_query_set(set, 0..2 * used, &resolved, i as u64 * set_bytes);
    }
    let bytes = 16 * spans as u64;
    let pending = commands.begin_copy(bytes, |encoder, staging| {
        if bytes > 0 {
            encoder.copy_buffer_to_buffer(&resolved, 0, staging, 0, bytes);
        }
    })?;
    let words: Vec<u32> = words(&pending.wait()?).collect();
    Ok(words.chunks_exact(2).map(|w| u64::from(w[0]) | u64::from(w[1]) << 32).collect())
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<(&str, DType)> = Vec::new();
        for span in &self.spans {
            if !names.contains(&(span.kernel, span.dtype)) {
                names.push((span.kernel, span.dtype));
            }
        }
        writeln!(f, "{}", self.device)?;
        writeln!(
            f,
            "{:<28} {:>6} {:>12} {:>12} {:>9} {:>9}",
            "kernel", "calls", "total µs", "median µs", "GB/s", "GFLOP/s"
        )?;
        for (kernel, dtype) in names {
            let mut nanos = Vec::new();
            let (mut bytes, mut flops) = (0, 0);
            for span in self.spans.iter().filter(|s| (s.kernel, s.dtype) == (kernel, dtype)) {
                nanos.push(span.nanos);
                bytes += span.bytes;
                flops += span.flops;
            }
            nanos.sort_by(f64::total_cmp);
            let total: f64 = nanos.iter().sum();
            let rate = |amount: u64| if total > 0.0 { amount as f64 / total } else { f64::NAN };
            writeln!(
                f,
                "{:<28} {:>6} {:>12.1} {:>12.2} {:>9.2} {:>9.2}",
                format!("{kernel} {dtype}"),
                nanos.len(),
                total / 1e3,
                nanos[nanos.len() / 2] / 1e3,
                rate(bytes),
                rate(flops)
            )?;
        }
        Ok(())
    }
}
