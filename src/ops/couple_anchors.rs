//! The field of fixed anchors on the oscillator of each query: attention's scores without a softmax, coupling oscillators
//! to vectors that belong to positions.

use super::anchors::{self, CONSTANTS, Extents, Shapes};
use super::spec::{Case, Fill, Op, OpSpec, Port};
#[cfg(feature = "gpu")]
use super::sum_columns::sum_columns;
use crate::cpu::Real;
use crate::cpu::couple_anchors::{self as cpu, AnchorCoupling, Heads};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Binding, Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of all kernels.
    struct Params { batch: u32, tokens: u32, heads: u32, dim: u32, positions: u32, causal: u32, padded: u32, coupling: u32, scale: f32 }
}

const CHANNELS: &str = "[batch, tokens, heads * dim]";
const FIELD: &str = "[batch, heads, tokens, N]";
const Q: Binding = input("q", Elem::Storage, CHANNELS);
const K: Binding = input("k", Elem::Storage, CHANNELS);
const ANCHORS: Binding = input("anchors", Elem::Storage, "[heads, positions, N]");
const LENGTHS: Binding = input("lengths", Elem::Words, "[batch], or anything");
const FIELD_BAR: Binding = input("field_bar", Elem::Storage, FIELD);

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "couple_anchors",
    source: source!("couple_anchors", "grid", "anchors", "silu", "softplus", "coupling"),
    params: Params::FIELDS,
    bindings: &[Q, K, ANCHORS, LENGTHS, output("field", Elem::Storage, FIELD)],
    constants: CONSTANTS,
};

/// Cotangent of the queries.
pub static BACKWARD_Q: Kernel = Kernel {
    name: "couple_anchors_bwd_q",
    source: source!("couple_anchors_bwd_q", "grid", "anchors", "silu", "softplus", "coupling"),
    params: Params::FIELDS,
    bindings: &[Q, K, ANCHORS, LENGTHS, FIELD_BAR, output("q_bar", Elem::Storage, CHANNELS)],
    constants: CONSTANTS,
};

/// Cotangents of the keys and, per sample, of the anchors.
pub static BACKWARD_K: Kernel = Kernel {
    name: "couple_anchors_bwd_k",
    source: source!("couple_anchors_bwd_k", "grid", "anchors", "silu", "softplus", "coupling"),
    params: Params::FIELDS,
    bindings: &[
        Q,
        K,
        ANCHORS,
        LENGTHS,
        FIELD_BAR,
        output("k_bar", Elem::Storage, CHANNELS),
        output("partial", Elem::F32, "[batch, heads, positions, N]"),
    ],
    constants: CONSTANTS,
};

/// Options of a coupling to anchors.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AnchorOptions {
    /// Whether a query sees only the keys up to itself.
    pub causal: bool,
    /// How a score couples.
    pub coupling: AnchorCoupling,
}

/// A coupling to anchors with fixed extents.
#[derive(Clone, Debug)]
pub struct CoupleAnchors {
    at: Heads,
    coupling: AnchorCoupling,
    padded: bool,
}

impl CoupleAnchors {
    /// Queries and keys of extents `q` `[batch, tokens, heads * dim]` and anchors `[heads, positions, n]`; `padded` says
    /// whether there are lengths.
    ///
    /// # Errors
    /// `Shape` for other axes, channels that the heads do not divide or fewer positions than tokens; `Param` for `n` other
    /// than 2, 4, 8, 16, 32, 64 or more than 64 channels in a head; `Index` past 32 bits.
    pub fn new(q: &[usize], anchors: &[usize], padded: bool, options: &AnchorOptions) -> Result<CoupleAnchors> {
        let extents = Extents { op: "couple_anchors", channels: ("q", q), anchors, causal: options.causal };
        Ok(CoupleAnchors { at: extents.heads()?, coupling: options.coupling, padded })
    }

    #[cfg(feature = "gpu")]
    fn params(&self) -> Params {
        let Heads { batch, tokens, heads, dim, positions, causal, .. } = self.at;
        let scale = (1.0 / (dim as f64).sqrt()) as f32;
        let [batch, tokens, heads, dim, positions] = [batch, tokens, heads, dim, positions].map(|v| v as u32);
        let (causal, padded, coupling) = (causal.into(), self.padded.into(), self.coupling as u32);
        Params { batch, tokens, heads, dim, positions, causal, padded, coupling, scale }
    }
}

impl Op for CoupleAnchors {
    fn name(&self) -> &'static str {
        "couple_anchors"
    }
    fn inputs(&self) -> Vec<Port> {
        let channels = self.at.channels_shape();
        let anchors = Port::storage("anchors", &self.at.anchors_shape());
        let mut ports = vec![Port::storage("q", &channels), Port::storage("k", &channels), anchors];
        ports.extend(self.padded.then(|| self.at.lengths()));
        ports
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("field", &self.at.oscillators_shape())]
    }
    fn parameters(&self) -> &'static [&'static str] {
        &["anchors"]
    }
    fn index_inputs(&self) -> Vec<(usize, usize)> {
        if self.padded { vec![(3, self.at.tokens + 1)] } else { vec![] }
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        let (operands, lengths) = anchors::split(inputs);
        vec![cpu::forward(operands, lengths, self.coupling, &self.at)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        let (operands, lengths) = anchors::split(inputs);
        let mut bars = cpu::backward(operands, lengths, cotangents[0], self.coupling, &self.at).to_vec();
        bars.extend(lengths.map(|lengths| vec![R::zero(); lengths.len()]));
        bars
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let field = commands.empty(&self.at.oscillators_shape(), dtype)?;
        let lengths = inputs.get(3).unwrap_or(&inputs[0]);
        let binds = [read(inputs[0]), read(inputs[1]), read(inputs[2]), read(lengths), write(&field)];
        let work = anchors::work(&self.at, self.at.tokens, 1, 1, 0);
        commands.dispatch(&FORWARD, dtype, &anchors::constants(&self.at), &self.params(), &binds, work)?;
        Ok(vec![field])
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
        let [q, k, a] = [inputs[0], inputs[1], inputs[2]];
        let lengths = inputs.get(3).unwrap_or(&q);
        if needs[0] {
            let q_bar = commands.empty(&at.channels_shape(), dtype)?;
            let binds = [read(q), read(k), read(a), read(lengths), read(g), write(&q_bar)];
            let work = anchors::work(at, at.tokens, 1, 2, 0);
            commands.dispatch(&BACKWARD_Q, dtype, &constants, &params, &binds, work)?;
            all[0] = Some(q_bar);
        }
        if needs[1] || needs[2] {
            let k_bar = commands.empty(&at.channels_shape(), dtype)?;
            let partial = commands.empty(&[at.batch, at.heads * at.positions * at.n], DType::F32)?;
            let binds = [read(q), read(k), read(a), read(lengths), read(g), write(&k_bar), write(&partial)];
            let work = anchors::work(at, at.positions, 1, 2, 0);
            commands.dispatch(&BACKWARD_K, dtype, &constants, &params, &binds, work)?;
            all[1] = Some(k_bar);
            if needs[2] {
                all[2] = Some(sum_columns(commands, &partial, 0, &at.anchors_shape())?);
            }
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `sum_j coupling(q_i . k_j / sqrt(dim)) a_j` per head: the field `[B, H, T, n]` on the oscillator of each query `i`,
    /// for `q`, `k` of extents `[B, T, H dim]` (head `h` owns channels `h dim ..`) and one anchor per head and position,
    /// `[H, T_max >= T, n]`. Keys from `lengths[b]` on (`[B]` integers up to `T`) are padding and exert nothing. Source:
    /// fixed-query oscillator attention, arXiv 2606.12059.
    ///
    /// The oscillators' only attracting equilibrium is this field's direction,
    /// [`sphere_normalize`](Self::sphere_normalize) of it.
    ///
    /// # Errors
    /// `Shape`, `Param`, `Index`, `DType`; as [`Commands::apply`].
    pub fn couple_anchors(
        &mut self,
        q: &Tensor,
        k: &Tensor,
        anchors: &Tensor,
        lengths: Option<&Tensor>,
        options: &AnchorOptions,
    ) -> Result<Tensor> {
        let op = CoupleAnchors::new(q.shape(), anchors.shape(), lengths.is_some(), options)?;
        let mut inputs = vec![q, k, anchors];
        inputs.extend(lengths);
        Ok(self.apply(&op, &inputs)?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::couple_anchors`](crate::Commands::couple_anchors), differentiable in q, k and the anchors; the
    /// anchors' gradient is f32. Scores are computed again in the backward pass, nothing of their size is stored.
    ///
    /// # Errors
    /// As [`Commands::couple_anchors`](crate::Commands::couple_anchors).
    pub fn couple_anchors(
        &mut self,
        q: Var,
        k: Var,
        anchors: Var,
        lengths: Option<Var>,
        options: &AnchorOptions,
    ) -> Result<Var> {
        let (q_shape, a_shape) = (self.spec(q)?.shape, self.spec(anchors)?.shape);
        let op = CoupleAnchors::new(&q_shape, &a_shape, lengths.is_some(), options)?;
        let mut inputs = vec![q, k, anchors];
        inputs.extend(lengths);
        self.apply_one(op, &inputs)
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "couple_anchors",
    formula: "h_i = sum_j coupling(q_i . k_j / sqrt(d)) a_j per head, j over the keys that i sees",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD_Q, &BACKWARD_K],
    cases,
};

fn cases() -> Vec<Case> {
    use AnchorCoupling::{Elu, Relu, Softplus};
    type Finish = fn(Case) -> Case;
    let case = |q: [usize; 3], a: [usize; 3], lengths: &[f64], causal, coupling, wide: Fill, label: &str, f: Finish| {
        let options = AnchorOptions { causal, coupling };
        let op = CoupleAnchors::new(&q, &a, !lengths.is_empty(), &options).ok()?;
        let seen = if causal { " causal" } else { "" };
        let padded = if lengths.is_empty() { String::new() } else { format!(" lengths {lengths:?}") };
        let name = format!("{q:?} anchors {a:?} {coupling:?}{seen}{padded}{label}");
        let mut fills = vec![wide.clone(), wide, Fill::Uniform];
        fills.extend((!lengths.is_empty()).then(|| Fill::Values(lengths.to_vec())));
        Some(f(Case::new(name, op, fills)))
    };
    let (all, two) = (&[][..], || Fill::Between(-2.0, 2.0));
    let same: Finish = |case| case;
    [
        case([0, 3, 4], [1, 3, 2], all, false, Softplus, two(), "", same),
        case([2, 0, 4], [2, 3, 2], all, false, Softplus, two(), "", same),
        case([1, 1, 1], [1, 1, 2], all, true, Softplus, two(), "", same),
        case([2, 5, 6], [2, 7, 2], &[3.0, 0.0], true, Softplus, two(), "", same),
        case([2, 5, 9], [3, 5, 4], &[5.0, 2.0], false, Relu, two(), "", same),
        case([2, 4, 20], [2, 6, 8], all, false, Elu, two(), "", same),
        case([1, 6, 50], [2, 6, 16], all, true, Softplus, two(), "", same),
        case([1, 3, 64], [1, 3, 32], all, true, Elu, two(), "", same),
        case([2, 3, 7], [1, 4, 64], all, false, Softplus, two(), "", same),
        // More tokens than a workgroup has invocations.
        case([1, 67, 6], [2, 67, 2], all, true, Softplus, two(), "", same),
        case([1, 67, 6], [2, 140, 2], &[66.0], false, Softplus, two(), "", same),
        case([1, 5, 8], [1, 5, 2], all, false, Softplus, Fill::Between(-9.0, 9.0), " far", same),
        case([1, 5, 8], [1, 5, 2], all, false, Elu, Fill::Between(-9.0, 9.0), " far", same),
        case([1, 5, 8], [1, 5, 2], all, false, Softplus, Fill::Mixed(6), " mixed scales", same),
        case([1, 5, 8], [1, 5, 2], all, false, Softplus, Fill::Zero, " no scores", same),
        case([1, 3, 4], [2, 4, 2], all, true, Softplus, two(), " ladder", Case::ladder),
        case([2, 2, 2], [1, 2, 2], &[1.0, 2.0], false, Relu, two(), " ladder", Case::ladder),
        case([1, 3, 2], [1, 3, 4], all, false, Elu, two(), " ladder", Case::ladder),
        case([16, 128, 128], [4, 128, 8], all, true, Softplus, two(), "", Case::bench),
    ]
    .into_iter()
    .flatten()
    .collect()
}
