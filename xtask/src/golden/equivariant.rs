//! Blocks of U(1)- and O(k)-equivariant layers, built from the library's own.

use kuramoto::DType;
use kuramoto::model::Builder;
use kuramoto::model::equivariant::{DeepConfig, EquivariantBlock, Symmetry, order};

use super::session::{Case, Output, Session};
use crate::failure::Result;

/// All of them.
pub const CASES: &[Case] =
    &[Case { name: "equivariant_block", attrs: &["group", "k", "features", "layers"], build: block }];

fn block(session: &mut Session) -> Result<Vec<Output>> {
    let k = session.count("k")?;
    let symmetry = session.word("group", &[("u1", Symmetry::U1), ("ok", Symmetry::Orthogonal { k })])?;
    if symmetry.components() != k {
        return Err(session.unfit("k", "2 for complex neurons"));
    }
    let features = session.count("features")?;
    if k == 0 || !features.is_multiple_of(k) {
        return Err(session.unfit("features", "a multiple of k"));
    }
    let config = DeepConfig { symmetry, neurons: features / k, layers: session.count("layers")?, sigma_w: 1.0 };
    let block = EquivariantBlock::new(config, "layers.")?;
    let mut builder = Builder::new(0);
    block.parameters(&mut builder);
    let bound = session.parameters(builder.finish()?)?;
    let x = session.input("x")?;
    let propagated = block.forward(&mut session.tape, &bound, x)?;
    // The order parameter is read on the host: it is an observable, nothing flows back through it.
    let mut norms = Vec::with_capacity(propagated.states.len());
    for state in &propagated.states {
        norms.push(order(&session.tape.read(*state)?, k)?.norm);
    }
    let norms = session.tape.upload(&norms, &[norms.len()], DType::F32)?;
    let norms = session.tape.constant(norms);
    let first = propagated.states.first().copied().ok_or_else(|| session.unfit("layers", "at least 1"))?;
    Ok(vec![Output::new("y", propagated.state), Output::new("y_layer1", first), Output::new("order_parameter", norms)])
}
