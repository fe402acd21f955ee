//! The program's commands and their flags.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::machine::Machine;
use super::sets::Set;
use super::values::{Frequencies, Grid, Trip, finite, not_negative, positive};

/// Networks of coupled phase oscillators
///
/// First order: d(theta_i)/dt = omega_i + K sum_j w_ij sin(theta_j - theta_i - lag) + noise. Second order: inertia
/// d2(theta_i)/dt2 = P_i - damping d(theta_i)/dt + K sum_j w_ij sin(theta_j - theta_i). Frequencies are in rad per unit of time.
#[derive(Parser, Debug)]
#[command(name = "network", args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Without a command: a small run, sweep and design, which fail unless they synchronise as theory says
    #[arg(long)]
    pub quick: bool,
    /// Where --quick writes
    #[arg(long, default_value = "out/network-quick", value_name = "FOLDER")]
    pub out: PathBuf,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Simulate one network, and draw what happens
    Run(Box<Run>),
    /// Simulate a network at many couplings, lags and seeds at once
    Sweep(Box<Sweep>),
    /// Change the couplings by gradients until the network synchronises
    Design(Box<Design>),
}

/// Simulates one network: order parameter over time, raster of the phases, .npz and CSV
#[derive(Args, Clone, Debug)]
pub struct Run {
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub model: Model,
    #[command(flatten)]
    pub time: Time,
    #[command(flatten)]
    pub output: Output,
    /// Coupling strength K, times the weights of the edges
    #[arg(long, default_value_t = 1.0, value_parser = finite)]
    pub coupling: f64,
    /// Phase lag in rad
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true, value_parser = finite)]
    pub lag: f64,
    /// Take the edges between these two nodes out at this time: NODE,NODE,TIME
    #[arg(long, value_name = "A,B,TIME")]
    pub trip: Option<Trip>,
    /// Time to settle, without noise, before anything is recorded
    #[arg(long, default_value_t = 0.0, value_parser = not_negative)]
    pub settle: f64,
    /// Run though the step is provably unstable
    #[arg(long)]
    pub force: bool,
}

/// Simulates a network at every point of a grid, all in one batch: R(K) with theory, a phase diagram
#[derive(Args, Clone, Debug)]
pub struct Sweep {
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub model: Model,
    #[command(flatten)]
    pub time: Time,
    #[command(flatten)]
    pub output: Output,
    /// Coupling strengths K: FROM:TO:COUNT or one number
    #[arg(long, default_value = "0:4:32", value_name = "RANGE", allow_hyphen_values = true)]
    pub coupling: Grid,
    /// Phase lags in rad: FROM:TO:COUNT or one number
    #[arg(long, default_value = "0", value_name = "RANGE", allow_hyphen_values = true)]
    pub lag: Grid,
    /// Realisations of frequencies, first phases and noise at each point
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub seeds: u32,
}

/// Changes the weights of the edges along the gradient of the order parameter at the end of --time, their sum kept
#[derive(Args, Clone, Debug)]
pub struct Design {
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub model: Model,
    #[command(flatten)]
    pub time: Time,
    #[command(flatten)]
    pub output: Output,
    /// Coupling strength K, times the weights of the edges
    #[arg(long, default_value_t = 1.0, value_parser = finite)]
    pub coupling: f64,
    /// Phase lag in rad
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true, value_parser = finite)]
    pub lag: f64,
    /// Steps along the gradient
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// How far the largest change of a step goes, in mean weights
    #[arg(long, default_value_t = 0.1, value_parser = positive)]
    pub rate: f64,
    /// Initial states that the gradient averages over; as many others test the design
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub starts: u32,
}

/// Which network: a file, a generated or a fetched one.
#[derive(Args, Clone, Debug)]
#[group(id = "network_source", required = true, multiple = false, args = ["graph", "make", "data"])]
pub struct Source {
    /// Edges of 2 or 3 columns (.txt, .edges, .edgelist, .csv, .tsv), Matrix Market (.mtx), CSR arrays of SciPy (.npz), a
    /// connectome (a folder or .zip with weights.txt and tract_lengths.txt)
    pub graph: Option<PathBuf>,
    /// Generate a network of this kind
    #[arg(long, value_enum, value_name = "KIND")]
    pub make: Option<Make>,
    /// A network that `cargo xtask data NAME` fetches
    #[arg(long, value_enum, value_name = "NAME")]
    pub data: Option<Set>,
    /// A line `a b` of an edge list couples both ways; without this b listens to a
    #[arg(long, conflicts_with_all = ["make", "data"])]
    pub undirected: bool,
    /// Divide the weights of a node's edges by the sum of their magnitudes, so that K is what every node feels
    #[arg(long)]
    pub normalise: bool,
    #[command(flatten)]
    pub shape: Shape,
}

/// Kinds of generated networks.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Make {
    /// Each node with its nearest --neighbours
    Ring,
    /// --rows x --columns nodes, each with four others
    Lattice,
    /// Each pair with --probability
    ErdosRenyi,
    /// A ring whose edges are moved with probability --rewire
    WattsStrogatz,
    /// New nodes choose --attach others by their degrees
    BarabasiAlbert,
    /// --blocks communities: pairs with probability --inside, or --between
    Blocks,
    /// All with all
    Complete,
}

/// Numbers of a generated network.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Generated networks")]
pub struct Shape {
    /// Number of nodes
    #[arg(long, default_value_t = 1000)]
    pub nodes: usize,
    /// Neighbours of each node in a ring, an even number
    #[arg(long, default_value_t = 10)]
    pub neighbours: usize,
    /// Rows of a lattice
    #[arg(long, default_value_t = 32)]
    pub rows: usize,
    /// Columns of a lattice
    #[arg(long, default_value_t = 32)]
    pub columns: usize,
    /// Close a lattice to a torus
    #[arg(long)]
    pub periodic: bool,
    /// Probability of an edge
    #[arg(long, default_value_t = 0.01)]
    pub probability: f64,
    /// Probability of moving an edge
    #[arg(long, default_value_t = 0.1)]
    pub rewire: f64,
    /// Edges of a new node
    #[arg(long, default_value_t = 5)]
    pub attach: usize,
    /// Number of communities
    #[arg(long, default_value_t = 4)]
    pub blocks: usize,
    /// Probability of an edge within a community
    #[arg(long, default_value_t = 0.1)]
    pub inside: f64,
    /// Probability of an edge between communities
    #[arg(long, default_value_t = 0.005)]
    pub between: f64,
}

/// The equation.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Model")]
pub struct Model {
    /// 1: phases follow the coupling; 2: they have inertia, as generators in a grid do
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub order: u8,
    /// Natural frequencies: lorentz, gauss, uniform, the power of a grid, or a file with one per node in rad per unit of time.
    /// Where nothing is said, a network that tells its power takes that, and others lorentz
    #[arg(long, value_name = "KIND|FILE")]
    pub frequencies: Option<Frequencies>,
    /// Width of the frequencies in rad per unit of time: half width at half maximum, standard deviation, or half the range
    #[arg(long, default_value_t = 1.0, value_parser = not_negative)]
    pub width: f64,
    /// Mean frequency in rad per unit of time
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true, value_parser = finite)]
    pub mean: f64,
    /// Start with all phases at 0, and not at random
    #[arg(long)]
    pub together: bool,
    /// Start with the phases of a file, one per node in rad
    #[arg(long, value_name = "FILE", conflicts_with = "together")]
    pub phases: Option<PathBuf>,
    /// Noise strength D in rad^2 per unit of time: increments have the variance 2 D dt
    #[arg(long, default_value_t = 0.0, value_parser = not_negative)]
    pub noise: f64,
    /// One delay of all edges, in units of time
    #[arg(long, conflicts_with = "speed", value_parser = not_negative)]
    pub delay: Option<f64>,
    /// Speed of signals in mm per unit of time: an edge's delay is its length over this
    #[arg(long, value_parser = positive)]
    pub speed: Option<f64>,
    /// Inertia of every node in units of time squared; second order only
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    pub inertia: f64,
    /// Damping of every node in units of time; second order only
    #[arg(long, default_value_t = 1.0, value_parser = not_negative)]
    pub damping: f64,
}

/// How time passes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Integration")]
pub struct Time {
    /// The integrator; where nothing is said, heun with noise or delays, splitting for the second order, rk4 otherwise
    #[arg(long, value_enum)]
    pub scheme: Option<Scheme>,
    /// Length of a step, or of the first one of dopri, in units of time
    #[arg(long, default_value_t = 0.05, value_parser = positive)]
    pub step: f64,
    /// Length of the run in units of time
    #[arg(long, default_value_t = 50.0, value_parser = positive)]
    pub time: f64,
    /// Error that a step of dopri may make, in rad
    #[arg(long, default_value_t = 1e-5, value_parser = positive)]
    pub tolerance: f64,
    /// Steps from sample to sample
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub every: u32,
    /// Of the network, the frequencies, the first phases and the noise
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    #[command(flatten)]
    pub machine: Machine,
}

/// Integrators.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// First order; with noise that of Euler and Maruyama
    Euler,
    /// Second order; also with noise
    Heun,
    /// The classical method of fourth order
    Rk4,
    /// Kick, drift, kick for networks of the second order, damping exactly
    Splitting,
    /// Dormand and Prince's pair of orders 5 and 4 with control of the step
    Dopri,
}

/// What is written.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Where results and pictures go
    #[arg(long, default_value = "out/network", value_name = "FOLDER")]
    pub out: PathBuf,
    /// The community of each node, one whole number per node: adds an order parameter for each
    #[arg(long, value_name = "FILE")]
    pub communities: Option<PathBuf>,
    /// Print one JSON object in place of text
    #[arg(long)]
    pub json: bool,
    /// Go on with the run in --out
    #[arg(long)]
    pub resume: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' '))
    }

    #[test]
    fn commands_are_sound() {
        Arguments::command().debug_assert();
        let line = "network sweep --make ring --nodes 100 --coupling 0:8:64 --lag 0:1.5:16 --seeds 4";
        let Some(Command::Sweep(sweep)) = parse(line).unwrap().command else { panic!("no sweep") };
        assert_eq!((sweep.coupling.values().len(), sweep.lag.values().len(), sweep.seeds), (64, 16, 4));
        assert_eq!((sweep.coupling.values()[63], sweep.lag.values()[1]), (8.0, 0.1));
        let line = "network run grid.npz --order 2 --scheme splitting --frequencies f.txt --trip 3,4,1.5 --lag -0.5";
        let Some(Command::Run(run)) = parse(line).unwrap().command else { panic!("no run") };
        assert_eq!((run.model.order, run.time.scheme, run.lag), (2, Some(Scheme::Splitting), -0.5));
        assert_eq!(run.model.frequencies, Some(Frequencies::File("f.txt".into())));
        assert_eq!(run.trip, Some(Trip { ends: [3, 4], time: 1.5 }));
        assert!(parse("network --quick").unwrap().quick);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "run",
            "run a.txt --make ring",
            "run --make ring --data celegans",
            "run a.txt --order 3",
            "run a.txt --step 0",
            "run a.txt --noise -1",
            "run a.txt --frequencies cauchy",
            "run a.txt --delay 1 --speed 2",
            "run a.txt --time inf",
            "sweep a.txt --coupling 0:8",
            "sweep a.txt --coupling 8:0:4",
            "sweep a.txt --coupling 0:8:0",
            "sweep a.txt --seeds 0",
            "run a.txt --trip 1,2",
            "run --make ring --undirected",
        ] {
            assert!(parse(&format!("network {line}")).is_err(), "{line}");
        }
    }
}
