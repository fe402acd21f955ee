//! What a run says while it trains: rows of a CSV file, and a plot of them.

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use plotters::prelude::*;

use super::canvas::{Area, FINE, draw, legend, mesh};

/// One look at a run.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Row {
    pub step: u32,
    /// Boards seen, again ones counted each time.
    pub boards: u64,
    /// Spent on training and testing, over all commands.
    pub seconds: f64,
    /// The mean since the row before.
    pub loss: f64,
    /// Shares of blank cells and of boards that are right: of the batch of this step.
    pub digits: f64,
    pub solved: f64,
    /// The same of held-out boards by the averaged weights, where this step was tested.
    pub tested: Option<[f64; 2]>,
}

const HEAD: &str = "step,boards,seconds,loss,digits,solved,test_digits,test_solved";

impl Row {
    fn line(&self) -> String {
        let Row { step, boards, seconds, loss, digits, solved, tested } = self;
        let tested = tested.map_or(",".into(), |[digits, solved]| format!("{digits},{solved}"));
        format!("{step},{boards},{seconds:.2},{loss},{digits},{solved},{tested}\n")
    }

    fn parse(line: &str) -> Option<Row> {
        let fields: Vec<&str> = line.split(',').collect();
        let [step, boards, seconds, loss, digits, solved, test_digits, test_solved] = fields[..] else { return None };
        let tested = match (test_digits, test_solved) {
            ("", "") => None,
            (digits, solved) => Some([digits.parse().ok()?, solved.parse().ok()?]),
        };
        Some(Row {
            step: step.parse().ok()?,
            boards: boards.parse().ok()?,
            seconds: seconds.parse().ok()?,
            loss: loss.parse().ok()?,
            digits: digits.parse().ok()?,
            solved: solved.parse().ok()?,
            tested,
        })
    }
}

/// The log of a run.
pub struct Log {
    path: PathBuf,
    pub rows: Vec<Row>,
    /// Bytes of the file.
    pub len: u64,
}

impl Log {
    /// An empty log at `path`.
    pub fn new(path: PathBuf) -> Result<Log, Box<dyn Error>> {
        fs::write(&path, format!("{HEAD}\n")).map_err(|why| format!("{}: {why}", path.display()))?;
        let len = HEAD.len() as u64 + 1;
        Ok(Log { path, rows: vec![], len })
    }

    /// The first `len` bytes of the log at `path`. What follows them is cut off: it tells of steps after the checkpoint,
    /// which will be made again.
    pub fn resume(path: PathBuf, len: u64) -> Result<Log, Box<dyn Error>> {
        let named = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        let text = fs::read_to_string(&path).map_err(|why| named(&why))?;
        let text = usize::try_from(len).ok().and_then(|len| text.get(..len));
        let text = text.ok_or_else(|| named(&format!("shorter than the {len} bytes of the checkpoint's time")))?;
        let rows = text.lines().skip(1).map(|line| Row::parse(line).ok_or_else(|| named(&format!("no row: {line}"))));
        let rows = rows.collect::<Result<_, _>>()?;
        OpenOptions::new().write(true).open(&path)?.set_len(len)?;
        Ok(Log { path, rows, len })
    }

    /// Adds a row.
    pub fn add(&mut self, row: Row) -> Result<(), Box<dyn Error>> {
        let line = row.line();
        OpenOptions::new().append(true).open(&self.path)?.write_all(line.as_bytes())?;
        self.len += line.len() as u64;
        self.rows.push(row);
        Ok(())
    }

    /// Draws loss and accuracies over the steps.
    pub fn plot(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        let of = |get: fn(&Row) -> Option<f64>| -> Vec<(f64, f64)> {
            self.rows.iter().filter_map(|row| Some((f64::from(row.step), get(row)?))).collect()
        };
        let last = self.rows.last().map_or(1.0, |row| f64::from(row.step).max(1.0));
        let loss = of(|row| Some(row.loss));
        let most = loss.iter().map(|(_, loss)| *loss).fold(0.1, f64::max);
        let curves = [
            ("cells of the batch", RGBColor(150, 190, 240), of(|row| Some(row.digits))),
            ("boards of the batch", BLUE, of(|row| Some(row.solved))),
            ("cells, held out", RGBColor(240, 170, 120), of(|row| row.tested.map(|tested| tested[0]))),
            ("boards, held out", RED, of(|row| row.tested.map(|tested| tested[1]))),
        ];
        draw(path, HEIGHT, |area| {
            let (upper, lower) = area.split_vertically(HEIGHT * FINE / 2);
            panel(&upper, "loss", last, most * 1.05, &[("batches", BLUE, loss)])?;
            panel(&lower, "share that is right", last, 1.02, &curves)
        })
    }
}

const HEIGHT: u32 = 700;

type Curve<'a> = (&'a str, RGBColor, Vec<(f64, f64)>);

fn panel(area: &Area, name: &str, last: f64, most: f64, curves: &[Curve]) -> Result<(), Box<dyn Error>> {
    let mut chart = ChartBuilder::on(area)
        .margin(12 * FINE)
        .margin_right(24 * FINE)
        .x_label_area_size(36 * FINE)
        .y_label_area_size(56 * FINE)
        .build_cartesian_2d(0.0..last, 0.0..most)?;
    mesh(&mut chart).x_label_formatter(&|step| format!("{step:.0}")).x_desc("step").y_desc(name).draw()?;
    for (name, colour, points) in curves.iter().filter(|curve| !curve.2.is_empty()) {
        let style = colour.stroke_width(2 * FINE);
        let series = chart.draw_series(LineSeries::new(points.iter().copied(), style))?;
        let long = 16 * FINE as i32;
        series.label(*name).legend(move |(x, y)| PathElement::new([(x, y), (x + long, y)], style));
    }
    legend(&mut chart, SeriesLabelPosition::MiddleRight)
}
