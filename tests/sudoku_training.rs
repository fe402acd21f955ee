//! Training in `examples/sudoku`: settings, the log, checkpoints, and a run that stops and goes on.
#![cfg(all(feature = "gpu", feature = "weights"))]
#![allow(dead_code)] // The example uses what these tests do not.

#[macro_use]
#[path = "../examples/common/output.rs"]
mod output;

#[path = "../examples/sudoku/board.rs"]
mod board;
#[path = "../examples/sudoku/canvas.rs"]
mod canvas;
#[path = "../examples/sudoku/checkpoint.rs"]
mod checkpoint;
#[path = "../examples/sudoku/data.rs"]
mod data;
#[path = "common/folder.rs"]
mod folder;
#[path = "../examples/sudoku/log.rs"]
mod log;
#[path = "../examples/sudoku/network.rs"]
mod network;
#[path = "../examples/sudoku/order.rs"]
mod order;
#[path = "../examples/sudoku/session.rs"]
mod session;
#[path = "../examples/sudoku/settings.rs"]
mod settings;
#[path = "../examples/sudoku/solver.rs"]
mod solver;
#[path = "../examples/sudoku/step.rs"]
mod step;
#[path = "../examples/sudoku/tally.rs"]
mod tally;
#[path = "../examples/sudoku/train.rs"]
mod train;

use std::path::{Path, PathBuf};

use board::Board;
use folder::Folder;
use kuramoto::model::{Snapshot, Trainer, TrainerOptions};
use kuramoto::{AdamOptions, Tape};
use log::{Log, Row};
use network::{Model, Network, Options};
use settings::{Flags, Places, Preset, Settings};
use tally::Tally;
use train::Args;

fn flags() -> Flags {
    Flags { preset: Some(Preset::Tiny), channels: Some(8), n: Some(4), heads: Some(2), t: Some(2), ..Flags::default() }
}

fn args(folder: &Path, name: &str, flags: Flags) -> Args {
    let places = Places { out: folder.join(name), data: folder.join("boards"), json: None };
    let quick = Args::quick(PathBuf::new());
    Args { flags, places, overwrite: false, log_every: 2, test_every: 0, test_boards: 8, ..quick }
}

fn steps(steps: u32) -> Flags {
    Flags { steps: Some(steps), batch: Some(4), boards: Some(10), ..flags() }
}

/// The bytes of all parts of a checkpoint.
fn parts(out: &Path) -> Vec<u8> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(out.join("checkpoint")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    files.sort();
    assert!(!files.is_empty());
    files.iter().flat_map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn a_run_that_stops_and_goes_on_keeps_what_one_without_a_stop_keeps() {
    let folder = Folder::new("sudoku-resume");
    for model in [Model::Akorn, Model::Itrsa] {
        let of = |count: u32| Flags { model: Some(model), ..steps(count) };
        let through = args(&folder, "through", of(7));
        train::train(&Args { overwrite: true, ..through.clone() }).unwrap();
        let parted = args(&folder, "parted", of(3));
        train::train(&Args { overwrite: true, ..parted.clone() }).unwrap();
        assert_ne!(parts(&parted.places.out), parts(&through.places.out));
        // Another command that knows nothing of the options of the first.
        let on = Flags { steps: Some(7), ..Flags::default() };
        train::train(&Args { flags: on, resume: true, ..parted.clone() }).unwrap();
        assert!(parts(&parted.places.out) == parts(&through.places.out), "{model:?} differs");
        let log = std::fs::read_to_string(parted.places.out.join("log.csv")).unwrap();
        let rows: Vec<&str> = log.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
        assert_eq!(rows, ["2", "3", "4", "6", "7"]);

        // The weights for use are those of the checkpoint's average, in f16.
        let (network, options, weights) = checkpoint::load(&parted.places.out).unwrap();
        let (_, same, exact) = checkpoint::load(&parted.places.out.join("checkpoint")).unwrap();
        assert_eq!((options.model, &options), (model, &same));
        assert_eq!(network.side(), 4);
        for (rounded, exact) in weights.iter().zip(exact.iter()) {
            let all = rounded.values.iter().zip(&exact.values);
            assert!(all.clone().all(|(r, e)| (r - e).abs() <= e.abs() * 1e-3 + 1e-7), "{}", exact.name);
        }
        assert!(weights != exact);
    }
}

#[test]
fn a_run_is_neither_overwritten_nor_invented_nor_bent() {
    let folder = Folder::new("sudoku-refuse");
    let first = args(&folder, "run", steps(2));
    let refused = |args: &Args, words: &[&str]| {
        let why = train::train(args).map(|_| ()).unwrap_err().to_string();
        assert!(words.iter().all(|word| why.contains(word)), "{why}");
    };
    refused(&Args { resume: true, ..first.clone() }, &["no run", "without --resume"]);
    train::train(&first).unwrap();
    refused(&first, &["--resume", "--overwrite", "--out"]);
    let on = |flags: Flags| Args { flags, resume: true, ..first.clone() };
    refused(&on(Flags { batch: Some(5), ..Flags::default() }), &["batch is 4", "not 5", "--rate"]);
    refused(&on(Flags { model: Some(Model::Itrsa), ..Flags::default() }), &["model"]);
    refused(&on(Flags { rate: Some(-1.0), ..Flags::default() }), &["--rate is -1"]);
    // The rate and the steps of the oscillators may change; the checkpoint tells.
    let changed = Flags { rate: Some(0.5), t: Some(3), steps: Some(3), ..Flags::default() };
    train::train(&on(changed)).unwrap();
    let text = std::fs::read_to_string(first.places.out.join("checkpoint/run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut changes: Vec<String> = run["run"]["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| format!("{} {} {} {}", change["step"], change["option"], change["before"], change["after"]))
        .collect();
    changes.sort();
    let wanted = [r#"2 "rate" "0.015" "0.5""#, r#"2 "steps" "2" "3""#, r#"2 "t" "2" "3""#];
    assert_eq!(changes, wanted);

    // A part that is gone, another version.
    let at = |name: &str| first.places.out.join("checkpoint").join(name);
    std::fs::rename(at("part-000.safetensors"), at("elsewhere")).unwrap();
    refused(&on(Flags::default()), &["part-000.safetensors"]);
    std::fs::rename(at("elsewhere"), at("part-000.safetensors")).unwrap();
    std::fs::write(at("run.json"), text.replace("\"version\": 1", "\"version\": 7")).unwrap();
    refused(&on(Flags::default()), &["run.json", "version 7", "version 1"]);
    std::fs::write(at("run.json"), text).unwrap();
    train::train(&on(Flags::default())).unwrap();
}

#[test]
fn a_run_starts_from_given_weights() {
    let folder = Folder::new("sudoku-from");
    let first = args(&folder, "first", steps(2));
    train::train(&first).unwrap();
    let from = Some(first.places.out.clone());
    // Without a rate nothing is learned: what comes out is what went in.
    let still = Flags { rate: Some(0.0), ..steps(1) };
    let second = Args { from: from.clone(), ..args(&folder, "second", still) };
    train::train(&second).unwrap();
    let weights = |args: &Args| checkpoint::load(&args.places.out).unwrap().2;
    assert_eq!(weights(&second), weights(&first));
    let text = std::fs::read_to_string(second.places.out.join("checkpoint/run.json")).unwrap();
    assert!(text.contains(&format!("\"from\": {:?}", first.places.out)), "{text}");
    let wider = Flags { channels: Some(16), ..steps(1) };
    let refused = train::train(&Args { from, ..args(&folder, "third", wider) }).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("another network"), "{refused}");
}

#[test]
fn lengths_of_runs_are_drawn_anew_and_the_same_again() {
    let settings = |spread: usize| Settings::new(&Flags { t: Some(5), spread: Some(spread), ..flags() });
    let lengths = |settings: &Settings| (0..200).map(|step| settings.run(step).steps).collect::<Vec<_>>();
    let spread = settings(2).unwrap();
    let drawn = lengths(&spread);
    assert!((3..=7).all(|length| drawn.iter().filter(|drawn| **drawn == length).count() > 20), "{drawn:?}");
    assert!(drawn.iter().all(|length| (3..=7).contains(length)));
    assert_eq!(lengths(&spread), drawn);
    assert!(lengths(&settings(0).unwrap()).iter().all(|length| *length == 5));
    assert!(settings(5).unwrap_err().contains("--spread is 5; with --t 5 it is at most 4"));
}

#[test]
fn the_time_ends_a_run_that_can_go_on() {
    let folder = Folder::new("sudoku-time");
    let first = args(&folder, "run", steps(5));
    train::train(&Args { max_seconds: Some(0.0), ..first.clone() }).unwrap();
    let out = &first.places.out;
    let step = |out: &Path| {
        let text = std::fs::read_to_string(out.join("checkpoint/run.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["run"]["step"].as_u64()
    };
    assert_eq!(step(out), Some(1));
    // As if the computer had stopped between the two renamings of a swap, with a row in the log that is not checkpointed.
    std::fs::rename(out.join("checkpoint"), out.join("checkpoint.old")).unwrap();
    let log = std::fs::read_to_string(out.join("log.csv")).unwrap();
    std::fs::write(out.join("log.csv"), log + "2,8,0.1,1,0,0,,\n").unwrap();
    let json = folder.join("out.json");
    let places = Places { json: Some(json.clone()), ..first.places.clone() };
    train::train(&Args { resume: true, flags: Flags::default(), places, ..first.clone() }).unwrap();
    assert_eq!(step(out), Some(5));
    assert!(!out.join("checkpoint.old").exists());
    let log = std::fs::read_to_string(out.join("log.csv")).unwrap();
    assert_eq!(log.lines().filter(|line| line.starts_with("2,")).count(), 1);
    assert!(!log.contains("2,8,0.1,1,0,0,,"));
    let outcome: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!((outcome["steps"].as_u64(), outcome["boards_seen"].as_u64()), (Some(5), Some(20)));
    assert!(image::open(out.join("log.png")).unwrap().width() > 100);
}

#[test]
fn a_checkpoint_larger_than_a_part_comes_in_several() {
    let folder = Folder::new("sudoku-parts");
    // Its table of 40 MiB has to be cut between rows.
    let mut builder = kuramoto::model::Builder::new(1);
    let learned = kuramoto::model::Role::Learned;
    builder.add("table", &[10, 1 << 20], learned.clone(), kuramoto::model::Initial::Uniform(1.0));
    builder.add("bias", &[3], learned, kuramoto::model::Initial::Uniform(1.0));
    let parameters = builder.finish().unwrap();
    let tape = &mut Tape::reference();
    let options = TrainerOptions::new(AdamOptions::new(1e-3));
    let snapshot = Trainer::new(tape, &parameters, options).unwrap().snapshot(tape).unwrap();
    checkpoint::save(&folder, &snapshot, &7u32).unwrap();
    let sizes: Vec<u64> = std::fs::read_dir(folder.join("checkpoint"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .collect();
    assert!(sizes.len() > 9 && sizes.iter().all(|size| *size < 15 << 20), "{sizes:?}");
    let (again, run): (Snapshot, u32) = checkpoint::read(&folder.join("checkpoint")).unwrap();
    assert_eq!(run, 7);
    assert!(again == snapshot);
}

#[test]
fn the_published_recipe_is_the_default() {
    let settings = Settings::new(&Flags::default()).unwrap();
    let network = Options { model: Model::Akorn, side: 9, channels: 512, n: 4, heads: 8, layers: 1, frequency: 0.5 };
    assert_eq!(settings.network, network);
    let Settings { t, batch, rate, clip, ema, ema_start, ema_every, steps, boards, relabel, .. } = settings;
    assert_eq!((t, batch, rate, clip), (16, 100, 1e-3, 1.0));
    assert_eq!((ema, ema_start, ema_every), (0.995, 100, 10));
    // 100 rounds through 9000 boards.
    assert_eq!((steps, boards, relabel), (9000, 9000, false));
    let parameters = Network::new(&network).unwrap().parameters(0).unwrap();
    assert_eq!(parameters.learned(), 2_940_940);
    let baseline = Settings::new(&Flags { model: Some(Model::Itrsa), ..Flags::default() }).unwrap();
    assert_eq!((baseline.rate, baseline.t), (5e-4, 16));
    let epochs = Settings::new(&Flags { epochs: Some(3), boards: Some(250), ..Flags::default() }).unwrap();
    assert_eq!(epochs.steps, 8);
    for (flags, word) in [
        (Flags { side: Some(6), ..Flags::default() }, "--side"),
        (Flags { ema: Some(1.5), ..Flags::default() }, "--ema"),
        (Flags { rate: Some(f64::NAN), ..Flags::default() }, "--rate"),
    ] {
        assert!(Settings::new(&flags).unwrap_err().contains(word));
    }
}

#[test]
fn answers_are_counted_by_their_blanks() {
    let solution = board::parse("1234341221434321").unwrap();
    let puzzle = board::parse("1.3434122143432.").unwrap();
    let board = Board { puzzle, solution: solution.clone() };
    let mut tally = Tally::default();
    tally.add(&board, &solution);
    let mut wrong = solution.clone();
    wrong[15] = 4;
    tally.add(&board, &wrong);
    assert_eq!(tally, Tally { blanks: 4, right: 3, boards: 2, solved: 1 });
    assert_eq!(tally.accuracies(), [0.75, 0.5]);
    // As logits: the right digit has the largest, but for one blank cell and one given, which does not count.
    let mut logits = vec![0.0; 64];
    solution.iter().enumerate().for_each(|(cell, digit)| logits[(*digit as usize - 1) * 16 + cell] = 1.0);
    (logits[1], logits[2]) = (2.0, 2.0);
    let mut tally = Tally::default();
    tally.add_logits(&[board], &logits);
    assert_eq!(tally, Tally { blanks: 2, right: 1, boards: 1, solved: 0 });
}

#[test]
fn the_log_is_read_back() {
    let folder = Folder::new("sudoku-log");
    let path = folder.join("log.csv");
    let mut log = Log::new(path.clone()).unwrap();
    let row =
        Row { step: 10, boards: 160, seconds: 1.25, loss: 0.5, digits: 0.25, solved: 0.125, tested: Some([0.5, 0.0]) };
    log.add(Row { tested: None, ..row }).unwrap();
    let len = log.len;
    log.add(Row { step: 20, ..row }).unwrap();
    assert_eq!(Log::resume(path.clone(), log.len).unwrap().rows, log.rows);
    let cut = Log::resume(path.clone(), len).unwrap();
    assert_eq!((cut.rows.len(), cut.rows[0].tested), (1, None));
    assert_eq!(std::fs::metadata(&path).unwrap().len(), len);
    assert!(Log::resume(path, len + 1).is_err());
}
