//! The commands as a shell sees them: exit codes, one clear line for wrong input, files that say what they should.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kuramoto::model::akorn::{Sudoku, SudokuConfig};

/// A folder of its own for a test, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("kuramoto-xtask-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    fn text(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a command without a device: what is tested here must not depend on one.
fn xtask(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(arguments).env("KURAMOTO_ADAPTER", "none").output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A wrong input ends with code 2 and one line that contains `complaint`, and leaves no picture.
fn refused(arguments: &[&str], complaint: &str) {
    let output = xtask(arguments);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(errors.len() == 1 && errors[0].contains(complaint), "{arguments:?}: {said}");
}

fn white_png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(8, 8, image::Rgb([255; 3])).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

#[test]
fn the_demo_refuses_what_is_no_model() {
    let scratch = Scratch::new("refuse");
    let out = scratch.0.join("out").display().to_string();
    let demo = |flags: &[&str], complaint: &str| {
        let mut arguments = vec!["demo", "--out", &out];
        arguments.extend(flags);
        refused(&arguments, complaint);
    };
    demo(&["--kernel", "4"], "kernel is 4, expected odd");
    demo(&["--kernel", "0"], "kernel is 0, expected odd");
    demo(&["--kernel", "4294967297"], "more elements than 32-bit indices reach");
    demo(&["--n", "1"], "n is 1, expected at least 2");
    demo(&["--n", "0"], "n is 0, expected at least 2");
    demo(&["--n", "3", "--omega", "0.5"], "expected even with omega");
    demo(&["--size", "0"], "grid size 0");
    demo(&["--size", "5000"], "grid size 5000");
    demo(&["--size", "18446744073709551615"], "more elements than 32-bit indices reach");
    demo(&["--size", "1"], "no pixel is inside");
    demo(&["--gamma", "NaN"], "gamma is NaN");
    demo(&["--gamma", "0"], "gamma is 0");
    demo(&["--scale=-1"], "scale is -1");
    demo(&["--omega", "inf"], "omega is inf");
    demo(&["--driver", "nowhere.json"], "nowhere.json: cannot be read");
    demo(&["--image", "nowhere.png"], "nowhere.png: cannot be read");
    demo(&["--image", &scratch.file("text.png", b"not a picture")], "cannot be decoded as PNG");
    let png = white_png();
    demo(&["--image", &scratch.file("half.png", &png[..png.len() / 2])], "cannot be decoded as PNG");
    demo(&["--image", &scratch.file("white.png", &png)], "inside the silhouette");
    assert!(!Path::new(&out).exists(), "a refused run left files");
    // An output folder that cannot be made.
    let file = scratch.file("file", b"");
    refused(&["demo", "--size", "8", "--out", &file], "cannot be made");
}

#[test]
fn unknown_flags_and_numbers_are_usage_errors() {
    for arguments in [&["demo", "--size", "many"][..], &["demo", "--colour"], &["paint"], &[], &["shaders", "show"]] {
        assert_eq!(xtask(arguments).status.code(), Some(2), "{arguments:?}");
    }
    refused(&["shaders", "show", "no_such_kernel"], "no kernel is named `no_such_kernel`; there are: ");
    refused(&["shaders", "show", "noise_bits", "--dtype", "f16"], "has no f16 text");
}

#[test]
fn commands_that_need_a_device_say_that_there_is_none() {
    for arguments in [&["doctor"][..], &["conformance"], &["profile"], &["checklist"], &["tune"]] {
        let output = xtask(arguments);
        assert_eq!(output.status.code(), Some(3), "{arguments:?}");
        assert!(stderr(&output).starts_with("error: "), "{arguments:?}: {}", stderr(&output));
    }
    let arguments = ["conformance", "--adapter", "no such adapter"];
    assert_eq!(xtask(&arguments).status.code(), Some(3));
}

#[test]
fn the_demo_runs_without_a_device_and_repeats_bit_for_bit() {
    let scratch = Scratch::new("demo");
    let image = {
        let mut picture = image::RgbImage::from_pixel(16, 16, image::Rgb([255; 3]));
        (4..12).for_each(|y| (4..12).for_each(|x| picture.put_pixel(x, y, image::Rgb([0; 3]))));
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        scratch.file("square.png", &bytes.into_inner())
    };
    let run = |out: &str| {
        let folder = scratch.0.join(out);
        let out = folder.display().to_string();
        let flags = ["--only", "silhouette", "--size", "16", "--steps", "12", "--image", &image, "--out", &out];
        let output = xtask(&[&["demo"][..], &flags].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("f64 reference backend") && said.contains("run.json"), "{said}");
        assert!(!said.contains('\u{1b}'), "escape codes in a pipe: {said:?}");
        folder
    };
    let (first, again) = (run("first"), run("again"));
    for name in ["silhouette.gif", "silhouette.png", "frames.png", "plot.png"] {
        let read = |folder: &PathBuf| std::fs::read(folder.join(name)).unwrap();
        assert!(read(&first) == read(&again), "{name} differs");
    }
    let record: serde_json::Value = serde_json::from_slice(&std::fs::read(first.join("run.json")).unwrap()).unwrap();
    assert_eq!(record["settings"]["size"], 16);
    assert_eq!(record["energy"].as_array().unwrap().len(), 12);
    assert_eq!(record["order"].as_array().unwrap().len(), 13);
    assert!(record["coherence_outside"].is_f64() && record["coherence_inside"].is_f64());
    assert_eq!(record["adapter"], "none");
}

#[test]
fn a_demo_of_no_steps_shows_the_first_state() {
    let scratch = Scratch::new("still");
    let flags = ["--only", "silhouette", "--size", "16", "--steps", "0"];
    let output = xtask(&[&["demo", "--out", &scratch.text()][..], &flags].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(scratch.0.join("silhouette.gif").exists());
}

#[test]
fn the_demo_solves_puzzles_without_a_device() {
    let scratch = Scratch::new("puzzles");
    let config = SudokuConfig { side: 4, channels: 8, heads: 2, ..SudokuConfig::default() };
    let mut weights = Sudoku::new(config).unwrap().parameters(1).unwrap().save().unwrap();
    let options = r#"{"model":"akorn","side":4,"channels":8,"n":4,"heads":2,"layers":1,"frequency":0.5}"#;
    weights.metadata.insert("kuramoto.sudoku.options".into(), options.into());
    let path = scratch.file("weights.safetensors", &weights.to_bytes().unwrap());
    let output = xtask(&["demo", "--only", "sudoku", "--weights", &path]);
    assert!(output.status.success(), "{}", stderr(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    // Nobody has trained it, so it may solve any number; each of the four puzzles has an answer of 16 digits.
    let is_answer = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.len() == 4 && words[1] == "givens," && words[3].len() == 16
    };
    assert_eq!(said.lines().filter(|line| is_answer(line)).count(), 4, "{said}");
    assert!(said.contains("of 4 puzzles solved") && said.contains("8 draws obey the rules"), "{said}");
    assert!(said.contains("left out") && !said.contains('\u{1b}'), "{said}");

    let none = scratch.0.join("none").display().to_string();
    refused(&["demo", "--only", "sudoku", "--weights", &none], "cannot be read");
}

#[test]
fn every_kernel_text_is_valid() {
    let output = xtask(&["shaders", "validate"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.trim_end().ends_with("0 failures"), "{said}");
}
