//! What the kernels of the coupling of phases take.

use crate::kernel::{Elem, Kernel, Params as _, input, output, source};

crate::params! {
    /// Parameters of the forward kernel.
    pub(super) struct Params {
        pub(super) len: u32,
        pub(super) nodes: u32,
        pub(super) base_stride: u32,
        pub(super) weights_stride: u32,
        pub(super) lag_sample: u32,
        pub(super) lag_edge: u32,
        pub(super) harmonic: f32,
    }
}

crate::params! {
    /// Parameters of the kernel over edges.
    pub(super) struct ParamsEdges {
        pub(super) len: u32,
        pub(super) nodes: u32,
        pub(super) edges: u32,
        pub(super) lag_sample: u32,
        pub(super) lag_edge: u32,
        pub(super) harmonic: f32,
    }
}

const PHASES: &str = "[batch, nodes]";
const WEIGHTS: &str = "[1, nnz] or [batch, nnz]";
const LAG: &str = "[batch, 1] or [1, nnz]";

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "couple_phases",
    source: source!("couple_phases", "grid", "sincos"),
    params: Params::FIELDS,
    bindings: &[
        input("theta", Elem::F32, PHASES),
        input("base", Elem::F32, "[nodes] or [batch, nodes]"),
        input("weights", Elem::F32, WEIGHTS),
        input("strength", Elem::F32, "[batch]"),
        input("lag", Elem::F32, LAG),
        input("indptr", Elem::U32, "[nodes + 1]"),
        input("indices", Elem::U32, "[nnz]"),
        output("rate", Elem::F32, PHASES),
    ],
    constants: &[],
};

/// Cosine and sine of each edge's difference, times the cotangent of its receiver.
pub static BACKWARD_EDGES: Kernel = Kernel {
    name: "couple_phases_bwd_edges",
    source: source!("couple_phases_bwd_edges", "grid", "sincos"),
    params: ParamsEdges::FIELDS,
    bindings: &[
        input("theta", Elem::F32, PHASES),
        input("lag", Elem::F32, LAG),
        input("rate_bar", Elem::F32, PHASES),
        input("receivers", Elem::U32, "[nnz]"),
        input("indices", Elem::U32, "[nnz]"),
        output("terms", Elem::F32, "[batch, nnz, 2]"),
    ],
    constants: &[],
};
