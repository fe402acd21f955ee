//! The first part of a step of the swing equation by splitting: the force's half step, the damping, the turn.

use std::f64::consts::PI;

use super::spec::{Case, Fill, Op, OpSpec, Port};
use super::{sum_columns, sum_rows};
use crate::cpu::Real;
use crate::cpu::swing_drift::{self as cpu, Operands};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Bind, Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::WORKGROUP;
use crate::kernel::{Binding, DType, Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the forward kernel.
    struct Params { len: u32, nodes: u32 }
}

crate::params! {
    /// Parameters of the kernel of the cotangents of velocity and force.
    struct ParamsBwd { len: u32, nodes: u32, has_theta: u32, has_velocity: u32 }
}

crate::params! {
    /// Parameters of the kernel of the sums over samples.
    struct ParamsBwdNodes { len: u32, samples: u32, nodes: u32, run: u32, has_theta: u32, has_velocity: u32 }
}

crate::params! {
    /// Parameters of the kernel of the sums over nodes.
    struct ParamsBwdH { samples: u32, nodes: u32, tiles: u32, has_theta: u32, has_velocity: u32 }
}

const NODES: &str = "[samples, nodes]";
const VELOCITY: Binding = input("velocity", Elem::F32, NODES);
const FORCE: Binding = input("force", Elem::F32, NODES);
const INERTIA: Binding = input("inertia", Elem::F32, "[nodes]");
const DAMPING: Binding = input("damping", Elem::F32, "[nodes]");
const H: Binding = input("h", Elem::F32, "[samples]");
const THETA_BAR: Binding = input("theta_next_bar", Elem::F32, NODES);
const VELOCITY_BAR: Binding = input("velocity_next_bar", Elem::F32, NODES);

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "swing_drift",
    source: source!("swing_drift", "grid", "sincos", "swing"),
    params: Params::FIELDS,
    bindings: &[
        input("theta", Elem::F32, NODES),
        VELOCITY,
        FORCE,
        INERTIA,
        DAMPING,
        H,
        output("theta_next", Elem::F32, NODES),
        output("velocity_next", Elem::F32, NODES),
    ],
    constants: &[],
};

/// Cotangents of the velocity and the force.
pub static BACKWARD: Kernel = Kernel {
    name: "swing_drift_bwd",
    source: source!("swing_drift_bwd", "grid", "swing"),
    params: ParamsBwd::FIELDS,
    bindings: &[
        INERTIA,
        DAMPING,
        H,
        THETA_BAR,
        VELOCITY_BAR,
        output("velocity_bar", Elem::F32, NODES),
        output("force_bar", Elem::F32, NODES),
    ],
    constants: &[],
};

/// Partial sums of the cotangents of the inertia and the damping; `sum_columns` adds them.
pub static BACKWARD_NODES: Kernel = Kernel {
    name: "swing_drift_bwd_nodes",
    source: source!("swing_drift_bwd_nodes", "grid", "swing"),
    params: ParamsBwdNodes::FIELDS,
    bindings: &[
        VELOCITY,
        FORCE,
        INERTIA,
        DAMPING,
        H,
        THETA_BAR,
        VELOCITY_BAR,
        output("partial", Elem::F32, "[tiles, 2, nodes]"),
    ],
    constants: &[],
};

/// Partial sums of the cotangent of the step sizes; `sum_rows` adds them.
pub static BACKWARD_H: Kernel = Kernel {
    name: "swing_drift_bwd_h",
    source: source!("swing_drift_bwd_h", "grid", "reduce", "swing"),
    params: ParamsBwdH::FIELDS,
    bindings: &[
        VELOCITY,
        FORCE,
        INERTIA,
        DAMPING,
        H,
        THETA_BAR,
        VELOCITY_BAR,
        output("partial", Elem::F32, "[samples, tiles]"),
    ],
    constants: &[],
};

/// The drift of so many nodes in so many samples.
#[derive(Clone, Debug)]
pub struct SwingDrift {
    at: [usize; 2],
}

impl SwingDrift {
    /// The drift of phases of extents `[B, N]`.
    ///
    /// # Errors
    /// `Shape` if there are not two axes, `Index` past 32 bits.
    pub fn new(theta: &[usize]) -> Result<SwingDrift> {
        Ok(SwingDrift { at: super::nodes::extents("swing_drift", "theta", theta)? })
    }

    fn operands<'a, R>(inputs: &[&'a [R]]) -> Operands<'a, R> {
        Operands {
            theta: inputs[0],
            velocity: inputs[1],
            force: inputs[2],
            inertia: inputs[3],
            damping: inputs[4],
            h: inputs[5],
        }
    }
}

/// The cotangents of both results: which are there, and what is bound for them.
#[cfg(feature = "gpu")]
struct Bars<'a> {
    has: [u32; 2],
    bound: [Bind<'a>; 2],
}

#[cfg(feature = "gpu")]
impl SwingDrift {
    fn work(&self, each: usize) -> Work {
        let len = self.at.iter().product::<usize>();
        Work::invocations(len).flops(each * len)
    }

    /// Cotangents of the velocity and the force.
    fn state_bars(&self, commands: &mut Commands, inputs: &[&Tensor], bars: &Bars<'_>) -> Result<[Tensor; 2]> {
        let [samples, nodes] = self.at;
        let made = [commands.empty(&self.at, DType::F32)?, commands.empty(&self.at, DType::F32)?];
        let [has_theta, has_velocity] = bars.has;
        let params = ParamsBwd { len: (samples * nodes) as u32, nodes: nodes as u32, has_theta, has_velocity };
        let [inertia, damping, h] = [3, 4, 5].map(|i| read(inputs[i]));
        let [velocity_bar, force_bar] = [write(&made[0]), write(&made[1])];
        let binds = [inertia, damping, h, bars.bound[0], bars.bound[1], velocity_bar, force_bar];
        commands.dispatch(&BACKWARD, DType::F32, &[], &params, &binds, self.work(14))?;
        Ok(made)
    }

    /// Cotangents of the inertia and the damping.
    fn node_bars(&self, commands: &mut Commands, inputs: &[&Tensor], bars: &Bars<'_>) -> Result<[Tensor; 2]> {
        let [samples, nodes] = self.at;
        let split = sum_columns::split(samples, nodes);
        let partial = commands.empty(&[split.tiles, 2 * nodes], DType::F32)?;
        let len = split.tiles * nodes;
        let [has_theta, has_velocity] = bars.has;
        let params = ParamsBwdNodes {
            len: len as u32,
            samples: samples as u32,
            nodes: nodes as u32,
            run: split.run as u32,
            has_theta,
            has_velocity,
        };
        let [velocity, force, inertia, damping, h] = [1, 2, 3, 4, 5].map(|i| read(inputs[i]));
        let binds = [velocity, force, inertia, damping, h, bars.bound[0], bars.bound[1], write(&partial)];
        let work = Work::invocations(len).rounds(split.run).flops(27 * samples * nodes);
        commands.dispatch(&BACKWARD_NODES, DType::F32, &[], &params, &binds, work)?;
        let inertia_bar = sum_columns::sum_columns(commands, &partial, 0, &[nodes])?;
        Ok([inertia_bar, sum_columns::sum_columns(commands, &partial, nodes, &[nodes])?])
    }

    fn h_bar(&self, commands: &mut Commands, inputs: &[&Tensor], bars: &Bars<'_>) -> Result<Tensor> {
        let [samples, nodes] = self.at;
        let tiles = nodes.div_ceil(super::nodes::TILE);
        let partial = commands.empty(&[samples, tiles], DType::F32)?;
        let [has_theta, has_velocity] = bars.has;
        let (samples_u32, nodes_u32, tiles_u32) = (samples as u32, nodes as u32, tiles as u32);
        let params = ParamsBwdH { samples: samples_u32, nodes: nodes_u32, tiles: tiles_u32, has_theta, has_velocity };
        let rounds = super::nodes::TILE / WORKGROUP as usize + 8;
        let work = Work::workgroups(samples * tiles).rounds(rounds).flops(28 * samples * nodes);
        let [velocity, force, inertia, damping, h] = [1, 2, 3, 4, 5].map(|i| read(inputs[i]));
        let binds = [velocity, force, inertia, damping, h, bars.bound[0], bars.bound[1], write(&partial)];
        commands.dispatch(&BACKWARD_H, DType::F32, &[], &params, &binds, work)?;
        super::nodes::add_tiles(commands, &partial, 0, tiles, &[samples])
    }
}

impl Op for SwingDrift {
    fn name(&self) -> &'static str {
        "swing_drift"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![
            Port::f32("theta", &self.at),
            Port::f32("velocity", &self.at),
            Port::f32("force", &self.at),
            Port::f32("inertia", &self.at[1..]),
            Port::f32("damping", &self.at[1..]),
            Port::f32("h", &self.at[..1]),
        ]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("theta_next", &self.at), Port::f32("velocity_next", &self.at)]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        cpu::forward(&Self::operands(inputs)).into()
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(&Self::operands(inputs), cotangents[0], cotangents[1]).into()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let [samples, nodes] = self.at;
        let [theta_next, velocity_next] =
            [commands.empty(&self.at, DType::F32)?, commands.empty(&self.at, DType::F32)?];
        let params = Params { len: (samples * nodes) as u32, nodes: nodes as u32 };
        let [theta, velocity, force, inertia, damping, h] = [0, 1, 2, 3, 4, 5].map(|i| read(inputs[i]));
        let made = [write(&theta_next), write(&velocity_next)];
        let binds = [theta, velocity, force, inertia, damping, h, made[0], made[1]];
        commands.dispatch(&FORWARD, DType::F32, &[], &params, &binds, self.work(22))?;
        Ok(vec![theta_next, velocity_next])
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
        let mut all = vec![None; 6];
        all[0] = cotangents[0].cloned();
        let bars = Bars {
            has: [0, 1].map(|i| cotangents[i].is_some().into()),
            bound: [0, 1].map(|i| read(cotangents[i].unwrap_or(inputs[1]))),
        };
        if needs[1] || needs[2] {
            let [velocity_bar, force_bar] = self.state_bars(commands, inputs, &bars)?;
            all[1] = Some(velocity_bar);
            all[2] = Some(force_bar);
        }
        if needs[3] || needs[4] {
            let [inertia_bar, damping_bar] = self.node_bars(commands, inputs, &bars)?;
            all[3] = Some(inertia_bar);
            all[4] = Some(damping_bar);
        }
        if needs[5] {
            all[5] = Some(self.h_bar(commands, inputs, &bars)?);
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// The phases and velocities `[B, N]` at the end of a step of `theta' = v`, `m v' = force - damping v` by
    /// splitting, all f32: `v1 = velocity + h/2 force / inertia` and `v2 = v1 exp(-damping h / inertia)`, of which
    /// `wrap(theta + h/2 v1 + h/2 v2)` and `v2` are returned. The velocities still lack [`Commands::swing_kick`] with
    /// the force at the new phases. `theta` in radians, `velocity` and `force` are `[B, N]`, `inertia` (not zero) and
    /// `damping` `[N]`, the step sizes per sample `h` `[B]`.
    ///
    /// # Errors
    /// `Shape`, `DType`, `Index`; as [`Commands::apply`].
    pub fn swing_drift(
        &mut self,
        theta: &Tensor,
        velocity: &Tensor,
        force: &Tensor,
        inertia: &Tensor,
        damping: &Tensor,
        h: &Tensor,
    ) -> Result<[Tensor; 2]> {
        let op = SwingDrift::new(theta.shape())?;
        let mut found = self.apply(&op, &[theta, velocity, force, inertia, damping, h])?;
        let theta_next = found.remove(0);
        Ok([theta_next, found.remove(0)])
    }
}

impl Tape {
    /// As [`Commands::swing_drift`](crate::Commands::swing_drift), differentiable in all operands.
    ///
    /// # Errors
    /// As [`Commands::swing_drift`](crate::Commands::swing_drift).
    pub fn swing_drift(
        &mut self,
        theta: Var,
        velocity: Var,
        force: Var,
        inertia: Var,
        damping: Var,
        h: Var,
    ) -> Result<[Var; 2]> {
        let op = SwingDrift::new(&self.spec(theta)?.shape)?;
        let found = self.apply(op, &[theta, velocity, force, inertia, damping, h])?;
        Ok([found[0], found[1]])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "swing_drift",
    formula: "v1 = v + h/2 F/m, v2 = v1 exp(-d h/m); wrap(theta + h/2 v1 + h/2 v2), v2",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD, &BACKWARD_NODES, &BACKWARD_H, &sum_columns::KERNEL, &sum_rows::KERNEL],
    cases,
};

/// No phase is beyond pi by more than the rounding of three differences.
fn one_turn_law(_: &[Vec<f64>], outputs: &[Vec<f64>], _: &Case, _: DType) -> f64 {
    let beyond = outputs[0].iter().map(|v| (v.abs() - PI) / f64::powi(2.0, -20));
    beyond.fold(0.0, |worst, r| if r.is_nan() || r > worst { r } else { worst })
}

fn cases() -> Vec<Case> {
    let case = |theta: [usize; 2], label: &str, phases: Fill, [of_nodes, inertia, damping, h]: [Fill; 4]| {
        let op = SwingDrift::new(&theta).ok()?;
        let fills = vec![phases, of_nodes.clone(), of_nodes, inertia, damping, h];
        Some(Case::new(format!("{theta:?}{label}"), op, fills).law("one turn", one_turn_law))
    };
    let circle = || Fill::Between(-PI, PI);
    let inertia = || Fill::Between(0.5, 2.0);
    let plain = || [Fill::Uniform, inertia(), Fill::Between(0.0, 1.0), Fill::Between(0.01, 0.5)];
    let mut cases = Vec::new();
    for theta in [[0, 3], [2, 0], [1, 1], [3, 5], [2, 63], [1, 64], [3, 65], [2, 1025], [300, 2], [9000, 1]] {
        cases.extend(case(theta, "", circle(), plain()));
    }
    let mixed = [Fill::Mixed(8), inertia(), Fill::Between(0.0, 4.0), Fill::Between(0.01, 0.5)];
    cases.extend(case([3, 70], ", mixed scales", circle(), mixed));
    let undamped = [Fill::Uniform, inertia(), Fill::Zero, Fill::Between(0.01, 0.5)];
    cases.extend(case([2, 70], ", undamped", circle(), undamped));
    let overdamped = [Fill::Uniform, Fill::Between(0.01, 0.1), Fill::Between(1.0, 4.0), Fill::Between(0.1, 0.5)];
    cases.extend(case([2, 70], ", overdamped", circle(), overdamped));
    let still = [Fill::Uniform, inertia(), Fill::Between(0.0, 1.0), Fill::Zero];
    cases.extend(case([2, 70], ", at rest", circle(), still));
    // Far from the cut, which central differences must not meet.
    cases.extend(case([2, 3], " ladder", Fill::Uniform, plain()).map(Case::ladder));
    cases.extend(case([16, 1 << 16], "", circle(), plain()).map(Case::bench));
    cases
}
