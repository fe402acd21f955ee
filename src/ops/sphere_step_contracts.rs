//! Kernels of [`super::SphereStep`]: texts, parameters, bindings.

use crate::kernel::{Binding, Constant, Elem, Kernel, Params as _, input, output, source};

crate::params! {
    /// Parameters of the forward kernels.
    pub(super) struct Params {
        pub(super) samples: u32, pub(super) per_sample: u32, pub(super) tiles: u32, pub(super) groups: u32, pub(super) n: u32, pub(super) inner: u32, pub(super) rotation: u32, pub(super) projection: u32,
    }
}

crate::params! {
    /// Parameters of the state's backward kernel.
    pub(super) struct ParamsBwd {
        pub(super) count: u32, pub(super) per_sample: u32, pub(super) groups: u32, pub(super) n: u32, pub(super) inner: u32, pub(super) rotation: u32, pub(super) projection: u32, pub(super) energy: u32,
    }
}

crate::params! {
    /// Parameters of the scalars' backward kernel.
    pub(super) struct ParamsScalars {
        pub(super) rows: u32, pub(super) tiles: u32, pub(super) per_group: u32, pub(super) groups: u32, pub(super) n: u32, pub(super) inner: u32, pub(super) rotation: u32, pub(super) projection: u32,
    }
}

const STATE: &str = "[outer, n, inner]";

/// Forward, any n.
pub static FORWARD: Kernel = Kernel {
    name: "sphere_step",
    source: source!("sphere_step", "grid", "reduce", "sphere", "sphere_step"),
    params: Params::FIELDS,
    bindings: FORWARD_BINDINGS,
    constants: &[],
};

/// Forward with the oscillator in registers: n is a constant of the text.
pub static FORWARD_REG: Kernel = Kernel {
    name: "sphere_step_reg",
    source: source!("sphere_step_reg", "grid", "reduce", "sphere"),
    params: Params::FIELDS,
    bindings: FORWARD_BINDINGS,
    constants: FORWARD_CONSTANTS,
};

/// Forward, four oscillators at a time.
pub static FORWARD_FOUR: Kernel = Kernel {
    name: "sphere_step_four",
    source: source!("sphere_step_four", "grid", "reduce", "sphere", "sphere_step_four"),
    params: Params::FIELDS,
    bindings: FORWARD_BINDINGS,
    constants: COMPONENTS_FOUR,
};

const FORWARD_CONSTANTS: &[Constant] = &[COMPONENTS[0], Constant { name: "PER", values: &[4, 16] }];

/// Components that fit into registers.
const COMPONENTS: &[Constant] = &[Constant { name: "N", values: &[2, 3, 4, 8, 16] }];

/// Components of which registers hold four oscillators.
const COMPONENTS_FOUR: &[Constant] = &[Constant { name: "N", values: &[2, 3, 4, 8] }];

const FORWARD_BINDINGS: &[Binding] = &[
    input("x", Elem::Storage, STATE),
    input("y", Elem::Storage, STATE),
    input("gamma", Elem::F32, "[1]"),
    input("frequencies", Elem::F32, "[1] or [C / 2]"),
    output("dst", Elem::Storage, STATE),
    output("partial", Elem::F32, "[samples, tiles]"),
];

/// Cotangents of the state and the drive.
pub static BACKWARD: Kernel = Kernel {
    name: "sphere_step_bwd",
    source: source!("sphere_step_bwd", "grid", "sphere", "sphere_step", "sphere_step_bwd"),
    params: ParamsBwd::FIELDS,
    bindings: BACKWARD_BINDINGS,
    constants: &[],
};

/// Cotangents of the state and the drive with the oscillator in registers.
pub static BACKWARD_REG: Kernel = Kernel {
    name: "sphere_step_bwd_reg",
    source: source!("sphere_step_bwd_reg", "grid", "sphere", "sphere_step_reg"),
    params: ParamsBwd::FIELDS,
    bindings: BACKWARD_BINDINGS,
    constants: COMPONENTS,
};

/// Cotangents of the state and the drive, four oscillators at a time.
pub static BACKWARD_FOUR: Kernel = Kernel {
    name: "sphere_step_bwd_four",
    source: source!("sphere_step_bwd_four", "grid", "sphere", "sphere_step_four", "sphere_step_bwd_four"),
    params: ParamsBwd::FIELDS,
    bindings: BACKWARD_BINDINGS,
    constants: COMPONENTS_FOUR,
};

const BACKWARD_BINDINGS: &[Binding] = &[
    input("x", Elem::Storage, STATE),
    input("y", Elem::Storage, STATE),
    input("gamma", Elem::F32, "[1]"),
    input("frequencies", Elem::F32, "[1] or [C / 2]"),
    input("dst_bar", Elem::Storage, STATE),
    input("energy_bar", Elem::F32, "[samples]"),
    output("x_bar", Elem::Storage, STATE),
    output("y_bar", Elem::Storage, STATE),
];

/// Partial sums of the cotangents of gamma and the frequencies.
pub static BACKWARD_SCALARS: Kernel = Kernel {
    name: "sphere_step_bwd_scalars",
    source: source!("sphere_step_bwd_scalars", "grid", "reduce", "sphere", "sphere_step", "sphere_step_bwd"),
    params: ParamsScalars::FIELDS,
    bindings: BACKWARD_SCALARS_BINDINGS,
    constants: &[],
};

/// Partial sums of the cotangents of gamma and the frequencies with the oscillator in registers.
pub static BACKWARD_SCALARS_REG: Kernel = Kernel {
    name: "sphere_step_bwd_scalars_reg",
    source: source!("sphere_step_bwd_scalars_reg", "grid", "reduce", "sphere", "sphere_step_reg"),
    params: ParamsScalars::FIELDS,
    bindings: BACKWARD_SCALARS_BINDINGS,
    constants: COMPONENTS,
};

/// Partial sums of the cotangents of gamma and the frequencies, four oscillators at a time.
pub static BACKWARD_SCALARS_FOUR: Kernel = Kernel {
    name: "sphere_step_bwd_scalars_four",
    source: source!(
        "sphere_step_bwd_scalars_four",
        "grid",
        "reduce",
        "sphere",
        "sphere_step_four",
        "sphere_step_bwd_four"
    ),
    params: ParamsScalars::FIELDS,
    bindings: BACKWARD_SCALARS_BINDINGS,
    constants: COMPONENTS_FOUR,
};

const BACKWARD_SCALARS_BINDINGS: &[Binding] = &[
    input("x", Elem::Storage, STATE),
    input("y", Elem::Storage, STATE),
    input("gamma", Elem::F32, "[1]"),
    input("frequencies", Elem::F32, "[1] or [C / 2]"),
    input("dst_bar", Elem::Storage, STATE),
    output("partial", Elem::F32, "[rows, tiles]"),
];
