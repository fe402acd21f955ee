//! What the kernels of the coupling by threes take.

use crate::kernel::{Elem, Kernel, Params as _, input, output, source};

crate::params! {
    /// Parameters of the forward kernel.
    pub(super) struct Params {
        pub(super) len: u32,
        pub(super) nodes: u32,
        pub(super) base_stride: u32,
    }
}

crate::params! {
    /// Parameters of the backward kernels.
    pub(super) struct ParamsBackward {
        pub(super) len: u32,
        pub(super) nodes: u32,
        pub(super) triangles: u32,
    }
}

const PHASES: &str = "[batch, nodes]";
const WEIGHTS: &str = "[triangles]";
const SENDERS: &str = "[triangles, 2]";
const TERMS: &str = "[batch, triangles, 2]";

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "couple_triangles",
    source: source!("couple_triangles", "grid", "sincos"),
    params: Params::FIELDS,
    bindings: &[
        input("theta", Elem::F32, PHASES),
        input("base", Elem::F32, "[nodes] or [batch, nodes]"),
        input("weights", Elem::F32, WEIGHTS),
        input("strength", Elem::F32, "[batch]"),
        input("indptr", Elem::U32, "[nodes + 1]"),
        input("senders", Elem::U32, SENDERS),
        output("rate", Elem::F32, PHASES),
    ],
    constants: &[],
};

/// Cosine and sine of each triangle's difference, times the cotangent of its receiver.
pub static BACKWARD_TERMS: Kernel = Kernel {
    name: "couple_triangles_bwd_terms",
    source: source!("couple_triangles_bwd_terms", "grid", "sincos"),
    params: ParamsBackward::FIELDS,
    bindings: &[
        input("theta", Elem::F32, PHASES),
        input("rate_bar", Elem::F32, PHASES),
        input("receivers", Elem::U32, "[triangles]"),
        input("senders", Elem::U32, SENDERS),
        output("terms", Elem::F32, TERMS),
    ],
    constants: &[],
};

/// Cotangent of the phases.
pub static BACKWARD: Kernel = Kernel {
    name: "couple_triangles_bwd",
    source: source!("couple_triangles_bwd", "grid"),
    params: ParamsBackward::FIELDS,
    bindings: &[
        input("weights", Elem::F32, WEIGHTS),
        input("strength", Elem::F32, "[batch]"),
        input("terms", Elem::F32, TERMS),
        input("indptr", Elem::U32, "[nodes + 1]"),
        input("indptr_t", Elem::U32, "[nodes + 1]"),
        input("triangles_t", Elem::U32, "[2 * triangles]"),
        output("theta_bar", Elem::F32, PHASES),
    ],
    constants: &[],
};
