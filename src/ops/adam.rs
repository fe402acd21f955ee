//! Adam and AdamW with global-norm clipping, in place on a flat arena of parameters.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::Real;
use crate::cpu::adam::{self as cpu, Coefficients};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, update};
use crate::kernel::{DType, Elem, Kernel, Params as _, input, source, update as updated};
use crate::tape::{Array, Backend, Tape, Value};

crate::params! {
    /// Parameters of the kernel.
    struct Params {
        len: u32, clips: u32, max_norm: f32, beta1: f32, rest1: f32, beta2: f32, rest2: f32, decay: f32, shrink: f32, rate: f32, root: f32, eps: f32,
    }
}

/// One step.
pub static KERNEL: Kernel = Kernel {
    name: "adam",
    source: source!("adam", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("grads", Elem::F32, "[len]"),
        input("square", Elem::F32, "[1]"),
        updated("state", Elem::F32, "[3, len]"),
    ],
    constants: &[],
};

/// Options of Adam. The fields are f64 so that `1 - beta2` and the bias corrections are rounded to f32 once.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct AdamOptions {
    /// Learning rate.
    pub lr: f64,
    /// How much of the first moment stays, in `[0, 1)`.
    pub beta1: f64,
    /// How much of the second moment stays, in `[0, 1)`.
    pub beta2: f64,
    /// Added to the root of the second moment, above 0.
    pub eps: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Whether the decay shrinks the parameters themselves (AdamW) in place of entering the gradients.
    pub decoupled: bool,
    /// The norm of all gradients together is clipped to this.
    pub max_norm: Option<f64>,
}

impl AdamOptions {
    /// PyTorch's defaults: betas 0.9 and 0.999, eps 1e-8, no decay, no clipping.
    pub fn new(lr: f64) -> AdamOptions {
        let (beta1, beta2, eps) = (0.9, 0.999, 1e-8);
        AdamOptions { lr, beta1, beta2, eps, weight_decay: 0.0, decoupled: false, max_norm: None }
    }

    /// AdamW: the decay is decoupled.
    pub fn decoupled(lr: f64, weight_decay: f64) -> AdamOptions {
        AdamOptions { weight_decay, decoupled: true, ..AdamOptions::new(lr) }
    }

    /// The same with the norm of the gradients clipped, as PyTorch's `clip_grad_norm_` does.
    pub fn clip(self, max_norm: f64) -> AdamOptions {
        AdamOptions { max_norm: Some(max_norm), ..self }
    }

    fn coefficients(&self, step: u32) -> Result<Coefficients> {
        let refuse = |argument: &str, got: f64, wanted: &str| {
            Err(Error::argument(ErrorKind::Param, "adam", argument, got, wanted))
        };
        for (argument, value) in [("lr", self.lr), ("weight_decay", self.weight_decay)] {
            if !(value >= 0.0 && value <= f64::from(f32::MAX)) {
                return refuse(argument, value, "a finite number of at least 0");
            }
        }
        for (argument, value) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            if !(0.0..1.0).contains(&value) {
                return refuse(argument, value, "in [0, 1)");
            }
        }
        // As an f32 it has to be a normal number: 0 / 0 is what stays of a parameter without gradients otherwise.
        if !(self.eps >= f64::from(f32::MIN_POSITIVE) && self.eps <= f64::from(f32::MAX)) {
            return refuse("eps", self.eps, "a positive number of f32");
        }
        if let Some(most) = self.max_norm.filter(|most| !(*most > 0.0 && *most <= f64::from(f32::MAX))) {
            return refuse("max_norm", most, "a positive number, or None for no clipping");
        }
        if step == 0 {
            return refuse("step", 0.0, "counted from 1");
        }
        let t = f64::from(step);
        let (decay, shrink) =
            if self.decoupled { (0.0, 1.0 - self.lr * self.weight_decay) } else { (self.weight_decay, 1.0) };
        Ok(Coefficients {
            max_norm: self.max_norm,
            beta1: self.beta1,
            beta2: self.beta2,
            decay,
            shrink,
            rate: self.lr / (1.0 - self.beta1.powf(t)),
            root: 1.0 / (1.0 - self.beta2.powf(t)).sqrt(),
            eps: self.eps,
        })
    }
}

/// One step on `len` parameters: from the old state to a new one.
#[derive(Clone, Debug)]
pub struct Adam {
    len: usize,
    coefficients: Coefficients,
}

impl Adam {
    /// A step on a state `[3, len]`.
    ///
    /// # Errors
    /// `Shape` if the state is not `[3, len]`, `Param` if an option is out of range or `step` is 0.
    pub fn new(state: &[usize], step: u32, options: &AdamOptions) -> Result<Adam> {
        let &[3, len] = state else {
            let wanted = "[3, len]: parameters, first moments, second moments";
            return Err(Error::argument(ErrorKind::Shape, "adam", "state", format!("{state:?}"), wanted));
        };
        Ok(Adam { len, coefficients: options.coefficients(step)? })
    }

    #[cfg(feature = "gpu")]
    fn record(&self, commands: &mut Commands, state: &Tensor, grads: &Tensor, square: &Tensor) -> Result<()> {
        let c = &self.coefficients;
        let params = Params {
            len: self.len as u32,
            clips: c.max_norm.is_some().into(),
            max_norm: c.max_norm.unwrap_or(0.0) as f32,
            beta1: c.beta1 as f32,
            rest1: (1.0 - c.beta1) as f32,
            beta2: c.beta2 as f32,
            rest2: (1.0 - c.beta2) as f32,
            decay: c.decay as f32,
            shrink: c.shrink as f32,
            rate: c.rate as f32,
            root: c.root as f32,
            eps: c.eps as f32,
        };
        let binds = [read(grads), read(square), update(state)];
        let work = Work::invocations(self.len).flops(20 * self.len);
        commands.dispatch(&KERNEL, DType::F32, &[], &params, &binds, work)
    }
}

impl Op for Adam {
    fn name(&self) -> &'static str {
        "adam"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::f32("state", &[3, self.len]), Port::f32("grads", &[self.len]), Port::f32("square", &[1])]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("state", &[3, self.len])]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1], inputs[2][0], &self.coefficients)]
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], _: &[&[R]]) -> Vec<Vec<R>> {
        vec![]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let state = commands.copy(inputs[0])?;
        self.record(commands, &state, inputs[1], inputs[2])?;
        Ok(vec![state])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        _: &mut Commands,
        _: &[&Tensor],
        _: &[Option<&Tensor>],
        needs: &[bool],
        _: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![None; needs.len()])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// One step of Adam, in place: `state` f32 `[3, len]` holds parameters, first and second moments one after another
    /// (moments start at zero), `grads` f32 `[len]`, `square` f32 `[1]` the squared norm of all gradients, which is
    /// `dot(grads, grads)` where one arena holds them all and is read only if the options clip. `step` counts from 1.
    ///
    /// Source: PyTorch's `Adam`, `AdamW` and `clip_grad_norm_`.
    ///
    /// # Errors
    /// `Param` if an option is out of range or `step` is 0, `Shape`, `DType`, `Aliasing` if `state` shares its buffer with
    /// another argument; as [`Commands::apply`].
    pub fn adam(
        &mut self,
        state: &Tensor,
        grads: &Tensor,
        square: &Tensor,
        step: u32,
        options: &AdamOptions,
    ) -> Result<()> {
        let op = Adam::new(state.shape(), step, options)?;
        self.admit(&op, &[state, grads, square])?;
        op.record(self, state, grads, square)
    }
}

impl Tape {
    /// One step of Adam on values of this tape's backend, outside of what is differentiated: `state` f32 `[3, len]`,
    /// `grads` f32 `[len]`, whose squared norm is computed here if the options clip. On a device `state` changes in place
    /// and is returned; the reference backend returns a new array.
    ///
    /// # Errors
    /// As [`Commands::adam`](crate::Commands::adam), `Foreign` for a value of the other backend.
    pub fn adam(&mut self, state: &Value, grads: &Value, step: u32, options: &AdamOptions) -> Result<Value> {
        let op = Adam::new(&state.spec().shape, step, options)?;
        match self.backend() {
            #[cfg(feature = "gpu")]
            Backend::Device(commands) => {
                let (tensor, grads) = (state.tensor()?, grads.tensor()?);
                let square = match op.coefficients.max_norm {
                    Some(_) => commands.dot(grads, grads)?,
                    None => commands.empty(&[1], DType::F32)?,
                };
                commands.adam(tensor, grads, &square, step, options)?;
                Ok(state.clone())
            }
            Backend::Reference => {
                super::spec::check(&op, &[state.spec(), grads.spec(), super::spec::f32_spec(&[1])])?;
                let grads = grads.array()?.data();
                let square = crate::cpu::dot::forward(grads, grads)[0];
                let next = cpu::forward(state.array()?.data(), grads, square, &op.coefficients);
                Ok(Value::Host(Array::new(next, &[3, op.len], DType::F32)?))
            }
        }
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "adam",
    formula: "m = b1 m + (1-b1) g, v = b2 v + (1-b2) g^2, p = p - lr m' / (sqrt(v') + eps)",
    differentiable: false,
    kernels: &[&KERNEL],
    cases,
};

/// Parameters and first moments of either sign, second moments that are not negative.
fn state(len: usize, moment: f64) -> Fill {
    let wave = |i: usize| (2.399963 * (i + 1) as f64).sin();
    Fill::Values((0..3 * len).map(|i| if i < 2 * len { wave(i) } else { moment * wave(i).powi(2) }).collect())
}

fn cases() -> Vec<Case> {
    let plain = AdamOptions::new(1e-3);
    let l2 = AdamOptions { weight_decay: 0.1, ..AdamOptions::new(0.05) };
    let decoupled = AdamOptions { beta1: 0.8, beta2: 0.95, eps: 1e-5, ..AdamOptions::decoupled(0.01, 0.3) };
    let case = |len: usize, label: &str, step, options: AdamOptions, fills: [Fill; 3]| {
        let op = Adam::new(&[3, len], step, &options).ok()?;
        Some(Case::new(format!("[{len}] step {step}{label}"), op, fills.into()))
    };
    let square = |value: f64| Fill::Values(vec![value]);
    let mut cases = Vec::new();
    for len in [0, 1, 2, 63, 64, 65, 257] {
        cases.extend(case(len, "", 3, plain, [state(len, 0.1), Fill::Uniform, square(9.0)]));
    }
    for (label, step, options, norm) in [
        (" first", 1, plain, 1.0),
        (" late", 100_000, plain, 1.0),
        (" decay", 7, l2, 1.0),
        (" decoupled decay", 7, decoupled, 1.0),
        (" clipped", 2, plain.clip(1.0), 49.0),
        (" decay, clipped", 2, l2.clip(0.25), 3.0),
        (" below the clip", 2, decoupled.clip(1.0), 0.81),
    ] {
        cases.extend(case(130, label, step, options, [state(130, 1.0), Fill::Uniform, square(norm)]));
    }
    let sparse = [Fill::Zero, Fill::OneHot, square(1.0)];
    cases.extend(case(130, " from nothing, one gradient", 1, plain, sparse));
    cases.extend(case(130, " mixed gradients", 5, plain, [state(130, 1.0), Fill::Mixed(15), square(1.0)]));
    let large = [Fill::Between(0.0, 1.0), Fill::Uniform, square(1e5)];
    cases.extend(case(1 << 20, "", 9, plain.clip(1.0), large).map(Case::bench));
    cases
}
