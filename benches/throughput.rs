//! Times every bench case, forward and with backward, on the default adapter, after the op has passed conformance in
//! this run. `cargo bench` runs it; `-- --quick` repeats less, `-- --filter GLOB` selects.

use std::time::Instant;

use kuramoto::conformance::{Options, run};
use kuramoto::ops::spec::{Case, OpSpec};
use kuramoto::{Context, DType, ErrorKind, Result, Tape, Value, ops};

struct Settings {
    repeats: usize,
    seconds: f64,
    filter: Option<String>,
}

/// Seconds per run, one per repeat.
struct Sample {
    median: f64,
    spread: f64,
    bytes: u64,
    flops: u64,
}

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let quick = arguments.iter().any(|a| a == "--quick");
    let filter = arguments.iter().position(|a| a == "--filter").and_then(|at| arguments.get(at + 1).cloned());
    let settings = Settings { repeats: if quick { 3 } else { 100 }, seconds: if quick { 0.1 } else { 1.0 }, filter };
    match bench(&settings) {
        Ok(true) => std::process::ExitCode::SUCCESS,
        Ok(false) => std::process::ExitCode::from(1),
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::from(3)
        }
    }
}

fn bench(settings: &Settings) -> Result<bool> {
    let context = Context::new()?;
    let info = context.info();
    println!("{}, {} {}, device timestamps per dispatch", info.name, info.driver, info.driver_info);
    let mut green = true;
    println!(
        "{:<18} {:<8} {:<5} {:<4} {:>10} {:>8} {:>8} {:>9} {:>9}  case",
        "op", "variant", "dtype", "pass", "µs", "± %", "GB/s", "% of copy", "GFLOP/s"
    );
    let copy = copy_rate(&context, settings)?;
    for op in ops::ALL {
        let selected = settings.filter.as_deref().is_none_or(|f| op.name.contains(f.trim_matches('*')));
        if !selected {
            continue;
        }
        // A speed is never reported of a kernel that computes something else.
        let options = Options { filter: Some(format!("{}/*", op.name)), full: false };
        let report = run(&context, &options, &mut |_| ())?;
        if report.failed() > 0 {
            println!("{:<18} not timed: {} rows of its conformance failed", op.name, report.failed());
            green = false;
            continue;
        }
        for case in (op.cases)().iter().filter(|case| case.bench) {
            for dtype in [DType::F32, DType::F16] {
                let applies = case.op.dtype().is_none_or(|only| only == dtype);
                if !applies || (dtype == DType::F16 && !context.has_f16()) {
                    continue;
                }
                for backward in [false, true] {
                    if backward && !op.differentiable {
                        continue;
                    }
                    match time(&context, op, case, dtype, backward, settings) {
                        Ok(Some(sample)) => print_row(op, case, dtype, backward, &sample, copy),
                        // A pass that only hands a buffer on has no kernel to time.
                        Ok(None) => {}
                        Err(error) if error.kind() == ErrorKind::Feature => {
                            println!("{:<18} {:<8} {dtype:<5} not timed: {error}", op.name, case.variant);
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
        }
    }
    Ok(green)
}

fn print_row(op: &OpSpec, case: &Case, dtype: DType, backward: bool, sample: &Sample, copy: f64) {
    let rate = sample.bytes as f64 / sample.median;
    println!(
        "{:<18} {:<8} {:<5} {:<4} {:>10.1} {:>8.1} {:>8.2} {:>9.0} {:>9.2}  {}",
        op.name,
        case.variant,
        dtype.to_string(),
        if backward { "bwd" } else { "fwd" },
        sample.median * 1e6,
        sample.spread * 100.0,
        rate / 1e9,
        100.0 * rate / copy,
        sample.flops as f64 / sample.median / 1e9,
        case.label
    );
}

/// Bytes per second of an elementwise map over 64 MiB: what "% of copy" divides by. A roofline that needs no table of
/// devices.
fn copy_rate(context: &Context, settings: &Settings) -> Result<f64> {
    let mut best = 0.0f64;
    for _ in 0..settings.repeats.min(5) {
        let (_, profile) = context.profile(|commands| {
            let x = commands.fill(1.0, &[1 << 23], DType::F32)?;
            commands.scale(2.0, &x)
        })?;
        if let Some(span) = profile.spans.last() {
            best = best.max(span.bytes as f64 / (span.nanos * 1e-9));
        }
    }
    println!("copy: {:.2} GB/s", best / 1e9);
    Ok(best)
}

/// Runs one case until it has repeated often or long enough. The time of a run is the sum of its dispatches.
fn time(
    context: &Context,
    op: &OpSpec,
    case: &Case,
    dtype: DType,
    backward: bool,
    settings: &Settings,
) -> Result<Option<Sample>> {
    let mut seconds = Vec::new();
    let (mut bytes, mut flops) = (0, 0);
    let begin = Instant::now();
    // The first run compiles pipelines and does not count.
    for repeat in 0..=settings.repeats {
        let mut forward_spans = 0;
        let (_, profile) = Tape::profile(context, |tape| {
            let mut vars = Vec::new();
            for (k, port) in case.op.inputs().iter().enumerate() {
                let spec = port.spec(dtype);
                let data: Vec<f32> =
                    (0..spec.len()).map(|i| ((i * 7919 + k * 104_729) % 2003) as f32 / 1001.5 - 1.0).collect();
                let value = tape.upload(&data, &spec.shape, spec.dtype)?;
                vars.push(tape.leaf(value));
            }
            let outputs = case.op.apply(tape, &vars)?;
            forward_spans = context.counters().dispatches as usize;
            if backward && op.differentiable {
                let mut seeds: Vec<(kuramoto::Var, Value)> = Vec::new();
                for var in outputs {
                    let spec = tape.spec(var)?;
                    seeds.push((var, tape.upload(&vec![0.5f32; spec.len()], &spec.shape, spec.dtype)?));
                }
                tape.vjp(&seeds)?;
            }
            Ok(())
        })?;
        let recorded = context.counters().dispatches as usize;
        let total = profile.spans.len();
        let forward = total.saturating_sub(recorded - forward_spans);
        let spans = if backward { &profile.spans[forward..] } else { &profile.spans[..] };
        if spans.is_empty() {
            return Ok(None);
        }
        if repeat > 0 {
            seconds.push(spans.iter().map(|s| s.nanos).sum::<f64>() * 1e-9);
            bytes = spans.iter().map(|s| s.bytes).sum();
            flops = spans.iter().map(|s| s.flops).sum();
        }
        if repeat > 0 && begin.elapsed().as_secs_f64() > settings.seconds {
            break;
        }
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2].max(1e-9);
    let spread = (seconds[seconds.len() - 1] - seconds[0]) / (2.0 * median);
    Ok(Some(Sample { median, spread, bytes, flops }))
}
