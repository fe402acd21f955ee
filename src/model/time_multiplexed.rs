//! The layer of TIDAL-Net (arXiv 2511.00044): a recurrence whose weights take turns, between a recurrent network and a
//! deep one.

use super::parameters::{Bound, Builder, Initial, Role};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::ops::time_multiplexed::{Activation, MOST_NODES, RecurrenceOptions};
use crate::tape::{Tape, Var};

/// Options of a time-multiplexed layer.
#[derive(Clone, PartialEq, Debug)]
pub struct TimeMultiplexedConfig {
    /// Channels of the input.
    pub inputs: usize,
    /// Nodes of the state, at most [`MOST_NODES`].
    pub nodes: usize,
    /// Banks of weights `L_W`, which take turns.
    pub banks: usize,
    /// The activation.
    pub activation: Activation,
    /// Where `alpha` begins, the share of the state that a step keeps.
    pub initial_alpha: f32,
    /// Whether `alpha` learns.
    pub learn_alpha: bool,
}

impl TimeMultiplexedConfig {
    /// `banks` banks with `tanh` and a learned `alpha` from 1/2: our choice, for the source does not say.
    pub fn new(inputs: usize, nodes: usize, banks: usize) -> TimeMultiplexedConfig {
        TimeMultiplexedConfig {
            inputs,
            nodes,
            banks,
            activation: Activation::Tanh,
            initial_alpha: 0.5,
            learn_alpha: true,
        }
    }

    /// A plain recurrent network, `h' = tanh(W x + V h + b)`: one bank and nothing kept besides.
    pub fn plain(inputs: usize, nodes: usize) -> TimeMultiplexedConfig {
        TimeMultiplexedConfig { initial_alpha: 0.0, learn_alpha: false, ..TimeMultiplexedConfig::new(inputs, nodes, 1) }
    }
}

/// `h[t+1] = alpha h[t] + f(W_xh x[t] + W_hh[l] h[t] + b_h[l])` with `l = t mod L_W`, all steps in one dispatch.
#[derive(Clone, Debug)]
pub struct TimeMultiplexed {
    config: TimeMultiplexedConfig,
    prefix: String,
}

impl TimeMultiplexed {
    /// A layer whose parameters' names begin with `prefix`.
    ///
    /// # Errors
    /// `Param` without an input, a node or a bank or for an `alpha` that is not finite, `Limit` for too many nodes.
    pub fn new(config: TimeMultiplexedConfig, prefix: impl Into<String>) -> Result<TimeMultiplexed> {
        let TimeMultiplexedConfig { inputs, nodes, banks, initial_alpha, .. } = config;
        if inputs == 0 || nodes == 0 || banks == 0 {
            let got = format!("{inputs} inputs, {nodes} nodes, {banks} banks");
            return Err(Error::argument(ErrorKind::Param, "TimeMultiplexed", "options", got, "at least one of each"));
        }
        if nodes > MOST_NODES {
            let wanted = format!("at most {MOST_NODES}");
            return Err(Error::argument(ErrorKind::Limit, "TimeMultiplexed", "nodes", nodes, wanted));
        }
        if !initial_alpha.is_finite() {
            let wanted = "a finite number";
            return Err(Error::argument(ErrorKind::Param, "TimeMultiplexed", "initial_alpha", initial_alpha, wanted));
        }
        Ok(TimeMultiplexed { config, prefix: prefix.into() })
    }

    /// The options.
    pub fn config(&self) -> &TimeMultiplexedConfig {
        &self.config
    }

    fn name(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }

    /// Adds the layer's parameters: `W_xh.weight` `[N, inputs]`, `W_hh` `[L, N, N]`, `b_h` `[L, N]`, `alpha` `[1]`;
    /// matrices and biases uniform as PyTorch's linear maps are.
    pub fn parameters(&self, builder: &mut Builder) {
        let TimeMultiplexedConfig { inputs, nodes, banks, initial_alpha, learn_alpha, .. } = self.config;
        builder.affine(&self.name("W_xh"), &[nodes, inputs], false);
        let spread = Initial::Uniform(1.0 / (nodes as f32).sqrt());
        builder.add(self.name("W_hh"), &[banks, nodes, nodes], Role::Learned, spread.clone());
        builder.add(self.name("b_h"), &[banks, nodes], Role::Learned, spread);
        let role = if learn_alpha { Role::Learned } else { Role::Frozen };
        builder.add(self.name("alpha"), &[1], role, Initial::Constant(initial_alpha));
    }

    /// Runs `steps` steps from `state` `[B, N]`, or from zero, with the input `x`: `[B, inputs]` for one that stays, or
    /// `[B, steps, inputs]`. `first` counts the steps before these, which decide whose turn it is: a sequence in chunks,
    /// each from the state where the last one ended, is the sequence whole. Returns the states after every step
    /// `[B, steps, N]`.
    ///
    /// # Errors
    /// `Shape`, `DType`; as [`Tape::time_multiplexed`].
    pub fn forward(
        &self,
        tape: &mut Tape,
        bound: &Bound,
        x: Var,
        state: Option<Var>,
        first: usize,
        steps: usize,
    ) -> Result<Var> {
        let shape = tape.spec(x)?.shape;
        let x = match shape[..] {
            [batch, inputs] => tape.reshape(x, &[batch, 1, inputs])?,
            [_, _, _] => x,
            _ => {
                let (got, wanted) = (format!("{shape:?}"), "[B, inputs] or [B, steps, inputs]");
                return Err(Error::argument(ErrorKind::Shape, "TimeMultiplexed", "x", got, wanted));
            }
        };
        let drive = tape.linear(x, bound.get(&self.name("W_xh.weight"))?, None, 2)?;
        let state = match state {
            Some(state) => state,
            None => tape.fill(0.0, &[shape[0], self.config.nodes], DType::F32)?,
        };
        let options = RecurrenceOptions::new(steps).first(first).activation(self.config.activation).every();
        let [w, b, alpha] =
            [bound.get(&self.name("W_hh"))?, bound.get(&self.name("b_h"))?, bound.get(&self.name("alpha"))?];
        tape.time_multiplexed(drive, state, w, b, alpha, &options)
    }
}
