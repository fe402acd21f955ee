//! What the kernels of the coupling on a lattice take.

use crate::kernel::{Elem, Kernel, Params as _, input, output, source};

crate::params! {
    /// Parameters of the forward kernel.
    pub(super) struct Params {
        pub(super) len: u32,
        pub(super) height: u32,
        pub(super) width: u32,
        pub(super) kh: u32,
        pub(super) kw: u32,
        pub(super) periodic: u32,
        pub(super) base_stride: u32,
    }
}

crate::params! {
    /// Parameters of the kernel of the phases' cotangent.
    pub(super) struct ParamsTheta {
        pub(super) len: u32,
        pub(super) height: u32,
        pub(super) width: u32,
        pub(super) kh: u32,
        pub(super) kw: u32,
        pub(super) periodic: u32,
    }
}

crate::params! {
    /// Parameters of the sums over the places of all samples.
    pub(super) struct ParamsWeights {
        pub(super) rows: u32,
        pub(super) tiles: u32,
        pub(super) len: u32,
        pub(super) height: u32,
        pub(super) width: u32,
        pub(super) kh: u32,
        pub(super) kw: u32,
        pub(super) periodic: u32,
    }
}

crate::params! {
    /// Parameters of the sums over the places of a sample.
    pub(super) struct ParamsSamples {
        pub(super) rows: u32,
        pub(super) tiles: u32,
        pub(super) height: u32,
        pub(super) width: u32,
        pub(super) kh: u32,
        pub(super) kw: u32,
        pub(super) periodic: u32,
    }
}

const PHASES: &str = "[batch, height, width]";
const WEIGHTS: &str = "[kh, kw]";

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "couple_lattice",
    source: source!("couple_lattice", "grid", "sincos", "lattice"),
    params: Params::FIELDS,
    bindings: &[
        input("theta", Elem::F32, PHASES),
        input("base", Elem::F32, "[height, width] or [batch, height, width]"),
        input("weights", Elem::F32, WEIGHTS),
        input("strength", Elem::F32, "[batch]"),
        input("lag", Elem::F32, "[batch]"),
        output("rate", Elem::F32, PHASES),
    ],
    constants: &[],
};

/// Cotangent of the phases.
pub static BACKWARD: Kernel = Kernel {
    name: "couple_lattice_bwd",
    source: source!("couple_lattice_bwd", "grid", "sincos", "lattice"),
    params: ParamsTheta::FIELDS,
    bindings: &[
        input("theta", Elem::F32, PHASES),
        input("weights", Elem::F32, WEIGHTS),
        input("strength", Elem::F32, "[batch]"),
        input("lag", Elem::F32, "[batch]"),
        input("rate_bar", Elem::F32, PHASES),
        output("theta_bar", Elem::F32, PHASES),
    ],
    constants: &[],
};

/// Partial sums of the cotangent of the stencil; `sum_rows` adds them.
pub static BACKWARD_W: Kernel = Kernel {
    name: "couple_lattice_bwd_w",
    source: source!("couple_lattice_bwd_w", "grid", "reduce", "sincos", "lattice"),
    params: ParamsWeights::FIELDS,
    bindings: &[
        input("theta", Elem::F32, PHASES),
        input("strength", Elem::F32, "[batch]"),
        input("lag", Elem::F32, "[batch]"),
        input("rate_bar", Elem::F32, PHASES),
        output("partial", Elem::F32, "[kh, kw, tiles]"),
    ],
    constants: &[],
};

/// Partial sums of the cotangents of strengths and lags; `sum_rows` adds them.
pub static BACKWARD_SAMPLES: Kernel = Kernel {
    name: "couple_lattice_bwd_samples",
    source: source!("couple_lattice_bwd_samples", "grid", "reduce", "sincos", "lattice"),
    params: ParamsSamples::FIELDS,
    bindings: &[
        input("theta", Elem::F32, PHASES),
        input("weights", Elem::F32, WEIGHTS),
        input("strength", Elem::F32, "[batch]"),
        input("lag", Elem::F32, "[batch]"),
        input("rate_bar", Elem::F32, PHASES),
        output("partial_strength", Elem::F32, "[batch, tiles]"),
        output("partial_lag", Elem::F32, "[batch, tiles]"),
    ],
    constants: &[],
};
