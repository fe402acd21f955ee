//! A recurrence whose weights take turns, all its steps in one dispatch.

#[path = "time_multiplexed_cases.rs"]
mod cases;
#[path = "time_multiplexed_contracts.rs"]
mod contracts;

pub use contracts::{BACKWARD, BACKWARD_TRACE, BACKWARD_W, FORWARD};
#[cfg(feature = "gpu")]
use contracts::{Params, ParamsBwd, ParamsTrace, ParamsW};

use super::layout::indexable;
use super::spec::{Op, OpSpec, Port};
pub use crate::cpu::time_multiplexed::Activation;
use crate::cpu::time_multiplexed::{Extents, Inputs};
use crate::cpu::{Real, time_multiplexed as cpu};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::{DType, WORKGROUP};
use crate::tape::{Tape, Var};

/// The most nodes of a state: what one workgroup holds.
pub const MOST_NODES: usize = 256;

/// Samples of one workgroup.
#[cfg(feature = "gpu")]
const SIDE: usize = 4;

/// How a recurrence is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecurrenceOptions {
    /// Steps, at least one.
    pub steps: usize,
    /// Steps that came before: the first one uses bank `first mod banks`.
    pub first: usize,
    /// The activation.
    pub activation: Activation,
    /// Whether the state after every step is returned, or after the last one alone.
    pub every: bool,
}

impl RecurrenceOptions {
    /// `steps` steps from bank 0 with `tanh`, of which the last state is returned.
    pub fn new(steps: usize) -> RecurrenceOptions {
        RecurrenceOptions { steps, first: 0, activation: Activation::Tanh, every: false }
    }

    /// The same after so many steps.
    pub fn first(self, first: usize) -> RecurrenceOptions {
        RecurrenceOptions { first, ..self }
    }

    /// The same with another activation.
    pub fn activation(self, activation: Activation) -> RecurrenceOptions {
        RecurrenceOptions { activation, ..self }
    }

    /// The same, returning the state after every step.
    pub fn every(self) -> RecurrenceOptions {
        RecurrenceOptions { every: true, ..self }
    }
}

/// A recurrence with fixed extents.
#[derive(Clone, Debug)]
pub struct TimeMultiplexed {
    at: Extents,
}

impl TimeMultiplexed {
    /// A recurrence under a drive `[B, T or 1, N]` with weights `[L, N, N]`.
    ///
    /// # Errors
    /// `Param` without a step, `Shape` if the extents are others or hold no node or no bank, `Limit` for more than
    /// [`MOST_NODES`] nodes, `Index` past 32 bits.
    pub fn new(drive: &[usize], w: &[usize], options: &RecurrenceOptions) -> Result<TimeMultiplexed> {
        let refuse = |kind: ErrorKind, argument: &str, got: String, wanted: String| {
            Err(Error::argument(kind, "time_multiplexed", argument, got, wanted))
        };
        let RecurrenceOptions { steps, first, activation, every } = *options;
        if steps == 0 {
            return refuse(ErrorKind::Param, "steps", "0".into(), "at least one".into());
        }
        let &[banks, nodes, inputs] = w else {
            return refuse(ErrorKind::Shape, "w", format!("{w:?}"), "[banks, nodes, nodes]".into());
        };
        if nodes != inputs || nodes == 0 || banks == 0 {
            let wanted = "[banks, nodes, nodes], at least one of each".into();
            return refuse(ErrorKind::Shape, "w", format!("{w:?}"), wanted);
        }
        if nodes > MOST_NODES {
            let wanted = format!("at most {MOST_NODES}, which one workgroup holds");
            return refuse(ErrorKind::Limit, "nodes", nodes.to_string(), wanted);
        }
        let &[batch, drives, width] = drive else {
            return refuse(ErrorKind::Shape, "drive", format!("{drive:?}"), "[batch, steps or 1, nodes]".into());
        };
        if (drives != steps && drives != 1) || width != nodes {
            let wanted = format!("[batch, {steps} or 1, {nodes}]");
            return refuse(ErrorKind::Shape, "drive", format!("{drive:?}"), wanted);
        }
        indexable("time_multiplexed", w)?;
        // The backward pass keeps a state and a slope of every step.
        indexable("time_multiplexed", &[batch, steps, 2, nodes])?;
        let at = Extents { batch, steps, drives, nodes, banks, first: first % banks, every, activation };
        Ok(TimeMultiplexed { at })
    }

    fn dst(&self) -> Vec<usize> {
        let Extents { batch, steps, nodes, every, .. } = self.at;
        if every { vec![batch, steps, nodes] } else { vec![batch, nodes] }
    }

    fn operands<'a, R: Real>(inputs: &[&'a [R]]) -> Inputs<'a, R> {
        Inputs { drive: inputs[0], state: inputs[1], w: inputs[2], bias: inputs[3], alpha: inputs[4] }
    }
}

#[cfg(feature = "gpu")]
impl TimeMultiplexed {
    fn activation_code(&self) -> u32 {
        match self.at.activation {
            Activation::Tanh => 0,
            Activation::Relu => 1,
            Activation::Identity => 2,
        }
    }

    /// A workgroup per four samples that multiplies by one bank in each step, four rows of products a round.
    fn work(&self) -> Work {
        let Extents { batch, steps, nodes, .. } = self.at;
        let turns = nodes.div_ceil(WORKGROUP as usize);
        // Ten rounds over the samples side by side in a step; 64 at the ends and in the trees of alpha's sums.
        let rounds = steps * (1 + turns * (12 + nodes / 4 + nodes % 4)) + 16 * turns + 64;
        Work::workgroups(batch.div_ceil(SIDE)).rounds(rounds).flops(2 * batch * steps * nodes * (nodes + 4))
    }

    /// States and slopes of every step, in f32: what the backward pass needs of the forward one.
    fn trace(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Tensor> {
        let e = &self.at;
        let trace = commands.empty(&[e.batch, e.steps, 2, e.nodes], DType::F32)?;
        let params = ParamsTrace {
            batch: e.batch as u32,
            steps: e.steps as u32,
            drives: e.drives as u32,
            nodes: e.nodes as u32,
            banks: e.banks as u32,
            first: e.first as u32,
            activation: self.activation_code(),
        };
        let mut binds: Vec<_> = inputs.iter().map(|tensor| read(tensor)).collect();
        binds.push(write(&trace));
        commands.dispatch(&BACKWARD_TRACE, dtype, &[], &params, &binds, self.work())?;
        Ok(trace)
    }

    /// Cotangents of the weights and of the biases.
    fn parameters_bar(&self, commands: &mut Commands, trace: &Tensor, s: &Tensor) -> Result<[Tensor; 2]> {
        let e = &self.at;
        let turns = e.steps.div_ceil(e.banks);
        let (weights, biases) = (e.banks * e.nodes * e.nodes, e.banks * e.nodes);
        let (uses, width) = (e.batch * turns, weights + biases);
        // Blocks of four rows and four columns, of which the biases are one more.
        let blocks = e.banks * e.nodes.div_ceil(4) * (e.nodes + 1).div_ceil(4);
        let split = super::sum_columns::split(uses, blocks);
        let partial = commands.empty(&[split.tiles, width], DType::F32)?;
        let params = ParamsW {
            uses: uses as u32,
            turns: turns as u32,
            steps: e.steps as u32,
            nodes: e.nodes as u32,
            banks: e.banks as u32,
            first: e.first as u32,
            run: split.run as u32,
            tiles: split.tiles as u32,
            width: width as u32,
        };
        let work = Work::invocations(split.tiles * blocks).rounds(split.run + 20).flops(2 * uses * width);
        commands.dispatch(&BACKWARD_W, DType::F32, &[], &params, &[read(trace), read(s), write(&partial)], work)?;
        let sum = super::sum_columns::sum_columns;
        let w_bar = sum(commands, &partial, 0, &[e.banks, e.nodes, e.nodes])?;
        Ok([w_bar, sum(commands, &partial, weights, &[e.banks, e.nodes])?])
    }
}

impl Op for TimeMultiplexed {
    fn name(&self) -> &'static str {
        "time_multiplexed"
    }
    fn inputs(&self) -> Vec<Port> {
        let Extents { batch, drives, nodes, banks, .. } = self.at;
        vec![
            Port::storage("drive", &[batch, drives, nodes]),
            Port::storage("state", &[batch, nodes]),
            Port::storage("w", &[banks, nodes, nodes]),
            Port::storage("bias", &[banks, nodes]),
            Port::f32("alpha", &[1]),
        ]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.dst())]
    }
    fn parameters(&self) -> &'static [&'static str] {
        &["w", "bias"]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(&Self::operands(inputs), &self.at)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(&Self::operands(inputs), cotangents[0], &self.at).into()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let e = &self.at;
        let dst = commands.empty(&self.dst(), dtype)?;
        let params = Params {
            batch: e.batch as u32,
            steps: e.steps as u32,
            drives: e.drives as u32,
            nodes: e.nodes as u32,
            banks: e.banks as u32,
            first: e.first as u32,
            activation: self.activation_code(),
            every: e.every.into(),
        };
        let mut binds: Vec<_> = inputs.iter().map(|tensor| read(tensor)).collect();
        binds.push(write(&dst));
        commands.dispatch(&FORWARD, dtype, &[], &params, &binds, self.work())?;
        Ok(vec![dst])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        needs: &[bool],
        dtype: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = cotangents[0] else { return Ok(vec![None; inputs.len()]) };
        let e = &self.at;
        let trace = self.trace(commands, inputs, dtype)?;
        let s = commands.empty(&[e.batch, e.steps, e.nodes], DType::F32)?;
        let drive_bar = commands.empty(&[e.batch, e.drives, e.nodes], dtype)?;
        let state_bar = commands.empty(&[e.batch, e.nodes], dtype)?;
        let partial = commands.empty(&[e.batch], DType::F32)?;
        let params = ParamsBwd {
            batch: e.batch as u32,
            steps: e.steps as u32,
            drives: e.drives as u32,
            nodes: e.nodes as u32,
            banks: e.banks as u32,
            first: e.first as u32,
            every: e.every.into(),
        };
        let reads = [read(inputs[2]), read(inputs[4]), read(&trace), read(g)];
        let writes = [write(&s), write(&drive_bar), write(&state_bar), write(&partial)];
        commands.dispatch(&BACKWARD, dtype, &[], &params, &[reads, writes].concat(), self.work())?;
        let mut all = vec![Some(drive_bar), Some(state_bar), None, None, None];
        if needs[2] || needs[3] {
            let [w_bar, bias_bar] = self.parameters_bar(commands, &trace, &s)?;
            all[2] = Some(w_bar);
            all[3] = Some(bias_bar);
        }
        if needs[4] {
            all[4] = Some(super::sum_rows::sum_rows(commands, &partial, 0, e.batch, &[1])?);
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `h[t+1] = alpha h[t] + f(drive[t] + bias[bank] + w[bank] h[t])` from `h[0] = state` `[B, N]`, where
    /// `bank = (first + t) mod L`: `drive` `[B, T, N]`, or `[B, 1, N]` for one that does not change, `w` `[L, N, N]`,
    /// `bias` `[L, N]`, `alpha` `[1]` in f32. Returns the states after every step `[B, T, N]`, or the last `[B, N]`.
    /// Within the call the state is f32 whatever the storage type is.
    ///
    /// # Errors
    /// `Param` without a step, `Shape`, `DType`, `Limit` for more than [`MOST_NODES`](crate::ops::time_multiplexed::MOST_NODES)
    /// nodes or, on a driver that ends loops early, for too many steps; `Index`; as [`Commands::apply`].
    pub fn time_multiplexed(
        &mut self,
        drive: &Tensor,
        state: &Tensor,
        w: &Tensor,
        bias: &Tensor,
        alpha: &Tensor,
        options: &RecurrenceOptions,
    ) -> Result<Tensor> {
        let op = TimeMultiplexed::new(drive.shape(), w.shape(), options)?;
        Ok(self.apply(&op, &[drive, state, w, bias, alpha])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::time_multiplexed`](crate::Commands::time_multiplexed), differentiable in all operands; the
    /// gradients of `w` and `bias` are f32. The backward pass runs the recurrence once more and holds three numbers a
    /// node and step.
    ///
    /// # Errors
    /// As [`Commands::time_multiplexed`](crate::Commands::time_multiplexed).
    pub fn time_multiplexed(
        &mut self,
        drive: Var,
        state: Var,
        w: Var,
        bias: Var,
        alpha: Var,
        options: &RecurrenceOptions,
    ) -> Result<Var> {
        let op = TimeMultiplexed::new(&self.spec(drive)?.shape, &self.spec(w)?.shape, options)?;
        self.apply_one(op, &[drive, state, w, bias, alpha])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "time_multiplexed",
    formula: "h[t+1] = alpha h[t] + f(drive[t] + bias[l] + w[l] h[t]), l = (first + t) mod banks",
    differentiable: true,
    kernels: &[
        &FORWARD,
        &BACKWARD_TRACE,
        &BACKWARD,
        &BACKWARD_W,
        &super::sum_columns::KERNEL,
        &super::sum_rows::KERNEL,
    ],
    cases: cases::cases,
};
