//! The kernels of [`super::TimeMultiplexed`] and their parameters.

use crate::kernel::{Elem, Kernel, Params as _, input, output, source};

crate::params! {
    /// Parameters of the forward kernel.
    pub(super) struct Params {
        pub(super) batch: u32, pub(super) steps: u32, pub(super) drives: u32, pub(super) nodes: u32,
        pub(super) banks: u32, pub(super) first: u32, pub(super) activation: u32, pub(super) every: u32,
    }
}

crate::params! {
    /// Parameters of the kernel that runs the recurrence for the backward pass.
    pub(super) struct ParamsTrace {
        pub(super) batch: u32, pub(super) steps: u32, pub(super) drives: u32, pub(super) nodes: u32,
        pub(super) banks: u32, pub(super) first: u32, pub(super) activation: u32,
    }
}

crate::params! {
    /// Parameters of the backward recurrence.
    pub(super) struct ParamsBwd {
        pub(super) batch: u32, pub(super) steps: u32, pub(super) drives: u32, pub(super) nodes: u32,
        pub(super) banks: u32, pub(super) first: u32, pub(super) every: u32,
    }
}

crate::params! {
    /// Parameters of the kernel of the weights' cotangents.
    pub(super) struct ParamsW {
        pub(super) uses: u32, pub(super) turns: u32, pub(super) steps: u32, pub(super) nodes: u32,
        pub(super) banks: u32, pub(super) first: u32, pub(super) run: u32, pub(super) tiles: u32, pub(super) width: u32,
    }
}

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "time_multiplexed",
    source: source!("time_multiplexed", "grid", "time_multiplexed"),
    params: Params::FIELDS,
    bindings: &[
        input("drive", Elem::Storage, "[batch, drives, nodes]"),
        input("state", Elem::Storage, "[batch, nodes]"),
        input("w", Elem::Storage, "[banks, nodes, nodes]"),
        input("bias", Elem::Storage, "[banks, nodes]"),
        input("alpha", Elem::F32, "[1]"),
        output("dst", Elem::Storage, "[batch, steps or 1, nodes]"),
    ],
    constants: &[],
};

/// The states and slopes that the backward pass needs.
pub static BACKWARD_TRACE: Kernel = Kernel {
    name: "time_multiplexed_bwd_trace",
    source: source!("time_multiplexed_bwd_trace", "grid", "time_multiplexed"),
    params: ParamsTrace::FIELDS,
    bindings: &[
        input("drive", Elem::Storage, "[batch, drives, nodes]"),
        input("state", Elem::Storage, "[batch, nodes]"),
        input("w", Elem::Storage, "[banks, nodes, nodes]"),
        input("bias", Elem::Storage, "[banks, nodes]"),
        input("alpha", Elem::F32, "[1]"),
        output("trace", Elem::F32, "[batch, steps, 2, nodes]"),
    ],
    constants: &[],
};

/// Backward, for the drive, the state, and alpha in part.
pub static BACKWARD: Kernel = Kernel {
    name: "time_multiplexed_bwd",
    source: source!("time_multiplexed_bwd", "grid", "reduce"),
    params: ParamsBwd::FIELDS,
    bindings: &[
        input("w", Elem::Storage, "[banks, nodes, nodes]"),
        input("alpha", Elem::F32, "[1]"),
        input("trace", Elem::F32, "[batch, steps, 2, nodes]"),
        input("dst_bar", Elem::Storage, "[batch, steps or 1, nodes]"),
        output("s", Elem::F32, "[batch, steps, nodes]"),
        output("drive_bar", Elem::Storage, "[batch, drives, nodes]"),
        output("state_bar", Elem::Storage, "[batch, nodes]"),
        output("partial", Elem::F32, "[batch]"),
    ],
    constants: &[],
};

/// Backward, for the weights and biases: partial sums.
pub static BACKWARD_W: Kernel = Kernel {
    name: "time_multiplexed_bwd_w",
    source: source!("time_multiplexed_bwd_w", "grid"),
    params: ParamsW::FIELDS,
    bindings: &[
        input("trace", Elem::F32, "[batch, steps, 2, nodes]"),
        input("s", Elem::F32, "[batch, steps, nodes]"),
        output("partial", Elem::F32, "[tiles, width]"),
    ],
    constants: &[],
};
