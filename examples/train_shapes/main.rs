//! Finds the objects on images without being told what an object is.
//!
//! The object network of AKOrN (arXiv 2410.13821) learns from drawn images of textured shapes alone, by telling which two
//! views show the same image. Then the features of an image's patches are clustered and compared with the exact masks:
//! FG-ARI and MBO, before training, after it, and for the bare pixels of the patches.
//!
//! `cargo run --example train_shapes` trains three networks in minutes on a software driver, and writes pictures:
//!
//! - `objects.png`: image, masks, clusters before training, clusters after it;
//! - `phases.png`: image, then the phases of four oscillators at the random start and after each step.

#[macro_use]
#[path = "../common/output.rs"]
mod output;

mod clustering;
mod evaluate;
mod metrics;
mod pictures;
mod scene;
mod train;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use kuramoto::Context;
use kuramoto::model::akorn::{ObjectConfig, ObjectCoupling, ObjectNet};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use serde_json::json;

use crate::evaluate::{Found, Scores, compare, evaluate, patches};
use crate::pictures::Tile;
use crate::scene::Scene;
use crate::train::{Plan, Training};

/// The side of an image and of a patch, in pixels.
const SIDE: usize = 32;
const PATCH: usize = 4;

/// Components of an oscillator.
const N: usize = 4;

/// Heads of the attention that couples them.
const HEADS: usize = 2;

/// Into how many clusters the patches of an image are merged: its objects at most, and the background.
const CLUSTERS: usize = *scene::OBJECTS.end() + 1;

/// The scenes that are tested on come from this seed, whatever the networks' seeds.
const TEST_SEED: u64 = 1_000_000;

/// Trains the object network on drawn images and compares the clusters of its features with the exact masks.
#[derive(Parser)]
struct Args {
    /// The seed of the first network
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many networks are trained, from seeds that follow each other
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Steps of the optimiser per network
    #[arg(long, default_value_t = 50)]
    steps: usize,
    /// Images of a training step, each seen twice
    #[arg(long, default_value_t = 12, value_parser = at_least_one)]
    batch: usize,
    /// Learning rate
    #[arg(long, default_value_t = 3e-3)]
    rate: f64,
    /// Steps of the oscillators
    #[arg(long, default_value_t = 4, value_parser = at_least_one)]
    rounds: usize,
    /// Channels of the network, a multiple of 8
    #[arg(long, default_value_t = 32)]
    channels: usize,
    /// How many images are tested on
    #[arg(long, default_value_t = 48, value_parser = at_least_one)]
    images: usize,
    /// The loss is read after every so many steps
    #[arg(long, default_value_t = 10, value_parser = at_least_one)]
    log_every: usize,
    /// Two steps of one network and four images, to see that everything runs
    #[arg(long)]
    quick: bool,
    /// Where pictures are written
    #[arg(long, default_value = "target/train_shapes")]
    out: PathBuf,
    /// Where the numbers are written as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "must be a whole number of at least 1".into())
}

/// What came of one network.
struct Outcome {
    seed: u64,
    /// Steps, and the mean loss up to there since the one before.
    losses: Vec<(usize, f64)>,
    before: Found,
    after: Found,
    took: Duration,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = Args::parse();
    if args.quick {
        (args.seeds, args.steps, args.log_every, args.images, args.batch) = (1, 2, 1, 4, 4);
    }
    let started = Instant::now();
    let context = Context::new()?;
    let net = ObjectNet::new(ObjectConfig {
        image: SIDE,
        patch: PATCH,
        channels: args.channels,
        n: N,
        coupling: ObjectCoupling::Attention { heads: HEADS, positions: true },
        ..ObjectConfig::default()
    })?;
    let mut rng = ChaCha8Rng::seed_from_u64(TEST_SEED);
    let scenes: Vec<Scene> = (0..args.images).map(|_| Scene::draw(&mut rng, SIDE)).collect();
    note!("{context:?}");
    note!("{} images to test on, {} parameters to learn", scenes.len(), net.parameters(args.seed)?.learned());

    let pixels: Vec<Vec<f32>> = scenes.iter().map(|scene| patches(scene, PATCH)).collect();
    let pixels = compare(&scenes, &pixels, PATCH)?.scores;
    let bar = ProgressBar::new(args.seeds * args.steps as u64);
    bar.set_style(ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}, {eta} to go")?);
    let mut outcomes = Vec::new();
    for seed in (0..args.seeds).map(|i| args.seed.wrapping_add(i)) {
        outcomes.push(train(&args, &context, &net, &scenes, seed, &bar)?);
    }
    bar.finish_and_clear();

    std::fs::create_dir_all(&args.out)?;
    draw(&args.out, &scenes, &outcomes[0])?;
    report(&pixels, &outcomes);
    note!("{:.0} s; pictures in {}", started.elapsed().as_secs_f64(), args.out.display());
    if let Some(path) = &args.json {
        std::fs::write(path, json(&pixels, &outcomes, started.elapsed()).to_string() + "\n")?;
    }
    Ok(())
}

fn train(
    args: &Args,
    context: &Context,
    net: &ObjectNet,
    scenes: &[Scene],
    seed: u64,
    bar: &ProgressBar,
) -> Result<Outcome, Box<dyn Error>> {
    let started = Instant::now();
    let Args { steps, batch, rate, rounds, log_every, .. } = *args;
    let mut training = Training::new(context, net, Plan { seed, batch, rate, rounds, log_every })?;
    let before = evaluate(context, net, &training.trainer.placed(false)?, scenes, rounds)?;
    let mut losses = Vec::new();
    for step in 1..=steps {
        if let Some(loss) = training.step()? {
            losses.push((step, loss));
            bar.set_message(format!("seed {seed}, loss {loss:.3}"));
            let per_step = started.elapsed().as_secs_f64() / step as f64;
            bar.suspend(|| note!("seed {seed}, step {step:>4}: loss {loss:.3}, {per_step:.2} s a step"));
        }
        bar.inc(1);
    }
    let after = evaluate(context, net, &training.trainer.placed(false)?, scenes, rounds)?;
    Ok(Outcome { seed, losses, before, after, took: started.elapsed() })
}

fn mean(outcomes: &[Outcome], of: impl Fn(&Outcome) -> f64) -> f64 {
    outcomes.iter().map(of).sum::<f64>() / outcomes.len() as f64
}

fn report(pixels: &Scores, outcomes: &[Outcome]) {
    let line = |name: &str, scores: [f64; 4]| {
        let [rand_before, rand, overlap_before, overlap] = scores;
        note!("{name:<8} {rand_before:>9.3} {rand:>9.3} {overlap_before:>12.3} {overlap:>9.3}");
    };
    let scores =
        |o: &Outcome| [o.before.scores.rand, o.after.scores.rand, o.before.scores.overlap, o.after.scores.overlap];
    note!("\n{:<8} {:>19} {:>22}", "", "FG-ARI", "MBO");
    note!("{:<8} {:>9} {:>9} {:>12} {:>9}", "", "untrained", "trained", "untrained", "trained");
    for outcome in outcomes {
        line(&format!("seed {}", outcome.seed), scores(outcome));
    }
    let means = [0, 1, 2, 3].map(|at| mean(outcomes, |outcome| scores(outcome)[at]));
    line("mean", means);
    note!("bare pixels of the patches: FG-ARI {:.3}, MBO {:.3}", pixels.rand, pixels.overlap);
    note!("training adds {:.3} to FG-ARI, mean of {} seeds", means[1] - means[0], outcomes.len());
}

fn json(pixels: &Scores, outcomes: &[Outcome], took: Duration) -> serde_json::Value {
    let scores = |scores: &Scores| json!({ "fg_ari": scores.rand, "mbo": scores.overlap });
    let seeds = outcomes.iter().map(|outcome| {
        json!({
            "seed": outcome.seed,
            "losses": outcome.losses,
            "untrained": scores(&outcome.before.scores),
            "trained": scores(&outcome.after.scores),
            "seconds": outcome.took.as_secs_f64(),
        })
    });
    let gain = mean(outcomes, |outcome| outcome.after.scores.rand - outcome.before.scores.rand);
    json!({
        "seeds": seeds.collect::<Vec<_>>(),
        "pixels": scores(pixels),
        "fg_ari_gain": gain,
        "seconds": took.as_secs_f64(),
    })
}

fn draw(folder: &Path, scenes: &[Scene], outcome: &Outcome) -> image::ImageResult<()> {
    let objects = scenes.iter().enumerate().take(8).map(|(at, scene)| {
        let tiles = [
            Tile::photo(&scene.image, SIDE),
            Tile::labels(&scene.objects, SIDE, true),
            Tile::labels(&outcome.before.clusters[at], SIDE, false),
            Tile::labels(&outcome.after.clusters[at], SIDE, false),
        ];
        tiles.map(Some).into()
    });
    pictures::write(&folder.join("objects.png"), &objects.collect::<Vec<_>>())?;

    let phases = scenes.iter().zip(&outcome.after.states).take(3).flat_map(|(scene, states)| {
        (0..4).map(move |which| {
            let photo = (which == 0).then(|| Tile::photo(&scene.image, SIDE));
            let phases = states.iter().map(|state| Some(Tile::phases(state, SIDE / PATCH, N, which)));
            [photo].into_iter().chain(phases).collect()
        })
    });
    pictures::write(&folder.join("phases.png"), &phases.collect::<Vec<_>>())
}
