//! Kernels of [`super::CoupleAttention`]: texts, parameters, bindings.

use crate::kernel::{Elem, Kernel, Params as _, input, output, source};

crate::params! {
    /// Parameters of the kernels between channels and heads.
    pub(super) struct ParamsHeads {
        pub(super) batch: u32, pub(super) tokens: u32, pub(super) inner: u32, pub(super) heads: u32, pub(super) dim: u32, pub(super) padded: u32, pub(super) interleaved: u32, pub(super) given: u32,
    }
}

crate::params! {
    /// Parameters of the matrices' backward kernel.
    pub(super) struct ParamsMatrix {
        pub(super) batch: u32, pub(super) tokens: u32, pub(super) inner: u32, pub(super) heads: u32, pub(super) dim: u32, pub(super) padded: u32, pub(super) interleaved: u32, pub(super) channels: u32, pub(super) offset: u32, pub(super) state_left: u32,
    }
}

const ROWS: &str = "[batch, heads, tokens, padded]";
const PARTS: &str = "[3, batch, heads, tokens, padded]";
const MATRICES: &str = "[tokens, dim / 2, 2, 2]";
const QKV: &str = "[batch, rows, 3 C, inner]";
const STATE: &str = "[batch, rows, C, inner]";

/// Channels to heads.
pub static HEADS: Kernel = Kernel {
    name: "couple_attention_heads",
    source: source!("couple_attention_heads", "grid", "attention", "attention_matrices"),
    params: ParamsHeads::FIELDS,
    bindings: &[
        input("qkv", Elem::Storage, QKV),
        input("mat_q", Elem::Storage, MATRICES),
        input("mat_k", Elem::Storage, MATRICES),
        input("mat_v", Elem::Storage, MATRICES),
        output("heads", Elem::F32, PARTS),
    ],
    constants: &[],
};

/// Heads to channels.
pub static MERGE: Kernel = Kernel {
    name: "couple_attention_merge",
    source: source!("couple_attention_merge", "grid", "attention"),
    params: ParamsHeads::FIELDS,
    bindings: &[
        input("mixed", Elem::F32, ROWS),
        input("mat_o", Elem::Storage, MATRICES),
        output("dst", Elem::Storage, STATE),
    ],
    constants: &[],
};

/// Cotangent of what the heads mix.
pub static BACKWARD_MIXED: Kernel = Kernel {
    name: "couple_attention_bwd_mixed",
    source: source!("couple_attention_bwd_mixed", "grid", "attention"),
    params: ParamsHeads::FIELDS,
    bindings: &[
        input("dst_bar", Elem::Storage, STATE),
        input("mat_o", Elem::Storage, MATRICES),
        input("mixed", Elem::F32, ROWS),
        output("mixed_bar", Elem::F32, ROWS),
        output("delta", Elem::F32, "[batch, heads, tokens]"),
    ],
    constants: &[],
};

/// Cotangent of the channels.
pub static BACKWARD_QKV: Kernel = Kernel {
    name: "couple_attention_bwd_qkv",
    source: source!("couple_attention_bwd_qkv", "grid", "attention", "attention_matrices"),
    params: ParamsHeads::FIELDS,
    bindings: &[
        input("q_bar", Elem::F32, ROWS),
        input("k_bar", Elem::F32, ROWS),
        input("v_bar", Elem::F32, ROWS),
        input("mat_q", Elem::Storage, MATRICES),
        input("mat_k", Elem::Storage, MATRICES),
        input("mat_v", Elem::Storage, MATRICES),
        output("qkv_bar", Elem::Storage, QKV),
    ],
    constants: &[],
};

/// Cotangent of one set of matrices.
pub static BACKWARD_MAT: Kernel = Kernel {
    name: "couple_attention_bwd_mat",
    source: source!("couple_attention_bwd_mat", "grid", "attention"),
    params: ParamsMatrix::FIELDS,
    bindings: &[
        input("in_heads", Elem::F32, ROWS),
        input("state", Elem::Storage, "[batch, rows, channels, inner]"),
        output("mat_bar", Elem::F32, MATRICES),
    ],
    constants: &[],
};
