//! A small pre-norm transformer over tokens with fixed-query or softmax attention: the networks of the published
//! experiments (arXiv 2606.12059), alike in all but the attention.

use super::{Attended, FixedQuery, FixedQueryConfig, constant};
use crate::cpu::noise::{Distribution, Stream, forward as noise};
use crate::error::{Error, ErrorKind, Result};
use crate::model::parameters::{Bound, Builder, Initial, Parameters, Role};
use crate::ops::couple_attention::{AttentionOptions, AttentionWeights};
use crate::tape::{Tape, Var};

/// Of layer normalisations, PyTorch's.
const EPS: f32 = 1e-5;

/// How tokens attend to each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attention {
    /// Through the equilibria of oscillators. The configuration's channels, heads, positions and causality are those of
    /// the network.
    FixedQuery(FixedQueryConfig),
    /// By softmax over scores.
    Softmax,
}

/// Options of the network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SequenceConfig {
    /// Tokens that there are.
    pub vocabulary: usize,
    /// Classes of the result.
    pub classes: usize,
    /// Channels.
    pub channels: usize,
    /// Heads of the attention.
    pub heads: usize,
    /// Blocks.
    pub layers: usize,
    /// Channels within the feed-forward part.
    pub hidden: usize,
    /// The longest sequence.
    pub positions: usize,
    /// Whether a token sees only those up to itself.
    pub causal: bool,
    /// Whether the last token alone is classified, in place of each.
    pub last: bool,
    /// How tokens attend.
    pub attention: Attention,
}

/// Zeros some channels in training and scales the rest.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Dropout {
    /// The fraction that is zeroed, in `[0, 1)`.
    pub rate: f32,
    /// Of the draws; a step of training has its own `step`. Each place in the network takes a stream of its own from
    /// `stream` on.
    pub stream: Stream,
}

/// The network.
#[derive(Clone, Debug)]
pub struct SequenceNet {
    config: SequenceConfig,
    layers: Vec<Option<FixedQuery>>,
}

/// What the network computed.
#[derive(Clone, Debug)]
pub struct Sequenced {
    /// `[B, T, classes]`, or `[B, classes]` of the last token.
    pub logits: Var,
    /// What each layer's oscillators did; empty for softmax.
    pub attended: Vec<Attended>,
}

impl SequenceNet {
    /// A network.
    ///
    /// # Errors
    /// `Param` without tokens, classes, layers or positions; as [`FixedQuery::new`].
    pub fn new(config: SequenceConfig) -> Result<SequenceNet> {
        let SequenceConfig { vocabulary, classes, channels, heads, layers, hidden, positions, causal, .. } = config;
        let counts = [
            ("vocabulary", vocabulary),
            ("classes", classes),
            ("channels", channels),
            ("heads", heads),
            ("layers", layers),
            ("hidden", hidden),
            ("positions", positions),
        ];
        if let Some((name, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return Err(Error::argument(ErrorKind::Param, "SequenceNet", name, 0, "at least 1"));
        }
        let layer = |at: usize| match config.attention {
            Attention::Softmax => Ok(None),
            Attention::FixedQuery(own) => {
                let own = FixedQueryConfig { channels, heads, positions, causal, ..own };
                FixedQuery::new(own, format!("layers.{at}.attn.")).map(Some)
            }
        };
        Ok(SequenceNet { config, layers: (0..layers).map(layer).collect::<Result<_>>()? })
    }

    /// Initial parameters.
    ///
    /// # Errors
    /// As [`Builder::finish`].
    pub fn parameters(&self, seed: u64) -> Result<Parameters> {
        let SequenceConfig { vocabulary, classes, channels, hidden, .. } = self.config;
        let mut builder = Builder::new(seed);
        let norm = |builder: &mut Builder, name: &str| {
            builder.add(format!("{name}.weight"), &[channels], Role::Learned, Initial::Constant(1.0));
            builder.add(format!("{name}.bias"), &[channels], Role::Learned, Initial::Constant(0.0));
        };
        builder.add("embed.weight", &[vocabulary, channels], Role::Learned, Initial::Normal(1.0));
        for (at, layer) in self.layers.iter().enumerate() {
            norm(&mut builder, &format!("layers.{at}.norm1"));
            match layer {
                Some(layer) => layer.parameters(&mut builder),
                None => {
                    builder.affine(&format!("layers.{at}.attn.qkv"), &[3 * channels, channels], false);
                    builder.affine(&format!("layers.{at}.attn.o"), &[channels, channels], true);
                }
            }
            norm(&mut builder, &format!("layers.{at}.norm2"));
            builder.affine(&format!("layers.{at}.ff.0"), &[hidden, channels], true);
            builder.affine(&format!("layers.{at}.ff.2"), &[channels, hidden], true);
        }
        norm(&mut builder, "norm");
        builder.affine("head", &[classes, channels], true);
        builder.finish()
    }

    /// Logits of `tokens` `[B, T]`, integers below the vocabulary. Keys from `lengths[b]` on are padding, which softmax
    /// attention does not know.
    ///
    /// # Errors
    /// `Shape` for other extents or more tokens than positions, `Param` for lengths with softmax or a dropout outside
    /// `[0, 1)`; as [`Tape::apply`].
    pub fn forward(
        &self,
        tape: &mut Tape,
        bound: &Bound,
        tokens: Var,
        lengths: Option<Var>,
        dropout: Option<&Dropout>,
    ) -> Result<Sequenced> {
        let shape = tape.spec(tokens)?.shape;
        let &[batch, count] = shape.as_slice() else {
            return Err(Error::argument(ErrorKind::Shape, "SequenceNet", "tokens", format!("{shape:?}"), "[B, T]"));
        };
        if count > self.config.positions || (self.config.last && count == 0) {
            let wanted = format!("1 to {}", self.config.positions);
            return Err(Error::argument(ErrorKind::Shape, "SequenceNet", "number of tokens", count, wanted));
        }
        if lengths.is_some() && self.config.attention == Attention::Softmax {
            let wanted = "absent with softmax attention";
            return Err(Error::argument(ErrorKind::Param, "SequenceNet", "lengths", "given", wanted));
        }
        let mut places = 0;
        let mut drop = |tape: &mut Tape, x: Var| {
            places += 1;
            dropout.map_or(Ok(x), |dropout| dropout.apply(tape, x, places))
        };
        let x = tape.embedding(tokens, bound.get("embed.weight")?, 2)?;
        let channels = self.config.channels;
        let positions = constant(tape, &sinusoids(batch, count, channels), &[batch, count, channels])?;
        let x = tape.add(x, positions)?;
        let mut x = drop(tape, x)?;
        let mut attended = vec![];
        for (at, layer) in self.layers.iter().enumerate() {
            let get = |name: &str| bound.get(&format!("layers.{at}.{name}"));
            let norm = |tape: &mut Tape, x: Var, name: &str| {
                let (weight, bias) = (get(&format!("{name}.weight"))?, get(&format!("{name}.bias"))?);
                tape.norm_layer(x, Some(weight), Some(bias), 2, EPS)
            };
            let y = norm(tape, x, "norm1")?;
            let y = match layer {
                Some(layer) => {
                    let found = layer.forward(tape, bound, y, lengths)?;
                    attended.push(found);
                    found.output
                }
                None => {
                    let weights = AttentionWeights {
                        w_qkv: get("attn.qkv.weight")?,
                        b_qkv: None,
                        w_o: get("attn.o.weight")?,
                        b_o: Some(get("attn.o.bias")?),
                        positions: [None; 4],
                    };
                    let (heads, causal) = (self.config.heads, self.config.causal);
                    let options = AttentionOptions { axis: 2, heads, interleaved: false, causal };
                    tape.couple_attention(y, &weights, &options)?
                }
            };
            let y = drop(tape, y)?;
            x = tape.add(x, y)?;
            let y = norm(tape, x, "norm2")?;
            let y = tape.linear(y, get("ff.0.weight")?, Some(get("ff.0.bias")?), 2)?;
            let y = tape.gelu(y)?;
            let y = tape.linear(y, get("ff.2.weight")?, Some(get("ff.2.bias")?), 2)?;
            let y = drop(tape, y)?;
            x = tape.add(x, y)?;
        }
        let mut axis = 2;
        if self.config.last {
            // The last of all tokens, as a product with a vector that is 1 there.
            let pick: Vec<f32> = (0..count).map(|at| f32::from(u8::from(at + 1 == count))).collect();
            let pick = constant(tape, &pick, &[1, count])?;
            x = tape.linear(x, pick, None, 1)?;
            x = tape.reshape(x, &[batch, self.config.channels])?;
            axis = 1;
        }
        let x = tape.norm_layer(x, Some(bound.get("norm.weight")?), Some(bound.get("norm.bias")?), axis, EPS)?;
        let logits = tape.linear(x, bound.get("head.weight")?, Some(bound.get("head.bias")?), axis)?;
        Ok(Sequenced { logits, attended })
    }
}

impl Dropout {
    /// `x m`, `m` 0 for a fraction `rate` of the elements and `1 / (1 - rate)` for the rest.
    fn apply(&self, tape: &mut Tape, x: Var, place: u32) -> Result<Var> {
        if !(self.rate >= 0.0 && self.rate < 1.0) {
            return Err(Error::argument(ErrorKind::Param, "dropout", "rate", self.rate, "in [0, 1)"));
        }
        let spec = tape.spec(x)?;
        let stream = Stream { stream: self.stream.stream.wrapping_add(place), ..self.stream };
        let samples = spec.shape[0];
        let draws: Vec<f64> = noise(&stream, Distribution::Uniform, samples, spec.len() / samples.max(1));
        let kept = 1.0 / (1.0 - self.rate);
        let mask: Vec<f32> = draws.iter().map(|u| if *u < f64::from(self.rate) { 0.0 } else { kept }).collect();
        let mask = tape.upload(&mask, &[spec.len()], spec.dtype)?;
        let mask = tape.constant(mask);
        // A mask of blend counts per position: here every element is one.
        let flat = tape.reshape(x, &[spec.len(), 1])?;
        let zero = tape.upload(&vec![0.0f32; spec.len()], &[spec.len(), 1], spec.dtype)?;
        let zero = tape.constant(zero);
        let masked = tape.blend(flat, zero, mask, 1)?;
        tape.reshape(masked, &spec.shape)
    }
}

/// `sin(t / 10000^(2 m / channels))` and its cosine in channels `2 m` and `2 m + 1` of token `t`, for each sample. Source:
/// Vaswani et al. 2017, section 3.5.
fn sinusoids(batch: usize, tokens: usize, channels: usize) -> Vec<f32> {
    let mut one = Vec::with_capacity(tokens * channels);
    for t in 0..tokens {
        for c in 0..channels {
            let angle = t as f64 * 10_000f64.powf(-((c / 2 * 2) as f64) / channels as f64);
            one.push(if c % 2 == 0 { angle.sin() } else { angle.cos() } as f32);
        }
    }
    one.repeat(batch)
}
