//! Sums of the terms that the gradients of couplings of phases share. Not an op: it has no reference of its own, the ops
//! that use it have.
//!
//! Terms are `[batch, edges, 2]`: cosine and sine of the difference of each edge (or triangle), times the cotangent of its
//! receiver.

#[cfg(feature = "gpu")]
use super::graph::Graph;
#[cfg(feature = "gpu")]
use super::sum_columns::{Split, split, sum_columns};
#[cfg(feature = "gpu")]
use super::sum_rows::sum_rows;
#[cfg(feature = "gpu")]
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::{DType, WORKGROUP};
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};

crate::params! {
    /// Parameters of the sums over samples.
    struct ParamsSamples { len: u32, edges: u32, batch: u32, run: u32 }
}

crate::params! {
    /// Parameters of the sums over edges.
    struct ParamsEdges { rows: u32, tiles: u32, edges: u32, weights_stride: u32 }
}

crate::params! {
    /// Parameters of the gather into the nodes.
    struct ParamsNodes {
        len: u32,
        nodes: u32,
        edges: u32,
        weights_stride: u32,
        harmonic: f32,
    }
}

crate::params! {
    /// Parameters of the sums over samples for the lags.
    struct ParamsLags {
        len: u32,
        edges: u32,
        batch: u32,
        run: u32,
        weights_stride: u32,
    }
}

/// Edges of one tile of the sums over edges, as in their shader.
#[cfg(feature = "gpu")]
const TILE: usize = 4096;

const TERMS: &str = "[batch, edges, 2]";

/// Partial sums over samples; `sum_columns` adds them.
pub(super) static SAMPLES: Kernel = Kernel {
    name: "term_sums_samples",
    source: source!("term_sums_samples", "grid"),
    params: ParamsSamples::FIELDS,
    bindings: &[
        input("strength", Elem::F32, "[batch]"),
        input("terms", Elem::F32, TERMS),
        output("partial", Elem::F32, "[tiles, edges]"),
    ],
    constants: &[],
};

/// Partial sums over edges; `sum_rows` adds them.
pub(super) static EDGES: Kernel = Kernel {
    name: "term_sums_edges",
    source: source!("term_sums_edges", "grid", "reduce"),
    params: ParamsEdges::FIELDS,
    bindings: &[
        input("weights", Elem::F32, "[edges] or [batch, edges]"),
        input("strength", Elem::F32, "[batch]"),
        input("terms", Elem::F32, TERMS),
        output("partial_strength", Elem::F32, "[batch, tiles]"),
        output("partial_lag", Elem::F32, "[batch, tiles]"),
    ],
    constants: &[],
};

/// Cotangent of the phases.
pub(super) static NODES: Kernel = Kernel {
    name: "term_sums_nodes",
    source: source!("term_sums_nodes", "grid"),
    params: ParamsNodes::FIELDS,
    bindings: &[
        input("weights", Elem::F32, "[edges] or [batch, edges]"),
        input("strength", Elem::F32, "[batch]"),
        input("terms", Elem::F32, TERMS),
        input("indptr", Elem::U32, "[nodes + 1]"),
        input("indptr_t", Elem::U32, "[nodes + 1]"),
        input("edges_t", Elem::U32, "[edges]"),
        output("theta_bar", Elem::F32, "[batch, nodes]"),
    ],
    constants: &[],
};

/// Partial sums of the cotangent of a lag per edge; `sum_columns` adds them.
pub(super) static LAGS: Kernel = Kernel {
    name: "term_sums_lags",
    source: source!("term_sums_lags", "grid"),
    params: ParamsLags::FIELDS,
    bindings: &[
        input("weights", Elem::F32, "[edges] or [batch, edges]"),
        input("strength", Elem::F32, "[batch]"),
        input("terms", Elem::F32, TERMS),
        output("partial", Elem::F32, "[tiles, edges]"),
    ],
    constants: &[],
};

/// The cotangent of the weights: `K_b s[b, e]` of each sample, `[batch, edges]`, if these are its `own`, or their sum over
/// the samples, `[1, edges]`.
#[cfg(feature = "gpu")]
pub(super) fn over_samples(commands: &mut Commands, strength: &Tensor, terms: &Tensor, own: bool) -> Result<Tensor> {
    let (batch, edges) = (terms.shape()[0], terms.shape()[1]);
    let at = if own { Split { run: 1, tiles: batch } } else { split(batch, edges) };
    let partial = commands.empty(&[at.tiles, edges], DType::F32)?;
    let [len, edges_u32, batch_u32, run] = [partial.len(), edges, batch, at.run].map(|v| v as u32);
    let params = ParamsSamples { len, edges: edges_u32, batch: batch_u32, run };
    let work = Work::invocations(partial.len()).rounds(at.run).flops(2 * batch * edges);
    let binds = [read(strength), read(terms), write(&partial)];
    commands.dispatch(&SAMPLES, DType::F32, &[], &params, &binds, work)?;
    if own || at.tiles == 1 { Ok(partial) } else { sum_columns(commands, &partial, 0, &[1, edges]) }
}

/// The cotangents of the strengths, `[batch]`, and of a lag per sample, `[batch, 1]`, for `[weights, strength]`, whose
/// weights have as many elements as edges if the samples share them.
#[cfg(feature = "gpu")]
pub(super) fn over_edges(commands: &mut Commands, coupling: [&Tensor; 2], terms: &Tensor) -> Result<[Tensor; 2]> {
    let [weights, strength] = coupling;
    let (batch, edges) = (terms.shape()[0], terms.shape()[1]);
    let tiles = edges.div_ceil(TILE).max(1);
    let [of_strength, of_lag] =
        [commands.empty(&[batch, tiles], DType::F32)?, commands.empty(&[batch, tiles], DType::F32)?];
    let params = ParamsEdges {
        rows: (batch * tiles) as u32,
        tiles: tiles as u32,
        edges: edges as u32,
        weights_stride: if weights.len() == edges { 0 } else { edges as u32 },
    };
    let binds = [read(weights), read(strength), read(terms), write(&of_strength), write(&of_lag)];
    let rounds = TILE / WORKGROUP as usize + 16;
    let work = Work::workgroups(batch * tiles).rounds(rounds).flops(4 * batch * edges);
    commands.dispatch(&EDGES, DType::F32, &[], &params, &binds, work)?;
    if tiles == 1 {
        return Ok([of_strength.reshape(&[batch])?, of_lag]);
    }
    Ok([sum_rows(commands, &of_strength, 0, tiles, &[batch])?, sum_rows(commands, &of_lag, 0, tiles, &[batch, 1])?])
}

/// The cotangent of the phases, `[batch, nodes]`: `q K_b` times the terms' cosines with their weights, of the edges out of a
/// node less those into it.
#[cfg(feature = "gpu")]
pub(super) fn over_nodes(
    commands: &mut Commands,
    coupling: [&Tensor; 2],
    terms: &Tensor,
    graph: &Graph,
    harmonic: u32,
) -> Result<Tensor> {
    let [weights, strength] = coupling;
    let (batch, edges) = (terms.shape()[0], terms.shape()[1]);
    let on = graph.on(commands.context())?;
    let theta_bar = commands.empty(&[batch, graph.nodes()], DType::F32)?;
    let params = ParamsNodes {
        len: theta_bar.len() as u32,
        nodes: graph.nodes() as u32,
        edges: edges as u32,
        weights_stride: if weights.len() == edges { 0 } else { edges as u32 },
        harmonic: harmonic as f32,
    };
    let structure = [read(&on.indptr), read(&on.indptr_t), read(&on.edges_t)];
    let binds = [&[read(weights), read(strength), read(terms)], structure.as_slice(), &[write(&theta_bar)]].concat();
    let [into, out] = graph.longest();
    let work = Work::invocations(theta_bar.len()).rounds(into + out).flops(4 * batch * edges);
    commands.dispatch(&NODES, DType::F32, &[], &params, &binds, work)?;
    Ok(theta_bar)
}

/// The cotangent of a lag per edge, `[1, edges]`.
#[cfg(feature = "gpu")]
pub(super) fn of_lags(commands: &mut Commands, coupling: [&Tensor; 2], terms: &Tensor) -> Result<Tensor> {
    let [weights, strength] = coupling;
    let (batch, edges) = (terms.shape()[0], terms.shape()[1]);
    let at = split(batch, edges);
    let partial = commands.empty(&[at.tiles, edges], DType::F32)?;
    let params = ParamsLags {
        len: partial.len() as u32,
        edges: edges as u32,
        batch: batch as u32,
        run: at.run as u32,
        weights_stride: if weights.len() == edges { 0 } else { edges as u32 },
    };
    let binds = [read(weights), read(strength), read(terms), write(&partial)];
    let work = Work::invocations(partial.len()).rounds(at.run).flops(3 * batch * edges);
    commands.dispatch(&LAGS, DType::F32, &[], &params, &binds, work)?;
    if at.tiles == 1 { Ok(partial) } else { sum_columns(commands, &partial, 0, &[1, edges]) }
}
