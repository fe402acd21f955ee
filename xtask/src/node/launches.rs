//! One small launch of each kernel, spelled out: parameters, lengths, workgroups. What runs the same kernel on another
//! stack needs them raw; the library makes them inside its ops.
//!
//! Everything is named and compared with the kernel's contract, so that a launch that no longer fits is an error.

use kuramoto::kernel::{Access, Elem, Scalar};
use kuramoto::{DType, Kernel};

use crate::inputs::Numbers;

/// A parameter's value.
#[derive(Clone, Copy)]
enum Value {
    U(u32),
    F(f32),
}
use Value::{F, U};

/// A launch as written here.
struct Entry {
    kernel: &'static str,
    constants: &'static [(&'static str, u32)],
    params: &'static [(&'static str, Value)],
    /// Elements of each binding.
    lengths: &'static [(&'static str, usize)],
    groups: u32,
}

/// A launch that fits its kernel.
pub struct Launch {
    /// The kernel.
    pub kernel: &'static Kernel,
    /// Its constants.
    pub constants: Vec<(&'static str, u32)>,
    /// The uniform's words.
    pub params: Vec<u32>,
    /// Bindings 1, 2, ….
    pub buffers: Vec<Buffer>,
    /// Workgroups.
    pub groups: u32,
}

/// A storage buffer.
pub struct Buffer {
    /// The contents: bits of f32 or integers. All ones where the kernel writes.
    pub words: Vec<u32>,
    /// Whether the kernel writes it.
    pub written: bool,
    /// Whether the words are floats.
    pub float: bool,
}

impl Launch {
    /// The kernel and its constants.
    pub fn name(&self) -> String {
        let constants: String = self.constants.iter().map(|(name, value)| format!("-{name}{value}")).collect();
        format!("{}{constants}", self.kernel.name)
    }

    /// The text, for f32.
    pub fn text(&self) -> String {
        self.kernel.text(DType::F32, &self.constants)
    }

    /// Whether invocations share memory.
    pub fn has_workgroup_memory(&self) -> bool {
        self.kernel.source.contains("var<workgroup>")
    }
}

// A state of 2 samples, 2 oscillators of 4 components a position and 5 positions: samples 2, C 8, inner 5.
const STATE: usize = 80;
const STEP: &[(&str, Value)] = &[
    ("samples", U(2)),
    ("per_sample", U(10)),
    ("tiles", U(1)),
    ("groups", U(2)),
    ("n", U(4)),
    ("inner", U(5)),
    ("rotation", U(3)),
    ("projection", U(1)),
];
const STEP_LENGTHS: &[(&str, usize)] =
    &[("x", STATE), ("y", STATE), ("gamma", 1), ("frequencies", 4), ("dst", STATE), ("partial", 2)];
// Angles of 2 samples, 5 tokens, 2 heads of 3 angles, whose features are padded to 2 x 4.
const PHASES: &[(&str, Value)] =
    &[("batch", U(2)), ("tokens", U(5)), ("heads", U(2)), ("dim", U(3)), ("half", U(4)), ("causal", U(1))];
const CONV: &[(&str, Value)] =
    &[("batch", U(2)), ("c_in", U(2)), ("c_out", U(3)), ("height", U(4)), ("width", U(5)), ("kh", U(3)), ("kw", U(3))];
const CONV_OUT: &[(&str, Value)] = &[
    ("len", U(120)),
    ("c_in", U(2)),
    ("c_out", U(3)),
    ("height", U(7)),
    ("width", U(5)),
    ("out_height", U(4)),
    ("out_width", U(5)),
    ("kh", U(3)),
    ("kw", U(3)),
    ("stride_h", U(2)),
    ("stride_w", U(1)),
    ("pad_h", U(1)),
    ("pad_w", U(1)),
    ("biased", U(1)),
];
const CONV_W: &[(&str, Value)] = &[
    ("pixels", U(40)),
    ("c_in", U(2)),
    ("c_out", U(3)),
    ("height", U(7)),
    ("width", U(5)),
    ("out_height", U(4)),
    ("out_width", U(5)),
    ("kh", U(3)),
    ("kw", U(3)),
    ("stride_h", U(2)),
    ("stride_w", U(1)),
    ("pad_h", U(1)),
    ("pad_w", U(1)),
    ("run", U(30)),
    ("tiles", U(2)),
    ("sums", U(57)),
];
const CONV_W_LENGTHS: &[(&str, usize)] = &[("x", 140), ("dst_bar", 120), ("partial", 114)];
const LINEAR: &[(&str, Value)] = &[
    ("columns", U(34)),
    ("rows", U(9)),
    ("depth", U(5)),
    ("inner", U(17)),
    ("row", U(5)),
    ("col", U(1)),
    ("biased", U(1)),
];
const LINEAR_LENGTHS: &[(&str, usize)] = &[("x", 170), ("w", 45), ("bias", 9), ("dst", 306)];
const LINEAR_W: &[(&str, Value)] = &[
    ("columns", U(34)),
    ("rows", U(9)),
    ("depth", U(5)),
    ("inner", U(17)),
    ("run", U(20)),
    ("tiles", U(2)),
    ("width", U(54)),
];
const LINEAR_W_LENGTHS: &[(&str, usize)] = &[("x", 170), ("dst_bar", 306), ("partial", 108)];
const LINEAR_U1: &[(&str, Value)] = &[
    ("columns", U(34)),
    ("rows", U(5)),
    ("depth", U(3)),
    ("inner", U(17)),
    ("row", U(3)),
    ("col", U(1)),
    ("turn", F(1.0)),
];
const LINEAR_U1_LENGTHS: &[(&str, usize)] = &[("x", 204), ("w1", 15), ("w2", 15), ("dst", 340)];
const LINEAR_U1_W: &[(&str, Value)] =
    &[("columns", U(34)), ("rows", U(5)), ("depth", U(9)), ("inner", U(17)), ("run", U(20)), ("tiles", U(2))];
const LINEAR_U1_W_LENGTHS: &[(&str, usize)] = &[("x", 612), ("dst_bar", 340), ("partial", 180)];
const MATMUL: &[(&str, Value)] = &[
    ("batch", U(2)),
    ("rows", U(3)),
    ("columns", U(70)),
    ("depth", U(5)),
    ("a_batch", U(15)),
    ("a_row", U(5)),
    ("a_col", U(1)),
    ("b_batch", U(350)),
    ("b_row", U(1)),
    ("b_col", U(5)),
];
const MATMUL_LENGTHS: &[(&str, usize)] = &[("a", 30), ("b", 700), ("dst", 420)];
// 2 samples of 5 tokens, 2 heads of 4 channels padded to 8: rows 20.
const ATTENTION: &[(&str, Value)] = &[
    ("batch", U(2)),
    ("tokens", U(5)),
    ("inner", U(5)),
    ("heads", U(2)),
    ("dim", U(4)),
    ("padded", U(8)),
    ("interleaved", U(1)),
    ("given", U(15)),
];
const SCORES: &[(&str, Value)] = &[
    ("rows", U(20)),
    ("tokens", U(5)),
    ("padded", U(8)),
    ("causal", U(1)),
    ("to_log2", F(0.721_347_5)),
    ("scale", F(0.5)),
];
// Two blocks of 32 channels.
const SCORES_WIDE: &[(&str, Value)] = &[
    ("rows", U(20)),
    ("tokens", U(5)),
    ("padded", U(64)),
    ("causal", U(1)),
    ("to_log2", F(0.721_347_5)),
    ("scale", F(0.5)),
];
const ANCHORS: &[(&str, Value)] = &[
    ("batch", U(2)),
    ("tokens", U(5)),
    ("heads", U(2)),
    ("dim", U(4)),
    ("positions", U(6)),
    ("causal", U(1)),
    ("padded", U(0)),
    ("coupling", U(0)),
    ("scale", F(0.5)),
];
const READOUT_ANCHORS: &[(&str, Value)] = &[
    ("batch", U(2)),
    ("tokens", U(5)),
    ("heads", U(2)),
    ("dim", U(4)),
    ("positions", U(6)),
    ("causal", U(1)),
    ("padded", U(0)),
    ("power", U(2)),
];
const ANCHOR_SIZES: &[(&str, u32)] = &[("N", 2), ("D", 8)];
const RESIZE: &[(&str, Value)] =
    &[("outer", U(2)), ("in_rows", U(3)), ("in_cols", U(4)), ("rows", U(5)), ("cols", U(3)), ("inner", U(2))];
const NOISE: &[(&str, Value)] = &[
    ("samples", U(2)),
    ("run", U(70)),
    ("seed_low", U(7)),
    ("seed_high", U(1)),
    ("first_sample", U(3)),
    ("step", U(2)),
    ("stream", U(1)),
    ("distribution", U(1)),
];
const STEP_BWD: &[(&str, Value)] = &[
    ("count", U(20)),
    ("per_sample", U(10)),
    ("groups", U(2)),
    ("n", U(4)),
    ("inner", U(5)),
    ("rotation", U(3)),
    ("projection", U(1)),
    ("energy", U(1)),
];
const STEP_BWD_LENGTHS: &[(&str, usize)] = &[
    ("x", STATE),
    ("y", STATE),
    ("gamma", 1),
    ("frequencies", 4),
    ("dst_bar", STATE),
    ("energy_bar", 2),
    ("x_bar", STATE),
    ("y_bar", STATE),
];
const STEP_SCALARS: &[(&str, Value)] = &[
    ("rows", U(6)),
    ("tiles", U(1)),
    ("per_group", U(10)),
    ("groups", U(2)),
    ("n", U(4)),
    ("inner", U(5)),
    ("rotation", U(3)),
    ("projection", U(1)),
];
const STEP_SCALARS_LENGTHS: &[(&str, usize)] =
    &[("x", STATE), ("y", STATE), ("gamma", 1), ("frequencies", 4), ("dst_bar", STATE), ("partial", 6)];
const DENSE: &[(&str, Value)] = &[("len", U(21)), ("nodes", U(7)), ("symmetric", U(1)), ("has_bias", U(1))];
const NORMALIZE: &[(&str, Value)] = &[("count", U(20)), ("n", U(4)), ("inner", U(5))];

const RADIAL: &[(&str, Value)] = &[("count", U(20)), ("n", U(4)), ("inner", U(5)), ("near", F(0.1))];

const ENTRIES: &[Entry] = &[
    Entry {
        kernel: "add",
        constants: &[],
        params: &[("len", U(130))],
        lengths: &[("a", 130), ("b", 130), ("dst", 130)],
        groups: 3,
    },
    Entry {
        kernel: "axpy",
        constants: &[],
        params: &[("len", U(130)), ("alpha", F(0.3))],
        lengths: &[("x", 130), ("y", 130), ("dst", 130)],
        groups: 3,
    },
    Entry {
        kernel: "blend",
        constants: &[],
        params: &[("len", U(80)), ("channels", U(8)), ("inner", U(5))],
        lengths: &[("a", 80), ("b", 80), ("mask", 10), ("dst", 80)],
        groups: 2,
    },
    Entry {
        kernel: "blend_bwd",
        constants: &[],
        params: &[("len", U(80)), ("channels", U(8)), ("inner", U(5))],
        lengths: &[("mask", 10), ("dst_bar", 80), ("a_bar", 80), ("b_bar", 80)],
        groups: 2,
    },
    Entry {
        kernel: "blend_bwd_mask",
        constants: &[],
        params: &[("positions", U(10)), ("channels", U(8)), ("inner", U(5))],
        lengths: &[("a", 80), ("b", 80), ("dst_bar", 80), ("mask_bar", 10)],
        groups: 1,
    },
    Entry {
        kernel: "channel_sums",
        constants: &[],
        params: &[
            ("channels", U(4)),
            ("inner", U(700)),
            ("segments", U(1)),
            ("len", U(1400)),
            ("tiles", U(2)),
            ("kinds", U(2)),
            ("mode", U(3)),
            ("row_outer", U(0)),
            ("row_channels", U(1)),
            ("row_inner", U(0)),
            ("eps", F(2.0)),
        ],
        lengths: &[("x", 5600), ("dst_bar", 5600), ("mean", 4), ("variance", 4), ("partial", 16)],
        groups: 8,
    },
    Entry {
        kernel: "check_finite",
        constants: &[],
        params: &[("len", U(200)), ("is_f16", U(0))],
        lengths: &[("words", 200), ("result", 2)],
        groups: 1,
    },
    Entry {
        kernel: "check_unit",
        constants: &[],
        params: NORMALIZE,
        lengths: &[("x", STATE), ("deviation", 64)],
        groups: 1,
    },
    Entry {
        kernel: "concat",
        constants: &[],
        params: &[("len", U(130)), ("run_a", U(20)), ("run_b", U(45))],
        lengths: &[("a", 40), ("b", 90), ("dst", 130)],
        groups: 3,
    },
    Entry {
        kernel: "concat_bwd",
        constants: &[],
        params: &[("len", U(90)), ("part", U(45)), ("run", U(65)), ("offset", U(20))],
        lengths: &[("dst_bar", 130), ("part_bar", 90)],
        groups: 2,
    },
    Entry {
        kernel: "conv2d",
        constants: &[],
        params: CONV_OUT,
        lengths: &[("x", 140), ("w", 54), ("bias", 3), ("dst", 120)],
        groups: 2,
    },
    Entry { kernel: "conv2d_bwd_w", constants: &[], params: CONV_W, lengths: CONV_W_LENGTHS, groups: 2 },
    Entry { kernel: "conv2d_bwd_w_reg", constants: &[], params: CONV_W, lengths: CONV_W_LENGTHS, groups: 1 },
    Entry {
        kernel: "conv2d_bwd_x",
        constants: &[],
        // The same convolution: len counts the elements of x.
        params: &[
            ("len", U(140)),
            ("c_in", U(2)),
            ("c_out", U(3)),
            ("height", U(7)),
            ("width", U(5)),
            ("out_height", U(4)),
            ("out_width", U(5)),
            ("kh", U(3)),
            ("kw", U(3)),
            ("stride_h", U(2)),
            ("stride_w", U(1)),
            ("pad_h", U(1)),
            ("pad_w", U(1)),
            ("biased", U(0)),
        ],
        lengths: &[("w", 54), ("dst_bar", 120), ("x_bar", 140)],
        groups: 3,
    },
    Entry {
        kernel: "conv2d_reg",
        constants: &[],
        // The cotangent of x of that convolution, in two phases.
        params: &[
            ("pixels", U(40)),
            ("rows", U(2)),
            ("depth", U(3)),
            ("grid_height", U(4)),
            ("grid_width", U(5)),
            ("dst_height", U(7)),
            ("dst_width", U(5)),
            ("height", U(4)),
            ("width", U(5)),
            ("kh", U(3)),
            ("kw", U(3)),
            ("stride_h", U(2)),
            ("stride_w", U(1)),
            ("pad_h", U(1)),
            ("pad_w", U(1)),
            ("row", U(9)),
            ("col", U(18)),
            ("transposed", U(1)),
            ("biased", U(0)),
        ],
        lengths: &[("x", 120), ("w", 54), ("bias", 3), ("dst", 140)],
        groups: 2,
    },
    Entry {
        kernel: "couple_conv2d",
        constants: &[],
        params: CONV,
        lengths: &[("x", 80), ("w", 54), ("bias", 3), ("dst", 120)],
        groups: 2,
    },
    Entry {
        kernel: "couple_conv2d_bwd_w",
        constants: &[],
        params: CONV,
        lengths: &[("x", 80), ("dst_bar", 120), ("w_bar", 54), ("bias_bar", 3)],
        groups: 57,
    },
    Entry {
        kernel: "couple_conv2d_bwd_x",
        constants: &[],
        params: CONV,
        lengths: &[("w", 54), ("dst_bar", 120), ("x_bar", 80)],
        groups: 2,
    },
    Entry {
        kernel: "couple_dense",
        constants: &[],
        params: DENSE,
        lengths: &[("x", 21), ("j", 49), ("bias", 7), ("dst", 21)],
        groups: 1,
    },
    Entry {
        kernel: "couple_dense_bwd_j",
        constants: &[],
        params: &[("len", U(56)), ("tiles", U(1)), ("batch", U(3)), ("nodes", U(7)), ("symmetric", U(1))],
        lengths: &[("x", 21), ("dst_bar", 21), ("partial", 49), ("partial_bias", 7)],
        groups: 1,
    },
    Entry {
        kernel: "couple_dense_bwd_x",
        constants: &[],
        params: DENSE,
        lengths: &[("j", 49), ("dst_bar", 21), ("x_bar", 21)],
        groups: 1,
    },
    Entry {
        kernel: "couple_triangles",
        constants: &[],
        params: &[("len", U(10)), ("nodes", U(5)), ("base_stride", U(5))],
        lengths: &[
            ("theta", 10),
            ("base", 10),
            ("weights", 6),
            ("strength", 2),
            ("indptr", 6),
            ("senders", 12),
            ("rate", 10),
        ],
        groups: 1,
    },
    Entry {
        kernel: "couple_triangles_bwd",
        constants: &[],
        params: &[("len", U(10)), ("nodes", U(5)), ("triangles", U(6))],
        lengths: &[
            ("weights", 6),
            ("strength", 2),
            ("terms", 24),
            ("indptr", 6),
            ("indptr_t", 6),
            ("triangles_t", 12),
            ("theta_bar", 10),
        ],
        groups: 1,
    },
    Entry {
        kernel: "couple_triangles_bwd_terms",
        constants: &[],
        params: &[("len", U(12)), ("nodes", U(5)), ("triangles", U(6))],
        lengths: &[("theta", 10), ("rate_bar", 10), ("receivers", 6), ("senders", 12), ("terms", 24)],
        groups: 1,
    },
    Entry {
        kernel: "couple_lattice",
        constants: &[],
        params: &[
            ("len", U(40)),
            ("height", U(4)),
            ("width", U(5)),
            ("kh", U(3)),
            ("kw", U(3)),
            ("periodic", U(1)),
            ("base_stride", U(20)),
        ],
        lengths: &[("theta", 40), ("base", 40), ("weights", 9), ("strength", 2), ("lag", 2), ("rate", 40)],
        groups: 1,
    },
    Entry {
        kernel: "couple_lattice_bwd",
        constants: &[],
        params: &[("len", U(40)), ("height", U(4)), ("width", U(5)), ("kh", U(3)), ("kw", U(3)), ("periodic", U(1))],
        lengths: &[("theta", 40), ("weights", 9), ("strength", 2), ("lag", 2), ("rate_bar", 40), ("theta_bar", 40)],
        groups: 1,
    },
    Entry {
        kernel: "couple_lattice_bwd_samples",
        constants: &[],
        params: &[
            ("rows", U(2)),
            ("tiles", U(1)),
            ("height", U(4)),
            ("width", U(5)),
            ("kh", U(3)),
            ("kw", U(3)),
            ("periodic", U(1)),
        ],
        lengths: &[
            ("theta", 40),
            ("weights", 9),
            ("strength", 2),
            ("lag", 2),
            ("rate_bar", 40),
            ("partial_strength", 2),
            ("partial_lag", 2),
        ],
        groups: 2,
    },
    Entry {
        kernel: "couple_lattice_bwd_w",
        constants: &[],
        params: &[
            ("rows", U(9)),
            ("tiles", U(1)),
            ("len", U(40)),
            ("height", U(4)),
            ("width", U(5)),
            ("kh", U(3)),
            ("kw", U(3)),
            ("periodic", U(1)),
        ],
        lengths: &[("theta", 40), ("strength", 2), ("lag", 2), ("rate_bar", 40), ("partial", 9)],
        groups: 9,
    },
    Entry {
        kernel: "couple_phases",
        constants: &[],
        params: &[
            ("len", U(10)),
            ("nodes", U(5)),
            ("base_stride", U(0)),
            ("weights_stride", U(6)),
            ("lag_sample", U(1)),
            ("lag_edge", U(0)),
            ("harmonic", F(2.0)),
        ],
        lengths: &[
            ("theta", 10),
            ("base", 5),
            ("weights", 12),
            ("strength", 2),
            ("lag", 2),
            ("indptr", 6),
            ("indices", 6),
            ("rate", 10),
        ],
        groups: 1,
    },
    Entry {
        kernel: "couple_phases_bwd",
        constants: &[],
        params: &[("len", U(10)), ("nodes", U(5)), ("edges", U(6)), ("weights_stride", U(6)), ("harmonic", F(2.0))],
        lengths: &[
            ("weights", 12),
            ("strength", 2),
            ("terms", 24),
            ("indptr", 6),
            ("indptr_t", 6),
            ("edges_t", 6),
            ("theta_bar", 10),
        ],
        groups: 1,
    },
    Entry {
        kernel: "couple_phases_bwd_edges",
        constants: &[],
        params: &[
            ("len", U(12)),
            ("nodes", U(5)),
            ("edges", U(6)),
            ("lag_sample", U(0)),
            ("lag_edge", U(1)),
            ("harmonic", F(2.0)),
        ],
        lengths: &[("theta", 10), ("lag", 6), ("rate_bar", 10), ("receivers", 6), ("indices", 6), ("terms", 24)],
        groups: 1,
    },
    Entry {
        kernel: "couple_phases_bwd_lag",
        constants: &[],
        params: &[("len", U(6)), ("edges", U(6)), ("batch", U(2)), ("run", U(2)), ("weights_stride", U(6))],
        lengths: &[("weights", 12), ("strength", 2), ("terms", 24), ("partial", 6)],
        groups: 1,
    },
    Entry {
        kernel: "term_sums_edges",
        constants: &[],
        params: &[("rows", U(2)), ("tiles", U(1)), ("edges", U(130)), ("weights_stride", U(0))],
        lengths: &[("weights", 130), ("strength", 2), ("terms", 520), ("partial_strength", 2), ("partial_lag", 2)],
        groups: 2,
    },
    Entry {
        kernel: "term_sums_samples",
        constants: &[],
        params: &[("len", U(6)), ("edges", U(6)), ("batch", U(2)), ("run", U(2))],
        lengths: &[("strength", 2), ("terms", 24), ("partial", 6)],
        groups: 1,
    },
    Entry {
        kernel: "cross_entropy",
        constants: &[],
        params: &[("positions", U(70)), ("classes", U(4)), ("inner", U(5))],
        lengths: &[("logits", 280), ("labels", 70), ("partial", 2), ("statistics", 140)],
        groups: 2,
    },
    Entry {
        kernel: "cross_entropy_bwd",
        constants: &[],
        params: &[("positions", U(70)), ("classes", U(4)), ("inner", U(5))],
        lengths: &[("logits", 280), ("labels", 70), ("statistics", 140), ("dst_bar", 1), ("logits_bar", 280)],
        groups: 5,
    },
    Entry {
        kernel: "decay",
        constants: &[],
        params: &[("len", U(70))],
        lengths: &[("log_rate", 70), ("raw_step", 70), ("keep", 70), ("step", 70)],
        groups: 2,
    },
    Entry {
        kernel: "decay_bwd",
        constants: &[],
        params: &[("len", U(70)), ("has_keep", U(1)), ("has_step", U(1))],
        lengths: &[
            ("log_rate", 70),
            ("raw_step", 70),
            ("keep_bar", 70),
            ("step_bar", 70),
            ("log_rate_bar", 70),
            ("raw_step_bar", 70),
        ],
        groups: 2,
    },
    Entry {
        kernel: "dot",
        constants: &[],
        params: &[("len", U(1100))],
        lengths: &[("a", 1100), ("b", 1100), ("partial", 2)],
        groups: 2,
    },
    Entry {
        kernel: "embedding",
        constants: &[],
        params: &[("len", U(450)), ("rows", U(4)), ("width", U(9)), ("inner", U(5))],
        lengths: &[("indices", 50), ("table", 36), ("dst", 450)],
        groups: 8,
    },
    Entry {
        kernel: "embedding_bwd",
        constants: &[],
        params: &[("positions", U(70)), ("rows", U(4)), ("width", U(9)), ("inner", U(5))],
        lengths: &[("indices", 70), ("dst_bar", 630), ("table_bar", 36)],
        groups: 8,
    },
    Entry {
        kernel: "energy",
        constants: &[],
        params: &[("samples", U(2)), ("run", U(1100)), ("tiles", U(2)), ("paper", U(1))],
        lengths: &[("x", 2200), ("y", 2200), ("c", 2200), ("partial", 4)],
        groups: 4,
    },
    Entry {
        kernel: "equilibrate",
        constants: &[],
        params: &[
            ("count", U(20)),
            ("n", U(4)),
            ("steps", U(3)),
            ("method", U(2)),
            ("dt", F(0.3)),
            ("tolerance", F(1e-3)),
        ],
        lengths: &[("x", STATE), ("h", STATE), ("dst", STATE), ("taken", 20), ("apart", 20)],
        groups: 1,
    },
    Entry {
        kernel: "fill",
        constants: &[],
        params: &[("len", U(130)), ("value", F(0.3))],
        lengths: &[("dst", 130)],
        groups: 3,
    },
    Entry {
        kernel: "gate",
        constants: &[],
        params: &[("len", U(80)), ("n", U(4)), ("inner", U(5))],
        lengths: &[("x", STATE), ("g", 20), ("dst", STATE)],
        groups: 2,
    },
    Entry {
        kernel: "gate_bwd",
        constants: &[],
        params: NORMALIZE,
        lengths: &[("x", STATE), ("g", 20), ("dst_bar", STATE), ("x_bar", STATE), ("g_bar", 20)],
        groups: 1,
    },
    Entry {
        kernel: "gelu",
        constants: &[],
        params: &[("len", U(130))],
        lengths: &[("x", 130), ("dst", 130)],
        groups: 3,
    },
    Entry {
        kernel: "gelu_bwd",
        constants: &[],
        params: &[("len", U(130))],
        lengths: &[("x", 130), ("dst_bar", 130), ("x_bar", 130)],
        groups: 3,
    },
    Entry {
        kernel: "kuramoto_attention_heads",
        constants: &[],
        params: PHASES,
        lengths: &[("theta", 60), ("gate", 6), ("tau", 2), ("drift", 6), ("features", 480)],
        groups: 2,
    },
    Entry {
        kernel: "kuramoto_attention",
        constants: &[],
        params: PHASES,
        lengths: &[("theta", 60), ("eta", 2), ("features", 480), ("mixed", 160), ("dst", 60)],
        groups: 1,
    },
    Entry {
        kernel: "kuramoto_attention_bwd_mixed",
        constants: &[],
        params: PHASES,
        lengths: &[
            ("eta", 2),
            ("features", 480),
            ("mixed", 160),
            ("dst_bar", 60),
            ("mixed_bar", 160),
            ("delta", 20),
            ("pull", 20),
        ],
        groups: 1,
    },
    Entry {
        kernel: "kuramoto_attention_bwd",
        constants: &[],
        params: PHASES,
        lengths: &[
            ("eta", 2),
            ("features", 480),
            ("mixed", 160),
            ("dst_bar", 60),
            ("q_bar", 160),
            ("k_bar", 160),
            ("v_bar", 160),
            ("theta_bar", 60),
        ],
        groups: 1,
    },
    Entry {
        kernel: "kuramoto_attention_bwd_gate",
        constants: &[],
        params: PHASES,
        lengths: &[("tau", 2), ("features", 480), ("q_bar", 160), ("k_bar", 160), ("gate_bar", 6), ("drift_bar", 6)],
        groups: 6,
    },
    Entry {
        kernel: "kuramoto_attention_bwd_head",
        constants: &[],
        params: PHASES,
        lengths: &[("gate", 6), ("tau", 2), ("gate_bar", 6), ("pull", 20), ("tau_bar", 2), ("eta_bar", 2)],
        groups: 2,
    },
    Entry {
        kernel: "kuramoto_attention_weights",
        constants: &[],
        params: PHASES,
        lengths: &[("features", 480), ("stats", 40), ("weights", 100)],
        groups: 2,
    },
    Entry {
        kernel: "layer_scale",
        constants: &[],
        params: &[("len", U(80)), ("channels", U(8)), ("inner", U(5)), ("limit", F(0.75))],
        lengths: &[("x", STATE), ("y", STATE), ("raw", 8), ("dst", STATE)],
        groups: 2,
    },
    Entry {
        kernel: "layer_scale_bwd",
        constants: &[],
        params: &[("len", U(80)), ("channels", U(8)), ("inner", U(5)), ("limit", F(0.75))],
        lengths: &[("raw", 8), ("dst_bar", STATE), ("y_bar", STATE)],
        groups: 2,
    },
    Entry {
        kernel: "layer_scale_bwd_raw",
        constants: &[],
        params: &[("channels", U(8)), ("limit", F(0.75))],
        lengths: &[("raw", 8), ("sums", 8), ("raw_bar", 8)],
        groups: 1,
    },
    Entry { kernel: "linear", constants: &[], params: LINEAR, lengths: LINEAR_LENGTHS, groups: 5 },
    Entry { kernel: "linear_bwd_w", constants: &[], params: LINEAR_W, lengths: LINEAR_W_LENGTHS, groups: 2 },
    Entry { kernel: "linear_bwd_w_reg", constants: &[], params: LINEAR_W, lengths: LINEAR_W_LENGTHS, groups: 1 },
    Entry { kernel: "linear_reg", constants: &[], params: LINEAR, lengths: LINEAR_LENGTHS, groups: 2 },
    Entry { kernel: "linear_u1", constants: &[], params: LINEAR_U1, lengths: LINEAR_U1_LENGTHS, groups: 3 },
    Entry { kernel: "linear_u1_bwd_w", constants: &[], params: LINEAR_U1_W, lengths: LINEAR_U1_W_LENGTHS, groups: 2 },
    Entry {
        kernel: "linear_u1_bwd_w_reg",
        constants: &[],
        params: LINEAR_U1_W,
        lengths: LINEAR_U1_W_LENGTHS,
        groups: 1,
    },
    Entry { kernel: "linear_u1_reg", constants: &[], params: LINEAR_U1, lengths: LINEAR_U1_LENGTHS, groups: 2 },
    Entry {
        kernel: "lohe_rate",
        constants: &[],
        params: &[("count", U(6)), ("nodes", U(3)), ("n", U(4)), ("turning", U(1))],
        lengths: &[("x", 24), ("y", 24), ("w", 6), ("dst", 24)],
        groups: 1,
    },
    Entry {
        kernel: "lohe_rate_bwd",
        constants: &[],
        params: &[("count", U(6)), ("nodes", U(3)), ("n", U(4)), ("turning", U(1))],
        lengths: &[("x", 24), ("y", 24), ("w", 6), ("dst_bar", 24), ("x_bar", 24), ("y_bar", 24)],
        groups: 1,
    },
    Entry {
        kernel: "lohe_rate_bwd_w",
        constants: &[],
        params: &[("len", U(6)), ("batch", U(2))],
        lengths: &[("x", 24), ("dst_bar", 24), ("w_bar", 6)],
        groups: 1,
    },
    Entry { kernel: "matmul", constants: &[], params: MATMUL, lengths: MATMUL_LENGTHS, groups: 8 },
    Entry { kernel: "matmul_reg", constants: &[("ACROSS", 8)], params: MATMUL, lengths: MATMUL_LENGTHS, groups: 4 },
    Entry { kernel: "noise", constants: &[], params: NOISE, lengths: &[("dst", 140)], groups: 3 },
    Entry { kernel: "noise_bits", constants: &[], params: NOISE, lengths: &[("dst", 140)], groups: 3 },
    Entry {
        kernel: "mean_nodes",
        constants: &[],
        params: &[("samples", U(2)), ("nodes", U(1030)), ("n", U(2)), ("tiles", U(2)), ("alpha", F(1.0))],
        lengths: &[("x", 4120), ("partial", 8)],
        groups: 8,
    },
    Entry {
        kernel: "mean_nodes_bwd",
        constants: &[],
        params: &[("len", U(210)), ("nodes", U(35)), ("n", U(3)), ("share", F(0.03125))],
        lengths: &[("mean_bar", 6), ("x_bar", 210)],
        groups: 4,
    },
    Entry {
        kernel: "norm_batch",
        constants: &[],
        params: &[
            ("len", U(80)),
            ("channels", U(8)),
            ("inner", U(5)),
            ("has_weight", U(1)),
            ("has_bias", U(1)),
            ("eps", F(2.0)),
        ],
        lengths: &[
            ("x", STATE),
            ("weight", 8),
            ("bias", 8),
            ("offset", 8),
            ("variance", 8),
            ("dst", STATE),
            ("mean", 8),
        ],
        groups: 2,
    },
    Entry {
        kernel: "norm_batch_bwd",
        constants: &[],
        params: &[
            ("len", U(80)),
            ("channels", U(8)),
            ("inner", U(5)),
            ("has_weight", U(1)),
            ("has_dst", U(1)),
            ("eps", F(2.0)),
        ],
        lengths: &[
            ("x", STATE),
            ("weight", 8),
            ("dst_bar", STATE),
            ("offset", 8),
            ("variance", 8),
            ("pulls", 32),
            ("x_bar", STATE),
        ],
        groups: 2,
    },
    Entry {
        kernel: "norm_batch_bwd_channels",
        constants: &[],
        params: &[("channels", U(8)), ("has_dst", U(1)), ("has_mean", U(1)), ("has_variance", U(1)), ("share", F(0.1))],
        lengths: &[("sums", 16), ("mean_bar", 8), ("variance_bar", 8), ("pulls", 32)],
        groups: 1,
    },
    Entry {
        kernel: "norm_batch_inference",
        constants: &[],
        params: &[
            ("len", U(80)),
            ("channels", U(8)),
            ("inner", U(5)),
            ("has_weight", U(1)),
            ("has_bias", U(1)),
            ("eps", F(2.0)),
        ],
        lengths: &[("x", STATE), ("mean", 8), ("variance", 8), ("weight", 8), ("bias", 8), ("dst", STATE)],
        groups: 2,
    },
    Entry {
        kernel: "norm_batch_inference_bwd",
        constants: &[],
        params: &[("len", U(80)), ("channels", U(8)), ("inner", U(5)), ("has_weight", U(1)), ("eps", F(2.0))],
        lengths: &[("variance", 8), ("weight", 8), ("dst_bar", STATE), ("x_bar", STATE)],
        groups: 2,
    },
    Entry {
        kernel: "norm_batch_inference_bwd_statistics",
        constants: &[],
        params: &[("channels", U(8)), ("has_weight", U(1)), ("eps", F(2.0))],
        lengths: &[("sums", 16), ("variance", 8), ("weight", 8), ("mean_bar", 8), ("variance_bar", 8)],
        groups: 1,
    },
    Entry {
        kernel: "norm_group",
        constants: &[],
        params: &[
            ("len", U(80)),
            ("row", U(20)),
            ("channels", U(8)),
            ("inner", U(5)),
            ("has_weight", U(1)),
            ("has_bias", U(1)),
            ("eps", F(2.0)),
        ],
        lengths: &[("x", STATE), ("weight", 8), ("bias", 8), ("mean", 4), ("variance", 4), ("dst", STATE)],
        groups: 2,
    },
    Entry {
        kernel: "norm_group_bwd",
        constants: &[],
        params: &[
            ("len", U(80)),
            ("row", U(20)),
            ("rows", U(4)),
            ("channels", U(8)),
            ("inner", U(5)),
            ("has_weight", U(1)),
            ("eps", F(2.0)),
        ],
        lengths: &[
            ("x", STATE),
            ("weight", 8),
            ("dst_bar", STATE),
            ("mean", 4),
            ("variance", 4),
            ("row_means", 8),
            ("x_bar", STATE),
        ],
        groups: 2,
    },
    Entry {
        kernel: "norm_group_bwd_rows",
        constants: &[],
        params: &[("samples", U(2)), ("groups", U(2)), ("channels", U(8)), ("has_weight", U(1)), ("share", F(0.05))],
        lengths: &[("sums", 32), ("weight", 8), ("row_means", 8)],
        groups: 1,
    },
    Entry {
        kernel: "norm_heads",
        constants: &[],
        params: &[
            ("rows", U(20)),
            ("heads", U(6)),
            ("normed", U(4)),
            ("dim", U(4)),
            ("share", F(0.25)),
            ("eps", F(2.0)),
        ],
        lengths: &[("x", STATE), ("dst", STATE)],
        groups: 1,
    },
    Entry {
        kernel: "norm_heads_bwd",
        constants: &[],
        params: &[
            ("rows", U(20)),
            ("heads", U(6)),
            ("normed", U(4)),
            ("dim", U(4)),
            ("share", F(0.25)),
            ("eps", F(2.0)),
        ],
        lengths: &[("x", STATE), ("dst_bar", STATE), ("x_bar", STATE)],
        groups: 1,
    },
    Entry {
        kernel: "norm_layer",
        constants: &[],
        params: &[
            ("rows", U(10)),
            ("channels", U(8)),
            ("inner", U(5)),
            ("block", U(8)),
            ("has_weight", U(1)),
            ("has_bias", U(1)),
            ("share", F(0.125)),
            ("eps", F(2.0)),
        ],
        lengths: &[("x", STATE), ("weight", 8), ("bias", 8), ("dst", STATE)],
        groups: 2,
    },
    Entry {
        kernel: "norm_layer_bwd",
        constants: &[],
        params: &[
            ("rows", U(10)),
            ("channels", U(8)),
            ("inner", U(5)),
            ("block", U(8)),
            ("has_weight", U(1)),
            ("share", F(0.125)),
            ("eps", F(2.0)),
        ],
        lengths: &[("x", STATE), ("weight", 8), ("dst_bar", STATE), ("x_bar", STATE), ("mean", 10), ("variance", 10)],
        groups: 2,
    },
    Entry {
        kernel: "norm_rms",
        constants: &[],
        params: &[
            ("rows", U(10)),
            ("channels", U(8)),
            ("inner", U(5)),
            ("block", U(8)),
            ("has_weight", U(1)),
            ("share", F(0.125)),
            ("eps", F(2.0)),
        ],
        lengths: &[("x", STATE), ("weight", 8), ("dst", STATE)],
        groups: 2,
    },
    Entry {
        kernel: "norm_rms_bwd",
        constants: &[],
        params: &[
            ("rows", U(10)),
            ("channels", U(8)),
            ("inner", U(5)),
            ("block", U(8)),
            ("has_weight", U(1)),
            ("share", F(0.125)),
            ("eps", F(2.0)),
        ],
        lengths: &[("x", STATE), ("weight", 8), ("dst_bar", STATE), ("x_bar", STATE), ("variance", 10)],
        groups: 2,
    },
    Entry {
        kernel: "phase_features",
        constants: &[],
        params: &[("len", U(60)), ("run", U(30))],
        lengths: &[("theta", 60), ("dst", 120)],
        groups: 1,
    },
    Entry {
        kernel: "phase_features_bwd",
        constants: &[],
        params: &[("len", U(60)), ("run", U(30))],
        lengths: &[("theta", 60), ("dst_bar", 120), ("theta_bar", 60)],
        groups: 1,
    },
    Entry {
        kernel: "phase_rate",
        constants: &[],
        params: &[("len", U(140)), ("nodes", U(70)), ("m", F(2.0)), ("per_node", U(1)), ("per_sample", U(0))],
        lengths: &[("theta", 140), ("base", 70), ("field", 280), ("strength", 2), ("lag", 2), ("rate", 140)],
        groups: 3,
    },
    Entry {
        kernel: "phase_rate_bwd",
        constants: &[],
        params: &[("len", U(140)), ("nodes", U(70)), ("m", F(2.0)), ("per_node", U(1))],
        lengths: &[("theta", 140), ("field", 280), ("strength", 2), ("lag", 2), ("rate_bar", 140), ("theta_bar", 140)],
        groups: 3,
    },
    Entry {
        kernel: "phase_rate_bwd_field",
        constants: &[],
        params: &[("len", U(140)), ("nodes", U(70)), ("m", F(2.0))],
        lengths: &[("theta", 140), ("strength", 2), ("lag", 2), ("rate_bar", 140), ("field_bar", 280)],
        groups: 3,
    },
    Entry {
        kernel: "phase_rate_bwd_sums",
        constants: &[],
        params: &[("samples", U(2)), ("nodes", U(1030)), ("tiles", U(2)), ("m", F(2.0)), ("per_node", U(0))],
        lengths: &[("theta", 2060), ("field", 4), ("strength", 2), ("lag", 2), ("rate_bar", 2060), ("partial", 16)],
        groups: 4,
    },
    Entry {
        kernel: "phase_step",
        constants: &[],
        params: &[
            ("len", U(140)),
            ("run", U(70)),
            ("stages", U(4)),
            ("wrap", U(1)),
            ("c0", F(0.5)),
            ("c1", F(-2.0)),
            ("c2", F(1.0)),
            ("c3", F(0.25)),
            ("c4", F(0.0)),
        ],
        lengths: &[("x", 140), ("k0", 140), ("k1", 140), ("k2", 140), ("k3", 140), ("k4", 140), ("h", 2), ("dst", 140)],
        groups: 3,
    },
    Entry {
        kernel: "phase_step_bwd",
        constants: &[],
        params: &[("len", U(140)), ("run", U(70)), ("c", F(0.5))],
        lengths: &[("h", 2), ("dst_bar", 140), ("k_bar", 140)],
        groups: 3,
    },
    Entry {
        kernel: "phase_step_bwd_h",
        constants: &[],
        params: &[
            ("samples", U(2)),
            ("run", U(1030)),
            ("tiles", U(2)),
            ("stages", U(4)),
            ("c0", F(0.5)),
            ("c1", F(-2.0)),
            ("c2", F(1.0)),
            ("c3", F(0.25)),
            ("c4", F(0.0)),
        ],
        lengths: &[
            ("dst_bar", 2060),
            ("k0", 2060),
            ("k1", 2060),
            ("k2", 2060),
            ("k3", 2060),
            ("k4", 2060),
            ("partial", 4),
        ],
        groups: 4,
    },
    Entry {
        kernel: "phase_wrap",
        constants: &[],
        params: &[("len", U(130))],
        lengths: &[("x", 130), ("dst", 130)],
        groups: 3,
    },
    Entry {
        kernel: "phasors",
        constants: &[],
        params: &[("len", U(130)), ("q", F(3.0))],
        lengths: &[("theta", 130), ("dst", 260)],
        groups: 3,
    },
    Entry {
        kernel: "phasors_bwd",
        constants: &[],
        params: &[("len", U(130)), ("q", F(3.0))],
        lengths: &[("theta", 130), ("dst_bar", 260), ("theta_bar", 130)],
        groups: 3,
    },
    Entry {
        kernel: "pool_average",
        constants: &[],
        params: &[("planes", U(3)), ("plane", U(70))],
        lengths: &[("x", 210), ("dst", 3)],
        groups: 3,
    },
    Entry {
        kernel: "pool_average_bwd",
        constants: &[],
        params: &[("len", U(210)), ("plane", U(70))],
        lengths: &[("dst_bar", 3), ("x_bar", 210)],
        groups: 4,
    },
    Entry {
        kernel: "pool_max",
        constants: &[],
        params: &[("planes", U(3)), ("plane", U(70))],
        lengths: &[("x", 210), ("dst", 3)],
        groups: 3,
    },
    Entry {
        kernel: "pool_max_bwd",
        constants: &[],
        params: &[("planes", U(3)), ("plane", U(70))],
        lengths: &[("x", 210), ("dst_bar", 3), ("x_bar", 210)],
        groups: 3,
    },
    Entry {
        kernel: "radial_tanh",
        constants: &[],
        params: RADIAL,
        lengths: &[("x", STATE), ("dst", STATE)],
        groups: 1,
    },
    Entry {
        kernel: "radial_tanh_bwd",
        constants: &[],
        params: RADIAL,
        lengths: &[("x", STATE), ("dst_bar", STATE), ("x_bar", STATE)],
        groups: 1,
    },
    Entry {
        kernel: "readout_anchors",
        constants: ANCHOR_SIZES,
        params: READOUT_ANCHORS,
        lengths: &[("x", 40), ("v", 80), ("anchors", 24), ("lengths", 2), ("dst", 80)],
        groups: 4,
    },
    Entry {
        kernel: "readout_anchors_bwd_v",
        constants: ANCHOR_SIZES,
        params: READOUT_ANCHORS,
        lengths: &[
            ("x", 40),
            ("v", 80),
            ("anchors", 24),
            ("lengths", 2),
            ("dst_bar", 80),
            ("stats", 40),
            ("v_bar", 80),
            ("partial", 48),
        ],
        groups: 4,
    },
    Entry {
        kernel: "readout_anchors_bwd_x",
        constants: ANCHOR_SIZES,
        params: READOUT_ANCHORS,
        lengths: &[
            ("x", 40),
            ("v", 80),
            ("anchors", 24),
            ("lengths", 2),
            ("dst_bar", 80),
            ("x_bar", 40),
            ("stats", 40),
        ],
        groups: 4,
    },
    Entry {
        kernel: "readout_anchors_prefix",
        constants: ANCHOR_SIZES,
        params: READOUT_ANCHORS,
        lengths: &[("x", 40), ("v", 80), ("anchors", 24), ("lengths", 2), ("dst", 80)],
        groups: 4,
    },
    Entry {
        kernel: "readout_norm",
        constants: &[],
        params: &[("count", U(20)), ("n", U(4)), ("inner", U(5)), ("channels", U(2)), ("has_bias", U(1))],
        lengths: &[("z", STATE), ("bias", 2), ("dst", 20)],
        groups: 1,
    },
    Entry {
        kernel: "readout_norm_bwd",
        constants: &[],
        params: &[("count", U(20)), ("n", U(4)), ("inner", U(5))],
        lengths: &[("z", STATE), ("dst_bar", 20), ("z_bar", STATE)],
        groups: 1,
    },
    Entry {
        kernel: "relu",
        constants: &[],
        params: &[("len", U(130))],
        lengths: &[("x", 130), ("dst", 130)],
        groups: 3,
    },
    Entry {
        kernel: "relu_bwd",
        constants: &[],
        params: &[("len", U(130))],
        lengths: &[("x", 130), ("dst_bar", 130), ("x_bar", 130)],
        groups: 3,
    },
    Entry {
        kernel: "relu_squared",
        constants: &[],
        params: &[("len", U(130))],
        lengths: &[("x", 130), ("dst", 130)],
        groups: 3,
    },
    Entry {
        kernel: "relu_squared_bwd",
        constants: &[],
        params: &[("len", U(130))],
        lengths: &[("x", 130), ("dst_bar", 130), ("x_bar", 130)],
        groups: 3,
    },
    Entry {
        kernel: "row_moment",
        constants: &[],
        params: &[
            ("rows", U(2)),
            ("tiles", U(2)),
            ("len", U(1100)),
            ("row_stride", U(1100)),
            ("run", U(1100)),
            ("jump", U(0)),
            ("order", U(2)),
            ("alpha", F(0.5)),
        ],
        lengths: &[("x", 2200), ("mean", 2), ("partial", 4)],
        groups: 4,
    },
    Entry {
        kernel: "scale",
        constants: &[],
        params: &[("len", U(130)), ("alpha", F(0.3))],
        lengths: &[("x", 130), ("dst", 130)],
        groups: 3,
    },
    Entry {
        kernel: "scale_bias",
        constants: &[],
        params: &[("len", U(80)), ("channels", U(8)), ("inner", U(5))],
        lengths: &[("x", STATE), ("scale", 8), ("bias", 8), ("dst", STATE)],
        groups: 2,
    },
    Entry {
        kernel: "scale_bias_bwd",
        constants: &[],
        params: &[("len", U(80)), ("channels", U(8)), ("inner", U(5))],
        lengths: &[("scale", 8), ("dst_bar", STATE), ("x_bar", STATE)],
        groups: 2,
    },
    Entry {
        kernel: "silu",
        constants: &[],
        params: &[("len", U(130))],
        lengths: &[("x", 130), ("dst", 130)],
        groups: 3,
    },
    Entry {
        kernel: "silu_bwd",
        constants: &[],
        params: &[("len", U(130))],
        lengths: &[("x", 130), ("dst_bar", 130), ("x_bar", 130)],
        groups: 3,
    },
    Entry {
        kernel: "softplus",
        constants: &[],
        params: &[("len", U(130))],
        lengths: &[("x", 130), ("dst", 130)],
        groups: 3,
    },
    Entry {
        kernel: "softplus_bwd",
        constants: &[],
        params: &[("len", U(130))],
        lengths: &[("x", 130), ("dst_bar", 130), ("x_bar", 130)],
        groups: 3,
    },
    Entry {
        kernel: "solve_judge",
        constants: &[],
        params: &[
            ("samples", U(3)),
            ("window", U(4)),
            ("filled", U(3)),
            ("slot", U(2)),
            ("iteration", U(2)),
            ("last", U(9)),
            ("memoryless", U(0)),
            ("patience", U(8)),
            ("to_first", U(0)),
            ("tolerance", F(1e-3)),
            ("floor", F(1e-9)),
            ("divergence", F(1e6)),
            ("relative", F(1e-3)),
            ("absolute", F(0.0)),
        ],
        lengths: &[("sums", 24), ("record", 264), ("coefficients", 21)],
        groups: 1,
    },
    Entry {
        kernel: "solve_mix",
        constants: &[],
        params: &[("samples", U(3)), ("len", U(30)), ("window", U(4)), ("filled", U(3)), ("rest", F(0.25))],
        lengths: &[("y", 90), ("coefficients", 21), ("ring", 720), ("kept", 180), ("dst", 90)],
        groups: 2,
    },
    Entry {
        kernel: "solve_residual",
        constants: &[],
        params: &[
            ("samples", U(2)),
            ("len", U(1030)),
            ("tiles", U(2)),
            ("window", U(3)),
            ("dots", U(2)),
            ("slot", U(1)),
        ],
        lengths: &[("y", 2060), ("f", 2060), ("kept", 4120), ("ring", 12360), ("partial", 28)],
        groups: 4,
    },
    Entry {
        kernel: "sphere_normalize",
        constants: &[],
        params: NORMALIZE,
        lengths: &[("x", STATE), ("dst", STATE)],
        groups: 1,
    },
    Entry {
        kernel: "sphere_normalize_bwd",
        constants: &[],
        params: NORMALIZE,
        lengths: &[("x", STATE), ("dst_bar", STATE), ("x_bar", STATE)],
        groups: 1,
    },
    Entry {
        kernel: "sphere_rotate",
        constants: &[],
        params: &[("len", U(12)), ("pairs", U(6)), ("angle", F(0.5)), ("sense", F(1.0))],
        lengths: &[("x", 24), ("w", 6), ("dst", 24)],
        groups: 1,
    },
    Entry {
        kernel: "sphere_rotate_bwd_w",
        constants: &[],
        params: &[("pairs", U(6)), ("batch", U(2)), ("angle", F(0.5))],
        lengths: &[("x", 24), ("w", 6), ("dst_bar", 24), ("w_bar", 6)],
        groups: 1,
    },
    Entry { kernel: "sphere_step", constants: &[], params: STEP, lengths: STEP_LENGTHS, groups: 2 },
    Entry { kernel: "sphere_step_bwd", constants: &[], params: STEP_BWD, lengths: STEP_BWD_LENGTHS, groups: 1 },
    Entry {
        kernel: "sphere_step_bwd_reg",
        constants: &[("N", 4)],
        params: STEP_BWD,
        lengths: STEP_BWD_LENGTHS,
        groups: 1,
    },
    Entry {
        kernel: "sphere_step_bwd_scalars",
        constants: &[],
        params: STEP_SCALARS,
        lengths: STEP_SCALARS_LENGTHS,
        groups: 6,
    },
    Entry {
        kernel: "sphere_step_bwd_scalars_reg",
        constants: &[("N", 4)],
        params: STEP_SCALARS,
        lengths: STEP_SCALARS_LENGTHS,
        groups: 2,
    },
    Entry { kernel: "sphere_step_reg", constants: &[("N", 4)], params: STEP, lengths: STEP_LENGTHS, groups: 2 },
    Entry {
        kernel: "sphere_turn",
        constants: &[],
        params: &[("count", U(7)), ("n", U(3))],
        lengths: &[("x", 21), ("v", 21), ("dst", 21)],
        groups: 1,
    },
    Entry {
        kernel: "sphere_turn_bwd",
        constants: &[],
        params: &[("count", U(7)), ("n", U(3))],
        lengths: &[("x", 21), ("v", 21), ("dst_bar", 21), ("x_bar", 21), ("v_bar", 21)],
        groups: 1,
    },
    Entry {
        kernel: "step_control",
        constants: &[],
        params: &[("samples", U(5)), ("scale", F(1.0))],
        lengths: &[("square", 5), ("clock", 15), ("dst", 15), ("taken", 5)],
        groups: 1,
    },
    Entry {
        kernel: "sum_columns",
        constants: &[],
        params: &[("len", U(70)), ("rows", U(3)), ("stride", U(75)), ("offset", U(5))],
        lengths: &[("src", 225), ("dst", 70)],
        groups: 2,
    },
    Entry {
        kernel: "sum_rows",
        constants: &[],
        params: &[("rows", U(3)), ("len", U(70)), ("offset", U(5)), ("alpha", F(0.5))],
        lengths: &[("src", 215), ("dst", 3)],
        groups: 3,
    },
    Entry {
        kernel: "swiglu",
        constants: &[],
        params: &[("len", U(60)), ("run", U(30))],
        lengths: &[("x", 120), ("dst", 60)],
        groups: 1,
    },
    Entry {
        kernel: "swiglu_bwd",
        constants: &[],
        params: &[("len", U(60)), ("run", U(30))],
        lengths: &[("x", 120), ("dst_bar", 60), ("x_bar", 120)],
        groups: 1,
    },
    Entry {
        kernel: "time_multiplexed",
        constants: &[],
        params: &[
            ("batch", U(2)),
            ("steps", U(3)),
            ("drives", U(3)),
            ("nodes", U(70)),
            ("banks", U(2)),
            ("first", U(1)),
            ("activation", U(0)),
            ("every", U(1)),
        ],
        lengths: &[("drive", 420), ("state", 140), ("w", 9800), ("bias", 140), ("alpha", 1), ("dst", 420)],
        groups: 2,
    },
    Entry {
        kernel: "time_multiplexed_bwd",
        constants: &[],
        params: &[
            ("batch", U(2)),
            ("steps", U(3)),
            ("drives", U(1)),
            ("nodes", U(70)),
            ("banks", U(2)),
            ("first", U(1)),
            ("every", U(1)),
        ],
        lengths: &[
            ("w", 9800),
            ("alpha", 1),
            ("trace", 840),
            ("dst_bar", 420),
            ("s", 420),
            ("drive_bar", 140),
            ("state_bar", 140),
            ("partial", 2),
        ],
        groups: 2,
    },
    // Two steps: each passes what compilers round differently through sums of 70, which grow it.
    Entry {
        kernel: "time_multiplexed_bwd_trace",
        constants: &[],
        params: &[
            ("batch", U(2)),
            ("steps", U(2)),
            ("drives", U(1)),
            ("nodes", U(70)),
            ("banks", U(2)),
            ("first", U(1)),
            ("activation", U(0)),
        ],
        lengths: &[("drive", 140), ("state", 140), ("w", 9800), ("bias", 140), ("alpha", 1), ("trace", 560)],
        groups: 2,
    },
    Entry {
        kernel: "time_multiplexed_bwd_w",
        constants: &[],
        params: &[
            ("uses", U(4)),
            ("turns", U(2)),
            ("steps", U(3)),
            ("nodes", U(5)),
            ("banks", U(2)),
            ("first", U(1)),
            ("run", U(3)),
            ("tiles", U(2)),
            ("width", U(60)),
        ],
        lengths: &[("trace", 60), ("s", 30), ("partial", 120)],
        groups: 2,
    },
    Entry {
        kernel: "couple_anchors",
        constants: ANCHOR_SIZES,
        params: ANCHORS,
        lengths: &[("q", 80), ("k", 80), ("anchors", 24), ("lengths", 2), ("field", 40)],
        groups: 4,
    },
    Entry {
        kernel: "couple_anchors_bwd_k",
        constants: ANCHOR_SIZES,
        params: ANCHORS,
        lengths: &[
            ("q", 80),
            ("k", 80),
            ("anchors", 24),
            ("lengths", 2),
            ("field_bar", 40),
            ("k_bar", 80),
            ("partial", 48),
        ],
        groups: 4,
    },
    Entry {
        kernel: "couple_anchors_bwd_q",
        constants: ANCHOR_SIZES,
        params: ANCHORS,
        lengths: &[("q", 80), ("k", 80), ("anchors", 24), ("lengths", 2), ("field_bar", 40), ("q_bar", 80)],
        groups: 4,
    },
    // Of four nodes: no inertia among their numbers is close to zero.
    Entry {
        kernel: "swing_drift",
        constants: &[],
        params: &[("len", U(8)), ("nodes", U(4))],
        lengths: &[
            ("theta", 8),
            ("velocity", 8),
            ("force", 8),
            ("inertia", 4),
            ("damping", 4),
            ("h", 2),
            ("theta_next", 8),
            ("velocity_next", 8),
        ],
        groups: 1,
    },
    Entry {
        kernel: "swing_drift_bwd",
        constants: &[],
        params: &[("len", U(8)), ("nodes", U(4)), ("has_theta", U(1)), ("has_velocity", U(1))],
        lengths: &[
            ("inertia", 4),
            ("damping", 4),
            ("h", 2),
            ("theta_next_bar", 8),
            ("velocity_next_bar", 8),
            ("velocity_bar", 8),
            ("force_bar", 8),
        ],
        groups: 1,
    },
    Entry {
        kernel: "swing_drift_bwd_h",
        constants: &[],
        params: &[("samples", U(2)), ("nodes", U(4)), ("tiles", U(1)), ("has_theta", U(1)), ("has_velocity", U(1))],
        lengths: &[
            ("velocity", 8),
            ("force", 8),
            ("inertia", 4),
            ("damping", 4),
            ("h", 2),
            ("theta_next_bar", 8),
            ("velocity_next_bar", 8),
            ("partial", 2),
        ],
        groups: 2,
    },
    Entry {
        kernel: "swing_drift_bwd_nodes",
        constants: &[],
        params: &[
            ("len", U(8)),
            ("samples", U(3)),
            ("nodes", U(4)),
            ("run", U(2)),
            ("has_theta", U(1)),
            ("has_velocity", U(1)),
        ],
        lengths: &[
            ("velocity", 12),
            ("force", 12),
            ("inertia", 4),
            ("damping", 4),
            ("h", 3),
            ("theta_next_bar", 12),
            ("velocity_next_bar", 12),
            ("partial", 16),
        ],
        groups: 1,
    },
    Entry {
        kernel: "swing_kick",
        constants: &[],
        params: &[("len", U(8)), ("nodes", U(4))],
        lengths: &[("velocity", 8), ("force", 8), ("inertia", 4), ("h", 2), ("kicked", 8)],
        groups: 1,
    },
    Entry {
        kernel: "swing_kick_bwd",
        constants: &[],
        params: &[("len", U(8)), ("nodes", U(4))],
        lengths: &[("inertia", 4), ("h", 2), ("kicked_bar", 8), ("force_bar", 8)],
        groups: 1,
    },
    Entry {
        kernel: "swing_kick_bwd_h",
        constants: &[],
        params: &[("samples", U(2)), ("nodes", U(4)), ("tiles", U(1))],
        lengths: &[("force", 8), ("inertia", 4), ("kicked_bar", 8), ("partial", 2)],
        groups: 2,
    },
    Entry {
        kernel: "swing_kick_bwd_nodes",
        constants: &[],
        params: &[("len", U(8)), ("samples", U(3)), ("nodes", U(4)), ("run", U(2))],
        lengths: &[("force", 12), ("inertia", 4), ("h", 3), ("kicked_bar", 12), ("partial", 8)],
        groups: 1,
    },
    Entry {
        kernel: "swing_rate",
        constants: &[],
        params: &[("len", U(8)), ("nodes", U(4))],
        lengths: &[("force", 8), ("velocity", 8), ("inertia", 4), ("damping", 4), ("rate", 8)],
        groups: 1,
    },
    Entry {
        kernel: "swing_rate_bwd",
        constants: &[],
        params: &[("len", U(8)), ("nodes", U(4))],
        lengths: &[("inertia", 4), ("damping", 4), ("rate_bar", 8), ("force_bar", 8), ("velocity_bar", 8)],
        groups: 1,
    },
    Entry {
        kernel: "swing_rate_bwd_nodes",
        constants: &[],
        params: &[("len", U(8)), ("samples", U(3)), ("nodes", U(4)), ("run", U(2))],
        lengths: &[("force", 12), ("velocity", 12), ("inertia", 4), ("damping", 4), ("rate_bar", 12), ("partial", 16)],
        groups: 1,
    },
    Entry {
        kernel: "tanh",
        constants: &[],
        params: &[("len", U(130))],
        lengths: &[("x", 130), ("dst", 130)],
        groups: 3,
    },
    Entry {
        kernel: "tanh_bwd",
        constants: &[],
        params: &[("len", U(130))],
        lengths: &[("x", 130), ("dst_bar", 130), ("x_bar", 130)],
        groups: 3,
    },
    Entry {
        kernel: "couple_attention_heads",
        constants: &[],
        params: ATTENTION,
        lengths: &[("qkv", 240), ("mat_q", 40), ("mat_k", 40), ("mat_v", 40), ("heads", 480)],
        groups: 8,
    },
    Entry {
        kernel: "couple_attention",
        constants: &[("D", 32)],
        params: SCORES_WIDE,
        lengths: &[("heads", 3840), ("mixed", 1280), ("stats", 40)],
        groups: 1,
    },
    Entry {
        kernel: "couple_attention_four",
        constants: &[("D", 8)],
        params: SCORES,
        lengths: &[("heads", 480), ("mixed", 160), ("stats", 40)],
        groups: 1,
    },
    Entry {
        kernel: "couple_attention_merge",
        constants: &[],
        params: ATTENTION,
        lengths: &[("mixed", 160), ("mat_o", 40), ("dst", 80)],
        groups: 2,
    },
    Entry {
        kernel: "couple_attention_bwd_mixed",
        constants: &[],
        params: ATTENTION,
        lengths: &[("dst_bar", 80), ("mat_o", 40), ("mixed", 160), ("mixed_bar", 160), ("delta", 20)],
        groups: 1,
    },
    Entry {
        kernel: "couple_attention_bwd_q",
        constants: &[("D", 32)],
        params: SCORES_WIDE,
        lengths: &[("heads", 3840), ("mixed_bar", 1280), ("stats", 40), ("delta", 20), ("q_bar", 1280)],
        groups: 1,
    },
    Entry {
        kernel: "couple_attention_bwd_kv",
        constants: &[("D", 32)],
        params: SCORES_WIDE,
        lengths: &[
            ("heads", 3840),
            ("mixed_bar", 1280),
            ("stats", 40),
            ("delta", 20),
            ("k_bar", 1280),
            ("v_bar", 1280),
        ],
        groups: 1,
    },
    Entry {
        kernel: "couple_attention_bwd_q_four",
        constants: &[("D", 8)],
        params: SCORES,
        lengths: &[("heads", 480), ("mixed_bar", 160), ("stats", 40), ("delta", 20), ("q_bar", 160)],
        groups: 1,
    },
    Entry {
        kernel: "couple_attention_bwd_kv_four",
        constants: &[("D", 8)],
        params: SCORES,
        lengths: &[("heads", 480), ("mixed_bar", 160), ("stats", 40), ("delta", 20), ("k_bar", 160), ("v_bar", 160)],
        groups: 1,
    },
    Entry {
        kernel: "couple_attention_bwd_qkv",
        constants: &[],
        params: ATTENTION,
        lengths: &[
            ("q_bar", 160),
            ("k_bar", 160),
            ("v_bar", 160),
            ("mat_q", 40),
            ("mat_k", 40),
            ("mat_v", 40),
            ("qkv_bar", 240),
        ],
        groups: 4,
    },
    Entry {
        kernel: "couple_attention_bwd_mat",
        constants: &[],
        params: &[
            ("batch", U(2)),
            ("tokens", U(5)),
            ("inner", U(5)),
            ("heads", U(2)),
            ("dim", U(4)),
            ("padded", U(8)),
            ("interleaved", U(1)),
            ("channels", U(24)),
            ("offset", U(8)),
            ("state_left", U(0)),
        ],
        lengths: &[("in_heads", 160), ("state", 240), ("mat_bar", 40)],
        groups: 1,
    },
    Entry { kernel: "resize_bilinear", constants: &[], params: RESIZE, lengths: &[("x", 48), ("dst", 60)], groups: 1 },
    Entry {
        kernel: "resize_bilinear_bwd",
        constants: &[],
        params: RESIZE,
        lengths: &[("dst_bar", 60), ("x_bar", 48)],
        groups: 1,
    },
];

/// Every launch.
///
/// # Errors
/// Which launch no longer fits its kernel.
pub fn all() -> Result<Vec<Launch>, String> {
    ENTRIES.iter().map(fit).collect()
}

fn fit(entry: &Entry) -> Result<Launch, String> {
    let outdated = |what: &str| Err(format!("xtask/src/node/launches.rs: {}: {what}", entry.kernel));
    let Some(kernel) = kuramoto::ops::kernels().into_iter().find(|k| k.name == entry.kernel) else {
        return outdated("there is no such kernel");
    };
    let fits = kernel.params.len() == entry.params.len()
        && kernel.params.iter().zip(entry.params).all(|(field, (name, value))| {
            let scalar = matches!((field.ty, value), (Scalar::U32, U(_)) | (Scalar::F32, F(_)));
            field.name == *name && scalar
        });
    if !fits {
        return outdated("the parameters are not those of the kernel");
    }
    let names = kernel.bindings.iter().map(|b| b.name);
    if !names.eq(entry.lengths.iter().map(|(name, _)| *name)) {
        return outdated("the bindings are not those of the kernel");
    }
    if !kernel.constants.iter().map(|c| c.name).eq(entry.constants.iter().map(|(name, _)| *name)) {
        return outdated("the constants are not those of the kernel");
    }
    let mut numbers = Numbers::new(1);
    let buffers = kernel
        .bindings
        .iter()
        .zip(entry.lengths)
        .map(|(binding, (_, len))| {
            let written = binding.access != Access::Read;
            let float = binding.elem != Elem::U32;
            let words = match (written, binding.elem) {
                (true, _) => vec![u32::MAX; *len],
                // Indices and labels: below 4 are rows of every launch here.
                (false, Elem::U32) => (0..*len).map(|_| (4.0 * numbers.unit()) as u32).collect(),
                (false, _) => (0..*len).map(|_| numbers.signed().to_bits()).collect(),
            };
            Buffer { words, written, float }
        })
        .collect();
    let params = entry.params.iter().map(|(_, value)| match value {
        U(v) => *v,
        F(v) => v.to_bits(),
    });
    Ok(Launch { kernel, constants: entry.constants.to_vec(), params: params.collect(), buffers, groups: entry.groups })
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_launch_fits_its_kernel() {
        super::all().unwrap();
    }
}
