//! How oscillators act on each other: the term `J x` of a layer.

use super::layer::LayerConfig;
use crate::error::Result;
use crate::ops::couple_attention::{AttentionOptions, AttentionWeights};
use crate::ops::graph::Graph;
use crate::tape::{Tape, Var};

/// How oscillators act on each other.
#[derive(Clone, Debug)]
pub enum Coupling {
    /// A convolution over the image with an odd, square kernel of this side: equation 7.
    Conv2d {
        /// Side of the kernel.
        kernel: usize,
    },
    /// Self-attention over the positions of the image: equations 8 and 9.
    Attention {
        /// Heads; their number divides the channels.
        heads: usize,
        /// The grid `[H, W]` of the learned 2x2 position matrices of query, key, value and output, if there are any.
        /// Another grid at run time resamples them.
        positions: Option<[usize; 2]>,
        /// Whether a position sees only those before it, in row-major order, and itself.
        causal: bool,
    },
    /// Every channel with every channel; states are `[B, C]`.
    Dense {
        /// Whether `(J + Jᵀ) / 2` couples in place of `J`.
        symmetric: bool,
    },
    /// Along the edges of a graph of `C / n` oscillators; states are `[B, C]`.
    Sparse {
        /// Row `i` lists what oscillator `i` receives from.
        graph: Graph,
        /// Whether an edge carries an `n x n` matrix in place of a number.
        blocks: bool,
    },
}

/// The variables of a coupling, in the order of [`KuramotoLayer::coupling`].
#[derive(Clone, Debug)]
pub(super) struct CouplingVars {
    pub(super) list: Vec<Var>,
}

impl CouplingVars {
    pub(super) fn list(&self) -> impl Iterator<Item = Var> + '_ {
        self.list.iter().copied()
    }
}

/// A coupling with its variables on some tape.
#[derive(Clone, Debug)]
pub(super) struct Coupled {
    pub(super) layer: LayerConfig,
    pub(super) vars: CouplingVars,
}

impl Coupled {
    /// The same coupling on another tape.
    pub(super) fn with(&self, vars: &[Var]) -> Coupled {
        Coupled { layer: self.layer.clone(), vars: CouplingVars { list: vars.to_vec() } }
    }

    /// `y = J x + c`.
    pub(super) fn drive(&self, tape: &mut Tape, x: Var, c: Var) -> Result<Var> {
        let vars = &self.vars.list;
        let y = match &self.layer.coupling {
            Coupling::Conv2d { .. } => return tape.couple_conv2d_driven(x, vars[0], vars[1], c),
            Coupling::Attention { heads, causal, .. } => {
                let at = |at: usize| vars.get(at).copied();
                let weights = AttentionWeights {
                    w_qkv: vars[0],
                    b_qkv: Some(vars[1]),
                    w_o: vars[2],
                    b_o: Some(vars[3]),
                    positions: [at(4), at(5), at(6), at(7)],
                };
                let options = AttentionOptions { axis: 1, heads: *heads, interleaved: true, causal: *causal };
                return tape.couple_attention_driven(x, &weights, c, &options);
            }
            Coupling::Dense { symmetric } => tape.couple_dense(x, vars[0], Some(vars[1]), *symmetric)?,
            Coupling::Sparse { graph, .. } => {
                let shape = tape.spec(x)?.shape;
                let nodes = tape.reshape(x, &[shape[0], graph.nodes(), self.layer.n])?;
                let y = tape.couple_sparse(nodes, vars[0], graph)?;
                tape.reshape(y, &shape)?
            }
        };
        tape.add(y, c)
    }
}
