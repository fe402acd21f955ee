//! The rate of phases in a field, of their own or of their sample: Kuramoto's model where it is the order parameter.

use std::f64::consts::PI;

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::Real;
use crate::cpu::phase_rate::{self as cpu, Extents, Operands};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::WORKGROUP;
use crate::kernel::{Binding, DType, Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the forward kernel.
    struct Params { len: u32, nodes: u32, m: f32, per_node: u32, per_sample: u32 }
}

crate::params! {
    /// Parameters of the kernel of the phases' cotangent.
    struct ParamsBwd { len: u32, nodes: u32, m: f32, per_node: u32 }
}

crate::params! {
    /// Parameters of the kernel of the cotangent of a field per node.
    struct ParamsBwdField { len: u32, nodes: u32, m: f32 }
}

crate::params! {
    /// Parameters of the kernel of the sums over nodes.
    struct ParamsBwdSums { samples: u32, nodes: u32, tiles: u32, m: f32, per_node: u32 }
}

const NODES: &str = "[samples, nodes]";
const FIELD: &str = "[samples, nodes, 2] or [samples, 1, 2]";
const THETA: Binding = input("theta", Elem::F32, NODES);
const STRENGTH: Binding = input("strength", Elem::F32, "[samples]");
const LAG: Binding = input("lag", Elem::F32, "[samples]");
const RATE_BAR: Binding = input("rate_bar", Elem::F32, NODES);

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "phase_rate",
    source: source!("phase_rate", "grid", "sincos", "phase_rate"),
    params: Params::FIELDS,
    bindings: &[
        THETA,
        input("base", Elem::F32, "[nodes] or [samples, nodes]"),
        input("field", Elem::F32, FIELD),
        STRENGTH,
        LAG,
        output("rate", Elem::F32, NODES),
    ],
    constants: &[],
};

/// Cotangent of the phases.
pub static BACKWARD: Kernel = Kernel {
    name: "phase_rate_bwd",
    source: source!("phase_rate_bwd", "grid", "sincos", "phase_rate"),
    params: ParamsBwd::FIELDS,
    bindings: &[
        THETA,
        input("field", Elem::F32, FIELD),
        STRENGTH,
        LAG,
        RATE_BAR,
        output("theta_bar", Elem::F32, NODES),
    ],
    constants: &[],
};

/// Cotangent of a field per node.
pub static BACKWARD_FIELD: Kernel = Kernel {
    name: "phase_rate_bwd_field",
    source: source!("phase_rate_bwd_field", "grid", "sincos"),
    params: ParamsBwdField::FIELDS,
    bindings: &[THETA, STRENGTH, LAG, RATE_BAR, output("field_bar", Elem::F32, "[samples, nodes, 2]")],
    constants: &[],
};

/// Partial sums over the nodes of the cotangents that a sample has one of; `sum_rows` adds them.
pub static BACKWARD_SUMS: Kernel = Kernel {
    name: "phase_rate_bwd_sums",
    source: source!("phase_rate_bwd_sums", "grid", "sincos", "reduce", "phase_rate"),
    params: ParamsBwdSums::FIELDS,
    bindings: &[
        THETA,
        input("field", Elem::F32, FIELD),
        STRENGTH,
        LAG,
        RATE_BAR,
        output("partial", Elem::F32, "[4, samples, tiles]"),
    ],
    constants: &[],
};

/// The rate of phases with fixed extents.
#[derive(Clone, Debug)]
pub struct PhaseRate {
    at: Extents,
}

impl PhaseRate {
    /// The rate of phases `theta` `[B, N]` over a base `[N]` or `[B, N]` in a field `[B, N, 2]` or `[B, 1, 2]`.
    ///
    /// # Errors
    /// `Shape` for other extents, `Param` for a harmonic of 0 or above 2^24, `Index` past 32 bits.
    pub fn new(theta: &[usize], base: &[usize], field: &[usize], harmonic: u32) -> Result<PhaseRate> {
        let name = "phase_rate";
        let refuse = |argument: &str, got: &[usize], wanted: String| {
            Err(Error::argument(ErrorKind::Shape, name, argument, format!("{got:?}"), wanted))
        };
        let [samples, nodes] = super::nodes::extents(name, "theta", theta)?;
        super::nodes::harmonic(name, harmonic)?;
        if base != [nodes] && base != theta {
            return refuse("base", base, format!("[{nodes}] or {theta:?}"));
        }
        if field != [samples, nodes, 2] && field != [samples, 1, 2] {
            return refuse("field", field, format!("[{samples}, {nodes}, 2] or [{samples}, 1, 2]"));
        }
        super::layout::indexable(name, field)?;
        let (shared, per_node) = (base.len() == 1, field != [samples, 1, 2]);
        Ok(PhaseRate { at: Extents { samples, nodes, shared, per_node, harmonic } })
    }

    fn theta(&self) -> [usize; 2] {
        [self.at.samples, self.at.nodes]
    }

    fn base(&self) -> Vec<usize> {
        if self.at.shared { vec![self.at.nodes] } else { self.theta().to_vec() }
    }

    fn field(&self) -> [usize; 3] {
        [self.at.samples, if self.at.per_node { self.at.nodes } else { 1 }, 2]
    }

    fn operands<'a, R>(inputs: &[&'a [R]]) -> Operands<'a, R> {
        Operands { theta: inputs[0], base: inputs[1], field: inputs[2], strength: inputs[3], lag: inputs[4] }
    }
}

#[cfg(feature = "gpu")]
impl PhaseRate {
    /// Elements, nodes and harmonic as the kernels have them.
    fn numbers(&self) -> (u32, u32, f32) {
        let Extents { samples, nodes, harmonic, .. } = self.at;
        ((samples * nodes) as u32, nodes as u32, harmonic as f32)
    }

    fn work(&self, each: usize) -> Work {
        let len = self.at.samples * self.at.nodes;
        Work::invocations(len).flops(each * len)
    }

    fn theta_bar(&self, commands: &mut Commands, inputs: &[&Tensor], g: &Tensor) -> Result<Tensor> {
        let theta_bar = commands.empty(&self.theta(), DType::F32)?;
        let (len, nodes, m) = self.numbers();
        let params = ParamsBwd { len, nodes, m, per_node: self.at.per_node.into() };
        let [theta, _, field, strength, lag] = [0, 1, 2, 3, 4].map(|i| read(inputs[i]));
        let binds = [theta, field, strength, lag, read(g), write(&theta_bar)];
        commands.dispatch(&BACKWARD, DType::F32, &[], &params, &binds, self.work(38))?;
        Ok(theta_bar)
    }

    fn field_bar(&self, commands: &mut Commands, inputs: &[&Tensor], g: &Tensor) -> Result<Tensor> {
        let field_bar = commands.empty(&self.field(), DType::F32)?;
        let (len, nodes, m) = self.numbers();
        let params = ParamsBwdField { len, nodes, m };
        let binds = [read(inputs[0]), read(inputs[3]), read(inputs[4]), read(g), write(&field_bar)];
        commands.dispatch(&BACKWARD_FIELD, DType::F32, &[], &params, &binds, self.work(35))?;
        Ok(field_bar)
    }

    /// The partial sums `[4, samples, tiles]`, and how many tiles.
    fn partial(&self, commands: &mut Commands, inputs: &[&Tensor], g: &Tensor) -> Result<(Tensor, usize)> {
        let [samples, nodes] = self.theta();
        let tiles = nodes.div_ceil(super::nodes::TILE);
        let partial = commands.empty(&[4, samples, tiles], DType::F32)?;
        let (_, nodes_u32, m) = self.numbers();
        let (samples_u32, tiles_u32) = (samples as u32, tiles as u32);
        let per_node = self.at.per_node.into();
        let params = ParamsBwdSums { samples: samples_u32, nodes: nodes_u32, tiles: tiles_u32, m, per_node };
        let [theta, _, field, strength, lag] = [0, 1, 2, 3, 4].map(|i| read(inputs[i]));
        let binds = [theta, field, strength, lag, read(g), write(&partial)];
        let rounds = super::nodes::TILE / WORKGROUP as usize + 4 * 8;
        let work = Work::workgroups(samples * tiles).rounds(rounds).flops(45 * samples * nodes);
        commands.dispatch(&BACKWARD_SUMS, DType::F32, &[], &params, &binds, work)?;
        Ok((partial, tiles))
    }
}

impl Op for PhaseRate {
    fn name(&self) -> &'static str {
        "phase_rate"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![
            Port::f32("theta", &self.theta()),
            Port::f32("base", &self.base()),
            Port::f32("field", &self.field()),
            Port::f32("strength", &[self.at.samples]),
            Port::f32("lag", &[self.at.samples]),
        ]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("rate", &self.theta())]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(&Self::operands(inputs), &self.at)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(&Self::operands(inputs), cotangents[0], &self.at).into()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let rate = commands.empty(&self.theta(), DType::F32)?;
        let (len, nodes, m) = self.numbers();
        let params = Params { len, nodes, m, per_node: self.at.per_node.into(), per_sample: (!self.at.shared).into() };
        let [theta, base, field, strength, lag] = [0, 1, 2, 3, 4].map(|i| read(inputs[i]));
        let binds = [theta, base, field, strength, lag, write(&rate)];
        commands.dispatch(&FORWARD, DType::F32, &[], &params, &binds, self.work(37))?;
        Ok(vec![rate])
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
        let mut all = vec![None; 5];
        let Some(g) = cotangents[0] else { return Ok(all) };
        let samples = self.at.samples;
        if needs[0] {
            all[0] = Some(self.theta_bar(commands, inputs, g)?);
        }
        if needs[1] {
            all[1] = Some(match self.at.shared {
                true => super::nodes::sum_samples(commands, g, self.theta())?,
                false => g.clone(),
            });
        }
        if needs[2] && self.at.per_node {
            all[2] = Some(self.field_bar(commands, inputs, g)?);
        }
        if needs[3] || needs[4] || (needs[2] && !self.at.per_node) {
            let (partial, tiles) = self.partial(commands, inputs, g)?;
            let mut sums = |from: usize, shape: &[usize]| {
                super::sum_rows::sum_rows(commands, &partial, from * samples * tiles, tiles, shape)
            };
            if needs[2] && !self.at.per_node {
                all[2] = Some(sums(2, &self.field())?);
            }
            if needs[3] {
                all[3] = Some(sums(0, &[samples])?);
            }
            if needs[4] {
                all[4] = Some(sums(1, &[samples])?);
            }
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `base + K (Y_s cos a - Y_c sin a)` with `a = m theta + lag`, all f32: phases `theta` `[B, N]` and `lag` `[B]` in
    /// radians, `base` `[N]` or `[B, N]` and `strength` K `[B]` in radians per unit of time, a field `(Y_c, Y_s)` per
    /// node `[B, N, 2]` or per sample `[B, 1, 2]`; `harmonic` is the whole number m. The field
    /// `<(cos theta, sin theta)>`, [`Commands::mean_nodes`] of [`Commands::phasors`], makes it the model of Sakaguchi
    /// and Kuramoto with all nodes coupled.
    ///
    /// # Errors
    /// `Shape`, `DType`, `Index`; `Param` for a harmonic of 0 or above 2^24; as [`Commands::apply`].
    pub fn phase_rate(
        &mut self,
        theta: &Tensor,
        base: &Tensor,
        field: &Tensor,
        strength: &Tensor,
        lag: &Tensor,
        harmonic: u32,
    ) -> Result<Tensor> {
        let op = PhaseRate::new(theta.shape(), base.shape(), field.shape(), harmonic)?;
        Ok(self.apply(&op, &[theta, base, field, strength, lag])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::phase_rate`](crate::Commands::phase_rate), differentiable in all operands.
    ///
    /// # Errors
    /// As [`Commands::phase_rate`](crate::Commands::phase_rate).
    pub fn phase_rate(
        &mut self,
        theta: Var,
        base: Var,
        field: Var,
        strength: Var,
        lag: Var,
        harmonic: u32,
    ) -> Result<Var> {
        let [t, b, f] = [self.spec(theta)?.shape, self.spec(base)?.shape, self.spec(field)?.shape];
        self.apply_one(PhaseRate::new(&t, &b, &f, harmonic)?, &[theta, base, field, strength, lag])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "phase_rate",
    formula: "rate = base + K (Y_s cos(m theta + lag) - Y_c sin(m theta + lag))",
    differentiable: true,
    kernels: &[
        &FORWARD,
        &BACKWARD,
        &BACKWARD_FIELD,
        &BACKWARD_SUMS,
        &super::channel_sums::KERNEL,
        &super::sum_columns::KERNEL,
        &super::sum_rows::KERNEL,
    ],
    cases,
};

fn cases() -> Vec<Case> {
    let case =
        |theta: [usize; 2], shared: bool, per_node: bool, harmonic: u32, label: &str, phases: Fill, rest: Fill| {
            let [samples, nodes] = theta;
            let base = if shared { vec![nodes] } else { theta.to_vec() };
            let field = [samples, if per_node { nodes } else { 1 }, 2];
            let op = PhaseRate::new(&theta, &base, &field, harmonic).ok()?;
            let name = format!("theta {theta:?} base {base:?} field {field:?} harmonic {harmonic}{label}");
            Some(Case::new(name, op, vec![phases, rest.clone(), rest.clone(), rest, Fill::Between(-1.5, 1.5)]))
        };
    let circle = || Fill::Between(-PI, PI);
    let mut cases = Vec::new();
    for (shared, per_node) in [(true, false), (true, true), (false, false), (false, true)] {
        for (theta, harmonic) in
            [([0, 3], 1), ([2, 0], 1), ([1, 1], 2), ([3, 5], 1), ([2, 64], 1), ([1, 65], 3), ([2, 1025], 1)]
        {
            cases.extend(case(theta, shared, per_node, harmonic, "", circle(), Fill::Uniform));
        }
        cases.extend(case([130, 2], shared, per_node, 1, "", circle(), Fill::Uniform));
        cases.extend(case([2, 70], shared, per_node, 1, ", mixed scales", circle(), Fill::Mixed(10)));
        cases.extend(case([2, 3], shared, per_node, 2, " ladder", circle(), Fill::Uniform).map(Case::ladder));
        cases.extend(case([4, 1 << 18], shared, per_node, 1, "", circle(), Fill::Uniform).map(Case::bench));
    }
    cases.extend(case([2, 90], true, false, 1, ", far", Fill::Between(-9000.0, 9000.0), Fill::Uniform));
    let corners = [0.0, -0.0, 1e-6, 0.5 * PI, -0.5 * PI, PI, -PI, 2.0 * PI];
    let mut still = case([2, 8], true, false, 1, ", corners", Fill::Values(corners.to_vec()), Fill::Uniform);
    still.iter_mut().flat_map(|case| case.fills.last_mut()).for_each(|lag| *lag = Fill::Zero);
    cases.extend(still);
    cases
}
