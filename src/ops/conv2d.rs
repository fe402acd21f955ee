//! A convolution in its general form: any stride, any kernel, zero padding, with or without a bias.

#[cfg(feature = "gpu")]
use super::call::{Call, alone};
use super::spec::{Op, OpSpec, Port};
use super::variant::{Extra, Variant};
use crate::cpu::Real;
use crate::cpu::conv2d::{self as cpu, Extents};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor};
use crate::kernel::DType;
use crate::tape::{Tape, Var};

#[path = "conv2d_cases.rs"]
mod cases;
#[path = "conv2d_contracts.rs"]
mod contracts;
#[cfg(feature = "gpu")]
#[path = "conv2d_cooperative.rs"]
mod cooperative;
#[cfg(feature = "gpu")]
#[path = "conv2d_device.rs"]
mod device;

pub use contracts::{
    BACKWARD_W, BACKWARD_W_COOPERATIVE, BACKWARD_W_REG, BACKWARD_W_STAGED, BACKWARD_X, COOPERATIVE, FORWARD, REG,
    STAGED,
};

/// Options of a convolution: rows first, then columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConvOptions {
    /// Steps of the kernel, at least 1.
    pub stride: [usize; 2],
    /// Rows and columns of zeros on either side.
    pub padding: [usize; 2],
}

impl Default for ConvOptions {
    /// Stride 1, no padding.
    fn default() -> ConvOptions {
        ConvOptions { stride: [1, 1], padding: [0, 0] }
    }
}

/// A convolution with fixed extents.
#[derive(Clone, Debug)]
pub struct Conv2d {
    extents: Extents,
    extra: Extra,
    /// A case's; otherwise the device decides.
    #[cfg_attr(not(feature = "gpu"), allow(dead_code))]
    variant: Option<Variant>,
}

/// A tile of registers pays once two of its rows are used; of one channel its loads are those of the plain kernel. Workgroup
/// memory is for GPUs, once half of its 64 rows are used in either direction: on software drivers it gains nothing, and
/// loses half where tiles are not full. The batch size plays no part: results must not depend on it.
#[cfg(feature = "gpu")]
fn choose(c_in: usize, c_out: usize, is_software: bool) -> Variant {
    if c_in.max(c_out) < 2 {
        Variant::Plain
    } else if is_software || c_in.min(c_out) < 32 {
        Variant::Registers
    } else {
        Variant::Staged
    }
}

impl Conv2d {
    /// A convolution of `x` `[B, I, H, W]` by `w` `[O, I, KH, KW]`, with or without a bias `[O]`.
    ///
    /// # Errors
    /// `Param` for a stride of 0; `Shape` if either does not have four axes, the channels differ, or the kernel is empty
    /// or longer than the padded `x`; `Index` if an operand has more elements than 32-bit indices reach.
    pub fn new(x: &[usize], w: &[usize], biased: bool, options: &ConvOptions) -> Result<Conv2d> {
        let refuse = |kind, argument: &str, got: String, wanted: String| {
            Err(Error::argument(kind, "conv2d", argument, got, wanted))
        };
        let &[batch, c_in, height, width] = x else {
            return refuse(ErrorKind::Shape, "x", format!("{x:?}"), "[B, I, H, W]".into());
        };
        let &[c_out, w_in, kh, kw] = w else {
            return refuse(ErrorKind::Shape, "w", format!("{w:?}"), "[O, I, KH, KW]".into());
        };
        if w_in != c_in {
            return refuse(ErrorKind::Shape, "w", format!("{w:?}"), format!("[O, {c_in}, KH, KW] for x of {x:?}"));
        }
        let ConvOptions { stride, padding } = *options;
        if stride.contains(&0) {
            return refuse(ErrorKind::Param, "stride", format!("{stride:?}"), "at least 1".into());
        }
        let mut out = [0; 2];
        for axis in 0..2 {
            let (size, kernel) = ([height, width][axis], [kh, kw][axis]);
            let padded = padding[axis].checked_mul(2).and_then(|both| size.checked_add(both));
            let room = padded.and_then(|padded| padded.checked_sub(kernel)).filter(|_| kernel > 0);
            let Some(room) = room else {
                let wanted = format!("1 to {size} + 2 x {} along axis {}, the padded x", padding[axis], axis + 2);
                return refuse(ErrorKind::Shape, "kernel", format!("{kh} x {kw}"), wanted);
            };
            out[axis] = room / stride[axis] + 1;
        }
        let extents = Extents { batch, c_in, c_out, size: [height, width], out, kernel: [kh, kw], stride, padding };
        let op = Conv2d { extents, extra: Extra { biased, added: false }, variant: None };
        // The kernels count pixels of the padded x, and of dst channel by channel.
        let padded = [batch, 1, height + 2 * padding[0] + stride[0], width + 2 * padding[1] + stride[1]];
        for (argument, shape) in [("x", op.x_shape()), ("w", op.w_shape()), ("dst", op.dst_shape()), ("x", padded)] {
            let elements = shape.iter().try_fold(1usize, |n, extent| n.checked_mul(*extent));
            if elements.is_none_or(|n| i32::try_from(n).is_err()) {
                let wanted = format!("at most {} elements", i32::MAX);
                return refuse(ErrorKind::Index, argument, format!("{shape:?}"), wanted);
            }
        }
        Ok(op)
    }

    /// The same with an addend like the result, the last input: it is added before the result is stored.
    pub fn with_addend(self) -> Conv2d {
        Conv2d { extra: Extra { added: true, ..self.extra }, ..self }
    }

    fn x_shape(&self) -> [usize; 4] {
        let e = &self.extents;
        [e.batch, e.c_in, e.size[0], e.size[1]]
    }

    fn w_shape(&self) -> [usize; 4] {
        let e = &self.extents;
        [e.c_out, e.c_in, e.kernel[0], e.kernel[1]]
    }

    fn dst_shape(&self) -> [usize; 4] {
        let e = &self.extents;
        [e.batch, e.c_out, e.out[0], e.out[1]]
    }
}

impl Op for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }
    fn inputs(&self) -> Vec<Port> {
        let mut ports = vec![Port::storage("x", &self.x_shape()), Port::storage("w", &self.w_shape())];
        ports.extend(self.extra.ports(self.extents.c_out, &self.dst_shape()));
        ports
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.dst_shape())]
    }
    fn parameters(&self) -> &'static [&'static str] {
        &["w", "bias"]
    }
    fn dtype(&self) -> Option<DType> {
        (self.variant == Some(Variant::Cooperative)).then_some(DType::F16)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        let [bias, addend] = self.extra.of(inputs);
        vec![cpu::forward(inputs[0], inputs[1], bias, addend, &self.extents)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        self.extra.arranged(cpu::backward(inputs[0], inputs[1], cotangents[0], &self.extents), cotangents[0].to_vec())
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        Ok(vec![self.map(commands, inputs[0], inputs[1], self.extra.terms(inputs), false)?])
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
        self.gradients(commands, call)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// A convolution: `x` `[B, I, H, W]`, `w` `[O, I, KH, KW]`, `bias` `[O]`; `dst` has
    /// `floor((H + 2 padding - KH) / stride) + 1` rows, and columns likewise. Patches are `stride = KH = KW` without
    /// padding.
    ///
    /// # Errors
    /// `Param` for a stride of 0, `Shape` if the kernel does not fit the padded `x`, `DType`, `Index`; as
    /// [`Commands::apply`].
    pub fn conv2d(&mut self, x: &Tensor, w: &Tensor, bias: Option<&Tensor>, options: ConvOptions) -> Result<Tensor> {
        let op = Conv2d::new(x.shape(), w.shape(), bias.is_some(), &options)?;
        let mut inputs = vec![x, w];
        inputs.extend(bias);
        Ok(self.apply(&op, &inputs)?.remove(0))
    }

    /// A convolution plus `addend`, as [`Commands::conv2d`] with an addend like the result, which is added before that is
    /// stored.
    ///
    /// # Errors
    /// As [`Commands::conv2d`].
    pub fn conv2d_plus(
        &mut self,
        x: &Tensor,
        w: &Tensor,
        bias: Option<&Tensor>,
        addend: &Tensor,
        options: ConvOptions,
    ) -> Result<Tensor> {
        let op = Conv2d::new(x.shape(), w.shape(), bias.is_some(), &options)?.with_addend();
        let mut inputs = vec![x, w];
        inputs.extend(bias);
        inputs.push(addend);
        Ok(self.apply(&op, &inputs)?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::conv2d`](crate::Commands::conv2d), differentiable in all operands; the gradients of `w` and
    /// `bias` are f32.
    ///
    /// # Errors
    /// As [`Commands::conv2d`](crate::Commands::conv2d).
    pub fn conv2d(&mut self, x: Var, w: Var, bias: Option<Var>, options: ConvOptions) -> Result<Var> {
        let op = Conv2d::new(&self.spec(x)?.shape, &self.spec(w)?.shape, bias.is_some(), &options)?;
        let mut inputs = vec![x, w];
        inputs.extend(bias);
        self.apply_one(op, &inputs)
    }

    /// As [`Commands::conv2d_plus`](crate::Commands::conv2d_plus), differentiable in all operands; the gradients of `w` and
    /// `bias` are f32.
    ///
    /// # Errors
    /// As [`Commands::conv2d_plus`](crate::Commands::conv2d_plus).
    pub fn conv2d_plus(&mut self, x: Var, w: Var, bias: Option<Var>, addend: Var, options: ConvOptions) -> Result<Var> {
        let op = Conv2d::new(&self.spec(x)?.shape, &self.spec(w)?.shape, bias.is_some(), &options)?.with_addend();
        let mut inputs = vec![x, w];
        inputs.extend(bias);
        inputs.push(addend);
        self.apply_one(op, &inputs)
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "conv2d",
    formula: "dst[b,o,r,c] = bias[o] + sum w[o,i,dr,dc] x[b,i,r s+dr-p,c t+dc-q] + addend[b,o,r,c]",
    differentiable: true,
    kernels: &[
        &FORWARD,
        &REG,
        &STAGED,
        &COOPERATIVE,
        &BACKWARD_X,
        &BACKWARD_W,
        &BACKWARD_W_REG,
        &BACKWARD_W_STAGED,
        &BACKWARD_W_COOPERATIVE,
        &super::cooperative::PACK,
        &super::cooperative::UNPACK,
        &super::sum_columns::KERNEL,
        &super::channel_sums::KERNEL,
        &super::sum_rows::KERNEL,
    ],
    cases: cases::cases,
};
