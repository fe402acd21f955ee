//! The command `profile`: what each kernel costs in one training step, by the device's own clock.

use std::error::Error;
use std::fmt::Write;
use std::path::PathBuf;

use kuramoto::model::Trainer;
use kuramoto::{Context, Profile, Result as Lib, Tape};

use super::board::Board;
use super::data::{Split, boards_in};
use super::machine::Machine;
use super::network::Network;
use super::settings::{Flags, Settings};
use super::step;

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
    let mut trainer = Trainer::new(&mut Tape::new(&context), &parameters, settings.trainer())?;
    // The first step compiles kernels and makes buffers.
    profiled(&context, &network, &settings, &mut trainer, &boards)?;
    let profile = profiled(&context, &network, &settings, &mut trainer, &boards)?;

    let text = table(&profile, &settings, parameters.learned());
    super::output::text(format_args!("{text}"));
    std::fs::create_dir_all(&args.out).map_err(|why| format!("{}: {why}", args.out.display()))?;
    for (name, text) in [("profile.txt", text), ("trace.json", profile.chrome_trace())] {
        let path = args.out.join(name);
        std::fs::write(&path, text).map_err(|why| format!("{}: {why}", path.display()))?;
    }
    say!("{}: profile.txt, and trace.json for Perfetto or chrome://tracing", args.out.display());
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
        let mut tape = Tape::from_commands(recording);
        step::record(&mut tape, network, settings, trainer, boards)?;
        *commands = tape.into_commands().unwrap_or_else(|| context.commands());
        Ok(())
    });
    Ok(profile?.1)
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

/// Kernels are named after their op: the one with the longest name that a kernel's begins with.
fn by_op(totals: &[(String, usize, f64)]) -> Vec<(&str, f64)> {
    let mut ops: Vec<(&str, f64)> = vec![];
    for (kernel, _, nanos) in totals {
        let named = kuramoto::ops::ALL.iter().map(|op| op.name).filter(|op| kernel.starts_with(op));
        let op = named.max_by_key(|op| op.len()).unwrap_or(kernel);
        match ops.iter_mut().find(|other| other.0 == op) {
            Some(other) => other.1 += nanos,
            None => ops.push((op, *nanos)),
        }
    }
    ops.sort_by(|a, b| b.1.total_cmp(&a.1));
    ops
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
    let _ = writeln!(text, "\n{:<32} {:>26}", "op, all kernels", "share");
    let ops = by_op(&totals);
    for (op, nanos) in &ops {
        let _ = writeln!(text, "{op:<32} {:>24.1} %", 100.0 * nanos / all.max(1.0));
    }
    if let (Some((kernel, _, nanos)), Some((op, of_op))) = (totals.first(), ops.first()) {
        let [one, together] = [nanos, of_op].map(|nanos| 100.0 * nanos / all.max(1.0));
        let _ = writeln!(
            text,
            "\nThe kernel {kernel} dominates with {one:.1} % of the step, the op {op} with {together:.1} %"
        );
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
        let spans =
            [("linear_reg", 1e6), ("add", 3e6), ("linear_reg", 2.5e6), ("linear_bwd_w", 0.5e6), ("none_such", 1e6)];
        let spans = spans.into_iter().map(|(kernel, nanos)| span(kernel, nanos)).collect();
        let profile = Profile { spans, device: "device".into() };
        let totals = totals(&profile);
        assert_eq!(totals[..2], [("linear_reg".into(), 2, 3.5e6), ("add".into(), 1, 3e6)]);
        assert_eq!(by_op(&totals), [("linear", 4e6), ("add", 3e6), ("none_such", 1e6)]);
        let settings = Settings::new(&Flags { preset: Some(Preset::Tiny), ..Flags::default() }).unwrap();
        let text = table(&profile, &settings, 7);
        let wanted = "The kernel linear_reg dominates with 43.8 % of the step, the op linear with 50.0 %\n";
        assert!(text.ends_with(wanted) && text.contains("5 dispatches, 8.0 ms"), "{text}");
    }
}
