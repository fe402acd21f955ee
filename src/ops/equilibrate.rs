//! Oscillators in constant fields, run to their equilibrium step by step in one dispatch: the physical counterpart of the
//! closed form, which is the field's direction.

use super::layout::indexable;
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::equilibrate::{self as cpu, FlowMethod, FlowOptions};
use crate::cpu::{Oscillators, Real};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::{DType, WORKGROUP};
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Backend, Tape, Var};

crate::params! {
    /// Parameters of the kernel.
    struct Params { count: u32, n: u32, steps: u32, method: u32, dt: f32, tolerance: f32 }
}

crate::params! {
    /// Parameters of the kernel over the fields.
    struct ParamsBound { count: u32, n: u32, groups: u32 }
}

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "equilibrate",
    source: source!("equilibrate", "grid", "sphere"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::Storage, "[count, n]"),
        input("h", Elem::Storage, "[count, n]"),
        output("dst", Elem::Storage, "[count, n]"),
        output("taken", Elem::F32, "[count]"),
        output("apart", Elem::F32, "[count]"),
    ],
    constants: &[],
};

/// The largest field of the rows of each workgroup, as bits.
pub static BOUND: Kernel = Kernel {
    name: "equilibrate_bound",
    source: source!("equilibrate_bound", "grid", "sphere"),
    params: ParamsBound::FIELDS,
    bindings: &[input("h", Elem::Storage, "[count, n]"), output("partial", Elem::U32, "[groups]")],
    constants: &[],
};

/// Workgroups of that kernel at most: as many numbers are read back, however many rows there are.
#[cfg(feature = "gpu")]
const BOUND_GROUPS: usize = 2048;

/// What became of oscillators of extents `[.., n]`, as tensors or variables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Equilibrated<T> {
    /// The states, `[.., n]`.
    pub state: T,
    /// Steps taken, `[..]` in f32.
    pub steps: T,
    /// The distances `|x - h/|h||` that are left, `[..]` in f32. An oscillator has converged if and only if its distance
    /// is at most the tolerance; one that ran out of steps, started at the antipode or has no field shows it here.
    pub distance: T,
}

/// A run of oscillators with fixed extents.
#[derive(Clone, Debug)]
pub struct Equilibrate {
    shape: Vec<usize>,
    n: usize,
    options: FlowOptions,
}

impl Equilibrate {
    /// Oscillators along the last of the extents `shape`.
    ///
    /// # Errors
    /// `Shape` for no axis, `Param` for fewer than two components, a `dt` that is not positive and finite or a tolerance
    /// that is not positive; `Index` past 32 bits.
    pub fn new(shape: &[usize], options: &FlowOptions) -> Result<Equilibrate> {
        let refuse =
            |kind, argument, got: String, wanted| Err(Error::argument(kind, "equilibrate", argument, got, wanted));
        let Some(n) = shape.last().copied() else {
            return refuse(ErrorKind::Shape, "x", format!("{shape:?}"), "[.., n]");
        };
        if n < 2 {
            return refuse(ErrorKind::Param, "n", n.to_string(), "at least 2 components (one cannot rotate)");
        }
        if !(options.dt.is_finite() && options.dt > 0.0) {
            return refuse(ErrorKind::Param, "dt", options.dt.to_string(), "a positive number");
        }
        if !(options.tolerance.is_finite() && options.tolerance > 0.0) {
            return refuse(ErrorKind::Param, "tolerance", options.tolerance.to_string(), "a positive number");
        }
        indexable("equilibrate", shape)?;
        Ok(Equilibrate { shape: shape.to_vec(), n, options: *options })
    }

    fn rows(&self) -> &[usize] {
        &self.shape[..self.shape.len() - 1]
    }

    fn count(&self) -> usize {
        self.rows().iter().product()
    }

    /// The largest |h| of fields with the elements `field`; NaN if there is one.
    fn largest(&self, field: &[f64]) -> f64 {
        let norms = field.chunks_exact(self.n).map(|h| h.iter().map(|h| h * h).sum::<f64>().sqrt());
        norms.fold(
            0.0,
            |largest: f64, norm| if norm.is_nan() || largest.is_nan() { f64::NAN } else { largest.max(norm) },
        )
    }

    /// As [`Equilibrate::largest`] of a tensor. Reading all of it back would take longer than all steps.
    #[cfg(feature = "gpu")]
    fn largest_on(&self, commands: &mut Commands, h: &Tensor) -> Result<f64> {
        let groups = self.count().div_ceil(WORKGROUP as usize).min(BOUND_GROUPS);
        if groups == 0 {
            return Ok(0.0);
        }
        let partial = commands.empty(&[groups], DType::U32)?;
        let params = ParamsBound { count: self.count() as u32, n: self.n as u32, groups: groups as u32 };
        let rows = self.count().div_ceil(groups * WORKGROUP as usize);
        let work = Work::workgroups(groups).rounds(rows * (1 + 2 * self.n) + 8).flops(3 * self.count() * self.n);
        commands.dispatch(&BOUND, h.dtype(), &[], &params, &[read(h), write(&partial)], work)?;
        let bits = commands.read_u32(&partial)?.into_iter().max().unwrap_or(0);
        Ok(f64::from(f32::from_bits(bits)))
    }

    /// Refuses fields at which the method does not converge. Those that the op does not take are left for it to refuse.
    #[cfg(feature = "gpu")]
    fn refuse_unstable_on(&self, commands: &mut Commands, x: &Tensor, h: &Tensor) -> Result<()> {
        if self.options.method == FlowMethod::Exact || h.shape() != self.shape || h.dtype() != x.dtype() {
            return Ok(());
        }
        let largest = self.largest_on(commands, h)?;
        self.refuse_unstable(largest)
    }

    /// Refuses a step at which the method does not converge for fields of at most `largest`.
    fn refuse_unstable(&self, largest: f64) -> Result<()> {
        let most = match self.options.method {
            FlowMethod::Exact => return Ok(()),
            FlowMethod::Euler => 2.0,
            FlowMethod::RungeKutta => 2.785,
        };
        let reach = f64::from(self.options.dt) * largest;
        if reach < most {
            return Ok(());
        }
        let wanted = format!("below {most}, past which this method does not converge: a smaller dt or exact steps");
        Err(Error::argument(ErrorKind::Param, "equilibrate", "dt times the largest |h|", reach, wanted))
    }
}

impl Op for Equilibrate {
    fn name(&self) -> &'static str {
        "equilibrate"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::storage("x", &self.shape), Port::storage("h", &self.shape)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.shape), Port::f32("taken", self.rows()), Port::f32("apart", self.rows())]
    }
    fn unit_inputs(&self) -> Vec<(usize, Oscillators)> {
        let samples = self.shape[0];
        vec![(0, Oscillators { samples, groups: 1, outer: self.count(), n: self.n, inner: 1 })]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        cpu::forward(inputs[0], inputs[1], self.n, &self.options).to_vec()
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], _: &[&[R]]) -> Vec<Vec<R>> {
        inputs.iter().map(|x| vec![R::zero(); x.len()]).collect()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let dst = commands.empty(&self.shape, dtype)?;
        let taken = commands.empty(self.rows(), DType::F32)?;
        let apart = commands.empty(self.rows(), DType::F32)?;
        let FlowOptions { method, dt, steps, tolerance } = self.options;
        let params =
            Params { count: self.count() as u32, n: self.n as u32, steps, method: method as u32, dt, tolerance };
        let binds = [read(inputs[0]), read(inputs[1]), write(&dst), write(&taken), write(&apart)];
        let work = Work::invocations(self.count())
            .rounds(5 * self.n + steps as usize)
            .flops(self.count() * (12 * self.n + 20 * steps as usize));
        commands.dispatch(&FORWARD, dtype, &[], &params, &binds, work)?;
        Ok(vec![dst, taken, apart])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        _: &mut Commands,
        inputs: &[&Tensor],
        _: &[Option<&Tensor>],
        _: &[bool],
        _: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![None; inputs.len()])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// Runs oscillators `x` `[.., n]` in constant fields `h` of the same extents until `|x - h/|h||` is at most the
    /// tolerance, all steps in one dispatch. Steps other than exact ones read the largest `|h|` back and wait for the
    /// device, because past `dt |h| = 2` (Euler; Runge-Kutta 2.785) they do not converge. Source: dx/dt = P_x h of
    /// fixed-query oscillator attention, arXiv 2606.12059.
    ///
    /// # Errors
    /// `Param` for `dt |h|` past what the method bears, `Shape`, `Index`, `DType`; `Limit` for more steps than the driver
    /// runs; as [`Commands::apply`].
    pub fn equilibrate(&mut self, x: &Tensor, h: &Tensor, options: &FlowOptions) -> Result<Equilibrated<Tensor>> {
        let op = Equilibrate::new(x.shape(), options)?;
        op.refuse_unstable_on(self, x, h)?;
        let mut found = self.apply(&op, &[x, h])?;
        let [distance, steps, state] = [found.remove(2), found.remove(1), found.remove(0)];
        Ok(Equilibrated { state, steps, distance })
    }
}

impl Tape {
    /// As [`Commands::equilibrate`](crate::Commands::equilibrate). Not differentiable, and refused where a gradient is
    /// wanted: the equilibrium's own gradient is that of [`Tape::sphere_normalize`] of the field.
    ///
    /// # Errors
    /// `Param` if x or h wants a gradient; as [`Commands::equilibrate`](crate::Commands::equilibrate).
    pub fn equilibrate(&mut self, x: Var, h: Var, options: &FlowOptions) -> Result<Equilibrated<Var>> {
        for (name, var) in [("x", x), ("h", h)] {
            if self.needs_grad(var)? {
                let wanted = "a constant: steps have no gradient here, sphere_normalize of h has the equilibrium's";
                return Err(Error::argument(ErrorKind::Param, "equilibrate", name, "differentiated", wanted));
            }
        }
        let op = Equilibrate::new(&self.spec(x)?.shape, options)?;
        #[cfg(feature = "gpu")]
        let start = self.value(x)?.clone();
        let field = self.value(h)?.clone();
        match self.backend() {
            #[cfg(feature = "gpu")]
            Backend::Device(commands) => op.refuse_unstable_on(commands, start.tensor()?, field.tensor()?)?,
            Backend::Reference => op.refuse_unstable(op.largest(field.array()?.data()))?,
        }
        match self.apply(op, &[x, h])?.as_slice() {
            [state, steps, distance] => Ok(Equilibrated { state: *state, steps: *steps, distance: *distance }),
            other => Err(Error::argument(ErrorKind::Param, "equilibrate", "number of outputs", other.len(), 3)),
        }
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "equilibrate",
    formula: "x after steps of dx/dt = P_x h, until |x - h/|h|| <= tolerance",
    differentiable: false,
    kernels: &[&FORWARD, &BOUND],
    cases,
};

/// Few steps, for a bound grows with each; `tests/fixed_query.rs` runs thousands and looks at where they end.
fn cases() -> Vec<Case> {
    let case = |shape: &[usize], method, dt: f32, steps: u32, field: Fill, label: &str| {
        let options = FlowOptions { method, dt, steps, tolerance: 1e-3 };
        let op = Equilibrate::new(shape, &options).ok()?;
        let (count, n) = (op.count(), op.n);
        let unit = Oscillators { samples: shape[0], groups: 1, outer: count, n, inner: 1 };
        let name = format!("{shape:?} {method:?} dt {dt} steps {steps}{label}");
        let case = Case::new(name, op, vec![Fill::Unit(unit), field]);
        Some(case.oscillators(unit).law("unit norm", super::unit_norm_law))
    };
    let plain = || Fill::Between(-1.0, 1.0);
    let mut cases = vec![];
    for method in [FlowMethod::Exact, FlowMethod::Euler, FlowMethod::RungeKutta] {
        cases.extend([
            case(&[0, 2], method, 0.5, 3, plain(), ""),
            case(&[1, 2], method, 0.5, 0, plain(), ""),
            case(&[5, 13, 2], method, 0.3, 1, plain(), ""),
            case(&[7, 3], method, 0.4, 4, plain(), ""),
            case(&[3, 17], method, 0.1, 3, plain(), ""),
            case(&[9, 4], method, 0.5, 3, Fill::Zero, " no field"),
            case(&[9, 4], method, 0.25, 2, Fill::Mixed(3), " mixed scales"),
        ]);
    }
    // One step of the exact flow ends at the equilibrium.
    cases.push(case(&[65, 2], FlowMethod::Exact, 400.0, 5, plain(), ""));
    cases.push(case(&[1 << 16, 8], FlowMethod::Exact, 0.05, 256, plain(), "").map(Case::bench));
    cases.into_iter().flatten().collect()
}
