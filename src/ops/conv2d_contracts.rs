//! The kernels of [`super::Conv2d`].

use crate::kernel::{Binding, Elem, Kernel, Params as _, input, output, source, sum};
use crate::ops::cooperative::CONSTANTS;

crate::params! {
    /// Parameters of the plain kernels.
    pub(super) struct Params {
        pub len: u32, pub c_in: u32, pub c_out: u32,
        pub height: u32, pub width: u32, pub out_height: u32, pub out_width: u32,
        pub kh: u32, pub kw: u32, pub stride_h: u32, pub stride_w: u32, pub pad_h: u32, pub pad_w: u32,
        pub biased: u32, pub added: u32,
    }
}

crate::params! {
    /// Parameters of the kernels of the gradients of the parameters.
    pub(super) struct ParamsW {
        pub pixels: u32, pub c_in: u32, pub c_out: u32,
        pub height: u32, pub width: u32, pub out_height: u32, pub out_width: u32,
        pub kh: u32, pub kw: u32, pub stride_h: u32, pub stride_w: u32, pub pad_h: u32, pub pad_w: u32,
        pub run: u32, pub tiles: u32, pub sums: u32, pub begun: u32,
    }
}

crate::params! {
    /// Parameters of the kernels with a tile of registers.
    pub(super) struct ParamsReg {
        pub pixels: u32, pub rows: u32, pub depth: u32, pub grid_height: u32, pub grid_width: u32,
        pub dst_height: u32, pub dst_width: u32, pub height: u32, pub width: u32,
        pub kh: u32, pub kw: u32, pub stride_h: u32, pub stride_w: u32, pub pad_h: u32, pub pad_w: u32,
        pub row: u32, pub col: u32, pub tap: u32, pub transposed: u32, pub biased: u32,
        pub added: u32,
    }
}

crate::params! {
    /// Parameters of the kernel with cooperative matrices.
    pub(super) struct ParamsCooperative {
        pub rows: u32, pub columns: u32, pub pixels: u32, pub depth: u32, pub deep: u32,
        pub height: u32, pub width: u32, pub out_height: u32, pub out_width: u32,
        pub kh: u32, pub kw: u32, pub pad_h: u32, pub pad_w: u32, pub transposed: u32,
    }
}

crate::params! {
    /// Parameters of the kernel of the gradient of the weights with cooperative matrices.
    pub(super) struct ParamsWCooperative {
        pub rows: u32, pub columns: u32, pub pixels: u32, pub run: u32, pub parts: u32, pub zeros: u32,
        pub height: u32, pub width: u32, pub out_height: u32, pub out_width: u32,
        pub kh: u32, pub kw: u32, pub pad_h: u32, pub pad_w: u32, pub begun: u32,
    }
}

const X: &str = "[batch, c_in, height, width]";
const W: &str = "[c_out, c_in, kh, kw]";
const DST: &str = "[batch, c_out, out_height, out_width]";

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "conv2d",
    source: source!("conv2d", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::Storage, X),
        input("w", Elem::Storage, W),
        input("bias", Elem::Storage, "[c_out]"),
        input("addend", Elem::Storage, DST),
        output("dst", Elem::Storage, DST),
    ],
    constants: &[],
};

/// Cotangent of `x`.
pub static BACKWARD_X: Kernel = Kernel {
    name: "conv2d_bwd_x",
    source: source!("conv2d_bwd_x", "grid"),
    params: Params::FIELDS,
    bindings: &[input("w", Elem::Storage, W), input("dst_bar", Elem::Storage, DST), output("x_bar", Elem::Storage, X)],
    constants: &[],
};

const BINDINGS: &[Binding] = &[
    input("x", Elem::Storage, "[batch, depth, height, width]"),
    input("w", Elem::Storage, "[rows, depth, kh, kw] or [depth, rows, kh, kw]"),
    input("bias", Elem::Storage, "[rows]"),
    input("addend", Elem::Storage, "[batch, rows, dst_height, dst_width]"),
    output("dst", Elem::Storage, "[batch, rows, dst_height, dst_width]"),
];

/// Forward and the cotangent of `x` with a tile of registers.
pub static REG: Kernel = Kernel {
    name: "conv2d_reg",
    source: source!("conv2d_reg", "grid", "tile"),
    params: ParamsReg::FIELDS,
    bindings: BINDINGS,
    constants: &[],
};

/// The same with operands staged in workgroup memory.
pub static STAGED: Kernel = Kernel {
    name: "conv2d_staged",
    source: source!("conv2d_staged", "grid", "tile", "staged"),
    params: ParamsReg::FIELDS,
    bindings: BINDINGS,
    constants: &[],
};

/// Forward and the cotangent of `x` by cooperative matrices, strides of 1 only.
pub static COOPERATIVE: Kernel = Kernel {
    name: "conv2d_cooperative",
    source: source!("conv2d_cooperative", "grid", "cooperative").cooperative(),
    params: ParamsCooperative::FIELDS,
    bindings: &[
        input("x", Elem::Storage, "[batch, depth, height, width]"),
        input("w", Elem::Storage, "[kh kw, rows, deep]"),
        output("dst", Elem::F32, "[rows, columns]"),
    ],
    constants: CONSTANTS,
};

const BINDINGS_W: &[Binding] =
    &[input("x", Elem::Storage, X), input("dst_bar", Elem::Storage, DST), sum("partial", Elem::F32, "[tiles, sums]")];

/// Cotangents of the weights and the bias, by tiles; `sum_columns` adds them.
pub static BACKWARD_W: Kernel = Kernel {
    name: "conv2d_bwd_w",
    source: source!("conv2d_bwd_w", "grid"),
    params: ParamsW::FIELDS,
    bindings: BINDINGS_W,
    constants: &[],
};

/// The same with a tile of registers.
pub static BACKWARD_W_REG: Kernel = Kernel {
    name: "conv2d_bwd_w_reg",
    source: source!("conv2d_bwd_w_reg", "grid", "tile", "conv2d_taps"),
    params: ParamsW::FIELDS,
    bindings: BINDINGS_W,
    constants: &[],
};

/// Cotangents of the weights alone, with operands staged in workgroup memory.
pub static BACKWARD_W_STAGED: Kernel = Kernel {
    name: "conv2d_bwd_w_staged",
    source: source!("conv2d_bwd_w_staged", "grid", "tile", "staged", "conv2d_taps"),
    params: ParamsW::FIELDS,
    bindings: BINDINGS_W,
    constants: &[],
};

/// The same by cooperative matrices, strides of 1 only; `sum_columns` adds the parts.
pub static BACKWARD_W_COOPERATIVE: Kernel = Kernel {
    name: "conv2d_bwd_w_cooperative",
    source: source!("conv2d_bwd_w_cooperative", "grid", "cooperative").cooperative(),
    params: ParamsWCooperative::FIELDS,
    bindings: &[
        input("x", Elem::Storage, "[zeros + 1, columns]"),
        input("dst_bar", Elem::Storage, "[rows, parts run]"),
        sum("dst", Elem::F32, "[parts kh kw, rows, columns]"),
    ],
    constants: CONSTANTS,
};
