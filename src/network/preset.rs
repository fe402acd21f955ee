//! Networks that have names.

use super::terms::{Coupling, Network, Term};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::ops::graph::Graph;
use crate::tape::{Tape, Value};

/// Collective decisions of informed and uninformed agents (arXiv 2606.11259, in the form of this library): headings with
/// inertia, coupled over a graph, of which informed agents are drawn towards what they prefer:
/// ```text
/// m_i v_i' = -d_i v_i + rho_i sin(phi_i - theta_i) + sum over edges of w sin(theta_j - theta_i)
/// ```
/// `weights` `[edges]` are in the graph's order; `preferences` `phi` `[B, N]` in radians, of uninformed agents without effect;
/// `attraction` `rho` `[N]`, 0 for an uninformed agent; `inertia` and `damping` `[N]`. The conflict is how far preferences lie
/// apart; samples are as many as there are rows of preferences.
///
/// # Errors
/// `Shape` if a list has another length, `Csr` for weights that are not finite, `Param` for inertia that is not positive.
#[allow(clippy::too_many_arguments)]
pub fn decision(
    tape: &mut Tape,
    graph: &Graph,
    weights: &[f32],
    preferences: &[f64],
    attraction: &[f64],
    inertia: &[f64],
    damping: &[f64],
) -> Result<Network<Value>> {
    let nodes = graph.nodes();
    graph.check_weights(weights)?;
    let lists = [("attraction", attraction), ("inertia", inertia), ("damping", damping)];
    for (argument, got) in lists.map(|(argument, list)| (argument, list.len())) {
        if got != nodes {
            return Err(Error::argument(ErrorKind::Shape, "decision", argument, got, format!("{nodes}, one per node")));
        }
    }
    if nodes == 0 || !preferences.len().is_multiple_of(nodes) {
        let wanted = format!("a row of {nodes} for each sample");
        return Err(Error::argument(ErrorKind::Shape, "decision", "preferences", preferences.len(), wanted));
    }
    if let Some(m) = inertia.iter().find(|m| !(m.is_finite() && **m > 0.0)) {
        let wanted = "positive; without inertia a network is first order";
        return Err(Error::argument(ErrorKind::Param, "decision", "inertia", m, wanted));
    }
    let batch = preferences.len() / nodes;
    let pull = |(k, phi): (usize, &f64)| {
        let (sin, cos) = phi.sin_cos();
        [attraction[k % nodes] * cos, attraction[k % nodes] * sin]
    };
    let field: Vec<f64> = preferences.iter().enumerate().flat_map(pull).collect();
    let one = |tape: &mut Tape, value: f64| tape.upload(&vec![value; batch], &[batch], DType::F32);
    let edges = Coupling::Edges {
        graph: graph.clone(),
        weights: tape.upload(weights, &[1, weights.len()], DType::F32)?,
        lag: one(tape, 0.0)?.reshape(&[batch, 1])?,
        harmonic: 1,
    };
    let preference = Coupling::Field {
        field: tape.upload(&field, &[batch, nodes, 2], DType::F32)?,
        lag: one(tape, 0.0)?,
        harmonic: 1,
    };
    let terms = vec![
        Term { coupling: edges, strength: one(tape, 1.0)? },
        Term { coupling: preference, strength: one(tape, 1.0)? },
    ];
    Ok(Network::second_order(
        tape.upload(&vec![0.0; nodes], &[nodes], DType::F32)?,
        terms,
        tape.upload(inertia, &[nodes], DType::F32)?,
        tape.upload(damping, &[nodes], DType::F32)?,
    ))
}
