//! The language model.

use super::core::{AttractorConfig, Core, Refine, Refined};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::model::parameters::{Bound, Builder, Initial, Parameters, Role};
use crate::tape::{Tape, Var};

/// Options of the language model.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct AttractorLmConfig {
    /// Backbone and head.
    pub attractor: AttractorConfig,
    /// Rows of the embedding: the vocabulary, and what pads it to a round number.
    pub rows: usize,
    /// What embedded tokens are multiplied with; the published networks take `sqrt(width)`.
    pub embedding_scale: f32,
    /// What logits are multiplied with.
    pub logit_scale: f32,
}

impl AttractorLmConfig {
    /// A causal model of `rows` tokens.
    pub fn new(rows: usize, width: usize, heads: usize) -> AttractorLmConfig {
        let attractor = AttractorConfig { causal: true, ..AttractorConfig::new(width, heads) };
        AttractorLmConfig { attractor, rows, embedding_scale: (width as f32).sqrt(), logit_scale: 1.0 }
    }
}

/// A language model whose output embedding is an equilibrium:
/// `logits = logit_scale RMSNorm(y*) Eᵀ` with the embedding `E` of the inputs.
#[derive(Clone, Debug)]
pub struct AttractorLm {
    config: AttractorLmConfig,
    core: Core,
}

/// What the model computed.
#[derive(Clone, Debug)]
pub struct Predicted {
    /// `[B, S, rows]`.
    pub logits: Var,
    /// The proposal, the state that is read out, and how it was reached.
    pub refined: Refined,
}

impl AttractorLm {
    /// The model of `config`.
    ///
    /// # Errors
    /// `Param` without rows or blocks in the head, or for a scale that is not finite; as
    /// [`TransformerBlock::new`](crate::model::transformer::TransformerBlock::new).
    pub fn new(config: AttractorLmConfig) -> Result<AttractorLm> {
        if config.rows == 0 {
            return Err(Error::argument(ErrorKind::Param, "AttractorLm", "rows", 0, "at least one token"));
        }
        for (argument, scale) in [("embedding_scale", config.embedding_scale), ("logit_scale", config.logit_scale)] {
            if !scale.is_finite() {
                return Err(Error::argument(ErrorKind::Param, "AttractorLm", argument, scale, "a finite number"));
            }
        }
        Ok(AttractorLm { config, core: Core::new(&config.attractor, "transformer.")? })
    }

    /// The options.
    pub fn config(&self) -> &AttractorLmConfig {
        &self.config
    }

    /// Initial parameters under the names of the released code, drawn from `seed`; embedded tokens begin with components
    /// of variance 1 if they are scaled by `sqrt(width)`.
    ///
    /// # Errors
    /// None for the options that [`AttractorLm::new`] accepts.
    pub fn parameters(&self, seed: u64) -> Result<Parameters> {
        let width = self.config.attractor.width;
        let mut builder = Builder::new(seed);
        let deviation = 1.0 / (width as f32).sqrt();
        builder.add("transformer.wte.weight", &[self.config.rows, width], Role::Learned, Initial::Normal(deviation));
        self.core.parameters(&mut builder);
        builder.finish()
    }

    /// Predicts the next token after each of `tokens`: whole sequences of `length`, one after the other.
    ///
    /// # Errors
    /// `Shape` if the tokens are no whole sequences, `Index` for one past the rows; as
    /// [`fixed_point`](crate::solve::fixed_point).
    pub fn forward(
        &self,
        tape: &mut Tape,
        bound: &Bound,
        tokens: &[u32],
        length: usize,
        refine: &Refine,
    ) -> Result<Predicted> {
        let AttractorLmConfig { embedding_scale, logit_scale, .. } = self.config;
        let tokens = self.upload(tape, "tokens", tokens, length)?;
        let table = bound.get("transformer.wte.weight")?;
        let mut x = tape.embedding(tokens, table, 2)?;
        if embedding_scale != 1.0 {
            x = tape.scale(embedding_scale, x)?;
        }
        let refined = self.core.refine(tape, bound, x, refine)?;
        let normed = self.core.normed(tape, bound, refined.state)?;
        let mut logits = tape.linear(normed, table, None, 2)?;
        if logit_scale != 1.0 {
            logits = tape.scale(logit_scale, logits)?;
        }
        Ok(Predicted { logits, refined })
    }

    /// Mean cross entropy over all positions and all rows, padding included; `labels` as the tokens of
    /// [`AttractorLm::forward`].
    ///
    /// # Errors
    /// As [`AttractorLm::forward`].
    pub fn loss(&self, tape: &mut Tape, predicted: &Predicted, labels: &[u32], length: usize) -> Result<Var> {
        let labels = self.upload(tape, "labels", labels, length)?;
        tape.cross_entropy(predicted.logits, labels, 2)
    }

    /// [`jacobian_penalty`](crate::solve::jacobian_penalty) of the map `f` at the state that `predicted` reads out, `[1]`: the mean
    /// square of what a step of size `step` in a random direction is stretched by, to be added to the loss. The state itself
    /// counts as given; the gradient goes to the parameters of head and backbone.
    ///
    /// # Errors
    /// As [`jacobian_penalty`](crate::solve::jacobian_penalty); `Foreign` for what another tape recorded.
    pub fn jacobian_penalty(
        &self,
        tape: &mut Tape,
        bound: &Bound,
        predicted: &Predicted,
        step: f32,
        seed: u64,
    ) -> Result<Var> {
        self.core.penalty(tape, bound, &predicted.refined, step, seed)
    }

    fn upload(&self, tape: &mut Tape, argument: &str, tokens: &[u32], length: usize) -> Result<Var> {
        if tokens.is_empty() || length == 0 || !tokens.len().is_multiple_of(length) {
            let got = format!("{} tokens", tokens.len());
            let wanted = format!("sequences of {length}");
            return Err(Error::argument(ErrorKind::Shape, "AttractorLm", argument, got, wanted));
        }
        if let Some(at) = tokens.iter().position(|token| *token as usize >= self.config.rows) {
            let (got, wanted) = (format!("{} at {at}", tokens[at]), format!("below {}", self.config.rows));
            return Err(Error::argument(ErrorKind::Index, "AttractorLm", argument, got, wanted));
        }
        let value = tape.upload(tokens, &[tokens.len() / length, length], DType::U32)?;
        Ok(tape.constant(value))
    }
}
