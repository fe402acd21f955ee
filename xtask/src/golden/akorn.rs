//! The cases of the AKOrN networks.

use kuramoto::model::Builder;
use kuramoto::model::akorn::{
    Classifier, ClassifierConfig, ClassifierMode, Coupling, DriveNorm, KuramotoLayer, LayerConfig, ObjectConfig,
    ObjectCoupling, ObjectNet, Readout, Run, Sudoku, SudokuConfig, Trajectory,
};
use kuramoto::{DType, Rotation};

use super::session::{Case, Output, Session};
use crate::failure::{Failure, Result};

/// All of them.
pub const CASES: &[Case] = &[
    Case {
        name: "klayer",
        attrs: &["n", "T", "J", "ksize", "heads", "gta", "c_norm", "use_omega", "global_omg", "apply_proj", "H", "W"],
        build: layer,
    },
    Case { name: "readout", attrs: &["n", "ksize"], build: readout },
    Case { name: "sudoku_akorn", attrs: &["n", "ch", "T", "heads", "L", "nl", "learn_omg"], build: sudoku },
    Case { name: "classifier_akorn", attrs: &["n", "ch", "L", "T", "ksizes", "J", "norm", "mode"], build: classifier },
    Case {
        name: "object_akorn",
        attrs: &[
            "n",
            "ch",
            "L",
            "T",
            "heads",
            "imsize",
            "psize",
            "use_omega",
            "global_omg",
            "c_norm",
            "gta",
            "J",
            "ksize",
        ],
        build: object,
    },
];

/// The published energies: one row per step, and zeros before them.
fn energies(name: &'static str, trajectory: &Trajectory) -> Output {
    let rows = std::iter::once(None).chain(trajectory.energies.iter().copied().map(Some));
    Output::stack(name, rows.collect())
}

fn drive_norm(session: &Session) -> Result<DriveNorm> {
    session.word("c_norm", &[("none", DriveNorm::None), ("gn", DriveNorm::Group), ("sandb", DriveNorm::ScaleBias)])
}

fn rotation(session: &Session) -> Result<Rotation> {
    Ok(match (session.flag("use_omega")?, session.flag("global_omg")?) {
        (false, _) => Rotation::Identity,
        (true, true) => Rotation::Global,
        (true, false) => Rotation::PerPair,
    })
}

fn layer(session: &mut Session) -> Result<Vec<Output>> {
    let channels = match session.shape("x")? {
        [_, channels, _, _] => *channels,
        other => return Err(Failure::usage(format!("`in/x` is {other:?}, expected [B, C, H, W]"))),
    };
    let grid = [session.count("H")?, session.count("W")?];
    let gta = session.flag("gta")?;
    let coupling = match session.word("J", &[("conv", true), ("attn", false)])? {
        true if gta => return Err(session.unfit("gta", "false with a convolution")),
        true => Coupling::Conv2d { kernel: session.count("ksize")? },
        false => Coupling::Attention { heads: session.count("heads")?, positions: gta.then_some(grid), causal: false },
    };
    let config = LayerConfig {
        drive_norm: drive_norm(session)?,
        rotation: rotation(session)?,
        projection: session.flag("apply_proj")?,
        ..LayerConfig::new(channels, session.count("n")?, coupling)
    };
    let layer = KuramotoLayer::new(config, "")?;
    let mut builder = Builder::new(0);
    layer.parameters(&mut builder)?;
    let bound = session.model(builder.finish()?)?;
    let (x, c, gamma) = (session.input("x")?, session.input("c")?, session.input("gamma")?);
    let run = Run::new(session.count("T")?).record();
    let trajectory = layer.forward(&mut session.tape, &bound, x, c, gamma, &run)?;
    let first = trajectory.states.first().copied().ok_or_else(|| session.unfit("T", "at least 1"))?;
    let energy = energies("energy", &trajectory);
    Ok(vec![Output::new("x", trajectory.state), Output::new("x1", first), energy])
}

fn readout(session: &mut Session) -> Result<Vec<Output>> {
    let channels = session.shape("x")?.get(1).copied().unwrap_or(0);
    let out = session.extents_of("bias")?.first().copied().unwrap_or(0);
    let readout = Readout::new(channels, out, session.count("n")?, session.count("ksize")?, "")?;
    let mut builder = Builder::new(0);
    readout.parameters(&mut builder);
    let bound = session.model(builder.finish()?)?;
    let x = session.input("x")?;
    Ok(vec![Output::new("y", readout.forward(&mut session.tape, &bound, x)?)])
}

fn sudoku(session: &mut Session) -> Result<Vec<Output>> {
    let config = SudokuConfig {
        channels: session.count("ch")?,
        n: session.count("n")?,
        heads: session.count("heads")?,
        layers: session.count("L")?,
        nonlinear: session.flag("nl")?,
        learn_frequency: session.flag("learn_omg")?,
        ..SudokuConfig::default()
    };
    let net = Sudoku::new(config)?;
    let bound = session.model(net.parameters(0)?)?;
    let (puzzle, solution) = (session.indices("puzzle")?, session.indices("solution")?);
    let noise = session.input("noise")?;
    let run = Run::new(session.count("T")?);
    let solved = net.forward(&mut session.tape, &bound, &puzzle, noise, &run)?;
    let loss = net.loss(&mut session.tape, &solved, &solution)?;
    Ok(vec![
        Output::moved("logits", solved.logits, &[0, 2, 3, 1]),
        energies("energy", &solved.trajectory),
        Output::new("x", solved.trajectory.state),
        Output::new("loss", loss),
    ])
}

fn classifier(session: &mut Session) -> Result<Vec<Output>> {
    session.word("J", &[("conv", ())])?;
    session.word("norm", &[("bn", ())])?;
    let kernels = session.counts("ksizes")?;
    if kernels.len() != session.count("L")? {
        return Err(session.unfit("ksizes", "one kernel a layer"));
    }
    let config = ClassifierConfig {
        channels: session.count("ch")?,
        n: session.count("n")?,
        kernels,
        ..ClassifierConfig::default()
    };
    let net = Classifier::new(config)?;
    let bound = session.model(net.parameters(0)?)?;
    let mode = session.word("mode", &[("train", ClassifierMode::Train), ("eval", ClassifierMode::Evaluate)])?;
    let (image, noise, labels) = (session.input("image")?, session.input("noise")?, session.indices("label")?);
    let run = Run::new(session.count("T")?);
    let tape = &mut session.tape;
    let found = net.forward(tape, &bound, image, noise, &run, mode)?;
    let labels = tape.upload(&labels, &[labels.len()], DType::U32)?;
    let labels = tape.constant(labels);
    let loss = tape.cross_entropy(found.logits, labels, 1)?;
    let energy = energies("energy_last", &found.trajectory);
    Ok(vec![Output::new("logits", found.logits), energy, Output::new("loss", loss)])
}

fn object(session: &mut Session) -> Result<Vec<Output>> {
    let convolution = session.has("J") && session.word("J", &[("conv", true), ("attn", false)])?;
    let coupling = match convolution {
        true => ObjectCoupling::Conv2d { kernel: session.count("ksize")? },
        false => ObjectCoupling::Attention { heads: session.count("heads")?, positions: session.flag("gta")? },
    };
    let config = ObjectConfig {
        image: session.count("imsize")?,
        patch: session.count("psize")?,
        channels: session.count("ch")?,
        n: session.count("n")?,
        layers: session.count("L")?,
        coupling,
        drive_norm: drive_norm(session)?,
        rotation: rotation(session)?,
        ..ObjectConfig::default()
    };
    let net = ObjectNet::new(config)?;
    let bound = session.model(net.parameters(0)?)?;
    let (image, noise) = (session.input("image")?, session.input("noise")?);
    let run = Run::new(session.count("T")?);
    let found = net.forward(&mut session.tape, &bound, image, noise, &run)?;
    Ok(vec![Output::new("z", found.embedding), energies("energy_last", &found.trajectory)])
}
