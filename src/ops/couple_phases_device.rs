//! Dispatches of the backward pass of [`super::CouplePhases`].

use super::contracts::{ParamsEdges, ParamsLag, ParamsTheta};
use super::{BACKWARD, BACKWARD_EDGES, BACKWARD_LAG, CouplePhases};
use crate::cpu::couple_phases::Extents;
use crate::error::Result;
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::DType;
use crate::ops::layout::indexable;
use crate::ops::sum_columns::{split, sum_columns};

impl CouplePhases {
    pub(in crate::ops) fn weights_stride(&self) -> u32 {
        if self.at.own_weights { self.at.edges as u32 } else { 0 }
    }

    pub(in crate::ops) fn pairs_of_samples(&self) -> usize {
        self.at.batch * self.at.edges
    }

    /// The terms of all gradients, `[batch, edges, 2]`.
    pub(super) fn terms(&self, commands: &mut Commands, theta: &Tensor, lag: &Tensor, g: &Tensor) -> Result<Tensor> {
        let Extents { batch, nodes, edges, harmonic, edge_lag, .. } = self.at;
        indexable("couple_phases: the terms of the gradients", &[batch, edges, 2])?;
        let graph = self.graph.on(commands.context())?;
        let terms = commands.empty(&[batch, edges, 2], DType::F32)?;
        let params = ParamsEdges {
            len: self.pairs_of_samples() as u32,
            nodes: nodes as u32,
            edges: edges as u32,
            lag_sample: (!edge_lag).into(),
            lag_edge: edge_lag.into(),
            harmonic: harmonic as f32,
        };
        let binds = [read(theta), read(lag), read(g), read(&graph.receivers), read(&graph.indices), write(&terms)];
        let work = Work::invocations(self.pairs_of_samples()).flops(33 * self.pairs_of_samples());
        commands.dispatch(&BACKWARD_EDGES, DType::F32, &[], &params, &binds, work)?;
        Ok(terms)
    }

    pub(in crate::ops) fn theta_bar(
        &self,
        commands: &mut Commands,
        coupling: [&Tensor; 2],
        terms: &Tensor,
    ) -> Result<Tensor> {
        let [weights, strength] = coupling;
        let graph = self.graph.on(commands.context())?;
        let theta_bar = commands.empty(&self.theta_shape(), DType::F32)?;
        let params = ParamsTheta {
            len: theta_bar.len() as u32,
            nodes: self.at.nodes as u32,
            edges: self.at.edges as u32,
            weights_stride: self.weights_stride(),
            harmonic: self.at.harmonic as f32,
        };
        let structure = [read(&graph.indptr), read(&graph.indptr_t), read(&graph.edges_t)];
        let binds =
            [&[read(weights), read(strength), read(terms)], structure.as_slice(), &[write(&theta_bar)]].concat();
        let [into, out] = self.graph.longest();
        let work = Work::invocations(theta_bar.len()).rounds(into + out).flops(4 * self.pairs_of_samples());
        commands.dispatch(&BACKWARD, DType::F32, &[], &params, &binds, work)?;
        Ok(theta_bar)
    }

    /// The cotangent of a lag per edge, `[1, edges]`.
    pub(in crate::ops) fn edge_lag_bar(
        &self,
        commands: &mut Commands,
        coupling: [&Tensor; 2],
        terms: &Tensor,
    ) -> Result<Tensor> {
        let [weights, strength] = coupling;
        let Extents { batch, edges, .. } = self.at;
        let at = split(batch, edges);
        let partial = commands.empty(&[at.tiles, edges], DType::F32)?;
        let params = ParamsLag {
            len: partial.len() as u32,
            edges: edges as u32,
            batch: batch as u32,
            run: at.run as u32,
            weights_stride: self.weights_stride(),
        };
        let binds = [read(weights), read(strength), read(terms), write(&partial)];
        let work = Work::invocations(partial.len()).rounds(at.run).flops(3 * self.pairs_of_samples());
        commands.dispatch(&BACKWARD_LAG, DType::F32, &[], &params, &binds, work)?;
        if at.tiles == 1 { Ok(partial) } else { sum_columns(commands, &partial, 0, &self.lag_shape()) }
    }
}
