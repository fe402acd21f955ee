//! Trajectories of networks of phase oscillators.

use kuramoto::network::{Coupling, Network, Scheme, State, Term};
use kuramoto::{DType, Graph, Storage, Tape, Var};

use super::session::{Case, Output, Session};
use crate::failure::{Failure, Result};

/// All of them.
pub const CASES: &[Case] =
    &[Case { name: "kuramoto_network", attrs: &["order", "phase_lag", "inertia", "damping"], build: trajectory }];

/// The largest step, of the files' description.
const STEP: f64 = 0.01;

fn trajectory(session: &mut Session) -> Result<Vec<Output>> {
    let order = session.count("order")?;
    if order != 1 && order != 2 {
        return Err(session.unfit("order", "1 or 2"));
    }
    let [indptr, indices] = [session.indices("indptr")?, session.indices("indices")?];
    let [indptr, indices] = [indptr, indices].map(|list| list.into_iter().map(|v| v as usize).collect::<Vec<_>>());
    let graph = Graph::new(&indptr, &indices)?;
    let (nodes, edges) = (graph.nodes(), graph.edge_count());
    let times = session.input("times")?;
    let times = session.tape.read(times)?;
    let lag = session.number("phase_lag")?;
    let constant = |session: &mut Session, value: f64, shape: &[usize]| -> Result<Var> {
        let value = session.tape.upload(&vec![value; shape.iter().product()], shape, DType::F32)?;
        Ok(session.tape.constant(value))
    };
    let weights = session.input("weight")?;
    let coupling = Coupling::Edges {
        graph,
        weights: session.tape.reshape(weights, &[1, edges])?,
        lag: constant(session, lag, &[1, 1])?,
        harmonic: 1,
    };
    let terms = vec![Term { coupling, strength: constant(session, 1.0, &[1])? }];
    let frequencies = session.input("omega")?;
    let theta = session.input("theta0")?;
    let theta = session.tape.reshape(theta, &[1, nodes])?;
    let (network, mut state) = match order {
        1 => (Network::first_order(frequencies, terms), State::at(theta)),
        _ => {
            let [inertia, damping] = [session.number("inertia")?, session.number("damping")?];
            let inertia = constant(session, inertia, &[nodes])?;
            let damping = constant(session, damping, &[nodes])?;
            let velocity = session.input("velocity0")?;
            let velocity = session.tape.reshape(velocity, &[1, nodes])?;
            (Network::second_order(frequencies, terms, inertia, damping), State::moving(theta, velocity))
        }
    };
    let (mut phases, mut velocities, mut phasors) = (Vec::new(), Vec::new(), Vec::new());
    for (k, time) in times.iter().enumerate() {
        if k > 0 {
            let interval = time - times[k - 1];
            if interval.is_nan() || interval <= 0.0 {
                return Err(Failure::usage(format!("`in/times` does not increase at {k}")));
            }
            let steps = (interval / STEP).ceil() as usize;
            let h = constant(session, interval / steps as f64, &[1])?;
            state = network.steps(&mut session.tape, &state, h, Scheme::Rk4, steps, Storage::Everything)?;
        }
        let tape: &mut Tape = &mut session.tape;
        phases.push(tape.reshape(state.theta, &[nodes])?);
        if let Some(velocity) = state.velocity {
            velocities.push(Some(tape.reshape(velocity, &[nodes])?));
        }
        let each = tape.phasors(state.theta, 1)?;
        phasors.push(tape.mean_nodes(each)?);
    }
    let mut outputs = vec![Output::phases("theta", phases), Output::modulus("order_parameter", phasors)];
    if order == 2 {
        outputs.push(Output::stack("velocity", velocities));
    }
    Ok(outputs)
}
