//! Softmax attention between heads that lie in f32, whatever made them: what the couplings by attention share. Not an op
//! itself; the kernels carry the stem of the op that they were written for.

#[cfg(feature = "gpu")]
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Context, Tensor, Work, read, write};
use crate::kernel::{Binding, Constant, Elem, Kernel, Params as _, input, output, source};
#[cfg(feature = "gpu")]
use crate::kernel::{DType, WORKGROUP};

crate::params! {
    /// Parameters of the kernels that compare queries with keys.
    struct ParamsScores {
        rows: u32, tokens: u32, padded: u32, causal: u32, to_log2: f32, scale: f32,
    }
}

const ROWS: &str = "[batch, heads, tokens, padded]";
const PARTS: &str = "[3, batch, heads, tokens, padded]";

/// Channels of one block of a head, which stay in registers; software drivers take seconds to compile this already. The
/// kernels for small heads have their own.
const BLOCKS: &[u32] = &[32];

/// The same where four rows stay in registers.
const BLOCKS_FOUR: &[u32] = &[8, 16];

/// The same where other rows are staged in workgroup memory.
const BLOCKS_STAGED: &[u32] = &[16, 32, 64];

const CONSTANTS_STAGED: &[Constant] = &[Constant { name: "D", values: BLOCKS_STAGED }];

const CONSTANTS: &[Constant] = &[Constant { name: "D", values: BLOCKS }];
const CONSTANTS_FOUR: &[Constant] = &[Constant { name: "D", values: BLOCKS_FOUR }];

/// Softmax over the keys.
pub static FORWARD: Kernel = Kernel {
    name: "couple_attention",
    source: source!("couple_attention", "grid", "attention_scores", "attention_one"),
    params: ParamsScores::FIELDS,
    bindings: FORWARD_BINDINGS,
    constants: CONSTANTS,
};

/// Softmax over the keys, four rows an invocation.
pub static FORWARD_FOUR: Kernel = Kernel {
    name: "couple_attention_four",
    source: source!("couple_attention_four", "grid", "attention_scores", "attention_four"),
    params: ParamsScores::FIELDS,
    bindings: FORWARD_BINDINGS,
    constants: CONSTANTS_FOUR,
};

/// Softmax over the keys, keys and values staged.
pub static FORWARD_STAGED: Kernel = Kernel {
    name: "couple_attention_staged",
    source: source!("couple_attention_staged", "grid", "attention_scores", "attention_one", "attention_staged"),
    params: ParamsScores::FIELDS,
    bindings: FORWARD_BINDINGS,
    constants: CONSTANTS_STAGED,
};

const FORWARD_BINDINGS: &[Binding] = &[
    input("heads", Elem::F32, PARTS),
    output("mixed", Elem::F32, ROWS),
    output("stats", Elem::F32, "[batch, heads, tokens, 2]"),
];

/// Cotangent of the queries.
pub static BACKWARD_Q: Kernel = Kernel {
    name: "couple_attention_bwd_q",
    source: source!("couple_attention_bwd_q", "grid", "attention_scores", "attention_bars", "attention_one"),
    params: ParamsScores::FIELDS,
    bindings: BACKWARD_Q_BINDINGS,
    constants: CONSTANTS,
};

/// Cotangent of the queries, four rows an invocation.
pub static BACKWARD_Q_FOUR: Kernel = Kernel {
    name: "couple_attention_bwd_q_four",
    source: source!("couple_attention_bwd_q_four", "grid", "attention_scores", "attention_bars", "attention_four"),
    params: ParamsScores::FIELDS,
    bindings: BACKWARD_Q_BINDINGS,
    constants: CONSTANTS_FOUR,
};

/// Cotangent of the queries, keys and values staged.
pub static BACKWARD_Q_STAGED: Kernel = Kernel {
    name: "couple_attention_bwd_q_staged",
    source: source!(
        "couple_attention_bwd_q_staged",
        "grid",
        "attention_scores",
        "attention_bars",
        "attention_one",
        "attention_staged"
    ),
    params: ParamsScores::FIELDS,
    bindings: BACKWARD_Q_BINDINGS,
    constants: CONSTANTS_STAGED,
};

const BACKWARD_Q_BINDINGS: &[Binding] = &[
    input("heads", Elem::F32, PARTS),
    input("mixed_bar", Elem::F32, ROWS),
    input("stats", Elem::F32, "[batch, heads, tokens, 2]"),
    input("delta", Elem::F32, "[batch, heads, tokens]"),
    output("q_bar", Elem::F32, ROWS),
];

/// Cotangents of the keys and the values.
pub static BACKWARD_KV: Kernel = Kernel {
    name: "couple_attention_bwd_kv",
    source: source!("couple_attention_bwd_kv", "grid", "attention_scores", "attention_bars", "attention_one"),
    params: ParamsScores::FIELDS,
    bindings: BACKWARD_KV_BINDINGS,
    constants: CONSTANTS,
};

/// Cotangents of the keys and the values, four rows an invocation.
pub static BACKWARD_KV_FOUR: Kernel = Kernel {
    name: "couple_attention_bwd_kv_four",
    source: source!("couple_attention_bwd_kv_four", "grid", "attention_scores", "attention_bars", "attention_four"),
    params: ParamsScores::FIELDS,
    bindings: BACKWARD_KV_BINDINGS,
    constants: CONSTANTS_FOUR,
};

/// Cotangents of the keys and the values, queries staged.
pub static BACKWARD_KV_STAGED: Kernel = Kernel {
    name: "couple_attention_bwd_kv_staged",
    source: source!(
        "couple_attention_bwd_kv_staged",
        "grid",
        "attention_scores",
        "attention_bars",
        "attention_one",
        "attention_staged"
    ),
    params: ParamsScores::FIELDS,
    bindings: BACKWARD_KV_BINDINGS,
    constants: CONSTANTS_STAGED,
};

const BACKWARD_KV_BINDINGS: &[Binding] = &[
    input("heads", Elem::F32, PARTS),
    input("mixed_bar", Elem::F32, ROWS),
    input("stats", Elem::F32, "[batch, heads, tokens, 2]"),
    input("delta", Elem::F32, "[batch, heads, tokens]"),
    output("k_bar", Elem::F32, ROWS),
    output("v_bar", Elem::F32, ROWS),
];

/// Which kernels compare queries with keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Variant {
    /// One row an invocation, any number of channels.
    Plain,
    /// Four rows an invocation, heads that are one block.
    Four,
    /// One row an invocation, the others staged in workgroup memory, heads that are one block.
    Staged,
    /// The plain ones for heads that are too wide to be staged, and around them the kernels for GPUs.
    Wide,
}

impl Variant {
    /// Loads take most of the time of the plain kernel on a software driver; there four rows took a third of it for heads of
    /// 8 channels, while registers for more of them took its compiler 18 s for 32. Workgroup memory is for GPUs. The batch
    /// size plays no part: results must not depend on it.
    pub fn choose(dim: usize, is_software: bool) -> Variant {
        let fits = |blocks: &[u32]| blocks.iter().any(|block| *block as usize >= dim);
        if !is_software {
            if fits(BLOCKS_STAGED) { Variant::Staged } else { Variant::Wide }
        } else if fits(BLOCKS_FOUR) {
            Variant::Four
        } else {
            Variant::Plain
        }
    }

    /// Whether the kernels are written for heads of `dim` channels.
    pub fn serves(self, dim: usize) -> bool {
        let fits = self.blocks().iter().any(|block| *block as usize >= dim);
        match self {
            Variant::Plain => true,
            Variant::Four | Variant::Staged => fits,
            Variant::Wide => !Variant::Staged.serves(dim),
        }
    }

    /// Whether the kernels before and after the scores are those for GPUs, whose invocations share rows: neighbours load
    /// and store neighbours, sums are cut into tiles.
    #[cfg(feature = "gpu")]
    pub fn shares_rows(self) -> bool {
        matches!(self, Variant::Staged | Variant::Wide)
    }

    /// Blocks that the kernels are written for.
    fn blocks(self) -> &'static [u32] {
        match self {
            Variant::Plain | Variant::Wide => BLOCKS,
            Variant::Four => BLOCKS_FOUR,
            Variant::Staged => BLOCKS_STAGED,
        }
    }

    /// The name, as cases have it.
    pub fn name(self) -> &'static str {
        match self {
            Variant::Plain => "plain",
            Variant::Four => "four",
            Variant::Staged => "staged",
            Variant::Wide => "wide",
        }
    }
}

/// Extents of an attention between heads, and the kernels for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scores {
    /// Samples times heads.
    #[cfg_attr(not(feature = "gpu"), allow(dead_code))]
    pub heads: usize,
    /// Tokens of a sample.
    #[cfg_attr(not(feature = "gpu"), allow(dead_code))]
    pub tokens: usize,
    /// Channels of a head.
    pub dim: usize,
    /// Whether keys past the query are left out.
    #[cfg_attr(not(feature = "gpu"), allow(dead_code))]
    pub causal: bool,
    /// What a product of query and key is multiplied by.
    #[cfg_attr(not(feature = "gpu"), allow(dead_code))]
    pub scale: f64,
    /// The kernels: a case's, or what [`Scores::on`] chose.
    pub variant: Option<Variant>,
}

impl Scores {
    /// The kernels; those for a software driver as long as no device is known.
    pub fn variant(&self) -> Variant {
        self.variant.unwrap_or_else(|| Variant::choose(self.dim, true))
    }

    /// The same for a device, which decides about the kernels and, with them, about the layout of heads.
    #[cfg(feature = "gpu")]
    pub fn on(self, context: &Context) -> Scores {
        let variant = self.variant.unwrap_or_else(|| Variant::choose(self.dim, context.is_software()));
        Scores { variant: Some(variant), ..self }
    }

    /// Channels of one block: the smallest that holds a head, or the largest there is.
    pub fn block(&self) -> usize {
        let blocks = self.variant().blocks();
        let fitting = blocks.iter().find(|block| **block as usize >= self.dim);
        fitting.or(blocks.last()).map_or(1, |block| *block as usize)
    }

    /// Channels of a head as the kernels store it: whole blocks.
    pub fn padded(&self) -> usize {
        self.dim.next_multiple_of(self.block())
    }
}

#[cfg(feature = "gpu")]
impl Scores {
    /// Samples times heads times tokens.
    pub fn rows(&self) -> usize {
        self.heads * self.tokens
    }

    fn params(&self) -> ParamsScores {
        ParamsScores {
            rows: self.rows() as u32,
            tokens: self.tokens as u32,
            padded: self.padded() as u32,
            causal: self.causal.into(),
            to_log2: (std::f64::consts::LOG2_E * self.scale) as f32,
            scale: self.scale as f32,
        }
    }

    /// `columns` f32 for each row.
    pub fn empty(&self, commands: &mut Commands, columns: usize) -> Result<Tensor> {
        commands.empty(&[self.heads, self.tokens, columns], DType::F32)
    }

    /// Room for the heads of q, k and v.
    pub fn empty_heads(&self, commands: &mut Commands) -> Result<Tensor> {
        commands.empty(&[3, self.heads, self.tokens, self.padded()], DType::F32)
    }

    /// Work of a kernel that holds one row or four against all others: `sums` passes over the block for each of these,
    /// `dots` of them products that go on beyond the block.
    fn work(&self, sums: usize, dots: usize) -> Work {
        let (block, padded, tokens) = (self.block(), self.padded(), self.tokens);
        // A workgroup stays within one head and block.
        let (held, passes) = if self.variant() == Variant::Four { (4, 8) } else { (1, 2) };
        let parts = tokens.div_ceil(held * WORKGROUP as usize);
        let work = Work::workgroups(self.heads * (padded / block) * parts);
        let beyond = if padded > block { dots * padded / 4 } else { 0 };
        // Rows that are staged are loaded and stored once more by the workgroup.
        let staging =
            if self.variant() == Variant::Staged { tokens * block / 4 / WORKGROUP as usize + tokens } else { 0 };
        // Loading and storing take two passes for each row.
        let rounds = staging + tokens * (1 + sums * block / 4 + beyond) + passes * (1 + block / 4);
        let flops = 2 * self.rows() * tokens * (sums * self.dim + 4);
        work.rounds(rounds).flops(flops)
    }

    /// The kernel of this variant.
    fn kernel(&self, [plain, four, staged]: [&'static Kernel; 3]) -> &'static Kernel {
        match self.variant() {
            Variant::Plain | Variant::Wide => plain,
            Variant::Four => four,
            Variant::Staged => staged,
        }
    }

    fn constants(&self) -> [(&'static str, u32); 1] {
        [("D", self.block() as u32)]
    }

    /// What the queries see of the values, and the queries' statistics: an integer not below the row's scores in units of
    /// `ln 2`, and the reciprocal of the sum of `2^(score - integer)`.
    pub fn mix(&self, commands: &mut Commands, heads: &Tensor) -> Result<[Tensor; 2]> {
        let (mixed, stats) = (self.empty(commands, self.padded())?, self.empty(commands, 2)?);
        let binds = [read(heads), write(&mixed), write(&stats)];
        let kernel = self.kernel([&FORWARD, &FORWARD_FOUR, &FORWARD_STAGED]);
        // A key that raises the maximum takes one more pass.
        let work = self.work(3, 1);
        commands.dispatch(kernel, DType::F32, &self.constants(), &self.params(), &binds, work)?;
        Ok([mixed, stats])
    }

    /// The cotangents of the heads of q, k and v; `delta` are the products of `mixed_bar` with what was mixed.
    pub fn bars(
        &self,
        commands: &mut Commands,
        heads: &Tensor,
        stats: &Tensor,
        mixed_bar: &Tensor,
        delta: &Tensor,
    ) -> Result<[Tensor; 3]> {
        let q = self.empty(commands, self.padded())?;
        let k = self.empty(commands, self.padded())?;
        let v = self.empty(commands, self.padded())?;
        let (params, constants) = (self.params(), self.constants());
        let binds = [read(heads), read(mixed_bar), read(stats), read(delta), write(&q)];
        let kernel = self.kernel([&BACKWARD_Q, &BACKWARD_Q_FOUR, &BACKWARD_Q_STAGED]);
        commands.dispatch(kernel, DType::F32, &constants, &params, &binds, self.work(2, 2))?;
        let binds = [read(heads), read(mixed_bar), read(stats), read(delta), write(&k), write(&v)];
        let kernel = self.kernel([&BACKWARD_KV, &BACKWARD_KV_FOUR, &BACKWARD_KV_STAGED]);
        commands.dispatch(kernel, DType::F32, &constants, &params, &binds, self.work(2, 2))?;
        Ok([q, k, v])
    }
}
