//! What training keeps between steps: parameters, moments, gradients and a moving average, each one buffer.

use super::parameters::{Bound, Parameters, Placed, Role};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::ops::adam::AdamOptions;
use crate::ops::ema::WarmUp;
use crate::tape::{Array, Grads, Tape, Value, Var};

/// How a model is trained.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TrainerOptions {
    /// The optimiser, with its learning rate and the bound on the gradient's norm.
    pub adam: AdamOptions,
    /// Whether a moving average of the parameters is kept, which evaluation uses.
    pub average: Option<WarmUp>,
    /// How much of a batch's statistics goes into the running ones, as PyTorch counts it.
    pub momentum: f64,
}

impl TrainerOptions {
    /// This optimiser without a moving average.
    pub fn new(adam: AdamOptions) -> TrainerOptions {
        TrainerOptions { adam, average: None, momentum: 0.1 }
    }

    /// The same with a moving average.
    pub fn average(self, average: WarmUp) -> TrainerOptions {
        TrainerOptions { average: Some(average), ..self }
    }
}

/// What one batch normalisation found in training.
#[derive(Clone, Debug)]
pub struct BatchStatistics {
    /// The normalisation's name; its running statistics are `<name>.running_mean` and `<name>.running_var`.
    pub name: String,
    /// Mean per channel.
    pub mean: Var,
    /// Biased variance per channel.
    pub variance: Var,
    /// Numbers behind each.
    pub count: usize,
}

/// One buffer that holds several parameters.
#[derive(Debug)]
pub(super) struct Arena {
    /// Position among the model's parameters, and first element.
    pub(super) starts: Vec<(usize, usize)>,
    pub(super) len: usize,
    pub(super) value: Value,
}

/// A model in training.
///
/// A step is recorded and submitted without waiting for the device:
///
/// ```text
/// let bound = trainer.bind(&mut tape)?;
/// let loss = ...;                       // forward, on the tape
/// let gradients = tape.backward(loss)?;
/// trainer.step(&mut tape, &bound, &gradients, &[])?;
/// tape.submit()?;
/// ```
#[derive(Debug)]
pub struct Trainer {
    pub(super) parameters: Parameters,
    options: TrainerOptions,
    pub(super) step: u32,
    /// `[3, len]`: parameters, first moments, second moments.
    pub(super) learned: Arena,
    pub(super) statistics: Arena,
    pub(super) frozen: Arena,
    gradients: Value,
    /// Of the learned parameters and of the running statistics.
    pub(super) average: Option<[Value; 2]>,
}

impl Trainer {
    /// Puts `parameters` onto the tape's backend, with moments of zero.
    ///
    /// # Errors
    /// Whatever uploading returns.
    pub fn new(tape: &mut Tape, parameters: &Parameters, options: TrainerOptions) -> Result<Trainer> {
        let mut arena = |role: Role, rows: usize| {
            let (starts, len) = parameters.layout(|r| *r == role);
            let mut data = parameters.arena(&starts, len);
            data.resize(rows * len, 0.0);
            let shape = if rows == 1 { vec![len] } else { vec![rows, len] };
            let value = tape.upload(&data, &shape, DType::F32)?;
            Ok(Arena { starts, len, value })
        };
        let learned = arena(Role::Learned, 3)?;
        let (statistics, frozen) = (arena(Role::Statistic, 1)?, arena(Role::Frozen, 1)?);
        let gradients = tape.upload(&vec![0.0f32; learned.len], &[learned.len], DType::F32)?;
        let average = match options.average {
            Some(_) => {
                let mut copy = |arena: &Arena| {
                    let data = parameters.arena(&arena.starts, arena.len);
                    tape.upload(&data, &[arena.len], DType::F32)
                };
                Some([copy(&learned)?, copy(&statistics)?])
            }
            None => None,
        };
        let parameters = parameters.clone();
        Ok(Trainer { parameters, options, step: 0, learned, statistics, frozen, gradients, average })
    }

    /// Steps done.
    pub fn steps(&self) -> u32 {
        self.step
    }

    /// The options; a schedule changes `adam.learning_rate` between steps.
    pub fn options(&mut self) -> &mut TrainerOptions {
        &mut self.options
    }

    /// The parameters as variables of `tape`: leaves for what learns.
    ///
    /// # Errors
    /// `Foreign` for a tape of another backend or context, when it is used there.
    pub fn bind(&self, tape: &mut Tape) -> Result<Bound> {
        Ok(self.placed(false)?.bind(tape))
    }

    /// The parameters, or their moving average, without gradients.
    ///
    /// # Errors
    /// `Param` if there is no average.
    pub fn placed(&self, averaged: bool) -> Result<Placed> {
        let (learned, statistics) = match (&self.average, averaged) {
            (Some([learned, statistics]), true) => (learned, statistics),
            (None, true) => {
                let wanted = "options with an average";
                return Err(Error::argument(ErrorKind::Param, "Trainer", "average", "absent", wanted));
            }
            _ => (&self.learned.value, &self.statistics.value),
        };
        let mut values = vec![None; self.parameters.iter().count()];
        for (arena, value, learns) in [
            (&self.learned, learned, true),
            (&self.statistics, statistics, false),
            (&self.frozen, &self.frozen.value, false),
        ] {
            for (at, start) in &arena.starts {
                values[*at] = Some((value.slice(*start, &self.parameters.at(*at).shape)?, learns));
            }
        }
        Ok(Placed { values, index: self.parameters.index() })
    }

    /// One step of the optimiser on `gradients`, then the running statistics and the moving average. Parameters without a
    /// gradient see a gradient of zero. Only records: nothing waits for the device.
    ///
    /// # Errors
    /// `Foreign` if `bound` or `gradients` are of another tape, `Param` for statistics of an unknown normalisation.
    pub fn step(
        &mut self,
        tape: &mut Tape,
        bound: &Bound,
        gradients: &Grads,
        statistics: &[BatchStatistics],
    ) -> Result<()> {
        self.step += 1;
        self.collect(tape, bound, gradients)?;
        let state = tape.adam(&self.learned.value, &self.gradients, self.step, &self.options.adam)?;
        self.learned.value = state;
        for found in statistics {
            // Running variances are unbiased, those of a batch are not.
            let unbiased = found.count as f32 / (found.count.max(2) - 1) as f32;
            for (rest, var, scale) in [("running_mean", found.mean, 1.0), ("running_var", found.variance, unbiased)] {
                let name = format!("{}.{rest}", found.name);
                let var = if scale == 1.0 { var } else { tape.scale(scale, var)? };
                let value = tape.value(var)?.clone();
                self.update_statistic(tape, &name, &value)?;
            }
        }
        self.update_average(tape)
    }

    /// Copies the gradients into their arena.
    fn collect(&mut self, tape: &mut Tape, bound: &Bound, gradients: &Grads) -> Result<()> {
        let part = |(at, start): &(usize, usize)| (*start, bound.vars[*at].and_then(|var| gradients.get(var)));
        let parts: Vec<_> = self.learned.starts.iter().map(part).collect();
        self.gradients = tape.backend().assemble(&self.gradients, &parts)?;
        Ok(())
    }

    fn update_statistic(&mut self, tape: &mut Tape, name: &str, value: &Value) -> Result<()> {
        let Arena { starts, len, value: arena } = &mut self.statistics;
        let of = |at: usize| self.parameters.at(at);
        let Some((at, start)) = starts.iter().find(|(at, _)| of(*at).name == name).copied() else {
            let wanted = "a running statistic of this model";
            return Err(Error::argument(ErrorKind::Param, "Trainer::step", "statistics", name, wanted));
        };
        let slot = arena.slice(start, &of(at).shape)?;
        let updated = tape.ema(&slot, value, 1.0 - self.options.momentum)?;
        if let (Ok(new), Ok(old)) = (updated.array(), arena.array()) {
            let mut data = old.data().to_vec();
            data[start..start + new.data().len()].copy_from_slice(new.data());
            *arena = Array::new(data, &[*len], DType::F32)?.into();
        }
        Ok(())
    }

    fn update_average(&mut self, tape: &mut Tape) -> Result<()> {
        let (Some(options), Some([learned, statistics])) = (self.options.average, &mut self.average) else {
            return Ok(());
        };
        let Some(decay) = options.decay(self.step) else { return Ok(()) };
        let now = self.learned.value.slice(0, &[self.learned.len])?;
        *learned = tape.ema(learned, &now, decay)?;
        *statistics = tape.ema(statistics, &self.statistics.value, decay)?;
        Ok(())
    }

    /// The parameters as they are now, or their moving average, on the host. Waits for the device.
    ///
    /// # Errors
    /// `Param` if there is no average; whatever reading from the device returns.
    pub fn read(&self, tape: &mut Tape, averaged: bool) -> Result<Parameters> {
        let placed = self.placed(averaged)?;
        let mut parameters = self.parameters.clone();
        for (at, value) in placed.values.iter().enumerate() {
            if let Some((value, _)) = value {
                let data: Vec<f32> = tape.backend().read(value)?.into_iter().map(|v| v as f32).collect();
                let name = self.parameters.at(at).name.clone();
                parameters.set(&name, &data)?;
            }
        }
        Ok(parameters)
    }
}
