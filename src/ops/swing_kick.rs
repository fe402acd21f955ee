//! Half a step of the force on the velocities of the swing equation.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use super::{sum_columns, sum_rows};
use crate::cpu::{Real, swing_kick as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::WORKGROUP;
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

crate::params! {
    /// Parameters of the kernel of the sums over nodes.
    struct ParamsBwdH { samples: u32, nodes: u32, tiles: u32 }
}

const NODES: &str = "[samples, nodes]";
const FORCE: Binding = input("force", Elem::F32, NODES);
const INERTIA: Binding = input("inertia", Elem::F32, "[nodes]");
const H: Binding = input("h", Elem::F32, "[samples]");
const KICKED_BAR: Binding = input("kicked_bar", Elem::F32, NODES);

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "swing_kick",
    source: source!("swing_kick", "grid"),
    params: Params::FIELDS,
    bindings: &[input("velocity", Elem::F32, NODES), FORCE, INERTIA, H, output("kicked", Elem::F32, NODES)],
    constants: &[],
};

/// Cotangent of the force.
pub static BACKWARD: Kernel = Kernel {
    name: "swing_kick_bwd",
    source: source!("swing_kick_bwd", "grid"),
    params: Params::FIELDS,
    bindings: &[INERTIA, H, KICKED_BAR, output("force_bar", Elem::F32, NODES)],
    constants: &[],
};

/// Partial sums of the cotangent of the inertia; `sum_columns` adds them.
pub static BACKWARD_NODES: Kernel = Kernel {
    name: "swing_kick_bwd_nodes",
    source: source!("swing_kick_bwd_nodes", "grid"),
    params: ParamsBwdNodes::FIELDS,
    bindings: &[FORCE, INERTIA, H, KICKED_BAR, output("partial", Elem::F32, "[tiles, nodes]")],
    constants: &[],
};

/// Partial sums of the cotangent of the step sizes; `sum_rows` adds them.
pub static BACKWARD_H: Kernel = Kernel {
    name: "swing_kick_bwd_h",
    source: source!("swing_kick_bwd_h", "grid", "reduce"),
    params: ParamsBwdH::FIELDS,
    bindings: &[FORCE, INERTIA, KICKED_BAR, output("partial", Elem::F32, "[samples, tiles]")],
    constants: &[],
};

/// Half a step of so many nodes in so many samples.
#[derive(Clone, Debug)]
pub struct SwingKick {
    at: [usize; 2],
}

impl SwingKick {
    /// Half a step of velocities of extents `[B, N]`.
    ///
    /// # Errors
    /// `Shape` if there are not two axes, `Index` past 32 bits.
    pub fn new(velocity: &[usize]) -> Result<SwingKick> {
        Ok(SwingKick { at: super::nodes::extents("swing_kick", "velocity", velocity)? })
    }
}

#[cfg(feature = "gpu")]
impl SwingKick {
    fn params(&self) -> Params {
        let [samples, nodes] = self.at;
        Params { len: (samples * nodes) as u32, nodes: nodes as u32 }
    }

    fn work(&self, each: usize) -> Work {
        let len = self.at.iter().product::<usize>();
        Work::invocations(len).flops(each * len)
    }

    fn inertia_bar(&self, commands: &mut Commands, inputs: &[&Tensor], g: &Tensor) -> Result<Tensor> {
        let [samples, nodes] = self.at;
        let split = sum_columns::split(samples, nodes);
        let partial = commands.empty(&[split.tiles, nodes], DType::F32)?;
        let params = ParamsBwdNodes {
            len: partial.len() as u32,
            samples: samples as u32,
            nodes: nodes as u32,
            run: split.run as u32,
        };
        let binds = [read(inputs[1]), read(inputs[2]), read(inputs[3]), read(g), write(&partial)];
        let work = Work::invocations(partial.len()).rounds(split.run).flops(6 * samples * nodes);
        commands.dispatch(&BACKWARD_NODES, DType::F32, &[], &params, &binds, work)?;
        sum_columns::sum_columns(commands, &partial, 0, &[nodes])
    }

    fn h_bar(&self, commands: &mut Commands, inputs: &[&Tensor], g: &Tensor) -> Result<Tensor> {
        let [samples, nodes] = self.at;
        let tiles = nodes.div_ceil(super::nodes::TILE);
        let partial = commands.empty(&[samples, tiles], DType::F32)?;
        let params = ParamsBwdH { samples: samples as u32, nodes: nodes as u32, tiles: tiles as u32 };
        let rounds = super::nodes::TILE / WORKGROUP as usize + 8;
        let work = Work::workgroups(samples * tiles).rounds(rounds).flops(3 * samples * nodes);
        let binds = [read(inputs[1]), read(inputs[2]), read(g), write(&partial)];
        commands.dispatch(&BACKWARD_H, DType::F32, &[], &params, &binds, work)?;
        super::nodes::add_tiles(commands, &partial, 0, tiles, &[samples])
    }
}

impl Op for SwingKick {
    fn name(&self) -> &'static str {
        "swing_kick"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![
            Port::f32("velocity", &self.at),
            Port::f32("force", &self.at),
            Port::f32("inertia", &self.at[1..]),
            Port::f32("h", &self.at[..1]),
        ]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("kicked", &self.at)]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1], inputs[2], inputs[3])]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(inputs[1], inputs[2], inputs[3], cotangents[0]).into()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let kicked = commands.empty(&self.at, DType::F32)?;
        let [velocity, force, inertia, h] = [0, 1, 2, 3].map(|i| read(inputs[i]));
        let binds = [velocity, force, inertia, h, write(&kicked)];
        commands.dispatch(&FORWARD, DType::F32, &[], &self.params(), &binds, self.work(4))?;
        Ok(vec![kicked])
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
        all[0] = Some(g.clone());
        if needs[1] {
            let force_bar = commands.empty(&self.at, DType::F32)?;
            let binds = [read(inputs[2]), read(inputs[3]), read(g), write(&force_bar)];
            commands.dispatch(&BACKWARD, DType::F32, &[], &self.params(), &binds, self.work(3))?;
            all[1] = Some(force_bar);
        }
        if needs[2] {
            all[2] = Some(self.inertia_bar(commands, inputs, g)?);
        }
        if needs[3] {
            all[3] = Some(self.h_bar(commands, inputs, g)?);
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `velocity + h/2 force / inertia`, all f32: half a step of the force on velocities. `velocity` and `force` are
    /// `[B, N]`, `inertia`, which must not be zero, `[N]`, the step sizes per sample `h` `[B]`. It ends the step that
    /// [`Commands::swing_drift`] begins.
    ///
    /// # Errors
    /// `Shape`, `DType`, `Index`; as [`Commands::apply`].
    pub fn swing_kick(&mut self, velocity: &Tensor, force: &Tensor, inertia: &Tensor, h: &Tensor) -> Result<Tensor> {
        Ok(self.apply(&SwingKick::new(velocity.shape())?, &[velocity, force, inertia, h])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::swing_kick`](crate::Commands::swing_kick), differentiable in all operands.
    ///
    /// # Errors
    /// As [`Commands::swing_kick`](crate::Commands::swing_kick).
    pub fn swing_kick(&mut self, velocity: Var, force: Var, inertia: Var, h: Var) -> Result<Var> {
        let op = SwingKick::new(&self.spec(velocity)?.shape)?;
        self.apply_one(op, &[velocity, force, inertia, h])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "swing_kick",
    formula: "kicked = velocity + h/2 force / inertia",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD, &BACKWARD_NODES, &BACKWARD_H, &sum_columns::KERNEL, &sum_rows::KERNEL],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |velocity: [usize; 2], label: &str, [of_nodes, inertia, h]: [Fill; 3]| {
        let op = SwingKick::new(&velocity).ok()?;
        Some(Case::new(format!("{velocity:?}{label}"), op, vec![of_nodes.clone(), of_nodes, inertia, h]))
    };
    let plain = || [Fill::Uniform, Fill::Between(0.5, 2.0), Fill::Between(0.01, 0.5)];
    let mut cases = Vec::new();
    for velocity in [[0, 3], [2, 0], [1, 1], [3, 5], [2, 63], [1, 64], [3, 65], [2, 1025], [300, 2], [9000, 1]] {
        cases.extend(case(velocity, "", plain()));
    }
    cases.extend(case([3, 70], ", mixed scales", [Fill::Mixed(8), Fill::Mixed(8), Fill::Mixed(8)]));
    cases.extend(case([2, 70], ", at rest", [Fill::Uniform, Fill::Between(0.5, 2.0), Fill::Zero]));
    cases.extend(case([2, 3], " ladder", plain()).map(Case::ladder));
    cases.extend(case([16, 1 << 16], "", plain()).map(Case::bench));
    cases
}
