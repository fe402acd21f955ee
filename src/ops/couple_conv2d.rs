//! Convolutional coupling: stride 1, odd kernel, zero padding, bias.

#[cfg(feature = "gpu")]
use super::call::{Call, alone};
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::Real;
use crate::cpu::couple_conv2d::{self as cpu, Extents};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::{DType, WORKGROUP};
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of all three kernels.
    struct Params { batch: u32, c_in: u32, c_out: u32, height: u32, width: u32, kh: u32, kw: u32, driven: u32 }
}

const X: &str = "[batch, c_in, height, width]";
const W: &str = "[c_out, c_in, kh, kw]";
const DST: &str = "[batch, c_out, height, width]";

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "couple_conv2d",
    source: source!("couple_conv2d", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::Storage, X),
        input("w", Elem::Storage, W),
        input("bias", Elem::Storage, "[c_out]"),
        input("drive", Elem::Storage, DST),
        output("dst", Elem::Storage, DST),
    ],
    constants: &[],
};

/// Cotangent of the state.
pub static BACKWARD_X: Kernel = Kernel {
    name: "couple_conv2d_bwd_x",
    source: source!("couple_conv2d_bwd_x", "grid"),
    params: Params::FIELDS,
    bindings: &[input("w", Elem::Storage, W), input("dst_bar", Elem::Storage, DST), output("x_bar", Elem::Storage, X)],
    constants: &[],
};

/// Cotangents of the weights and the bias.
pub static BACKWARD_W: Kernel = Kernel {
    name: "couple_conv2d_bwd_w",
    source: source!("couple_conv2d_bwd_w", "grid", "reduce"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::Storage, X),
        input("dst_bar", Elem::Storage, DST),
        output("w_bar", Elem::F32, W),
        output("bias_bar", Elem::F32, "[c_out]"),
    ],
    constants: &[],
};

/// Which kernels run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Variant {
    Plain,
    /// Those of `conv2d`, with a tile of registers.
    Registers,
}

/// A coupling with fixed extents.
#[derive(Clone, Debug)]
pub struct CoupleConv2d {
    extents: Extents,
    driven: bool,
    #[cfg_attr(not(feature = "gpu"), allow(dead_code))]
    variant: Variant,
}

/// A tile of registers pays once two of its rows are used. The batch size plays no part: results must not depend on it.
fn choose(c_in: usize, c_out: usize) -> Variant {
    if c_in.max(c_out) < 2 { Variant::Plain } else { Variant::Registers }
}

impl CoupleConv2d {
    /// A coupling of a state `[B, C_in, H, W]` by weights `[C_out, C_in, KH, KW]`.
    ///
    /// # Errors
    /// `Shape` if either does not have four axes or the channels differ, `Param` for an even kernel.
    pub fn new(x: &[usize], w: &[usize]) -> Result<CoupleConv2d> {
        let refuse = |argument: &str, got: &[usize], wanted: String| {
            Err(Error::argument(ErrorKind::Shape, "couple_conv2d", argument, format!("{got:?}"), wanted))
        };
        let &[batch, c_in, height, width] = x else { return refuse("x", x, "[B, C, H, W]".into()) };
        let &[c_out, w_in, kh, kw] = w else { return refuse("w", w, "[C_out, C_in, KH, KW]".into()) };
        if w_in != c_in {
            return refuse("w", w, format!("[C_out, {c_in}, KH, KW] for x of {x:?}"));
        }
        if kh % 2 == 0 || kw % 2 == 0 {
            let wanted = "odd, so that it has a centre";
            return Err(Error::argument(ErrorKind::Param, "couple_conv2d", "kernel", format!("{kh} x {kw}"), wanted));
        }
        let extents = Extents { batch, c_in, c_out, height, width, kh, kw };
        Ok(CoupleConv2d { extents, driven: false, variant: choose(c_in, c_out) })
    }

    /// The same with a drive like the result, the last input: it is added before the result is stored.
    pub fn with_drive(self) -> CoupleConv2d {
        CoupleConv2d { driven: true, ..self }
    }

    fn shapes(&self) -> ([usize; 4], [usize; 4], [usize; 4]) {
        let e = &self.extents;
        ([e.batch, e.c_in, e.height, e.width], [e.c_out, e.c_in, e.kh, e.kw], [e.batch, e.c_out, e.height, e.width])
    }

    #[cfg(feature = "gpu")]
    fn params(&self) -> Params {
        let e = &self.extents;
        let [batch, c_in, c_out, height, width, kh, kw] =
            [e.batch, e.c_in, e.c_out, e.height, e.width, e.kh, e.kw].map(|v| v as u32);
        Params { batch, c_in, c_out, height, width, kh, kw, driven: self.driven.into() }
    }

    /// Loop rounds of one invocation that sums over `channels` and the kernel's taps.
    #[cfg(feature = "gpu")]
    fn rounds(&self, channels: usize) -> usize {
        channels * (1 + self.extents.kh * (1 + self.extents.kw))
    }

    /// Floating-point operations of one pass: a multiplication and an addition per tap.
    #[cfg(feature = "gpu")]
    fn flops(&self) -> usize {
        let e = &self.extents;
        2 * e.batch * e.c_out * e.height * e.width * e.c_in * e.kh * e.kw
    }
}

impl Op for CoupleConv2d {
    fn name(&self) -> &'static str {
        "couple_conv2d"
    }
    fn inputs(&self) -> Vec<Port> {
        let (x, w, dst) = self.shapes();
        let mut ports =
            vec![Port::storage("x", &x), Port::storage("w", &w), Port::storage("bias", &[self.extents.c_out])];
        if self.driven {
            ports.push(Port::storage("drive", &dst));
        }
        ports
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.shapes().2)]
    }
    fn parameters(&self) -> &'static [&'static str] {
        &["w", "bias"]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1], inputs[2], inputs.get(3).copied(), &self.extents)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        let mut all: Vec<Vec<R>> = cpu::backward(inputs[0], inputs[1], cotangents[0], &self.extents).into();
        if self.driven {
            all.push(cotangents[0].to_vec());
        }
        all
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        if self.variant == Variant::Registers {
            return Ok(vec![commands.conv2d_centred(inputs)?]);
        }
        let dst = commands.empty(&self.shapes().2, dtype)?;
        let drive = inputs.get(3).copied().unwrap_or(inputs[1]);
        let binds = [read(inputs[0]), read(inputs[1]), read(inputs[2]), read(drive), write(&dst)];
        let work = Work::invocations(dst.len()).rounds(self.rounds(self.extents.c_in)).flops(self.flops());
        commands.dispatch(&FORWARD, dtype, &[], &self.params(), &binds, work)?;
        Ok(vec![dst])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        needs: &[bool],
        dtype: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        alone(self, commands, inputs, cotangents, needs, dtype)
    }
    #[cfg(feature = "gpu")]
    fn backward_of(&self, commands: &mut Commands, call: Call<'_>) -> Result<Vec<Option<Tensor>>> {
        if self.variant == Variant::Registers {
            return commands.conv2d_centred_bwd(call);
        }
        let Call { inputs, cotangents, needs, dtype, .. } = call;
        let mut all = vec![None; inputs.len()];
        let Some(g) = cotangents[0] else { return Ok(all) };
        let (x_shape, w_shape, _) = self.shapes();
        if needs[0] {
            let x_bar = commands.empty(&x_shape, dtype)?;
            let binds = [read(inputs[1]), read(g), write(&x_bar)];
            let work = Work::invocations(x_bar.len()).rounds(self.rounds(self.extents.c_out)).flops(self.flops());
            commands.dispatch(&BACKWARD_X, dtype, &[], &self.params(), &binds, work)?;
            all[0] = Some(x_bar);
        }
        if needs[1] || needs[2] {
            let w_bar = commands.empty(&w_shape, DType::F32)?;
            let bias_bar = commands.empty(&[self.extents.c_out], DType::F32)?;
            let binds = [read(inputs[0]), read(g), write(&w_bar), write(&bias_bar)];
            let pixels = self.extents.batch * self.extents.height * self.extents.width;
            let work = Work::workgroups(w_bar.len() + bias_bar.len())
                .rounds(pixels.div_ceil(WORKGROUP as usize) + 8)
                .flops(self.flops() + g.len());
            commands.dispatch(&BACKWARD_W, dtype, &[], &self.params(), &binds, work)?;
            all[1] = Some(w_bar);
            all[2] = Some(bias_bar);
        }
        if self.driven {
            all[3] = Some(g.clone());
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `J x + bias` for a local `J`: `x` `[B, C_in, H, W]`, `w` `[C_out, C_in, KH, KW]` with odd KH and KW, `bias`
    /// `[C_out]`, zero padding. Source: AKOrN, equation 7.
    ///
    /// # Errors
    /// `Param` for an even kernel, `Shape`, `DType`; as [`Commands::apply`].
    pub fn couple_conv2d(&mut self, x: &Tensor, w: &Tensor, bias: &Tensor) -> Result<Tensor> {
        Ok(self.apply(&CoupleConv2d::new(x.shape(), w.shape())?, &[x, w, bias])?.remove(0))
    }

    /// `J x + bias + drive`, as [`Commands::couple_conv2d`] with a drive `[B, C_out, H, W]` that is added before the result
    /// is stored.
    ///
    /// # Errors
    /// As [`Commands::couple_conv2d`].
    pub fn couple_conv2d_driven(&mut self, x: &Tensor, w: &Tensor, bias: &Tensor, drive: &Tensor) -> Result<Tensor> {
        let op = CoupleConv2d::new(x.shape(), w.shape())?.with_drive();
        Ok(self.apply(&op, &[x, w, bias, drive])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::couple_conv2d`](crate::Commands::couple_conv2d), differentiable in all operands; the gradients
    /// of `w` and `bias` are f32.
    ///
    /// # Errors
    /// As [`Commands::couple_conv2d`](crate::Commands::couple_conv2d).
    pub fn couple_conv2d(&mut self, x: Var, w: Var, bias: Var) -> Result<Var> {
        let op = CoupleConv2d::new(&self.spec(x)?.shape, &self.spec(w)?.shape)?;
        self.apply_one(op, &[x, w, bias])
    }

    /// As [`Commands::couple_conv2d_driven`](crate::Commands::couple_conv2d_driven), differentiable in all operands; the
    /// gradients of `w` and `bias` are f32.
    ///
    /// # Errors
    /// As [`Commands::couple_conv2d_driven`](crate::Commands::couple_conv2d_driven).
    pub fn couple_conv2d_driven(&mut self, x: Var, w: Var, bias: Var, drive: Var) -> Result<Var> {
        let op = CoupleConv2d::new(&self.spec(x)?.shape, &self.spec(w)?.shape)?.with_drive();
        self.apply_one(op, &[x, w, bias, drive])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "couple_conv2d",
    formula: "dst[b,o,r,c] = bias[o] + sum w[o,i,dr,dc] x[b,i,r+dr-kh/2,c+dc-kw/2] + drive[b,o,r,c]",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD_X, &BACKWARD_W],
    cases,
};

fn cases() -> Vec<Case> {
    let mut cases = cases_of(Variant::Plain);
    cases.extend(cases_of(Variant::Registers).into_iter().map(|case| case.variant("reg")));
    cases
}

fn cases_of(variant: Variant) -> Vec<Case> {
    let driven = |x: [usize; 4], w: [usize; 4], label: &str| {
        let op = CoupleConv2d { variant, ..CoupleConv2d::new(&x, &w).ok()? }.with_drive();
        Some(Case::new(format!("x {x:?} w {w:?} driven{label}"), op, vec![Fill::Uniform; 4]).linear())
    };
    let case = |x: [usize; 4], w: [usize; 4], label: &str, fills: [Fill; 3]| {
        let op = CoupleConv2d { variant, ..CoupleConv2d::new(&x, &w).ok()? };
        Some(Case::new(format!("x {x:?} w {w:?}{label}"), op, fills.into()).linear())
    };
    let uniform = || [Fill::Uniform, Fill::Uniform, Fill::Uniform];
    let mut cases: Vec<Case> = [
        ([0, 2, 3, 3], [2, 2, 3, 3]),
        ([1, 1, 1, 1], [1, 1, 1, 1]),
        ([1, 1, 1, 1], [1, 1, 5, 5]),
        ([2, 4, 5, 7], [4, 4, 3, 3]),
        ([1, 2, 9, 4], [3, 2, 1, 7]),
        ([3, 3, 8, 8], [2, 3, 5, 3]),
        ([1, 8, 13, 11], [8, 8, 3, 3]),
        ([2, 2, 3, 2], [2, 2, 9, 9]),
    ]
    .into_iter()
    .filter_map(|(x, w)| case(x, w, "", uniform()))
    .collect();
    let edges = [
        (" no state", [Fill::Zero, Fill::Uniform, Fill::Uniform]),
        (" one weight", [Fill::Uniform, Fill::OneHot, Fill::Zero]),
        (" mixed scales", [Fill::Mixed(20), Fill::Mixed(20), Fill::Zero]),
    ];
    cases.extend(edges.into_iter().filter_map(|(label, fills)| case([2, 3, 6, 5], [3, 3, 3, 3], label, fills)));
    cases.extend(driven([2, 4, 5, 7], [4, 4, 3, 3], ""));
    cases.extend(driven([1, 2, 9, 4], [3, 2, 1, 7], ""));
    cases.extend(driven([1, 2, 2, 3], [1, 2, 3, 1], " ladder").map(Case::ladder));
    cases.extend(case([1, 2, 2, 3], [1, 2, 3, 1], " ladder", uniform()).map(Case::ladder));
    cases.extend(case([4, 16, 32, 32], [16, 16, 3, 3], "", uniform()).map(Case::bench));
    cases
}
