//! The parts of `examples/depth` and `examples/copy_task` that need no device: drawing sequences, judging, pictures.
#![cfg(feature = "gpu")]
#![allow(dead_code)] // The examples use what these tests do not.

#[path = "../examples/sudoku/canvas.rs"]
mod canvas;
#[path = "../examples/depth/plots.rs"]
mod plots;
#[path = "../examples/depth/report.rs"]
mod report;
#[path = "../examples/copy_task/task.rs"]
mod task;

use plots::{Dots, Line, Picture};

#[test]
fn pictures_show_their_lines_and_dots() {
    let path = std::env::temp_dir().join(format!("lines-{}.png", std::process::id()));
    let mut picture = Picture::new("a title", "x", "y");
    picture.lines.push(Line { name: "line".into(), colour: 0, points: vec![(0.0, 0.0), (1.0, 1.0)] });
    let pixels = |picture: &Picture| {
        picture.draw(&path).unwrap();
        let image = image::open(&path).unwrap().to_rgb8();
        let blue = image.pixels().filter(|p| p[2].saturating_sub(p[0]) > 100).count();
        let orange = image.pixels().filter(|p| p[0].saturating_sub(p[2]) > 100).count();
        (blue, orange)
    };
    let (blue, orange) = pixels(&picture);
    assert!(blue > 500 && orange == 0, "{blue} blue and {orange} orange pixels");
    picture.dots.push(Dots { name: "dots".into(), colour: 1, points: vec![(0.5, 0.2)] });
    assert!(pixels(&picture).1 > 20);
    // Nothing to draw is no error.
    Picture::new("", "", "").draw(&path).unwrap();
    std::fs::remove_file(path).unwrap();
}
