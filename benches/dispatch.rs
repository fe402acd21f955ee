//! What the host pays for a dispatch in a loop of T steps: recording, and submission without the device's own time.
//! `cargo bench --bench dispatch` runs it; `-- --json` prints the figures for programs.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use kuramoto::{Commands, Context, DType, Result, StepOptions, Tape, Tensor};

/// Steps of the loop.
const STEPS: usize = 1000;
/// Loops of which the median counts, after those that fill the pool and the bind groups.
const LOOPS: usize = 31;
const WARM: usize = 5;

struct Row {
    name: &'static str,
    bindings: usize,
    record: f64,
    submit: f64,
}

fn main() -> ExitCode {
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(3)
        }
    }
}

fn bench() -> Result<()> {
    let context = Context::new()?;
    let rows = [
        time(&context, "scale (2 buffers)", 2, |commands, x, _, _| commands.scale(0.5, x))?,
        time(&context, "sphere_step and its energy", 5, |commands, x, y, gamma| {
            Ok(commands.sphere_step(x, y, gamma, None, &StepOptions::new(2, 1))?.0)
        })?,
        taped(&context)?,
    ];
    if std::env::args().any(|argument| argument == "--json") {
        let rows: Vec<String> = rows
            .iter()
            .map(|r| {
                let Row { name, bindings, record, submit } = r;
                format!(
                    "{{\"name\":\"{name}\",\"buffers\":{bindings},\"record_us\":{record:.3},\"submit_us\":{submit:.3}}}"
                )
            })
            .collect();
        println!("[{}]", rows.join(","));
        return Ok(());
    }
    let info = context.info();
    println!("{}, {} {}; {STEPS} steps, median of {LOOPS} loops", info.name, info.driver, info.driver_info);
    println!("{:<36} {:>14} {:>14} {:>14}", "µs per dispatch", "recording", "submission", "together");
    for Row { name, record, submit, .. } in rows {
        println!("{name:<36} {record:>14.2} {submit:>14.2} {:>14.2}", record + submit);
    }
    Ok(())
}

/// A loop in which each step reads what the one before wrote, eight numbers wide.
fn time(
    context: &Context,
    name: &'static str,
    bindings: usize,
    step: impl Fn(&mut Commands, &Tensor, &Tensor, &Tensor) -> Result<Tensor>,
) -> Result<Row> {
    let state = [0.6f32, 0.8, 0.0, 1.0, 1.0, 0.0, 0.8, 0.6];
    let start = Tensor::from_slice(context, &state, &[1, 4, 2], DType::F32)?;
    let drive = Tensor::from_slice(context, &state, &[1, 4, 2], DType::F32)?;
    let gamma = Tensor::from_slice(context, &[0.1], &[1], DType::F32)?;
    let (mut times, mut dispatches) = (Vec::new(), 1);
    for round in 0..WARM + LOOPS {
        let before = context.counters().dispatches;
        let mut commands = context.commands();
        let begin = Instant::now();
        let mut x = start.clone();
        for _ in 0..STEPS {
            x = step(&mut commands, &x, &drive, &gamma)?;
        }
        let recorded = begin.elapsed();
        dispatches = (context.counters().dispatches - before).max(1);
        commands.submit()?;
        let both = begin.elapsed();
        context.wait()?;
        if round >= WARM {
            times.push((recorded, both - recorded));
        }
    }
    Ok(Row {
        name,
        bindings,
        record: median(times.iter().map(|t| t.0)) / dispatches as f64,
        submit: median(times.iter().map(|t| t.1)) / dispatches as f64,
    })
}

/// The steps of `sphere_step` on a tape that wants gradients, with the backward pass.
fn taped(context: &Context) -> Result<Row> {
    let state = [0.6f32, 0.8, 0.0, 1.0, 1.0, 0.0, 0.8, 0.6];
    let start = Tensor::from_slice(context, &state, &[1, 4, 2], DType::F32)?;
    let gamma = Tensor::from_slice(context, &[0.1], &[1], DType::F32)?;
    let (mut times, mut dispatches) = (Vec::new(), 1);
    for round in 0..WARM + LOOPS {
        let before = context.counters().dispatches;
        let begin = Instant::now();
        let mut tape = Tape::new(context);
        let leaf = tape.leaf(start.clone());
        let gamma = tape.constant(gamma.clone());
        let mut x = leaf;
        for _ in 0..STEPS {
            x = tape.sphere_step(x, leaf, gamma, None, &StepOptions::new(2, 1))?.0;
        }
        let seed = Tensor::from_slice(context, &state, &[1, 4, 2], DType::F32)?;
        let gradients = tape.vjp(&[(x, seed.into())])?;
        let recorded = begin.elapsed();
        dispatches = (context.counters().dispatches - before).max(1);
        if let Some(mut commands) = tape.into_commands() {
            commands.submit()?;
        }
        let both = begin.elapsed();
        context.wait()?;
        drop(gradients);
        if round >= WARM {
            times.push((recorded, both - recorded));
        }
    }
    Ok(Row {
        name: "training step of sphere_step, a tape",
        bindings: 5,
        record: median(times.iter().map(|t| t.0)) / dispatches as f64,
        submit: median(times.iter().map(|t| t.1)) / dispatches as f64,
    })
}

/// In microseconds.
fn median(times: impl Iterator<Item = Duration>) -> f64 {
    let mut times: Vec<Duration> = times.collect();
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6
}
