//! Dispatches of the backward pass of [`super::CouplePhases`].

use super::contracts::ParamsEdges;
use super::{BACKWARD_EDGES, CouplePhases};
use crate::cpu::couple_phases::Extents;
use crate::error::Result;
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::DType;
use crate::ops::layout::indexable;

impl CouplePhases {
    /// The terms of all gradients, `[batch, edges, 2]`.
    pub(super) fn terms(&self, commands: &mut Commands, theta: &Tensor, lag: &Tensor, g: &Tensor) -> Result<Tensor> {
        let Extents { batch, nodes, edges, harmonic, edge_lag, .. } = self.over.at;
        indexable("couple_phases: the terms of the gradients", &[batch, edges, 2])?;
        let graph = self.over.graph.on(commands.context())?;
        let terms = commands.empty(&[batch, edges, 2], DType::F32)?;
        let params = ParamsEdges {
            len: self.over.pairs_of_samples() as u32,
            nodes: nodes as u32,
            edges: edges as u32,
            lag_sample: (!edge_lag).into(),
            lag_edge: edge_lag.into(),
            harmonic: harmonic as f32,
        };
        let binds = [read(theta), read(lag), read(g), read(&graph.receivers), read(&graph.indices), write(&terms)];
        let work = Work::invocations(self.over.pairs_of_samples()).flops(33 * self.over.pairs_of_samples());
        commands.dispatch(&BACKWARD_EDGES, DType::F32, &[], &params, &binds, work)?;
        Ok(terms)
    }
}
