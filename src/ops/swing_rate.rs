//! The acceleration of oscillators with inertia and damping, the swing equation.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use super::sum_columns;
use crate::cpu::{Real, swing_rate as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::{Binding, DType, Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the kernels over nodes of samples.
    struct Params { len: u32, nodes: u32 }
}

crate::params! {
    /// Parameters of the kernel of the sums over samples.
    struct ParamsBwdNodes { len: u32, samples: u32, nodes: u32, run: u32 }
}

const NODES: &str = "[samples, nodes]";
const FORCE: Binding = input("force", Elem::F32, NODES);
const VELOCITY: Binding = input("velocity", Elem::F32, NODES);
const INERTIA: Binding = input("inertia", Elem::F32, "[nodes]");
const DAMPING: Binding = input("damping", Elem::F32, "[nodes]");
const RATE_BAR: Binding = input("rate_bar", Elem::F32, NODES);

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "swing_rate",
    source: source!("swing_rate", "grid"),
    params: Params::FIELDS,
    bindings: &[FORCE, VELOCITY, INERTIA, DAMPING, output("rate", Elem::F32, NODES)],
    constants: &[],
};

/// Cotangents of the force and the velocity.
pub static BACKWARD: Kernel = Kernel {
    name: "swing_rate_bwd",
    source: source!("swing_rate_bwd", "grid"),
    params: Params::FIELDS,
    bindings: &[
        INERTIA,
        DAMPING,
        RATE_BAR,
        output("force_bar", Elem::F32, NODES),
        output("velocity_bar", Elem::F32, NODES),
    ],
    constants: &[],
};

/// Partial sums of the cotangents of the inertia and the damping; `sum_columns` adds them.
pub static BACKWARD_NODES: Kernel = Kernel {
    name: "swing_rate_bwd_nodes",
    source: source!("swing_rate_bwd_nodes", "grid"),
    params: ParamsBwdNodes::FIELDS,
    bindings: &[FORCE, VELOCITY, INERTIA, DAMPING, RATE_BAR, output("partial", Elem::F32, "[tiles, 2, nodes]")],
    constants: &[],
};

/// The acceleration of so many nodes in so many samples.
#[derive(Clone, Debug)]
pub struct SwingRate {
    at: [usize; 2],
}

impl SwingRate {
    /// The acceleration under a force of extents `[B, N]`.
    ///
    /// # Errors
    /// `Shape` if there are not two axes, `Index` past 32 bits.
    pub fn new(force: &[usize]) -> Result<SwingRate> {
        Ok(SwingRate { at: super::nodes::extents("swing_rate", "force", force)? })
    }
}

#[cfg(feature = "gpu")]
impl SwingRate {
    fn params(&self) -> Params {
        let [samples, nodes] = self.at;
        Params { len: (samples * nodes) as u32, nodes: nodes as u32 }
    }

    fn work(&self, each: usize) -> Work {
        let len = self.at.iter().product::<usize>();
        Work::invocations(len).flops(each * len)
    }

    /// Cotangents of the inertia and the damping.
    fn node_bars(&self, commands: &mut Commands, inputs: &[&Tensor], g: &Tensor) -> Result<[Tensor; 2]> {
        let [samples, nodes] = self.at;
        let split = sum_columns::split(samples, nodes);
        let partial = commands.empty(&[split.tiles, 2 * nodes], DType::F32)?;
        let len = split.tiles * nodes;
        let params =
            ParamsBwdNodes { len: len as u32, samples: samples as u32, nodes: nodes as u32, run: split.run as u32 };
        let [force, velocity, inertia, damping] = [0, 1, 2, 3].map(|i| read(inputs[i]));
        let binds = [force, velocity, inertia, damping, read(g), write(&partial)];
        let work = Work::invocations(len).rounds(split.run).flops(8 * samples * nodes);
        commands.dispatch(&BACKWARD_NODES, DType::F32, &[], &params, &binds, work)?;
        let inertia_bar = sum_columns::sum_columns(commands, &partial, 0, &[nodes])?;
        Ok([inertia_bar, sum_columns::sum_columns(commands, &partial, nodes, &[nodes])?])
    }
}

impl Op for SwingRate {
    fn name(&self) -> &'static str {
        "swing_rate"
    }
    fn inputs(&self) -> Vec<Port> {
        let nodes = &self.at[1..];
        vec![
            Port::f32("force", &self.at),
            Port::f32("velocity", &self.at),
            Port::f32("inertia", nodes),
            Port::f32("damping", nodes),
        ]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("rate", &self.at)]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1], inputs[2], inputs[3])]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(inputs[0], inputs[1], inputs[2], inputs[3], cotangents[0]).into()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let rate = commands.empty(&self.at, DType::F32)?;
        let [force, velocity, inertia, damping] = [0, 1, 2, 3].map(|i| read(inputs[i]));
        let binds = [force, velocity, inertia, damping, write(&rate)];
        commands.dispatch(&FORWARD, DType::F32, &[], &self.params(), &binds, self.work(3))?;
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
        let mut all = vec![None; 4];
        let Some(g) = cotangents[0] else { return Ok(all) };
        if needs[0] || needs[1] {
            let [force_bar, velocity_bar] =
                [commands.empty(&self.at, DType::F32)?, commands.empty(&self.at, DType::F32)?];
            let binds = [read(inputs[2]), read(inputs[3]), read(g), write(&force_bar), write(&velocity_bar)];
            commands.dispatch(&BACKWARD, DType::F32, &[], &self.params(), &binds, self.work(2))?;
            all[0] = Some(force_bar);
            all[1] = Some(velocity_bar);
        }
        if needs[2] || needs[3] {
            let [inertia_bar, damping_bar] = self.node_bars(commands, inputs, g)?;
            all[2] = Some(inertia_bar);
            all[3] = Some(damping_bar);
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `(force - damping velocity) / inertia`, all f32: the acceleration `[B, N]` under `force` and `velocity` `[B, N]`
    /// of nodes with `inertia` and `damping` `[N]`. Time is in the unit that `velocity` is per; inertia must not be
    /// zero.
    ///
    /// # Errors
    /// `Shape`, `DType`, `Index`; as [`Commands::apply`].
    pub fn swing_rate(
        &mut self,
        force: &Tensor,
        velocity: &Tensor,
        inertia: &Tensor,
        damping: &Tensor,
    ) -> Result<Tensor> {
        Ok(self.apply(&SwingRate::new(force.shape())?, &[force, velocity, inertia, damping])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::swing_rate`](crate::Commands::swing_rate), differentiable in all operands.
    ///
    /// # Errors
    /// As [`Commands::swing_rate`](crate::Commands::swing_rate).
    pub fn swing_rate(&mut self, force: Var, velocity: Var, inertia: Var, damping: Var) -> Result<Var> {
        let op = SwingRate::new(&self.spec(force)?.shape)?;
        self.apply_one(op, &[force, velocity, inertia, damping])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "swing_rate",
    formula: "rate = (force - damping velocity) / inertia",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD, &BACKWARD_NODES, &sum_columns::KERNEL],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |force: [usize; 2], label: &str, [of_nodes, inertia, damping]: [Fill; 3]| {
        let op = SwingRate::new(&force).ok()?;
        Some(Case::new(format!("{force:?}{label}"), op, vec![of_nodes.clone(), of_nodes, inertia, damping]))
    };
    let plain = || [Fill::Uniform, Fill::Between(0.5, 2.0), Fill::Between(0.0, 1.0)];
    let mut cases = Vec::new();
    for force in [[0, 3], [2, 0], [1, 1], [3, 5], [2, 63], [1, 64], [3, 65], [300, 2], [9000, 1]] {
        cases.extend(case(force, "", plain()));
    }
    cases.extend(case([3, 70], ", mixed scales", [Fill::Mixed(8), Fill::Mixed(8), Fill::Mixed(8)]));
    cases.extend(case([2, 70], ", undamped", [Fill::Uniform, Fill::Between(0.5, 2.0), Fill::Zero]));
    cases.extend(case([2, 3], " ladder", plain()).map(Case::ladder));
    cases.extend(case([16, 1 << 16], "", plain()).map(Case::bench));
    cases
}
