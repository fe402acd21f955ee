//! The kernels of [`super::NormGroup`].

use crate::kernel::{Constant, Elem, Kernel, Params as _, input, output, source};

crate::params! {
    /// Parameters of the forward kernel.
    pub(super) struct Params { pub len: u32, pub row: u32, pub channels: u32, pub inner: u32, pub has_weight: u32, pub has_bias: u32, pub eps: f32 }
}

crate::params! {
    /// Parameters of the kernel that reduces the cotangents of a group.
    pub(super) struct ParamsRows { pub samples: u32, pub groups: u32, pub channels: u32, pub has_weight: u32, pub share: f32 }
}

crate::params! {
    /// Parameters of the backward kernel.
    pub(super) struct ParamsBwd { pub len: u32, pub row: u32, pub rows: u32, pub channels: u32, pub inner: u32, pub has_weight: u32, pub eps: f32 }
}

crate::params! {
    /// Parameters of the forward kernel with a workgroup per group.
    pub(super) struct ParamsRow {
        pub rows: u32, pub len: u32, pub channels: u32, pub inner: u32, pub groups: u32, pub has_weight: u32, pub has_bias: u32, pub eps: f32, pub share: f32,
    }
}

crate::params! {
    /// Parameters of the backward kernel with a workgroup per group.
    pub(super) struct ParamsBwdRow {
        pub rows: u32, pub len: u32, pub channels: u32, pub inner: u32, pub groups: u32, pub has_weight: u32, pub eps: f32, pub share: f32,
    }
}

const X: &str = "[samples, channels, inner]";

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "norm_group",
    source: source!("norm_group", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::Storage, X),
        input("weight", Elem::Storage, "[channels]"),
        input("bias", Elem::Storage, "[channels]"),
        input("mean", Elem::F32, "[rows]"),
        input("variance", Elem::F32, "[rows]"),
        output("dst", Elem::Storage, X),
    ],
    constants: &[],
};

/// Means over the groups of what the backward pass projects out.
pub static BACKWARD_ROWS: Kernel = Kernel {
    name: "norm_group_bwd_rows",
    source: source!("norm_group_bwd_rows", "grid"),
    params: ParamsRows::FIELDS,
    bindings: &[
        input("sums", Elem::F32, "[2, channels, samples]"),
        input("weight", Elem::Storage, "[channels]"),
        output("row_means", Elem::F32, "[2, samples, groups]"),
    ],
    constants: &[],
};

/// Cotangent of `x`.
pub static BACKWARD: Kernel = Kernel {
    name: "norm_group_bwd",
    source: source!("norm_group_bwd", "grid"),
    params: ParamsBwd::FIELDS,
    bindings: &[
        input("x", Elem::Storage, X),
        input("weight", Elem::Storage, "[channels]"),
        input("dst_bar", Elem::Storage, X),
        input("mean", Elem::F32, "[rows]"),
        input("variance", Elem::F32, "[rows]"),
        input("row_means", Elem::F32, "[2, rows]"),
        output("x_bar", Elem::Storage, X),
    ],
    constants: &[],
};

/// Forward, statistics and all, with a workgroup per group of a sample.
pub static FORWARD_ROW: Kernel = Kernel {
    name: "norm_group_row",
    source: source!("norm_group_row", "grid", "reduce", "norm_row_place", "norm_row"),
    params: ParamsRow::FIELDS,
    bindings: &[
        input("x", Elem::Storage, X),
        input("weight", Elem::Storage, "[channels]"),
        input("bias", Elem::Storage, "[channels]"),
        output("dst", Elem::Storage, X),
    ],
    constants: &[],
};

/// Backward with a workgroup per group of a sample: the cotangent of `x`, and sums per sample for those of the rest.
pub static BACKWARD_ROW: Kernel = Kernel {
    name: "norm_group_bwd_row",
    source: source!("norm_group_bwd_row", "grid", "reduce", "reduce_two", "norm_row_place", "norm_row"),
    params: ParamsBwdRow::FIELDS,
    bindings: &[
        input("x", Elem::Storage, X),
        input("weight", Elem::Storage, "[channels]"),
        input("dst_bar", Elem::Storage, X),
        output("x_bar", Elem::Storage, X),
        output("sums", Elem::F32, "[2, channels, samples]"),
    ],
    constants: &[],
};

/// Rounds of a workgroup, of four elements an invocation, that the kernels with registers are written for.
pub(super) const ROUNDS: &[u32] = &[1, 2, 4, 8];
const CONSTANTS: &[Constant] = &[Constant { name: "ROUNDS", values: ROUNDS }];

/// Forward with a workgroup per group of a sample, which stays in registers.
pub static FORWARD_ROW_REG: Kernel = Kernel {
    name: "norm_group_row_reg",
    source: source!("norm_group_row_reg", "grid", "reduce", "norm_row_place"),
    constants: CONSTANTS,
    ..FORWARD_ROW
};
