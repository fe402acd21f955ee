//! Kernels of [`super::CoupleAttention`]: texts, parameters, bindings.

use crate::kernel::{Binding, Elem, Kernel, Params as _, input, output, source};

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

crate::params! {
    /// Parameters of the same by tiles.
    pub(super) struct ParamsTiles {
        pub(super) batch: u32, pub(super) tokens: u32, pub(super) inner: u32, pub(super) heads: u32, pub(super) dim: u32, pub(super) padded: u32, pub(super) interleaved: u32, pub(super) channels: u32, pub(super) offset: u32, pub(super) state_left: u32, pub(super) run: u32, pub(super) tiles: u32,
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
    bindings: HEADS_BINDINGS,
    constants: &[],
};

/// Channels to heads, by patches.
pub static HEADS_PATCH: Kernel = Kernel {
    name: "couple_attention_heads_patch",
    source: source!(
        "couple_attention_heads_patch",
        "grid",
        "attention",
        "attention_patch",
        "attention_patch_load",
        "attention_patch_matrices"
    ),
    params: ParamsHeads::FIELDS,
    bindings: HEADS_BINDINGS,
    constants: &[],
};

const HEADS_BINDINGS: &[Binding] = &[
    input("qkv", Elem::Storage, QKV),
    input("mat_q", Elem::Storage, MATRICES),
    input("mat_k", Elem::Storage, MATRICES),
    input("mat_v", Elem::Storage, MATRICES),
    output("heads", Elem::F32, PARTS),
];

/// Heads to channels.
pub static MERGE: Kernel = Kernel {
    name: "couple_attention_merge",
    source: source!("couple_attention_merge", "grid", "attention"),
    params: ParamsHeads::FIELDS,
    bindings: MERGE_BINDINGS,
    constants: &[],
};

/// Heads to channels, by patches.
pub static MERGE_PATCH: Kernel = Kernel {
    name: "couple_attention_merge_patch",
    source: source!("couple_attention_merge_patch", "grid", "attention", "attention_patch", "attention_patch_store"),
    params: ParamsHeads::FIELDS,
    bindings: MERGE_BINDINGS,
    constants: &[],
};

const MERGE_BINDINGS: &[Binding] =
    &[input("mixed", Elem::F32, ROWS), input("mat_o", Elem::Storage, MATRICES), output("dst", Elem::Storage, STATE)];

/// Cotangent of what the heads mix.
pub static BACKWARD_MIXED: Kernel = Kernel {
    name: "couple_attention_bwd_mixed",
    source: source!("couple_attention_bwd_mixed", "grid", "attention"),
    params: ParamsHeads::FIELDS,
    bindings: BACKWARD_MIXED_BINDINGS,
    constants: &[],
};

/// Cotangent of what the heads mix, by patches.
pub static BACKWARD_MIXED_PATCH: Kernel = Kernel {
    name: "couple_attention_bwd_mixed_patch",
    source: source!("couple_attention_bwd_mixed_patch", "grid", "attention", "attention_patch", "attention_patch_load"),
    params: ParamsHeads::FIELDS,
    bindings: BACKWARD_MIXED_BINDINGS,
    constants: &[],
};

const BACKWARD_MIXED_BINDINGS: &[Binding] = &[
    input("dst_bar", Elem::Storage, STATE),
    input("mat_o", Elem::Storage, MATRICES),
    input("mixed", Elem::F32, ROWS),
    output("mixed_bar", Elem::F32, ROWS),
    output("delta", Elem::F32, "[batch, heads, tokens]"),
];

/// Cotangent of the channels.
pub static BACKWARD_QKV: Kernel = Kernel {
    name: "couple_attention_bwd_qkv",
    source: source!("couple_attention_bwd_qkv", "grid", "attention", "attention_matrices"),
    params: ParamsHeads::FIELDS,
    bindings: BACKWARD_QKV_BINDINGS,
    constants: &[],
};

/// Cotangent of the channels, by patches.
pub static BACKWARD_QKV_PATCH: Kernel = Kernel {
    name: "couple_attention_bwd_qkv_patch",
    source: source!(
        "couple_attention_bwd_qkv_patch",
        "grid",
        "attention",
        "attention_patch",
        "attention_patch_store",
        "attention_patch_matrices"
    ),
    params: ParamsHeads::FIELDS,
    bindings: BACKWARD_QKV_BINDINGS,
    constants: &[],
};

const BACKWARD_QKV_BINDINGS: &[Binding] = &[
    input("q_bar", Elem::F32, ROWS),
    input("k_bar", Elem::F32, ROWS),
    input("v_bar", Elem::F32, ROWS),
    input("mat_q", Elem::Storage, MATRICES),
    input("mat_k", Elem::Storage, MATRICES),
    input("mat_v", Elem::Storage, MATRICES),
    output("qkv_bar", Elem::Storage, QKV),
];

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

/// Cotangent of one set of matrices, sums over tiles of samples.
pub static BACKWARD_MAT_TILES: Kernel = Kernel {
    name: "couple_attention_bwd_mat_tiles",
    source: source!("couple_attention_bwd_mat_tiles", "grid", "attention"),
    params: ParamsTiles::FIELDS,
    bindings: &[
        input("in_heads", Elem::F32, ROWS),
        input("state", Elem::Storage, "[batch, rows, channels, inner]"),
        output("partial", Elem::F32, "[tiles, tokens, dim / 2, 2, 2]"),
    ],
    constants: &[],
};
