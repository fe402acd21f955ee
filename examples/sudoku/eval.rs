//! The command `eval`: accuracy on boards that training never saw, by steps and by draws.

use std::error::Error;
use std::path::PathBuf;

use clap::ValueEnum;
use kuramoto::model::vote::{Ballot, Statistic};
use serde::Serialize;

use super::data::{self, Split};
use super::draws::Ask;
use super::judging::{Judged, Set, ranges};
use super::ladder;
use super::machine::{Machine, shipped};
use super::network::{Network, Options};
use super::settings::at_least_one;

/// Judges a network on boards that training never saw, in and out of the distribution it was trained on
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Weights, or the folder of a run [default: those that come with this repository]
    #[arg(long, value_name = "PATH")]
    pub weights: Option<PathBuf>,
    #[command(flatten)]
    pub which: Which,
    /// Steps of the oscillators; one run to the largest reports the others on the way
    #[arg(long, value_delimiter = ',', default_value = "16,32,64,128")]
    pub t_eval: Vec<usize>,
    /// Random starts that a vote is held among; fewer are the first of the most [default: 1,4,16, or with --full
    /// 1,4,16,100,1024]
    #[arg(long, value_delimiter = ',', value_parser = at_least_one)]
    pub votes: Option<Vec<usize>>,
    #[command(flatten)]
    pub poll: Poll,
    /// Samples computed at a time
    #[arg(long, default_value_t = 100, value_parser = at_least_one)]
    pub batch: usize,
    /// 1000 boards of each set, votes of up to 1024: hours on a processor
    #[arg(long)]
    pub full: bool,
    /// Also write everything measured to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    #[command(flatten)]
    pub machine: Machine,
}

/// Which boards.
#[derive(clap::Args, Clone, Debug)]
pub struct Which {
    /// Which boards: like those of training, harder ones, or both
    #[arg(long, value_enum, default_value = "both")]
    pub set: Sets,
    /// Also judge by the number of givens, one table for each: `17,18,22`; without numbers all of the collection of
    /// 17-clue puzzles, which `cargo xtask data sudoku17` fetches
    #[arg(long, value_delimiter = ',', num_args = 0..=1, default_missing_value = "17,18,19,20,21", value_name = "GIVENS")]
    pub rungs: Vec<usize>,
    /// Boards of each set [default: 200, or 1000 with --full]
    #[arg(long, value_parser = at_least_one)]
    pub boards: Option<usize>,
    /// Of the boards and of the random starts
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where boards are kept that were made
    #[arg(long, default_value = data::FOLDER)]
    pub data: PathBuf,
}

/// Sets of boards.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sets {
    /// As many givens as in training
    Id,
    /// Fewer givens
    Ood,
    Both,
}

/// How votes are held.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Poll {
    /// What elects a draw
    #[arg(long, value_enum, default_value = "energy")]
    pub vote: By,
    /// Which energies count
    #[arg(long, value_enum, default_value = "last")]
    pub statistic: Energies,
}

/// What elects a draw.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The smallest energy
    Energy,
    /// The largest mean probability of the likeliest digits
    Confidence,
}

/// Which energies count.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Energies {
    /// That of the state before the last step
    Last,
    /// The sum over all steps
    Sum,
}

impl Poll {
    pub fn ballot(&self) -> Ballot {
        match (self.vote, self.statistic) {
            (By::Confidence, _) => Ballot::Confidence,
            (By::Energy, Energies::Last) => Ballot::Energy(Statistic::Last),
            (By::Energy, Energies::Sum) => Ballot::Energy(Statistic::Sum),
        }
    }

    /// For people.
    pub fn name(&self) -> &'static str {
        match (self.vote, self.statistic) {
            (By::Confidence, _) => "confidence",
            (By::Energy, Energies::Last) => "the last energy",
            (By::Energy, Energies::Sum) => "the sum of the energies",
        }
    }
}

/// Everything measured.
#[derive(Serialize)]
struct Report {
    adapter: String,
    network: Options,
    vote: By,
    statistic: Energies,
    seed: u64,
    /// Rungs that were asked for and are not there.
    absent_rungs: Vec<usize>,
    sets: Vec<Judged>,
    seconds: f64,
}

impl Which {
    /// The sets, and the rungs that are not there. `count` boards each, if there are so many.
    pub fn sets(&self, side: usize, count: usize) -> Result<(Vec<Set>, Vec<usize>), Box<dyn Error>> {
        let made = |split: Split, count: usize| data::boards_in(&self.data, side, split, count, self.seed);
        let (mut sets, mut absent) = (vec![], vec![]);
        for (name, split, wanted) in [("ID", Split::Test, Sets::Id), ("OOD", Split::Hard, Sets::Ood)] {
            if self.set == wanted || self.set == Sets::Both {
                sets.push(Set { name: name.into(), boards: made(split, count)? });
            }
        }
        for givens in self.rungs.iter().copied() {
            let (fewest, most) = Split::Hard.givens(side);
            let boards = match givens {
                _ if side == 9 && ladder::GIVENS.contains(&givens) => ladder::rung(givens, count)?,
                // Each number of givens is as likely as any other.
                _ if (fewest..=most).contains(&givens) => {
                    let mut boards = made(Split::Hard, count * (most - fewest + 1))?;
                    boards.retain(|board| board.givens() == givens);
                    boards.truncate(count);
                    boards
                }
                _ if side == 9 => {
                    return Err(format!("there is no rung of {givens} givens; there are 17 to {most}").into());
                }
                _ => return Err(format!("there is no rung of {givens} givens; there are {fewest} to {most}").into()),
            };
            match boards.is_empty() {
                true => absent.push(givens),
                false => sets.push(Set { name: format!("rung {givens}"), boards }),
            }
        }
        Ok((sets, absent))
    }
}

/// What to say of rungs that are not there.
pub fn missing(absent: &[usize]) -> Result<String, String> {
    let folder = ladder::folder()?;
    let rungs = ranges(absent.to_vec());
    Ok(format!("rungs {rungs} are absent: nothing in {}; `{}` fetches them", folder.display(), ladder::COMMAND))
}

/// Ascending, each once.
pub fn sorted(mut numbers: Vec<usize>) -> Vec<usize> {
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

pub fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let started = std::time::Instant::now();
    let weights = args.weights.clone().unwrap_or_else(|| shipped(9));
    let (mut solver, options, adapter) = args.machine.solver(&weights)?;
    let most: &[usize] = if args.full { &[1, 4, 16, 100, 1024] } else { &[1, 4, 16] };
    let mut votes = sorted(args.votes.clone().unwrap_or_else(|| most.to_vec()));
    if let Network::Itrsa(_) = solver.network {
        // It has one answer, however often it is asked.
        votes = vec![1];
    }
    let count = args.which.boards.unwrap_or(if args.full { 1000 } else { 200 });
    let (sets, absent) = args.which.sets(options.side, count)?;
    say!("{adapter}; {}", weights.display());
    say!("votes by {}; a line with one draw is that draw alone", args.poll.name());
    if !absent.is_empty() {
        say!("{}", missing(&absent)?);
    }
    let draws = votes.last().copied().unwrap_or(1);
    let ask = Ask { stops: sorted(args.t_eval.clone()), draws, batch: args.batch, seed: args.which.seed };
    let mut judged = vec![];
    for set in &sets {
        let (one, _) = set.judge(&mut solver, &ask, &votes, args.poll.ballot(), &set.name)?;
        super::output::text(format_args!("\n{one}"));
        judged.push(one);
    }
    say!("\nintervals hold 95 %; p: the chance that a draw picked blindly of each board solves as many boards");
    if let Some(path) = &args.json {
        let report = Report {
            adapter,
            network: options,
            vote: args.poll.vote,
            statistic: args.poll.statistic,
            seed: args.which.seed,
            absent_rungs: absent,
            sets: judged,
            seconds: started.elapsed().as_secs_f64(),
        };
        std::fs::write(path, serde_json::to_string_pretty(&report)? + "\n")
            .map_err(|why| format!("{}: {why}", path.display()))?;
    }
    Ok(())
}
