//! The cases of the AKOrN layer and networks, built from the library's own models.

use kuramoto::model::Builder;
use kuramoto::model::akorn::{
    Classifier, ClassifierConfig, ClassifierMode, Coupling, DriveNorm, KuramotoLayer, LayerConfig, ObjectConfig,
    ObjectCoupling, ObjectNet, Readout, Run, Sudoku, SudokuConfig, Trajectory,
};
use kuramoto::{DType, Rotation, Var};

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
        attrs: &["n", "ch", "L", "T", "heads", "imsize", "psize", "use_omega", "global_omg", "c_norm", "gta"],
        build: objects,
    },
];

fn layer(session: &mut Session) -> Result<Vec<Output>> {
    let [_, channels, height, width] = image(session, "x")?;
    for (name, extent) in [("H", height), ("W", width)] {
        if session.count(name)? != extent {
            return Err(session.unfit(name, &extent.to_string()));
        }
    }
    let coupling = if session.word("J", &[("conv", true), ("attn", false)])? {
        Coupling::Conv2d { kernel: session.count("ksize")? }
    } else {
        let positions = session.flag("gta")?.then_some([height, width]);
        Coupling::Attention { heads: session.count("heads")?, positions, causal: false }
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
    let bound = session.parameters(builder.finish()?)?;
    let (x, c, gamma) = (session.input("x")?, session.input("c")?, session.input("gamma")?);
    let run = Run::new(session.count("T")?).record();
    let trajectory = layer.forward(&mut session.tape, &bound, x, c, gamma, &run)?;
    let first = trajectory.states.first().copied().ok_or_else(|| session.unfit("T", "at least 1"))?;
    let energy = energy("energy", &trajectory);
    Ok(vec![Output::new("x", trajectory.state), Output::new("x1", first), energy])
}

fn readout(session: &mut Session) -> Result<Vec<Output>> {
    let [_, channels, _, _] = image(session, "x")?;
    let out = session.extent("bias", 0)?;
    let readout = Readout::new(channels, out, session.count("n")?, session.count("ksize")?, "")?;
    let mut builder = Builder::new(0);
    readout.parameters(&mut builder);
    let bound = session.parameters(builder.finish()?)?;
    let x = session.input("x")?;
    Ok(vec![Output::new("y", readout.forward(&mut session.tape, &bound, x)?)])
}

fn sudoku(session: &mut Session) -> Result<Vec<Output>> {
    let side = session.shape("puzzle")?.last().copied().unwrap_or(0);
    let network = Sudoku::new(SudokuConfig {
        side,
        channels: session.count("ch")?,
        n: session.count("n")?,
        heads: session.count("heads")?,
        layers: session.count("L")?,
        nonlinear: session.flag("nl")?,
        learn_frequency: session.flag("learn_omg")?,
        ..SudokuConfig::default()
    })?;
    let bound = session.parameters(network.parameters(0)?)?;
    let (puzzles, solutions) = (session.indices("puzzle")?, session.indices("solution")?);
    let noise = session.input("noise")?;
    let run = Run::new(session.count("T")?);
    let solved = network.forward(&mut session.tape, &bound, &puzzles, noise, &run)?;
    let loss = network.loss(&mut session.tape, &solved, &solutions)?;
    Ok(vec![
        // The file has the digit last.
        Output::moved("logits", solved.logits, &[0, 2, 3, 1]),
        energy("energy", &solved.trajectory),
        Output::new("x", solved.trajectory.state),
        Output::new("loss", loss),
    ])
}

fn classifier(session: &mut Session) -> Result<Vec<Output>> {
    session.word("J", &[("conv", ())])?;
    session.word("norm", &[("bn", ())])?;
    let mode = session.word("mode", &[("train", ClassifierMode::Train), ("eval", ClassifierMode::Evaluate)])?;
    let kernels = session.counts("ksizes")?;
    if session.count("L")? != kernels.len() {
        return Err(session.unfit("L", &kernels.len().to_string()));
    }
    let [_, colours, _, _] = image(session, "image")?;
    let network = Classifier::new(ClassifierConfig {
        colours,
        classes: session.extent("out.bias", 0)?,
        channels: session.count("ch")?,
        n: session.count("n")?,
        kernels,
        ..ClassifierConfig::default()
    })?;
    let bound = session.parameters(network.parameters(0)?)?;
    let (image, noise) = (session.input("image")?, session.input("noise")?);
    let labels = session.indices("label")?;
    let run = Run::new(session.count("T")?);
    let tape = &mut session.tape;
    let classified = network.forward(tape, &bound, image, noise, &run, mode)?;
    let labels = tape.upload(&labels, &[labels.len()], DType::U32)?;
    let labels = tape.constant(labels);
    let loss = tape.cross_entropy(classified.logits, labels, 1)?;
    let energy = energy("energy_last", &classified.trajectory);
    Ok(vec![Output::new("logits", classified.logits), Output::new("loss", loss), energy])
}

fn objects(session: &mut Session) -> Result<Vec<Output>> {
    let [_, colours, _, _] = image(session, "image")?;
    let coupling = ObjectCoupling::Attention { heads: session.count("heads")?, positions: session.flag("gta")? };
    let network = ObjectNet::new(ObjectConfig {
        image: session.count("imsize")?,
        colours,
        patch: session.count("psize")?,
        channels: session.count("ch")?,
        n: session.count("n")?,
        layers: session.count("L")?,
        coupling,
        drive_norm: drive_norm(session)?,
        rotation: rotation(session)?,
        ..ObjectConfig::default()
    })?;
    let bound = session.parameters(network.parameters(0)?)?;
    let (image, noise) = (session.input("image")?, session.input("noise")?);
    let run = Run::new(session.count("T")?);
    let seen = network.forward(&mut session.tape, &bound, image, noise, &run)?;
    Ok(vec![Output::new("z", seen.embedding), energy("energy_last", &seen.trajectory)])
}

/// Extents of an input of images.
fn image(session: &mut Session, name: &str) -> Result<[usize; 4]> {
    let shape = session.shape(name)?;
    let wrong = || Failure::usage(format!("`in/{name}` is {shape:?}, expected [B, C, H, W]"));
    shape.try_into().map_err(|_| wrong())
}

fn drive_norm(session: &Session) -> Result<DriveNorm> {
    let words = [("none", DriveNorm::None), ("gn", DriveNorm::Group), ("sandb", DriveNorm::ScaleBias)];
    session.word("c_norm", &words)
}

/// Without frequencies the published code adds the state itself, trap A1.
fn rotation(session: &Session) -> Result<Rotation> {
    let global = session.flag("global_omg")?;
    Ok(match session.flag("use_omega")? {
        false => Rotation::Identity,
        true if global => Rotation::Global,
        true => Rotation::PerPair,
    })
}

/// Energies as the published code lists them: a zero, then those of the states before each step.
fn energy(name: &'static str, trajectory: &Trajectory) -> Output {
    let steps = trajectory.energies.iter().copied().map(Some);
    Output::stack(name, std::iter::once(None::<Var>).chain(steps).collect())
}
