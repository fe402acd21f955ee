//! The case of fixed-query oscillator attention.

use kuramoto::AnchorCoupling;
use kuramoto::model::Builder;
use kuramoto::model::fixed_query::{FixedQuery, FixedQueryConfig};

use super::session::{Case, Output, Session};
use crate::failure::{Failure, Result};

/// All of them.
pub const CASES: &[Case] = &[Case {
    name: "fixed_query_attention",
    attrs: &["heads", "d_osc", "p", "causal", "kernel", "scale"],
    build: attention,
}];

fn attention(session: &mut Session) -> Result<Vec<Output>> {
    let &[_, _, channels] = session.shape("x")? else {
        return Err(Failure::usage("`in/x` is not [B, T, D]"));
    };
    let couplings =
        [("softplus", AnchorCoupling::Softplus), ("relu", AnchorCoupling::Relu), ("elu", AnchorCoupling::Elu)];
    // The one scale that there is.
    session.word("scale", &[("1/sqrt(head_dim)", ())])?;
    let power = session.count("p")?;
    let config = FixedQueryConfig {
        causal: session.flag("causal")?,
        coupling: session.word("kernel", &couplings)?,
        power: u32::try_from(power).map_err(|_| session.unfit("p", "a small number"))?,
        ..FixedQueryConfig::new(
            channels,
            session.count("heads")?,
            session.count("d_osc")?,
            session.extent("anchor", 1)?,
        )
    };
    let layer = FixedQuery::new(config, "")?;
    let mut builder = Builder::new(0);
    layer.parameters(&mut builder);
    let bound = session.parameters(builder.finish()?)?;
    let x = session.input("x")?;
    let found = layer.forward(&mut session.tape, &bound, x, None)?;
    let weights = layer.weights(&mut session.tape, &bound, found.equilibrium, None)?;
    let weights = session.tape.constant(weights);
    Ok(vec![
        Output::new("y", found.output),
        Output::new("equilibrium", found.equilibrium),
        Output::new("weights", weights),
    ])
}
