//! The kernels of [`super::Linear`].

use crate::kernel::{Binding, Elem, Kernel, Params as _, input, output, source, sum};

crate::params! {
    /// Parameters of the forward kernels, which the cotangent of `x` runs too.
    pub(super) struct Params { pub columns: u32, pub rows: u32, pub depth: u32, pub inner: u32, pub row: u32, pub col: u32, pub biased: u32, pub added: u32 }
}

crate::params! {
    /// Parameters of the gradients' kernels.
    pub(super) struct ParamsW { pub columns: u32, pub rows: u32, pub depth: u32, pub inner: u32, pub run: u32, pub tiles: u32, pub width: u32, pub begun: u32 }
}

const BINDINGS: &[Binding] = &[
    input("x", Elem::Storage, "[outer, depth, inner]"),
    input("w", Elem::Storage, "[rows, depth] or its transpose"),
    input("bias", Elem::Storage, "[rows]"),
    input("addend", Elem::Storage, "[outer, rows, inner]"),
    output("dst", Elem::Storage, "[outer, rows, inner]"),
];

const BINDINGS_W: &[Binding] = &[
    input("x", Elem::Storage, "[outer, depth, inner]"),
    input("dst_bar", Elem::Storage, "[outer, rows, inner]"),
    sum("partial", Elem::F32, "[tiles, width]"),
];

/// Forward, and the cotangent of `x`.
pub static FORWARD: Kernel = Kernel {
    name: "linear",
    source: source!("linear", "grid"),
    params: Params::FIELDS,
    bindings: BINDINGS,
    constants: &[],
};

/// The same with a tile of registers.
pub static FORWARD_REG: Kernel = Kernel {
    name: "linear_reg",
    source: source!("linear_reg", "grid", "tile"),
    params: Params::FIELDS,
    bindings: BINDINGS,
    constants: &[],
};

/// The same with operands staged in workgroup memory.
pub static FORWARD_STAGED: Kernel = Kernel {
    name: "linear_staged",
    source: source!("linear_staged", "grid", "tile", "staged"),
    params: Params::FIELDS,
    bindings: BINDINGS,
    constants: &[],
};

/// Cotangents of the weights and the bias, by tiles; `sum_columns` adds them.
pub static BACKWARD_W: Kernel = Kernel {
    name: "linear_bwd_w",
    source: source!("linear_bwd_w", "grid"),
    params: ParamsW::FIELDS,
    bindings: BINDINGS_W,
    constants: &[],
};

/// The same with a tile of registers.
pub static BACKWARD_W_REG: Kernel = Kernel {
    name: "linear_bwd_w_reg",
    source: source!("linear_bwd_w_reg", "grid", "tile"),
    params: ParamsW::FIELDS,
    bindings: BINDINGS_W,
    constants: &[],
};

/// Cotangents of the weights alone, with operands staged in workgroup memory.
pub static BACKWARD_W_STAGED: Kernel = Kernel {
    name: "linear_bwd_w_staged",
    source: source!("linear_bwd_w_staged", "grid", "tile", "staged"),
    params: ParamsW::FIELDS,
    bindings: BINDINGS_W,
    constants: &[],
};
