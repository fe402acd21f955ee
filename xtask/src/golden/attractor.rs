//! The case of the attractor language model.

use kuramoto::model::attractor::{AttractorConfig, AttractorLm, AttractorLmConfig, Refine};
use kuramoto::model::transformer::{Gate, Positions};
use kuramoto::solve::{Adjoint, Implicit, Method, SolveOptions};

use super::session::{Case, Output, Session};
use crate::failure::Result;

/// All of them.
pub const CASES: &[Case] = &[Case {
    name: "attractor_lm",
    attrs: &[
        "d",
        "heads",
        "ff",
        "backbone",
        "head_blocks",
        "causal",
        "gamma_max",
        "logit_scale",
        "embedding_scale",
        "norm_eps",
        "rope_base",
    ],
    build: language_model,
}];

fn language_model(session: &mut Session) -> Result<Vec<Output>> {
    let attractor = AttractorConfig {
        hidden: session.count("ff")?,
        backbone: session.count("backbone")?,
        head: session.count("head_blocks")?,
        causal: session.flag("causal")?,
        positions: Positions::Rotary { base: session.number("rope_base")? },
        norm_eps: session.number("norm_eps")? as f32,
        gate: Gate { limit: session.number("gamma_max")? as f32, start: 0.0 },
        ..AttractorConfig::new(session.count("d")?, session.count("heads")?)
    };
    let model = AttractorLm::new(AttractorLmConfig {
        attractor,
        rows: session.extent("transformer.wte.weight", 0)?,
        embedding_scale: session.number("embedding_scale")? as f32,
        logit_scale: session.number("logit_scale")? as f32,
    })?;
    let bound = session.parameters(model.parameters(0)?)?;
    let length = session.shape("tokens")?.last().copied().unwrap_or(0);
    let (tokens, labels) = (session.indices("tokens")?, session.indices("label")?);
    // What each number type reaches: a few roundings of one evaluation. The map halves errors, so that they are no larger
    // than the residuals.
    let (forward, backward) = if session.is_reference() { (1e-13, 1e-12) } else { (4e-7, 1e-6) };
    let options = |tolerance: f64| SolveOptions::new(Method::Picard, tolerance, 200);
    let adjoint = Adjoint::Implicit(Implicit::new(options(backward)));
    let refine = Refine::settle_strictly(options(forward), adjoint);
    let predicted = model.forward(&mut session.tape, &bound, &tokens, length, &refine)?;
    let loss = model.loss(&mut session.tape, &predicted, &labels, length)?;
    Ok(vec![
        Output::new("context", predicted.refined.proposal),
        Output::new("equilibrium", predicted.refined.state),
        Output::new("logits", predicted.logits),
        Output::new("loss", loss),
    ])
}
