//! A run in progress: the step on the device, looks at it, and its checkpoint.

use std::error::Error;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use kuramoto::model::{Parameters, Snapshot, Trainer};
use kuramoto::{Context, DType, Tape, Value, Var};
use serde::{Deserialize, Serialize};

use super::board::Board;
use super::checkpoint;
use super::data::{Split, boards_in};
use super::log::{Log, Row};
use super::network::{Network, judge};
use super::order::Order;
use super::settings::{Change, Settings};
use super::step;
use super::tally::Tally;
use super::train::Args;

/// What a checkpoint says beside the state of the trainer.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    settings: Settings,
    /// Whose weights it started from, where they were not random.
    #[serde(default)]
    from: Option<PathBuf>,
    /// What later commands changed.
    changes: Vec<Change>,
    step: u32,
    boards: u64,
    /// Of all commands.
    seconds: f64,
    /// Of these, on training alone: without tests and checkpoints.
    #[serde(default)]
    busy: f64,
    /// Bytes of the log.
    log: u64,
}

/// A run in progress.
pub struct Session {
    record: Record,
    out: PathBuf,
    network: Network,
    initial: Parameters,
    context: Context,
    trainer: Trainer,
    train: Vec<Board>,
    test: Vec<Board>,
    order: Order,
    log: Log,
    /// The sum of the losses since the last look, on the device.
    sum: Value,
    unread: u32,
    bar: ProgressBar,
    started: Instant,
    /// Seconds of the commands before this one.
    before: f64,
    /// When the steps that are unread began.
    mark: Instant,
}

/// A step that is recorded and not yet submitted.
pub struct Batch {
    tape: Tape,
    boards: Vec<Board>,
    logits: Var,
    /// Of the losses since the last look.
    sum: Var,
}

/// Steps that may wait for the device before training waits for them.
const AHEAD: u32 = 16;

/// How long a device may take for them: a network of the published size is slow on a software driver.
const PATIENCE: Duration = Duration::from_secs(3600);

impl Session {
    /// A new run, or the one that is resumed.
    pub fn open(args: &Args) -> Result<Session, Box<dyn Error>> {
        let out = args.places.out.clone();
        let (record, snapshot) = match (args.resume, checkpoint::find(&out)) {
            (true, Some(folder)) => {
                let (snapshot, mut record): (Snapshot, Record) = checkpoint::read(&folder)?;
                let (settings, changes) = record.settings.resumed(&args.flags, record.step)?;
                record.settings = settings;
                record.changes.extend(changes);
                (record, Some(snapshot))
            }
            (true, None) => return Err(format!("{} holds no run; start one without --resume", out.display()).into()),
            (false, Some(_)) if !args.overwrite => {
                let choices = "--resume to go on with it, --overwrite to replace it, or --out with another folder";
                return Err(format!("{} holds a run already; give {choices}", out.display()).into());
            }
            (false, _) => {
                let settings = Settings::new(&args.flags)?;
                let from = args.from.clone();
                let changes = vec![];
                (Record { settings, from, changes, step: 0, boards: 0, seconds: 0.0, busy: 0.0, log: 0 }, None)
            }
        };
        let settings = &record.settings;
        let network = Network::new(&settings.network)?;
        let initial = match &args.from {
            None => network.parameters(settings.seed)?,
            Some(path) => {
                let (_, options, parameters) = checkpoint::load(path)?;
                if options != settings.network {
                    let why = format!("weights of another network: {options:?}, not {:?}", settings.network);
                    return Err(format!("{}: {why}", path.display()).into());
                }
                parameters
            }
        };
        let context = Context::new()?;
        context.set_timeout(PATIENCE);
        note!("{}; {} parameters to learn", context.info().name, initial.learned());

        let side = settings.network.side;
        let of = |split, count| boards_in(&args.places.data, side, split, count, settings.seed);
        let (train, test) = (of(Split::Train, settings.boards)?, of(Split::Test, args.test_boards)?);
        let order = Order::new(settings.seed, train.len(), settings.relabel);

        let mut tape = Tape::new(&context);
        let mut trainer = Trainer::new(&mut tape, &initial, settings.trainer())?;
        let sum = tape.upload(&[0.0f32], &[1], DType::F32)?;
        let log = match &snapshot {
            Some(snapshot) => {
                trainer.restore(&mut tape, snapshot)?;
                Log::resume(out.join("log.csv"), record.log)?
            }
            None => {
                checkpoint::clear(&out)?;
                Log::new(out.join("log.csv"))?
            }
        };
        let bar = bar(settings.steps)?;
        let before = record.seconds;
        bar.set_position(u64::from(record.step));
        let started = Instant::now();
        Ok(Session {
            record,
            out,
            network,
            initial,
            context,
            trainer,
            train,
            test,
            order,
            log,
            sum,
            unread: 0,
            bar,
            started,
            before,
            mark: started,
        })
    }

    /// Steps done.
    pub fn steps(&self) -> u32 {
        self.trainer.steps()
    }

    /// Steps in all.
    pub fn last(&self) -> u32 {
        self.record.settings.steps
    }

    /// Boards seen, again ones counted each time.
    pub fn boards(&self) -> u64 {
        u64::from(self.steps()) * self.record.settings.batch as u64
    }

    /// Seconds of all commands.
    pub fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }

    /// Boards a second while training, without tests and checkpoints.
    pub fn pace(&self) -> f64 {
        self.boards() as f64 / self.record.busy.max(1e-9)
    }

    pub fn settings(&self) -> &Settings {
        &self.record.settings
    }

    pub fn changes(&self) -> &[Change] {
        &self.record.changes
    }

    pub fn adapter(&self) -> &str {
        &self.context.info().name
    }

    /// Elements that learn.
    pub fn parameters(&self) -> usize {
        self.initial.learned()
    }

    /// Records the next step.
    pub fn step(&mut self) -> Result<Batch, Box<dyn Error>> {
        if self.trainer.steps().is_multiple_of(AHEAD) {
            self.context.wait()?;
        }
        let boards = self.order.batch(self.boards(), self.record.settings.batch, &self.train);
        let mut tape = Tape::new(&self.context);
        let (answers, loss) =
            step::record(&mut tape, &self.network, &self.record.settings, &mut self.trainer, &boards)?;

        let sum = tape.constant(self.sum.clone());
        let sum = tape.add(sum, loss)?;
        self.sum = tape.value(sum)?.clone();
        self.unread += 1;
        Ok(Batch { tape, boards, logits: answers.logits(), sum })
    }

    /// Submits a step that nobody looks at.
    pub fn submit(&self, mut batch: Batch) -> Result<(), Box<dyn Error>> {
        self.bar.inc(1);
        Ok(batch.tape.submit()?)
    }

    /// Submits a step, waits for it, and logs the mean loss since the last look and the accuracies of its batch; with
    /// `test`, also those of the held-out boards, which are returned.
    pub fn look(&mut self, mut batch: Batch, test: bool) -> Result<Option<[f64; 2]>, Box<dyn Error>> {
        let loss = batch.tape.read(batch.sum)?[0] / f64::from(self.unread);
        let mut tally = Tally::default();
        tally.add_logits(&batch.boards, &batch.tape.read(batch.logits)?);
        let seconds = self.mark.elapsed().as_secs_f64();
        self.record.busy += seconds;
        let pace = f64::from(self.unread) * batch.boards.len() as f64 / seconds;
        self.sum = batch.tape.upload(&[0.0f32], &[1], DType::F32)?;
        self.unread = 0;
        drop(batch);
        if !loss.is_finite() {
            let step = self.steps();
            return Err(format!("the loss is {loss} at step {step}; resume with a smaller --rate").into());
        }
        let tested = if test { Some(self.test()?) } else { None };
        let [digits, solved] = tally.accuracies();
        let row =
            Row { step: self.steps(), boards: self.boards(), seconds: self.seconds(), loss, digits, solved, tested };
        self.log.add(row)?;
        self.say(&row, pace);
        self.mark = Instant::now();
        Ok(tested)
    }

    fn say(&self, row: &Row, pace: f64) {
        let (digits, solved) = (100.0 * row.digits, 100.0 * row.solved);
        let line = format!("loss {:.4}, cells {digits:.1} %, boards {solved:.1} %, {pace:.1} boards/s", row.loss);
        self.bar.set_position(u64::from(row.step));
        let tested = row.tested.map(|[digits, solved]| {
            format!("; held out: cells {:.2} %, boards {:.2} %", 100.0 * digits, 100.0 * solved)
        });
        if tested.is_some() || self.bar.is_hidden() {
            let tested = tested.unwrap_or_default();
            self.bar.suspend(|| note!("step {:>6} of {}: {line}{tested}", row.step, self.last()));
        }
        self.bar.set_message(line);
    }

    /// Shares of held-out blank cells and boards that the averaged weights get right.
    pub fn test(&self) -> Result<[f64; 2], Box<dyn Error>> {
        let Settings { t, batch, seed, ema, .. } = self.record.settings;
        let mut tape = Tape::new(&self.context);
        let placed = self.trainer.placed(ema > 0.0)?;
        Ok(judge(&self.network, &mut tape, &placed, &self.test, t, batch, seed)?.accuracies())
    }

    /// Writes checkpoint, weights and plot.
    pub fn save(&mut self) -> Result<(), Box<dyn Error>> {
        let snapshot = self.trainer.snapshot(&mut Tape::new(&self.context))?;
        self.record.step = self.steps();
        self.record.boards = self.boards();
        self.record.seconds = self.seconds();
        self.record.log = self.log.len;
        checkpoint::save(&self.out, &snapshot, &self.record)?;
        self.export(&snapshot, &self.out.join("weights.safetensors"))?;
        self.log.plot(&self.out.join("log.png"))?;
        self.mark = Instant::now();
        Ok(())
    }

    fn export(&self, snapshot: &Snapshot, path: &Path) -> Result<(), Box<dyn Error>> {
        let mut parameters = self.initial.clone();
        snapshot.parameters(snapshot.is_averaged(), &mut parameters)?;
        checkpoint::export(path, &self.record.settings.network, &parameters)
    }

    /// Ends the bar, and writes the weights to one more place if asked.
    pub fn close(&self, export: Option<&Path>) -> Result<(), Box<dyn Error>> {
        self.bar.finish_and_clear();
        match export {
            Some(path) => self.export(&self.trainer.snapshot(&mut Tape::new(&self.context))?, path),
            None => Ok(()),
        }
    }
}

/// A bar on a terminal; elsewhere lines are printed.
fn bar(steps: u32) -> Result<ProgressBar, Box<dyn Error>> {
    if !std::io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let bar = ProgressBar::new(u64::from(steps));
    bar.set_style(ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}, {eta} to go")?);
    Ok(bar)
}
