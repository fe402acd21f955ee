//! The command `profile`: what each kernel costs in one training step, by the device's own clock.

use std::error::Error;
use std::fmt::Write;
use std::path::PathBuf;

use kuramoto::model::akorn::Run;
use kuramoto::model::{Trainer, TrainerOptions};
use kuramoto::{AdamOptions, Commands, Context, Profile, Result as Lib, Storage, Stream, Tape};

use super::board::Board;
use super::data::{Split, boards_in};
use super::machine::Machine;
use super::network::{Network, TRAINING};
use super::settings::{Flags, Settings};

/// Times every kernel of one training step, and says which takes most
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    pub flags: Flags,
    /// Where the table and the trace are written
    #[arg(long, value_name = "DIR", default_value = "out/sudoku-profile")]
    pub out: PathBuf,
    /// Where boards are kept that were made
    #[arg(long, default_value = super::data::FOLDER)]
    pub data: PathBuf,
    #[command(flatten)]
    pub machine: Machine,
}

pub fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let settings = Settings::new(&args.flags)?;
    let network = Network::new(&settings.network)?;
    let context = args.machine.context()?;
    let boards = boards_in(&args.data, settings.network.side, Split::Train, settings.batch, settings.seed)?;
    let parameters = network.parameters(settings.seed)?;
    let adam = AdamOptions::new(settings.rate);
    let adam = if settings.clip > 0.0 { adam.clip(settings.clip) } else { adam };
    let mut trainer = Trainer::new(&mut Tape::new(&context), &parameters, TrainerOptions::new(adam))?;
    // The first step compiles kernels and makes buffers.
    profiled(&context, &network, &settings, &mut trainer, &boards)?;
    let profile = profiled(&context, &network, &settings, &mut trainer, &boards)?;

    let text = table(&profile, &settings, parameters.learned());
    print!("{text}");
    std::fs::create_dir_all(&args.out).map_err(|why| format!("{}: {why}", args.out.display()))?;
    for (name, text) in [("profile.txt", text), ("trace.json", profile.chrome_trace())] {
        let path = args.out.join(name);
        std::fs::write(&path, text).map_err(|why| format!("{}: {why}", path.display()))?;
    }
    println!("{}: profile.txt, and trace.json for Perfetto or chrome://tracing", args.out.display());
    Ok(())
}

/// One step of the optimiser.
fn profiled(
    context: &Context,
    network: &Network,
    settings: &Settings,
    trainer: &mut Trainer,
    boards: &[Board],
) -> Lib<Profile> {
    let profile = context.profile(|commands| {
        // A tape owns its recording, a profile lends its own: it goes into the tape and comes back.
        let recording = std::mem::replace(commands, context.commands());
        *commands = step(recording, network, settings, trainer, boards)?.unwrap_or_else(|| context.commands());
        Ok(())
    });
    Ok(profile?.1)
}

fn step(
    recording: Commands,
    network: &Network,
    settings: &Settings,
    trainer: &mut Trainer,
    boards: &[Board],
) -> Lib<Option<Commands>> {
    let all = |get: fn(&Board) -> &Vec<u32>| boards.iter().flat_map(get).copied().collect::<Vec<u32>>();
    let (puzzles, solutions) = (all(|board| &board.puzzle), all(|board| &board.solution));
    let mut tape = Tape::from_commands(recording);
    let bound = trainer.bind(&mut tape)?;
    let stream = Stream { seed: settings.seed, first_sample: 0, step: trainer.steps(), stream: TRAINING };
    let storage = if settings.keep == 0 { Storage::Everything } else { Storage::Every(settings.keep) };
    let run = Run::new(settings.t).storage(storage);
    let answers = network.forward(&mut tape, &bound, &puzzles, stream, &run)?;
    let loss = network.loss(&mut tape, &answers, &solutions)?;
    let gradients = tape.backward(loss)?;
    trainer.step(&mut tape, &bound, &gradients, &[])?;
    Ok(tape.into_commands())
}

/// Kernels by what they take together, most first: name, calls, nanoseconds.
fn totals(profile: &Profile) -> Vec<(String, usize, f64)> {
    let mut totals: Vec<(String, usize, f64)> = vec![];
    for span in &profile.spans {
        match totals.iter_mut().find(|total| total.0 == span.kernel) {
            Some(total) => (total.1, total.2) = (total.1 + 1, total.2 + span.nanos),
            None => totals.push((span.kernel.to_owned(), 1, span.nanos)),
        }
    }
    totals.sort_by(|a, b| b.2.total_cmp(&a.2));
    totals
}

fn table(profile: &Profile, settings: &Settings, parameters: usize) -> String {
    let totals = totals(profile);
    let all: f64 = totals.iter().map(|total| total.2).sum();
    let mut text = format!("{}\n", profile.device);
    let _ = writeln!(
        text,
        "one training step: {} boards, {} channels, T = {}, {parameters} parameters; {} dispatches, {:.1} ms",
        settings.batch,
        settings.network.channels,
        settings.t,
        profile.spans.len(),
        all / 1e6
    );
    let _ = writeln!(text, "\n{:<32} {:>6} {:>10} {:>8}", "kernel", "calls", "ms", "share");
    for (kernel, calls, nanos) in &totals {
        let share = 100.0 * nanos / all.max(1.0);
        let _ = writeln!(text, "{kernel:<32} {calls:>6} {:>10.2} {share:>6.1} %", nanos / 1e6);
    }
    if let Some((kernel, _, nanos)) = totals.first() {
        let _ = writeln!(text, "\n{kernel} dominates: {:.1} % of the step", 100.0 * nanos / all.max(1.0));
    }
    text
}

#[cfg(test)]
mod tests {
    use kuramoto::{DType, Span};

    use super::super::settings::Preset;
    use super::*;

    #[test]
    fn kernels_are_summed_and_the_largest_is_named() {
        let span = |kernel: &'static str, nanos: f64| Span {
            kernel,
            dtype: DType::F32,
            start_nanos: 0.0,
            nanos,
            bytes: 1,
            flops: 1,
        };
        let spans = vec![span("a", 1e6), span("b", 2e6), span("a", 2e6)];
        let profile = Profile { spans, device: "device".into() };
        assert_eq!(totals(&profile), [("a".into(), 2, 3e6), ("b".into(), 1, 2e6)]);
        let settings = Settings::new(&Flags { preset: Some(Preset::Tiny), ..Flags::default() }).unwrap();
        let text = table(&profile, &settings, 7);
        assert!(text.contains("a dominates: 60.0 % of the step"), "{text}");
        assert!(text.contains("3 dispatches, 5.0 ms"), "{text}");
    }
}
