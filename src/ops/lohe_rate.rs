//! The rate of the Kuramoto-Lohe model on the sphere, `Omega x + P_x y`.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Oscillators, Real, lohe_rate as cpu};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::{DType, Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the kernels over oscillators.
    struct Params { count: u32, nodes: u32, n: u32, turning: u32 }
}

crate::params! {
    /// Parameters of the kernel over frequencies.
    struct ParamsW { len: u32, batch: u32 }
}

const STATE: &str = "[batch, nodes, n]";
const FREQUENCIES: &str = "[nodes, n / 2]";

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "lohe_rate",
    source: source!("lohe_rate", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::F32, STATE),
        input("y", Elem::F32, STATE),
        input("w", Elem::F32, FREQUENCIES),
        output("dst", Elem::F32, STATE),
    ],
    constants: &[],
};

/// Cotangents of state and drive.
pub static BACKWARD: Kernel = Kernel {
    name: "lohe_rate_bwd",
    source: source!("lohe_rate_bwd", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::F32, STATE),
        input("y", Elem::F32, STATE),
        input("w", Elem::F32, FREQUENCIES),
        input("dst_bar", Elem::F32, STATE),
        output("x_bar", Elem::F32, STATE),
        output("y_bar", Elem::F32, STATE),
    ],
    constants: &[],
};

/// Cotangent of the frequencies.
pub static BACKWARD_W: Kernel = Kernel {
    name: "lohe_rate_bwd_w",
    source: source!("lohe_rate_bwd_w", "grid"),
    params: ParamsW::FIELDS,
    bindings: &[
        input("x", Elem::F32, STATE),
        input("dst_bar", Elem::F32, STATE),
        output("w_bar", Elem::F32, FREQUENCIES),
    ],
    constants: &[],
};

/// The rate of a state with fixed extents.
#[derive(Clone, Debug)]
pub struct LoheRate {
    shape: [usize; 3],
    turning: bool,
}

impl LoheRate {
    fn new(x: &[usize], frequencies: Option<&[usize]>) -> Result<LoheRate> {
        let refuse = |kind, argument: &str, got: String, wanted: String| {
            Err(Error::argument(kind, "lohe_rate", argument, got, wanted))
        };
        let &[batch, nodes, n] = x else {
            return refuse(ErrorKind::Shape, "x", format!("{x:?}"), "[B, N, n]".into());
        };
        if n < 2 {
            let wanted = "at least 2 components: the sphere of one is two points";
            return refuse(ErrorKind::Param, "n", n.to_string(), wanted.into());
        }
        if let Some(shape) = frequencies {
            if n % 2 == 1 {
                let wanted = "even with frequencies, which turn pairs of components";
                return refuse(ErrorKind::Param, "n", n.to_string(), wanted.into());
            }
            if shape != [nodes, n / 2] {
                return refuse(ErrorKind::Shape, "frequencies", format!("{shape:?}"), format!("[{nodes}, {}]", n / 2));
            }
        }
        Ok(LoheRate { shape: [batch, nodes, n], turning: frequencies.is_some() })
    }

    #[cfg(feature = "gpu")]
    fn params(&self) -> Params {
        let [batch, nodes, n] = self.shape;
        Params { count: (batch * nodes) as u32, nodes: nodes as u32, n: n as u32, turning: self.turning.into() }
    }
}

impl Op for LoheRate {
    fn name(&self) -> &'static str {
        "lohe_rate"
    }
    fn inputs(&self) -> Vec<Port> {
        let [_, nodes, n] = self.shape;
        let mut ports = vec![Port::f32("x", &self.shape), Port::f32("y", &self.shape)];
        if self.turning {
            ports.push(Port::f32("frequencies", &[nodes, n / 2]));
        }
        ports
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("rate", &self.shape)]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn unit_inputs(&self) -> Vec<(usize, Oscillators)> {
        // Between the stages of a step a state is off the sphere.
        vec![]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1], inputs.get(2).copied().unwrap_or(&[]), self.shape[2])]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        let w = inputs.get(2).copied().unwrap_or(&[]);
        let mut all = Vec::from(cpu::backward(inputs[0], inputs[1], w, cotangents[0], self.shape[2]));
        all.truncate(inputs.len());
        all
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let [batch, nodes, n] = self.shape;
        let dst = commands.empty(&self.shape, DType::F32)?;
        let w = inputs.get(2).unwrap_or(&inputs[0]);
        let work = Work::invocations(batch * nodes).rounds(2 * n).flops(6 * dst.len());
        let binds = [read(inputs[0]), read(inputs[1]), read(w), write(&dst)];
        commands.dispatch(&FORWARD, DType::F32, &[], &self.params(), &binds, work)?;
        Ok(vec![dst])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        needs: &[bool],
        _: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = cotangents[0] else { return Ok(vec![None; inputs.len()]) };
        let [batch, nodes, n] = self.shape;
        let (x_bar, y_bar) = (commands.empty(&self.shape, DType::F32)?, commands.empty(&self.shape, DType::F32)?);
        let w = inputs.get(2).unwrap_or(&inputs[0]);
        let work = Work::invocations(batch * nodes).rounds(2 * n).flops(12 * x_bar.len());
        let binds = [read(inputs[0]), read(inputs[1]), read(w), read(g), write(&x_bar), write(&y_bar)];
        commands.dispatch(&BACKWARD, DType::F32, &[], &self.params(), &binds, work)?;
        let mut all = vec![Some(x_bar), Some(y_bar)];
        if self.turning {
            all.push(match needs[2] {
                false => None,
                true => {
                    let w_bar = commands.empty(&[nodes, n / 2], DType::F32)?;
                    let params = ParamsW { len: w_bar.len() as u32, batch: batch as u32 };
                    let work = Work::invocations(w_bar.len()).rounds(batch).flops(4 * batch * w_bar.len());
                    let binds = [read(inputs[0]), read(g), write(&w_bar)];
                    commands.dispatch(&BACKWARD_W, DType::F32, &[], &params, &binds, work)?;
                    Some(w_bar)
                }
            });
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `Omega x + P_x y` of unit vectors `x` `[B, N, n]` under the drive `y`, f32: the velocity of the Kuramoto-Lohe model,
    /// tangent to the sphere. `frequencies` `[N, n / 2]` turn pairs of components, `(Omega x)_2p = w x_2p+1`: for `n = 2` the
    /// angle falls at the rate `w`.
    ///
    /// # Errors
    /// `Shape`, `DType`; `Param` for `n < 2`, or an odd `n` with frequencies; as [`Commands::apply`].
    pub fn lohe_rate(&mut self, x: &Tensor, y: &Tensor, frequencies: Option<&Tensor>) -> Result<Tensor> {
        let op = LoheRate::new(x.shape(), frequencies.map(Tensor::shape))?;
        let mut inputs = vec![x, y];
        inputs.extend(frequencies);
        Ok(self.apply(&op, &inputs)?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::lohe_rate`](crate::Commands::lohe_rate), differentiable in all operands.
    ///
    /// # Errors
    /// As [`Commands::lohe_rate`](crate::Commands::lohe_rate).
    pub fn lohe_rate(&mut self, x: Var, y: Var, frequencies: Option<Var>) -> Result<Var> {
        let shape = frequencies.map(|w| self.spec(w)).transpose()?.map(|spec| spec.shape);
        let op = LoheRate::new(&self.spec(x)?.shape, shape.as_deref())?;
        let mut inputs = vec![x, y];
        inputs.extend(frequencies);
        self.apply_one(op, &inputs)
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "lohe_rate",
    formula: "dst = Omega x + y - (x . y) x per oscillator",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD, &BACKWARD_W],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |shape: [usize; 3], turning: bool, fill: &Fill| {
        let [batch, nodes, n] = shape;
        let frequencies = turning.then(|| vec![nodes, n / 2]);
        let op = LoheRate::new(&shape, frequencies.as_deref()).ok()?;
        let at = Oscillators { samples: batch, groups: 1, outer: batch * nodes, n, inner: 1 };
        let mut fills = vec![Fill::Unit(at), fill.clone()];
        fills.extend(turning.then(|| fill.clone()));
        Some(Case::new(format!("{shape:?}{}", if turning { " turning" } else { "" }), op, fills))
    };
    let uniform = Fill::Uniform;
    let mut cases = Vec::new();
    for turning in [false, true] {
        cases.extend(case([0, 3, 2], turning, &uniform));
        cases.extend(case([1, 1, 2], turning, &uniform).map(Case::ladder));
        cases.extend(case([2, 2, 4], turning, &uniform).map(Case::ladder));
        cases.extend(case([3, 65, 4], turning, &uniform));
        cases.extend(case([2, 7, 16], turning, &Fill::Mixed(10)));
        cases.extend(case([8, 8192, 4], turning, &uniform).map(Case::bench));
    }
    cases.extend(case([2, 33, 3], false, &uniform));
    cases.extend(case([1, 9, 5], false, &Fill::Zero));
    cases
}
