//! One stage, or the end, of an explicit step: the state plus the weighted rates times the step size of its sample.

use std::f64::consts::PI;

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Real, phase_step as cpu};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Bind, Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::WORKGROUP;
use crate::kernel::{DType, Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the forward kernel.
    struct Params { len: u32, run: u32, stages: u32, wrap: u32, c0: f32, c1: f32, c2: f32, c3: f32, c4: f32 }
}

crate::params! {
    /// Parameters of the kernel of the rates' cotangents.
    struct ParamsBwd { len: u32, run: u32, c: f32 }
}

crate::params! {
    /// Parameters of the kernel of the step sizes' cotangent.
    struct ParamsBwdH { samples: u32, run: u32, tiles: u32, stages: u32, c0: f32, c1: f32, c2: f32, c3: f32, c4: f32 }
}

/// Rates that one kernel binds besides the state, the step sizes and the result.
const MOST: usize = 5;

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "phase_step",
    source: source!("phase_step", "grid", "sincos", "phase_step"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::F32, "[len]"),
        input("k0", Elem::F32, "[len]"),
        input("k1", Elem::F32, "[len]"),
        input("k2", Elem::F32, "[len]"),
        input("k3", Elem::F32, "[len]"),
        input("k4", Elem::F32, "[len]"),
        input("h", Elem::F32, "[samples]"),
        output("dst", Elem::F32, "[len]"),
    ],
    constants: &[],
};

/// Cotangent of one of the rates.
pub static BACKWARD: Kernel = Kernel {
    name: "phase_step_bwd",
    source: source!("phase_step_bwd", "grid"),
    params: ParamsBwd::FIELDS,
    bindings: &[
        input("h", Elem::F32, "[samples]"),
        input("dst_bar", Elem::F32, "[len]"),
        output("k_bar", Elem::F32, "[len]"),
    ],
    constants: &[],
};

/// Partial sums of the cotangent of the step sizes; `sum_rows` adds them.
pub static BACKWARD_H: Kernel = Kernel {
    name: "phase_step_bwd_h",
    source: source!("phase_step_bwd_h", "grid", "reduce", "phase_step"),
    params: ParamsBwdH::FIELDS,
    bindings: &[
        input("dst_bar", Elem::F32, "[samples, run]"),
        input("k0", Elem::F32, "[samples, run]"),
        input("k1", Elem::F32, "[samples, run]"),
        input("k2", Elem::F32, "[samples, run]"),
        input("k3", Elem::F32, "[samples, run]"),
        input("k4", Elem::F32, "[samples, run]"),
        output("partial", Elem::F32, "[samples, tiles]"),
    ],
    constants: &[],
};

/// A weighted sum of rates, added to a state of fixed extents.
#[derive(Clone, Debug)]
pub struct PhaseStep {
    shape: Vec<usize>,
    coefficients: Vec<f32>,
    wrap: bool,
}

impl PhaseStep {
    /// A step of a state with extents `[B, ..]` along as many `rates` as there are `coefficients`, 1 to 5; the result
    /// is wrapped to one turn if `wrap` says so.
    ///
    /// # Errors
    /// `Param` for none or more than five rates, another number of coefficients, a coefficient that is not finite;
    /// `Shape` for a state without an axis of samples; `Index` past 32 bits.
    pub fn new(shape: &[usize], rates: usize, coefficients: &[f32], wrap: bool) -> Result<PhaseStep> {
        let name = "phase_step";
        if shape.is_empty() {
            return Err(Error::argument(ErrorKind::Shape, name, "x", "a scalar", "a first axis of samples"));
        }
        if !(1..=MOST).contains(&rates) {
            return Err(Error::argument(ErrorKind::Param, name, "number of rates", rates, "from 1 to 5"));
        }
        if coefficients.len() != rates {
            let wanted = format!("{rates}, one per rate");
            return Err(Error::argument(ErrorKind::Param, name, "number of coefficients", coefficients.len(), wanted));
        }
        for c in coefficients {
            super::finite(name, "coefficient", *c)?;
        }
        super::layout::indexable(name, shape)?;
        Ok(PhaseStep { shape: shape.to_vec(), coefficients: coefficients.to_vec(), wrap })
    }

    fn stages(&self) -> usize {
        self.coefficients.len()
    }
}

#[cfg(feature = "gpu")]
impl PhaseStep {
    fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Elements of a sample.
    fn run(&self) -> usize {
        self.shape.iter().skip(1).product()
    }

    /// The coefficients; zero for what is no stage.
    fn all(&self) -> [f32; MOST] {
        let mut all = [0.0; MOST];
        all.iter_mut().zip(&self.coefficients).for_each(|(slot, c)| *slot = *c);
        all
    }

    /// The rates; the first one again for what is no stage.
    fn rates<'a>(&self, inputs: &[&'a Tensor]) -> [Bind<'a>; MOST] {
        std::array::from_fn(|s| read(if s < self.stages() { inputs[1 + s] } else { inputs[1] }))
    }

    fn h_bar(&self, commands: &mut Commands, inputs: &[&Tensor], g: &Tensor) -> Result<Tensor> {
        let (samples, run) = (self.shape[0], self.run());
        let tiles = run.div_ceil(super::nodes::TILE);
        let partial = commands.empty(&[samples, tiles], DType::F32)?;
        let [c0, c1, c2, c3, c4] = self.all();
        let (stages, tiles_u32) = (self.stages() as u32, tiles as u32);
        let params =
            ParamsBwdH { samples: samples as u32, run: run as u32, tiles: tiles_u32, stages, c0, c1, c2, c3, c4 };
        let [k0, k1, k2, k3, k4] = self.rates(inputs);
        let rounds = super::nodes::TILE / WORKGROUP as usize + 8;
        let work = Work::workgroups(samples * tiles).rounds(rounds).flops(2 * (self.stages() + 1) * self.len());
        let binds = [read(g), k0, k1, k2, k3, k4, write(&partial)];
        commands.dispatch(&BACKWARD_H, DType::F32, &[], &params, &binds, work)?;
        super::nodes::add_tiles(commands, &partial, 0, tiles, &[samples])
    }
}

impl Op for PhaseStep {
    fn name(&self) -> &'static str {
        "phase_step"
    }
    fn inputs(&self) -> Vec<Port> {
        let names = ["k0", "k1", "k2", "k3", "k4"];
        let mut ports = vec![Port::f32("x", &self.shape)];
        ports.extend(names.iter().take(self.stages()).map(|name| Port::f32(name, &self.shape)));
        ports.push(Port::f32("h", &self.shape[..1]));
        ports
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("dst", &self.shape)]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        let last = 1 + self.stages();
        vec![cpu::forward(inputs[0], &inputs[1..last], inputs[last], &self.coefficients, self.wrap)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        let last = 1 + self.stages();
        cpu::backward(&inputs[1..last], inputs[last], cotangents[0], &self.coefficients)
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let dst = commands.empty(&self.shape, DType::F32)?;
        let [c0, c1, c2, c3, c4] = self.all();
        let (len, run, stages) = (self.len() as u32, self.run() as u32, self.stages() as u32);
        let params = Params { len, run, stages, wrap: self.wrap.into(), c0, c1, c2, c3, c4 };
        let [k0, k1, k2, k3, k4] = self.rates(inputs);
        let binds = [read(inputs[0]), k0, k1, k2, k3, k4, read(inputs[1 + self.stages()]), write(&dst)];
        let each = 2 * (self.stages() + 1) + if self.wrap { 8 } else { 0 };
        let work = Work::invocations(self.len()).flops(each * self.len());
        commands.dispatch(&FORWARD, DType::F32, &[], &params, &binds, work)?;
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
        let last = 1 + self.stages();
        let mut all = vec![Some(g.clone())];
        for (s, c) in self.coefficients.iter().enumerate() {
            if !needs[1 + s] {
                all.push(None);
                continue;
            }
            let k_bar = commands.empty(&self.shape, DType::F32)?;
            let params = ParamsBwd { len: self.len() as u32, run: self.run() as u32, c: *c };
            let work = Work::invocations(self.len()).flops(2 * self.len());
            let binds = [read(inputs[last]), read(g), write(&k_bar)];
            commands.dispatch(&BACKWARD, DType::F32, &[], &params, &binds, work)?;
            all.push(Some(k_bar));
        }
        all.push(if needs[last] { Some(self.h_bar(commands, inputs, g)?) } else { None });
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `x + h sum_s c_s k_s`, all f32: a state `x` `[B, ..]` in radians (or anything else, if it is not wrapped), 1 to
    /// 5 `rates` of its extents and their `coefficients`, a step size per sample `h` `[B]`. With `wrap` the result is
    /// in `[-pi, pi]` to rounding, as that of [`Commands::phase_wrap`].
    ///
    /// # Errors
    /// `Param` for none or more than five rates, another number of coefficients, a coefficient that is not finite;
    /// `Shape`, `DType`, `Index`; as [`Commands::apply`].
    pub fn phase_step(
        &mut self,
        x: &Tensor,
        rates: &[&Tensor],
        h: &Tensor,
        coefficients: &[f32],
        wrap: bool,
    ) -> Result<Tensor> {
        let op = PhaseStep::new(x.shape(), rates.len(), coefficients, wrap)?;
        let inputs = [&[x], rates, &[h]].concat();
        Ok(self.apply(&op, &inputs)?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::phase_step`](crate::Commands::phase_step), differentiable in the state, the rates and the step
    /// sizes; a wrapped result passes its cotangent unchanged.
    ///
    /// # Errors
    /// As [`Commands::phase_step`](crate::Commands::phase_step).
    pub fn phase_step(&mut self, x: Var, rates: &[Var], h: Var, coefficients: &[f32], wrap: bool) -> Result<Var> {
        let op = PhaseStep::new(&self.spec(x)?.shape, rates.len(), coefficients, wrap)?;
        self.apply_one(op, &[&[x], rates, &[h]].concat())
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "phase_step",
    formula: "dst = x + h[b] sum_s c_s k_s, wrapped to one turn if asked",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD, &BACKWARD_H, &super::sum_rows::KERNEL],
    cases,
};

/// No wrapped result is beyond pi by more than the rounding of three differences.
fn one_turn_law(_: &[Vec<f64>], outputs: &[Vec<f64>], _: &Case, _: DType) -> f64 {
    let beyond = outputs[0].iter().map(|v| (v.abs() - PI) / f64::powi(2.0, -20));
    beyond.fold(0.0, |worst, r| if r.is_nan() || r > worst { r } else { worst })
}

fn cases() -> Vec<Case> {
    // The first three are powers of two, so that steps of integers are exact.
    const COEFFICIENTS: [f32; MOST] = [0.5, -2.0, 1.0, 1.0 / 3.0, -0.7];
    let case = |shape: &[usize], stages: usize, wrap: bool, label: &str, x: Fill, rate: Fill, h: Fill| {
        let op = PhaseStep::new(shape, stages, COEFFICIENTS.get(..stages)?, wrap).ok()?;
        let mut fills = vec![rate; stages + 2];
        fills[0] = x;
        fills[stages + 1] = h;
        let label = format!("{shape:?} {stages} rates{}{label}", if wrap { " wrapped" } else { "" });
        let case = Case::new(label, op, fills);
        Some(match (wrap, stages <= 3) {
            (true, _) => case.law("one turn", one_turn_law),
            (false, true) => case.linear(),
            (false, false) => case,
        })
    };
    let plain = |shape: &[usize], stages: usize, wrap: bool, label: &str| {
        case(shape, stages, wrap, label, Fill::Between(-3.0, 3.0), Fill::Between(-4.0, 4.0), Fill::Between(0.01, 0.5))
    };
    let mut cases = Vec::new();
    for wrap in [false, true] {
        for (shape, stages) in [
            (&[0, 3][..], 1),
            (&[2, 0], 2),
            (&[1, 1], 1),
            (&[3], 2),
            (&[2, 63], 5),
            (&[3, 64], 4),
            (&[2, 65], 3),
            (&[2, 3, 7], 1),
            (&[1, 1025], 4),
            (&[130, 2], 1),
        ] {
            cases.extend(plain(shape, stages, wrap, ""));
        }
        let mixed = || Fill::Mixed(8);
        cases.extend(case(&[2, 90], 3, wrap, ", mixed scales", mixed(), mixed(), mixed()));
        // Far from the cut, which central differences must not meet.
        let near = || Fill::Between(-1.0, 1.0);
        cases.extend(case(&[2, 2], 5, wrap, " ladder", near(), near(), Fill::Between(0.1, 0.3)).map(Case::ladder));
        cases.extend(plain(&[4, 1 << 18], 4, wrap, "").map(Case::bench));
    }
    let far = Fill::Between(-900.0, 900.0);
    cases.extend(case(&[2, 70], 1, true, ", turns", Fill::Between(-3.0, 3.0), far, Fill::Between(0.5, 2.0)));
    let still = case(&[2, 70], 2, true, ", at rest", Fill::Values(vec![0.0, -0.0, 1.5, -3.0]), Fill::Zero, Fill::Zero);
    cases.extend(still);
    cases
}
