//! The command `curve`: the published figures, redrawn. Accuracy over steps for oscillators and for the self-attention
//! they are compared with, error over compute, energies of right and wrong answers.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use super::data::{self, Split};
use super::draws::{Ask, Draws};
use super::eval::{Poll, sorted};
use super::judging::{Judged, Row, Set};
use super::machine::{Machine, shipped, weights};
use super::network::{Model, Network, Options};
use super::plots::{Axis, Curve, Histogram, Point, Scale, curves, histograms};
use super::settings::at_least_one;
use super::solving::Solver;
use super::statistics::{Share, smaller};

/// Draws accuracy over steps, error over compute and energies of answers, and writes the numbers
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Weights of oscillators, or the folder of a run [default: those that come with this repository]
    #[arg(long, value_name = "PATH")]
    pub weights: Option<PathBuf>,
    /// Weights of the self-attention they are compared with [default: those that come with this repository, if any]
    #[arg(long, value_name = "PATH")]
    pub baseline: Option<PathBuf>,
    /// Steps
    #[arg(long, value_delimiter = ',', value_parser = at_least_one, default_value = "1,2,4,8,16,32,64,128")]
    pub t_eval: Vec<usize>,
    /// Random starts that votes are held among; fewer are the first of the most
    #[arg(long, value_delimiter = ',', value_parser = at_least_one, default_value = "1,2,4,8,16")]
    pub votes: Vec<usize>,
    #[command(flatten)]
    pub poll: Poll,
    /// Boards of each set
    #[arg(long, value_parser = at_least_one, default_value_t = 200)]
    pub boards: usize,
    /// Of the boards and of the random starts
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Samples computed at a time
    #[arg(long, default_value_t = 100, value_parser = at_least_one)]
    pub batch: usize,
    /// Where boards are kept that were made
    #[arg(long, default_value = data::FOLDER)]
    pub data: PathBuf,
    /// Where pictures and numbers are written
    #[arg(long, default_value = "out/sudoku-curve")]
    pub out: PathBuf,
    #[command(flatten)]
    pub machine: Machine,
}

/// What was measured of one network.
#[derive(Serialize)]
struct Measured {
    weights: String,
    network: Options,
    sets: Vec<Judged>,
    /// Floating-point operations of one draw, in the order of `sets[..].rows[..].steps`.
    flops: Vec<(usize, f64)>,
}

/// Energies of all draws after the most steps, of boards with few givens.
#[derive(Serialize)]
struct Energies {
    steps: usize,
    right: usize,
    wrong: usize,
    mean_right: f64,
    mean_wrong: f64,
    /// The chance that of a right and a wrong answer of the same board the right one has the smaller energy; absent where
    /// no board has both.
    right_is_lower: Option<f64>,
}

#[derive(Serialize)]
struct Report {
    adapter: String,
    vote: &'static str,
    seed: u64,
    oscillators: Measured,
    /// Absent if there are no weights of it.
    baseline: Option<Measured>,
    energies: Energies,
    seconds: f64,
}

/// Floating-point operations of `steps` steps and one readout of a board, matrix products alone; a product of two numbers
/// and a sum count as two.
pub fn flops(options: &Options, steps: usize) -> f64 {
    let (channels, cells, digits) =
        (options.channels as f64, (options.side * options.side) as f64, options.side as f64);
    let square = 2.0 * channels * channels * cells;
    // Queries, keys, values and the output; scores and their sums.
    let step = 4.0 * square + 4.0 * cells * cells * channels;
    let readout = match options.model {
        Model::Akorn => (options.n as f64 + 3.0) * square,
        Model::Itrsa => 4.0 * square,
    };
    options.layers as f64 * (steps as f64 * step + readout) + 2.0 * digits * channels * cells
}

pub fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let path = args.weights.clone().unwrap_or_else(|| shipped(9));
    let (mut solver, options, adapter) = args.machine.solver(&path)?;
    let Network::Akorn(_) = solver.network else {
        return Err(format!("{}: self-attention, not oscillators; give it with --baseline", path.display()).into());
    };
    say!("{adapter}; {}", path.display());
    std::fs::create_dir_all(&args.out).map_err(|why| format!("{}: {why}", args.out.display()))?;
    let made = |split: Split| data::boards_in(&args.data, options.side, split, args.boards, args.seed);
    let sets =
        [Set { name: "ID".into(), boards: made(Split::Test)? }, Set { name: "OOD".into(), boards: made(Split::Hard)? }];
    let votes = sorted([args.votes.as_slice(), &[1]].concat());
    let measure = |solver: &mut Solver, set: &Set, votes: &[usize], name: &str| {
        let draws = votes.last().copied().unwrap_or(1);
        let ask = Ask { stops: sorted(args.t_eval.clone()), draws, batch: args.batch, seed: args.seed };
        let (judged, draws) = set.judge(solver, &ask, votes, args.poll.ballot(), &format!("{name}, {}", set.name))?;
        super::output::text(format_args!("\n{name}, {judged}"));
        Ok::<_, Box<dyn Error>>((judged, draws))
    };
    let (id, _) = measure(&mut solver, &sets[0], &[1], "oscillators")?;
    let (ood, draws) = measure(&mut solver, &sets[1], &votes, "oscillators")?;
    let stops = sorted(args.t_eval.clone());
    let costs = |options: &Options| -> Vec<(usize, f64)> {
        stops.iter().map(|steps| (*steps, flops(options, *steps))).collect()
    };
    let weights_of = |path: &Path| path.display().to_string();
    let oscillators =
        Measured { weights: weights_of(&path), network: options.clone(), sets: vec![id, ood], flops: costs(&options) };

    let baseline = match baseline(args, &options)? {
        Some(path) => {
            let (mut solver, options, _) = args.machine.solver(&path)?;
            if options.model != Model::Itrsa || options.side != oscillators.network.side {
                let why = "no self-attention for boards of this size; --baseline takes weights of `--model itrsa`";
                return Err(format!("{}: {why}", path.display()).into());
            }
            let tables = sets.iter().map(|set| Ok(measure(&mut solver, set, &[1], "self-attention")?.0));
            let sets = tables.collect::<Result<Vec<_>, Box<dyn Error>>>()?;
            Some(Measured { weights: weights_of(&path), flops: costs(&options), network: options, sets })
        }
        None => None,
    };

    let (energies, values) = energies(&draws);
    pictures(&args.out, &oscillators, baseline.as_ref(), &values, args.boards)?;
    say!("\n{}", said(&energies));
    let seconds = started.elapsed().as_secs_f64();
    let report = Report { adapter, vote: args.poll.name(), seed: args.seed, oscillators, baseline, energies, seconds };
    let path = args.out.join("curve.json");
    std::fs::write(&path, serde_json::to_string_pretty(&report)? + "\n")
        .map_err(|why| format!("{}: {why}", path.display()))?;
    say!("{seconds:.0} s; {}: accuracy.png, compute.png, energy.png, curve.json", args.out.display());
    Ok(())
}

/// The baseline's weights: those that were named, or those that come with this repository if there are any.
fn baseline(args: &Args, options: &Options) -> Result<Option<PathBuf>, Box<dyn Error>> {
    if let Some(path) = &args.baseline {
        return Ok(Some(path.clone()));
    }
    let path = weights(if options.side == 9 { "sudoku_itrsa.safetensors" } else { "sudoku4_itrsa.safetensors" });
    if !path.exists() {
        say!("self-attention is left out: {} is not there, and no --baseline was given", path.display());
        return Ok(None);
    }
    Ok(Some(path))
}

/// Energies of right and of wrong answers after the most steps: as they are, and less the mean of their board.
#[derive(Default)]
struct Values {
    right: [Vec<f64>; 2],
    wrong: [Vec<f64>; 2],
}

fn energies(draws: &Draws) -> (Energies, Values) {
    let last = draws.stops.len().saturating_sub(1);
    let (mut values, mut lower) = (Values::default(), vec![]);
    for board in 0..draws.boards() {
        let outcomes = draws.of(last, board, draws.draws);
        let mean = outcomes.iter().map(|outcome| outcome.scores[0]).sum::<f64>() / outcomes.len() as f64;
        let of = |solved: bool| -> Vec<f64> {
            outcomes.iter().filter(|outcome| outcome.solved() == solved).map(|outcome| outcome.scores[0]).collect()
        };
        let (right, wrong) = (of(true), of(false));
        lower.extend(smaller(&right, &wrong));
        for (all, some) in [(&mut values.right, right), (&mut values.wrong, wrong)] {
            all[1].extend(some.iter().map(|energy| energy - mean));
            all[0].extend(some);
        }
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let energies = Energies {
        steps: draws.stops.last().copied().unwrap_or(0),
        right: values.right[0].len(),
        wrong: values.wrong[0].len(),
        mean_right: mean(&values.right[0]),
        mean_wrong: mean(&values.wrong[0]),
        right_is_lower: (!lower.is_empty()).then(|| mean(&lower)),
    };
    (energies, values)
}

fn said(energies: &Energies) -> String {
    let Energies { steps, right, wrong, mean_right, mean_wrong, right_is_lower } = energies;
    let text = format!(
        "energies after {steps} steps, OOD: {right} right answers with a mean of {mean_right:.2}, {wrong} wrong ones with \
         {mean_wrong:.2}"
    );
    match right_is_lower {
        Some(share) => format!(
            "{text}; of a right and a wrong one of the same board the right one is lower in {:.1} %",
            100.0 * share
        ),
        None => format!("{text}; no board has both"),
    }
}

/// The points of the rows of so many draws.
fn points(judged: &Judged, draws: usize, x: impl Fn(&Row) -> f64) -> Vec<Point> {
    let one = |row: &Row| {
        let Share { share, low, high } = row.boards;
        Point { x: x(row), y: share, low, high }
    };
    judged.rows.iter().filter(|row| row.draws == draws).map(one).collect()
}

/// The share of boards that are wrong.
fn errors(points: Vec<Point>) -> Vec<Point> {
    let one = |point: Point| Point { y: 1.0 - point.y, low: 1.0 - point.high, high: 1.0 - point.low, ..point };
    points.into_iter().map(one).collect()
}

fn pictures(
    out: &Path,
    oscillators: &Measured,
    baseline: Option<&Measured>,
    values: &Values,
    boards: usize,
) -> Result<(), Box<dyn Error>> {
    let steps = |row: &Row| row.steps as f64;
    let most = oscillators.sets[1].rows.iter().map(|row| row.draws).max().unwrap_or(1);
    let curve = |name: String, colour: usize, points: Vec<Point>| Curve { name, colour, points };
    let mut lines = vec![
        curve("oscillators, ID".into(), 0, points(&oscillators.sets[0], 1, steps)),
        curve("oscillators, OOD".into(), 1, points(&oscillators.sets[1], 1, steps)),
    ];
    if most > 1 {
        lines.push(curve(format!("oscillators, OOD, vote of {most}"), 2, points(&oscillators.sets[1], most, steps)));
    }
    if let Some(baseline) = baseline {
        lines.push(curve("self-attention, ID".into(), 5, points(&baseline.sets[0], 1, steps)));
        lines.push(curve("self-attention, OOD".into(), 3, points(&baseline.sets[1], 1, steps)));
    }
    let x = Axis { name: "steps T", scale: Scale::Log2 };
    let y = Axis { name: "share of boards solved", scale: Scale::Linear };
    let title = format!("Accuracy over steps, {boards} boards of each set, intervals of 95 %");
    curves(&out.join("accuracy.png"), &title, x, y, &lines)?;

    let cost = |of: &Measured, row: &Row| row.draws as f64 * flops(&of.network, row.steps) / 1e9;
    let longest = oscillators.sets[1].rows.iter().map(|row| row.steps).max().unwrap_or(0);
    let longer = errors(points(&oscillators.sets[1], 1, |row| cost(oscillators, row)));
    let at_longest = |draws: usize| points(&oscillators.sets[1], draws, |row| cost(oscillators, row)).pop();
    let voted = errors(oscillators.sets[1].draws().into_iter().filter_map(at_longest).collect());
    let mut lines = vec![
        curve("oscillators, more steps, one draw".into(), 1, longer),
        curve(format!("oscillators, {longest} steps, more draws"), 2, voted),
    ];
    if let Some(baseline) = baseline {
        let longer = errors(points(&baseline.sets[1], 1, |row| cost(baseline, row)));
        lines.push(curve("self-attention, more steps".into(), 3, longer));
    }
    let x = Axis { name: "GFLOP a board", scale: Scale::Log10 };
    let y = Axis { name: "share of boards not solved", scale: Scale::Log10 };
    curves(&out.join("compute.png"), "Error over compute at test time, OOD", x, y, &lines)?;

    let panel = |name, at: usize| Histogram { name, right: &values.right[at], wrong: &values.wrong[at] };
    let panels = [panel("energy", 0), panel("energy less the mean of the board's draws", 1)];
    histograms(&out.join("energy.png"), &format!("Energies of answers after {longest} steps, OOD"), &panels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(model: Model, channels: usize) -> Options {
        Options { model, side: 9, channels, n: 4, heads: 8, layers: 1, frequency: 0.5 }
    }

    #[test]
    fn operations_of_the_published_network_are_as_counted() {
        // Of a step: 127.4 MF for queries, keys and values, 42.5 for the output, 13.4 for the attention; 298 a readout.
        let paper = options(Model::Akorn, 512);
        let step = flops(&paper, 1) - flops(&paper, 0);
        assert!((step / 1e6 - 183.3).abs() < 0.1, "{step}");
        assert!((flops(&paper, 0) / 1e6 - 298.0).abs() < 0.5, "{}", flops(&paper, 0));
        let baseline = options(Model::Itrsa, 512);
        assert_eq!(flops(&baseline, 3) - flops(&baseline, 2), step);
        assert!(flops(&baseline, 0) < flops(&paper, 0));
    }

    #[test]
    fn energies_are_sorted_by_right_and_wrong() {
        let outcomes = vec![
            (true, [-5.0, 0.0, 0.0]),
            (false, [-3.0, 0.0, 0.0]),
            (false, [-1.0, 0.0, 0.0]),
            (false, [-6.0, 0.0, 0.0]),
        ];
        let (found, values) = energies(&Draws::known(&[7], 2, &[outcomes]));
        assert_eq!((found.steps, found.right, found.wrong), (7, 1, 3));
        assert_eq!((found.mean_right, found.mean_wrong), (-5.0, -10.0 / 3.0));
        // Only the first board has both, and there the right one is lower.
        assert_eq!(found.right_is_lower, Some(1.0));
        assert_eq!((&values.right[1], &values.wrong[1]), (&vec![-1.0], &vec![1.0, 2.5, -2.5]));
        assert!(said(&found).contains("100.0 %"));
    }

    #[test]
    fn errors_turn_intervals_around() {
        let found = errors(vec![Point { x: 2.0, y: 0.75, low: 0.5, high: 1.0 }]);
        assert_eq!(found, [Point { x: 2.0, y: 0.25, low: 0.0, high: 0.5 }]);
    }
}
