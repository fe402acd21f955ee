//! Reading values by the likeness of an oscillator and their anchors: what attention's softmax is replaced by.

use super::anchors::{self, CONSTANTS, CONSTANTS_PREFIX, Extents, Shapes};
use super::spec::{Op, OpSpec, Port};
#[cfg(feature = "gpu")]
use super::sum_columns::sum_columns;
use crate::cpu::Real;
use crate::cpu::couple_anchors::Heads;
use crate::cpu::readout_anchors as cpu;
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::{Binding, Elem, Kernel, Params as _, input, output, source};
#[cfg(feature = "gpu")]
use crate::kernel::{DType, WORKGROUP};
use crate::tape::{Tape, Var};

#[path = "readout_anchors_cases.rs"]
mod cases;

crate::params! {
    /// Parameters of all kernels.
    struct Params { batch: u32, tokens: u32, heads: u32, dim: u32, positions: u32, causal: u32, padded: u32, power: u32 }
}

const CHANNELS: &str = "[batch, tokens, heads * dim]";
const OSCILLATORS: &str = "[batch, heads, tokens, N]";
const STATS: &str = "[batch, heads, tokens, 2]";
const X: Binding = input("x", Elem::Storage, OSCILLATORS);
const V: Binding = input("v", Elem::Storage, CHANNELS);
const ANCHORS: Binding = input("anchors", Elem::Storage, "[heads, positions, N]");
const LENGTHS: Binding = input("lengths", Elem::Words, "[batch], or anything");
const DST: Binding = output("dst", Elem::Storage, CHANNELS);
const DST_BAR: Binding = input("dst_bar", Elem::Storage, CHANNELS);

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "readout_anchors",
    source: source!("readout_anchors", "grid", "anchors", "likeness"),
    params: Params::FIELDS,
    bindings: &[X, V, ANCHORS, LENGTHS, DST],
    constants: CONSTANTS,
};

/// Forward by separated sums.
pub static FORWARD_PREFIX: Kernel = Kernel {
    name: "readout_anchors_prefix",
    source: source!("readout_anchors_prefix", "grid", "anchors", "likeness"),
    params: Params::FIELDS,
    bindings: &[X, V, ANCHORS, LENGTHS, DST],
    constants: CONSTANTS_PREFIX,
};

/// Cotangent of the oscillators.
pub static BACKWARD_X: Kernel = Kernel {
    name: "readout_anchors_bwd_x",
    source: source!("readout_anchors_bwd_x", "grid", "anchors", "likeness"),
    params: Params::FIELDS,
    bindings: &[
        X,
        V,
        ANCHORS,
        LENGTHS,
        DST_BAR,
        output("x_bar", Elem::Storage, OSCILLATORS),
        output("stats", Elem::F32, STATS),
    ],
    constants: CONSTANTS,
};

/// Cotangents of the values and, per sample, of the anchors.
pub static BACKWARD_V: Kernel = Kernel {
    name: "readout_anchors_bwd_v",
    source: source!("readout_anchors_bwd_v", "grid", "anchors", "likeness"),
    params: Params::FIELDS,
    bindings: &[
        X,
        V,
        ANCHORS,
        LENGTHS,
        DST_BAR,
        input("stats", Elem::F32, STATS),
        output("v_bar", Elem::Storage, CHANNELS),
        output("partial", Elem::F32, "[batch, heads, positions, N]"),
    ],
    constants: CONSTANTS,
};

/// The largest power of a readout.
const MOST: u32 = 64;

/// Options of a readout by anchors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AnchorReadout {
    /// Whether a query sees only the keys up to itself.
    pub causal: bool,
    /// The exponent p of `max(1 + x . a, 0)^p`, 1 to 64.
    pub power: u32,
    /// Whether the forward pass separates the sums: time linear in the tokens. Only for `power` 1, and right only where no
    /// `1 + x . a` is negative, for instance where no anchor is longer than 1:
    /// `model::fixed_query::anchors_fit` looks.
    pub separated: bool,
}

impl Default for AnchorReadout {
    fn default() -> AnchorReadout {
        AnchorReadout { causal: false, power: 1, separated: false }
    }
}

/// A readout with fixed extents.
#[derive(Clone, Debug)]
pub struct ReadoutAnchors {
    at: Heads,
    options: AnchorReadout,
    padded: bool,
}

impl ReadoutAnchors {
    /// Values of extents `v` `[batch, tokens, heads * dim]`, anchors `[heads, positions, n]`, oscillators
    /// `[batch, heads, tokens, n]`; `padded` says whether there are lengths.
    ///
    /// # Errors
    /// `Shape` for other axes, channels that the heads do not divide or fewer positions than tokens; `Param` for `n` other
    /// than 2, 4, 8, 16, 32, 64, more than 64 channels in a head, a power outside 1 to 64, separated sums with a power
    /// other than 1; `Index` past 32 bits.
    pub fn new(v: &[usize], anchors: &[usize], padded: bool, options: &AnchorReadout) -> Result<ReadoutAnchors> {
        let op = "readout_anchors";
        if options.power == 0 || options.power > MOST {
            return Err(Error::argument(ErrorKind::Param, op, "power", options.power, format!("1 to {MOST}")));
        }
        if options.separated && options.power != 1 {
            let wanted = "1 where the sums are separated";
            return Err(Error::argument(ErrorKind::Param, op, "power", options.power, wanted));
        }
        let extents = Extents { op, channels: ("v", v), anchors, causal: options.causal };
        Ok(ReadoutAnchors { at: extents.heads()?, options: *options, padded })
    }

    #[cfg(feature = "gpu")]
    fn params(&self) -> Params {
        let Heads { batch, tokens, heads, dim, positions, causal, .. } = self.at;
        let [batch, tokens, heads, dim, positions] = [batch, tokens, heads, dim, positions].map(|v| v as u32);
        let (causal, padded, power) = (causal.into(), self.padded.into(), self.options.power);
        Params { batch, tokens, heads, dim, positions, causal, padded, power }
    }

    /// Work of the forward kernel by separated sums: one invocation per channel, which passes over the tokens once.
    #[cfg(feature = "gpu")]
    fn work_prefix(&self) -> Work {
        let at = &self.at;
        let blocks = at.dim.div_ceil(WORKGROUP as usize);
        let flops = at.batch * at.heads * at.dim * at.tokens * (6 * at.n + 4);
        let rounds = at.tokens * 2 * (1 + at.n.div_ceil(4));
        Work::workgroups(at.batch * at.heads * blocks).rounds(rounds).flops(flops)
    }
}

impl Op for ReadoutAnchors {
    fn name(&self) -> &'static str {
        "readout_anchors"
    }
    fn inputs(&self) -> Vec<Port> {
        let anchors = Port::storage("anchors", &self.at.anchors_shape());
        let x = Port::storage("x", &self.at.oscillators_shape());
        let mut ports = vec![x, Port::storage("v", &self.at.channels_shape()), anchors];
        ports.extend(self.padded.then(|| self.at.lengths()));
        ports
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.at.channels_shape())]
    }
    fn parameters(&self) -> &'static [&'static str] {
        &["anchors"]
    }
    fn index_inputs(&self) -> Vec<(usize, usize)> {
        if self.padded { vec![(3, self.at.tokens + 1)] } else { vec![] }
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        let (operands, lengths) = anchors::split(inputs);
        vec![if self.options.separated {
            cpu::forward_prefix(operands, lengths, &self.at)
        } else {
            cpu::forward(operands, lengths, self.options.power, &self.at)
        }]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        let (operands, lengths) = anchors::split(inputs);
        let mut bars = cpu::backward(operands, lengths, cotangents[0], self.options.power, &self.at).to_vec();
        bars.extend(lengths.map(|lengths| vec![R::zero(); lengths.len()]));
        bars
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let dst = commands.empty(&self.at.channels_shape(), dtype)?;
        let lengths = inputs.get(3).unwrap_or(&inputs[0]);
        let binds = [read(inputs[0]), read(inputs[1]), read(inputs[2]), read(lengths), write(&dst)];
        if self.options.separated {
            let constants = [anchors::constants(&self.at)[0], ("D", 8)];
            commands.dispatch(&FORWARD_PREFIX, dtype, &constants, &self.params(), &binds, self.work_prefix())?;
        } else {
            let work = anchors::work(&self.at, self.at.tokens, 1, 1, self.options.power as usize);
            commands.dispatch(&FORWARD, dtype, &anchors::constants(&self.at), &self.params(), &binds, work)?;
        }
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
        let mut all = vec![None; inputs.len()];
        let Some(g) = cotangents[0] else { return Ok(all) };
        let (at, params, constants) = (&self.at, self.params(), anchors::constants(&self.at));
        let [x, v, a] = [inputs[0], inputs[1], inputs[2]];
        let lengths = inputs.get(3).unwrap_or(&x);
        let power = self.options.power as usize;
        let x_bar = commands.empty(&at.oscillators_shape(), dtype)?;
        let stats = commands.empty(&[at.batch, at.heads, at.tokens, 2], DType::F32)?;
        let binds = [read(x), read(v), read(a), read(lengths), read(g), write(&x_bar), write(&stats)];
        let work = anchors::work(at, at.tokens, 2, 2, power);
        commands.dispatch(&BACKWARD_X, dtype, &constants, &params, &binds, work)?;
        all[0] = Some(x_bar);
        if needs[1] || needs[2] {
            let v_bar = commands.empty(&at.channels_shape(), dtype)?;
            let partial = commands.empty(&[at.batch, at.heads * at.positions * at.n], DType::F32)?;
            let binds =
                [read(x), read(v), read(a), read(lengths), read(g), read(&stats), write(&v_bar), write(&partial)];
            let work = anchors::work(at, at.positions, 1, 2, power);
            commands.dispatch(&BACKWARD_V, dtype, &constants, &params, &binds, work)?;
            all[1] = Some(v_bar);
            if needs[2] {
                all[2] = Some(sum_columns(commands, &partial, 0, &at.anchors_shape())?);
            }
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `sum_j A_ij v_j` per head with `A_ij = max(1 + x_i . a_j, 0)^p / Z_i`: what the oscillators `x` `[B, H, T, n]` read
    /// of the values `[B, T, H dim]` by one anchor per head and position, `[H, T_max >= T, n]`. Keys from `lengths[b]` on
    /// (`[B]` integers up to `T`) are left out. A sum `Z_i` below 1e-8 is replaced by it, so that an oscillator that sees
    /// nothing reads zero. Source: fixed-query oscillator attention, arXiv 2606.12059.
    ///
    /// # Errors
    /// `Shape`, `Param`, `Index`, `DType`; as [`Commands::apply`].
    pub fn readout_anchors(
        &mut self,
        x: &Tensor,
        v: &Tensor,
        anchors: &Tensor,
        lengths: Option<&Tensor>,
        options: &AnchorReadout,
    ) -> Result<Tensor> {
        let op = ReadoutAnchors::new(v.shape(), anchors.shape(), lengths.is_some(), options)?;
        let mut inputs = vec![x, v, anchors];
        inputs.extend(lengths);
        Ok(self.apply(&op, &inputs)?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::readout_anchors`](crate::Commands::readout_anchors), differentiable in x, v and the anchors; the
    /// anchors' gradient is f32. Weights are computed again in the backward pass, nothing of their size is stored; that
    /// pass takes time quadratic in the tokens also where the sums are separated.
    ///
    /// # Errors
    /// As [`Commands::readout_anchors`](crate::Commands::readout_anchors).
    pub fn readout_anchors(
        &mut self,
        x: Var,
        v: Var,
        anchors: Var,
        lengths: Option<Var>,
        options: &AnchorReadout,
    ) -> Result<Var> {
        let (v_shape, a_shape) = (self.spec(v)?.shape, self.spec(anchors)?.shape);
        let op = ReadoutAnchors::new(&v_shape, &a_shape, lengths.is_some(), options)?;
        let mut inputs = vec![x, v, anchors];
        inputs.extend(lengths);
        self.apply_one(op, &inputs)
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "readout_anchors",
    formula: "o_i = sum_j m_ij v_j / sum_j m_ij, m_ij = max(1 + x_i . a_j, 0)^p per head",
    differentiable: true,
    kernels: &[&FORWARD, &FORWARD_PREFIX, &BACKWARD_X, &BACKWARD_V],
    cases: cases::cases,
};
