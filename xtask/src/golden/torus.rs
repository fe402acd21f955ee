//! Kuramoto attention between angles.

use kuramoto::ops::kuramoto_attention::PhaseCoupling;
use kuramoto::{DType, Tape, Var};

use super::session::{Case, Output, Session};
use crate::failure::Result;

/// All of them.
pub const CASES: &[Case] =
    &[Case { name: "kuramoto_attention", attrs: &["heads", "head_dim", "causal"], build: attention }];

fn attention(session: &mut Session) -> Result<Vec<Output>> {
    let shape = session.shape("theta")?.to_vec();
    for (name, axis) in [("heads", 2), ("head_dim", 3)] {
        let extent = shape.get(axis).copied().unwrap_or(0);
        if session.count(name)? != extent {
            return Err(session.unfit(name, &extent.to_string()));
        }
    }
    let causal = session.flag("causal")?;
    let theta = session.input("theta")?;
    let [gate, tau] = [session.parameter("gate")?, session.parameter("tau")?];
    let [eta, drift] = [session.parameter("eta")?, session.parameter("drift")?];
    let coupling = PhaseCoupling { gate, tau, eta, drift, content: None };
    let tape = &mut session.tape;
    let weights = tape.kuramoto_attention_weights(theta, &coupling, causal)?;
    let moved = tape.kuramoto_attention(theta, &coupling, causal)?;
    let angles = tape.reshape(moved, &[shape.iter().product(), 1])?;
    let features = tape.phase_features(angles, 1)?;
    let cos = column(tape, features, [1.0, 0.0], &shape)?;
    let sin = column(tape, features, [0.0, 1.0], &shape)?;
    Ok(vec![Output::new("cos", cos), Output::new("sin", sin), Output::new("weights", weights)])
}

/// One of the two columns of `[N, 2]`, exactly: a product with ones and zeros.
fn column(tape: &mut Tape, features: Var, which: [f32; 2], shape: &[usize]) -> Result<Var> {
    let which = tape.upload(&which, &[1, 2], DType::F32)?;
    let which = tape.constant(which);
    let column = tape.linear(features, which, None, 1)?;
    Ok(tape.reshape(column, shape)?)
}
