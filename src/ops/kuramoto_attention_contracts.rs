//! Kernels of [`super::KuramotoAttention`]: texts, parameters, bindings.

use crate::kernel::{Constant, Elem, Kernel, Params as _, input, output, source};

crate::params! {
    /// Parameters of all kernels.
    pub(in crate::ops) struct Params {
        pub(super) batch: u32, pub(super) tokens: u32, pub(super) heads: u32, pub(super) dim: u32, pub(super) half: u32, pub(super) causal: u32, pub(super) content: u32,
    }
}

crate::params! {
    /// Parameters of the kernel that cuts samples and tokens into tiles.
    pub(super) struct ParamsTiles {
        pub(super) batch: u32, pub(super) tokens: u32, pub(super) heads: u32, pub(super) dim: u32, pub(super) half: u32, pub(super) causal: u32, pub(super) content: u32, pub(super) run: u32, pub(super) tiles: u32,
    }
}

const ANGLES: &str = "[batch, tokens, heads, dim]";
/// Three parts, or four with gates of tokens.
const FEATURES: &str = "[3 + content, batch, heads, tokens, 2 half]";
const ROWS: &str = "[batch, heads, tokens, 2 half]";
const PER_ROW: &str = "[batch, heads, tokens]";
const PER_ANGLE: &str = "[heads, dim]";
const PER_HEAD: &str = "[heads]";

/// Angles to the features of queries, keys and values.
pub static HEADS: Kernel = Kernel {
    name: "kuramoto_attention_heads",
    source: source!("kuramoto_attention_heads", "grid", "sincos", "phases"),
    params: Params::FIELDS,
    bindings: &[
        input("theta", Elem::Storage, ANGLES),
        input("gate", Elem::F32, PER_ANGLE),
        input("tau", Elem::F32, PER_HEAD),
        input("drift", Elem::F32, PER_ANGLE),
        input("query_gate", Elem::Storage, ANGLES),
        input("key_gate", Elem::Storage, ANGLES),
        output("features", Elem::F32, FEATURES),
    ],
    constants: &[],
};

/// The step.
pub static FORWARD: Kernel = Kernel {
    name: "kuramoto_attention",
    source: source!("kuramoto_attention", "grid", "sincos", "phases"),
    params: Params::FIELDS,
    bindings: &[
        input("theta", Elem::Storage, ANGLES),
        input("eta", Elem::F32, PER_HEAD),
        input("features", Elem::F32, FEATURES),
        input("mixed", Elem::F32, ROWS),
        output("dst", Elem::Storage, ANGLES),
    ],
    constants: &[],
};

/// Cotangent of what is mixed.
pub static BACKWARD_MIXED: Kernel = Kernel {
    name: "kuramoto_attention_bwd_mixed",
    source: source!("kuramoto_attention_bwd_mixed", "grid", "phases"),
    params: Params::FIELDS,
    bindings: &[
        input("eta", Elem::F32, PER_HEAD),
        input("features", Elem::F32, FEATURES),
        input("mixed", Elem::F32, ROWS),
        input("dst_bar", Elem::Storage, ANGLES),
        output("mixed_bar", Elem::F32, ROWS),
        output("delta", Elem::F32, PER_ROW),
        output("pull", Elem::F32, PER_ROW),
    ],
    constants: &[],
};

/// Cotangent of what is mixed, several invocations a row.
pub static BACKWARD_MIXED_LANES: Kernel = Kernel {
    name: "kuramoto_attention_bwd_mixed_lanes",
    source: source!("kuramoto_attention_bwd_mixed_lanes", "grid", "phases"),
    constants: &[Constant { name: "LANES", values: LANES }],
    ..BACKWARD_MIXED
};

/// How many these are: those that have four angles of a row each, up to the last.
pub(super) const LANES: &[u32] = &[2, 4, 8];

/// Cotangent of the angles.
pub static BACKWARD: Kernel = Kernel {
    name: "kuramoto_attention_bwd",
    source: source!("kuramoto_attention_bwd", "grid", "phases"),
    params: Params::FIELDS,
    bindings: &[
        input("eta", Elem::F32, PER_HEAD),
        input("features", Elem::F32, FEATURES),
        input("mixed", Elem::F32, ROWS),
        input("dst_bar", Elem::Storage, ANGLES),
        input("q_bar", Elem::F32, ROWS),
        input("k_bar", Elem::F32, ROWS),
        input("v_bar", Elem::F32, ROWS),
        output("theta_bar", Elem::Storage, ANGLES),
    ],
    constants: &[],
};

/// Cotangents of gate and drift.
pub static BACKWARD_GATE: Kernel = Kernel {
    name: "kuramoto_attention_bwd_gate",
    source: source!("kuramoto_attention_bwd_gate", "grid", "reduce", "phases"),
    params: Params::FIELDS,
    bindings: &[
        input("tau", Elem::F32, PER_HEAD),
        input("query_gate", Elem::Storage, ANGLES),
        input("features", Elem::F32, FEATURES),
        input("q_bar", Elem::F32, ROWS),
        input("k_bar", Elem::F32, ROWS),
        output("gate_bar", Elem::F32, PER_ANGLE),
        output("drift_bar", Elem::F32, PER_ANGLE),
    ],
    constants: &[],
};

/// Cotangents of gate and drift, sums over tiles of tokens.
pub static BACKWARD_GATE_TILES: Kernel = Kernel {
    name: "kuramoto_attention_bwd_gate_tiles",
    source: source!("kuramoto_attention_bwd_gate_tiles", "grid", "phases"),
    params: ParamsTiles::FIELDS,
    bindings: &[
        input("tau", Elem::F32, PER_HEAD),
        input("query_gate", Elem::Storage, ANGLES),
        input("features", Elem::F32, FEATURES),
        input("q_bar", Elem::F32, ROWS),
        input("k_bar", Elem::F32, ROWS),
        output("partial", Elem::F32, "[2, heads, dim, tiles]"),
    ],
    constants: &[],
};

/// Cotangents of the gates of tokens.
pub static BACKWARD_CONTENT: Kernel = Kernel {
    name: "kuramoto_attention_bwd_content",
    source: source!("kuramoto_attention_bwd_content", "grid", "phases"),
    params: Params::FIELDS,
    bindings: &[
        input("gate", Elem::F32, PER_ANGLE),
        input("tau", Elem::F32, PER_HEAD),
        input("features", Elem::F32, FEATURES),
        input("q_bar", Elem::F32, ROWS),
        input("k_bar", Elem::F32, ROWS),
        output("query_gate_bar", Elem::Storage, ANGLES),
        output("key_gate_bar", Elem::Storage, ANGLES),
    ],
    constants: &[],
};

/// Cotangents of temperature and step.
pub static BACKWARD_HEAD: Kernel = Kernel {
    name: "kuramoto_attention_bwd_head",
    source: source!("kuramoto_attention_bwd_head", "grid", "reduce"),
    params: Params::FIELDS,
    bindings: &[
        input("gate", Elem::F32, PER_ANGLE),
        input("tau", Elem::F32, PER_HEAD),
        input("gate_bar", Elem::F32, PER_ANGLE),
        input("pull", Elem::F32, PER_ROW),
        output("tau_bar", Elem::F32, PER_HEAD),
        output("eta_bar", Elem::F32, PER_HEAD),
    ],
    constants: &[],
};

/// The weights.
pub static WEIGHTS: Kernel = Kernel {
    name: "kuramoto_attention_weights",
    source: source!("kuramoto_attention_weights", "grid", "phases"),
    params: Params::FIELDS,
    bindings: &[
        input("features", Elem::F32, FEATURES),
        input("stats", Elem::F32, "[batch, heads, tokens, 2]"),
        output("weights", Elem::F32, "[batch, heads, tokens, tokens]"),
    ],
    constants: &[],
};
