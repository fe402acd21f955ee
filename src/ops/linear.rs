//! A linear map of the channels, for tokens and for images: `dst = w x + bias + addend`.

#[cfg(feature = "gpu")]
use super::call::{Call, alone};
use super::spec::{Op, OpSpec, Port};
#[cfg(feature = "gpu")]
use super::variant::Terms;
use super::variant::{Extra, Variant};
use crate::cpu::Real;
use crate::cpu::linear::{self as cpu, Extents};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor};
use crate::kernel::DType;
use crate::tape::{Tape, Var};

#[path = "linear_cases.rs"]
mod cases;
#[path = "linear_contracts.rs"]
mod contracts;
#[cfg(feature = "gpu")]
#[path = "linear_device.rs"]
mod device;

pub use contracts::{BACKWARD_W, BACKWARD_W_REG, BACKWARD_W_STAGED, FORWARD, FORWARD_REG, FORWARD_STAGED};

/// A map with fixed extents.
#[derive(Clone, Debug)]
pub struct Linear {
    extents: Extents,
    x: Vec<usize>,
    dst: Vec<usize>,
    extra: Extra,
    /// A case's; otherwise the device decides.
    #[cfg_attr(not(feature = "gpu"), allow(dead_code))]
    variant: Option<Variant>,
}

impl Linear {
    /// A map of axis `axis` of `x` by `w` `[M, K]`, with or without a bias `[M]`.
    ///
    /// # Errors
    /// `Shape` if `x` has no such axis after the first, if `w` does not have two axes or does not take `x`'s channels;
    /// `Index` if the result has more elements than 32-bit indices reach.
    pub fn new(x: &[usize], w: &[usize], biased: bool, axis: usize) -> Result<Linear> {
        let refuse = |argument: &str, got: String, wanted: String| {
            Err(Error::argument(ErrorKind::Shape, "linear", argument, got, wanted))
        };
        let Some(depth) = x.get(axis).copied().filter(|_| axis > 0) else {
            return refuse("axis", axis.to_string(), format!("an axis of {x:?} after the first, which counts samples"));
        };
        let &[rows, w_depth] = w else { return refuse("w", format!("{w:?}"), "[M, K]".into()) };
        if w_depth != depth {
            return refuse("w", format!("{w:?}"), format!("[M, {depth}] for axis {axis} of {x:?}"));
        }
        let mut dst = x.to_vec();
        dst[axis] = rows;
        for (argument, shape) in [("x", x), ("w", w), ("dst", &dst)] {
            let elements = shape.iter().try_fold(1usize, |n, extent| n.checked_mul(*extent));
            if elements.is_none_or(|n| u32::try_from(n).is_err()) {
                let wanted = format!("at most {} elements, what 32-bit indices reach", u32::MAX);
                return Err(Error::argument(ErrorKind::Index, "linear", argument, format!("{shape:?}"), wanted));
            }
        }
        let (outer, inner) = (x[..axis].iter().product(), x[axis + 1..].iter().product());
        let extents = Extents { outer, rows, depth, inner };
        Ok(Linear { extents, x: x.to_vec(), dst, extra: Extra { biased, added: false }, variant: None })
    }

    /// The same with an addend like the result, the last input: it is added before the result is stored.
    pub fn with_addend(self) -> Linear {
        Linear { extra: Extra { added: true, ..self.extra }, ..self }
    }
}

impl Op for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }
    fn inputs(&self) -> Vec<Port> {
        let e = &self.extents;
        let mut ports = vec![Port::storage("x", &self.x), Port::storage("w", &[e.rows, e.depth])];
        ports.extend(self.extra.ports(e.rows, &self.dst));
        ports
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.dst)]
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
        let Call { inputs, needs, sums, .. } = call;
        let Some(g) = call.cotangents[0] else { return Ok(vec![None; inputs.len()]) };
        let x_bar = needs[0].then(|| self.map(commands, g, inputs[1], Terms::default(), true)).transpose()?;
        let wanted = [needs[1], self.extra.biased && needs[2]];
        let [w_bar, bias_bar] = self.parameters_bar(commands, inputs[0], g, wanted, sums)?;
        Ok(self.extra.arranged([x_bar, w_bar, bias_bar], Some(g.clone())))
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `w x + bias` along the channels: `x` of any rank with its K channels on axis `axis`, `w` `[M, K]`, `bias` `[M]`;
    /// the result has M channels there. Tokens `[B, T, K]` have axis 2, images `[B, K, H, W]` axis 1 (a 1x1
    /// convolution).
    ///
    /// # Errors
    /// `Shape`, `DType`, `Index`; as [`Commands::apply`].
    pub fn linear(&mut self, x: &Tensor, w: &Tensor, bias: Option<&Tensor>, axis: usize) -> Result<Tensor> {
        let op = Linear::new(x.shape(), w.shape(), bias.is_some(), axis)?;
        let mut inputs = vec![x, w];
        inputs.extend(bias);
        Ok(self.apply(&op, &inputs)?.remove(0))
    }

    /// `w x + bias + addend`, as [`Commands::linear`] with an addend like the result, which is added before that is stored.
    ///
    /// # Errors
    /// As [`Commands::linear`].
    pub fn linear_plus(
        &mut self,
        x: &Tensor,
        w: &Tensor,
        bias: Option<&Tensor>,
        addend: &Tensor,
        axis: usize,
    ) -> Result<Tensor> {
        let op = Linear::new(x.shape(), w.shape(), bias.is_some(), axis)?.with_addend();
        let mut inputs = vec![x, w];
        inputs.extend(bias);
        inputs.push(addend);
        Ok(self.apply(&op, &inputs)?.remove(0))
    }

    /// The O(k)-equivariant linear map of neurons with `k` components: `x` of any rank with the K neurons on axis `axis`
    /// as `K k` channels, `w` `[M, K]` with one number for a pair of neurons; the result has `M k` channels there. As the
    /// components of a neuron lie side by side, `w ⊗ 1` is [`Commands::linear`] of `x` with an axis more, and no kernel
    /// of its own.
    ///
    /// # Errors
    /// `Param` if `k` is 0, `Shape`, `DType`, `Index`; as [`Commands::apply`].
    pub fn linear_ok(&mut self, x: &Tensor, w: &Tensor, axis: usize, k: usize) -> Result<Tensor> {
        let shapes = by_neurons(x.shape(), w.shape(), axis, k)?;
        let dst = self.linear(&x.reshape(&shapes[0])?, w, None, axis)?;
        dst.reshape(&shapes[1])
    }
}

/// The extents of `x` with an axis for the components of a neuron, and those of the result without it.
fn by_neurons(x: &[usize], w: &[usize], axis: usize, k: usize) -> Result<[Vec<usize>; 2]> {
    let at = super::layout::vectors("linear_ok", x, axis, k)?;
    let (mut split, mut dst) = (x.to_vec(), x.to_vec());
    split[axis] = at.groups;
    split.insert(axis + 1, k);
    // What is no matrix is refused by the map itself.
    dst[axis] = w.first().copied().unwrap_or(0).saturating_mul(k);
    Ok([split, dst])
}

impl Tape {
    /// As [`Commands::linear`](crate::Commands::linear), differentiable in all operands; the gradients of `w` and
    /// `bias` are f32.
    ///
    /// # Errors
    /// As [`Commands::linear`](crate::Commands::linear).
    pub fn linear(&mut self, x: Var, w: Var, bias: Option<Var>, axis: usize) -> Result<Var> {
        let op = Linear::new(&self.spec(x)?.shape, &self.spec(w)?.shape, bias.is_some(), axis)?;
        let mut inputs = vec![x, w];
        inputs.extend(bias);
        self.apply_one(op, &inputs)
    }

    /// As [`Commands::linear_plus`](crate::Commands::linear_plus), differentiable in all operands; the gradients of `w` and
    /// `bias` are f32.
    ///
    /// # Errors
    /// As [`Commands::linear_plus`](crate::Commands::linear_plus).
    pub fn linear_plus(&mut self, x: Var, w: Var, bias: Option<Var>, addend: Var, axis: usize) -> Result<Var> {
        let op = Linear::new(&self.spec(x)?.shape, &self.spec(w)?.shape, bias.is_some(), axis)?.with_addend();
        let mut inputs = vec![x, w];
        inputs.extend(bias);
        inputs.push(addend);
        self.apply_one(op, &inputs)
    }

    /// As [`Commands::linear_ok`](crate::Commands::linear_ok), differentiable in both operands; the gradient of `w` is
    /// f32.
    ///
    /// # Errors
    /// As [`Commands::linear_ok`](crate::Commands::linear_ok).
    pub fn linear_ok(&mut self, x: Var, w: Var, axis: usize, k: usize) -> Result<Var> {
        let shapes = by_neurons(&self.spec(x)?.shape, &self.spec(w)?.shape, axis, k)?;
        let x = self.reshape(x, &shapes[0])?;
        let dst = self.linear(x, w, None, axis)?;
        self.reshape(dst, &shapes[1])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "linear",
    formula: "dst[o,m,i] = bias[m] + sum_k w[m,k] x[o,k,i] + addend[o,m,i]",
    differentiable: true,
    kernels: &[
        &FORWARD,
        &FORWARD_REG,
        &FORWARD_STAGED,
        &BACKWARD_W,
        &BACKWARD_W_REG,
        &BACKWARD_W_STAGED,
        &super::sum_columns::KERNEL,
        &super::channel_sums::KERNEL,
        &super::sum_rows::KERNEL,
        &super::cooperative::PRODUCT,
        &super::cooperative::PACK,
        &super::cooperative::UNPACK,
    ],
    cases: cases::cases,
};
