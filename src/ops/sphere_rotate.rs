//! What natural frequencies alone do to oscillators on the sphere: rotations of pairs of components.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Oscillators, Real, sphere_rotate as cpu};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::{DType, Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the rotation.
    struct Params { len: u32, pairs: u32, angle: f32, sense: f32 }
}

crate::params! {
    /// Parameters of the kernel over frequencies.
    struct ParamsW { pairs: u32, batch: u32, angle: f32 }
}

const STATE: &str = "[batch, nodes, n]";
const FREQUENCIES: &str = "[nodes, n / 2]";

/// Forward, and the cotangent of the state with the other sense.
pub static FORWARD: Kernel = Kernel {
    name: "sphere_rotate",
    source: source!("sphere_rotate", "grid", "sincos"),
    params: Params::FIELDS,
    bindings: &[input("x", Elem::F32, STATE), input("w", Elem::F32, FREQUENCIES), output("dst", Elem::F32, STATE)],
    constants: &[],
};

/// Cotangent of the frequencies.
pub static BACKWARD_W: Kernel = Kernel {
    name: "sphere_rotate_bwd_w",
    source: source!("sphere_rotate_bwd_w", "grid", "sincos"),
    params: ParamsW::FIELDS,
    bindings: &[
        input("x", Elem::F32, STATE),
        input("w", Elem::F32, FREQUENCIES),
        input("dst_bar", Elem::F32, STATE),
        output("w_bar", Elem::F32, FREQUENCIES),
    ],
    constants: &[],
};

/// A rotation with fixed extents.
#[derive(Clone, Debug)]
pub struct SphereRotate {
    shape: [usize; 3],
    angle: f32,
}

impl SphereRotate {
    fn new(x: &[usize], angle: f32) -> Result<SphereRotate> {
        super::finite("sphere_rotate", "angle", angle)?;
        match *x {
            [batch, nodes, n] if n >= 2 && n % 2 == 0 => Ok(SphereRotate { shape: [batch, nodes, n], angle }),
            _ => {
                let wanted = "[B, N, n] of an even number of components";
                Err(Error::argument(ErrorKind::Shape, "sphere_rotate", "x", format!("{x:?}"), wanted))
            }
        }
    }

    fn frequencies(&self) -> [usize; 2] {
        [self.shape[1], self.shape[2] / 2]
    }

    #[cfg(feature = "gpu")]
    fn turned(&self, commands: &mut Commands, x: &Tensor, w: &Tensor, sense: f32) -> Result<Tensor> {
        let dst = commands.empty(&self.shape, DType::F32)?;
        let len = dst.len() / 2;
        let params = Params { len: len as u32, pairs: w.len() as u32, angle: self.angle, sense };
        let work = Work::invocations(len).flops(40 * len);
        commands.dispatch(&FORWARD, DType::F32, &[], &params, &[read(x), read(w), write(&dst)], work)?;
        Ok(dst)
    }
}

impl Op for SphereRotate {
    fn name(&self) -> &'static str {
        "sphere_rotate"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::f32("x", &self.shape), Port::f32("frequencies", &self.frequencies())]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("dst", &self.shape)]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1], self.angle.into())]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(inputs[0], inputs[1], cotangents[0], self.angle.into()).into()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        Ok(vec![self.turned(commands, inputs[0], inputs[1], 1.0)?])
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
        let Some(g) = cotangents[0] else { return Ok(vec![None; 2]) };
        let (x, w) = (inputs[0], inputs[1]);
        let x_bar = if needs[0] { Some(self.turned(commands, g, w, -1.0)?) } else { None };
        let w_bar = match needs[1] {
            false => None,
            true => {
                let w_bar = commands.empty(&self.frequencies(), DType::F32)?;
                let batch = self.shape[0];
                let params = ParamsW { pairs: w.len() as u32, batch: batch as u32, angle: self.angle };
                let work = Work::invocations(w.len()).rounds(batch).flops(10 * batch * w.len());
                let binds = [read(x), read(w), read(g), write(&w_bar)];
                commands.dispatch(&BACKWARD_W, DType::F32, &[], &params, &binds, work)?;
                Some(w_bar)
            }
        };
        Ok(vec![x_bar, w_bar])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `exp(angle Omega) x` for `x` `[B, N, n]` and frequencies `[N, n / 2]`, f32: pairs of components turned by `angle w`, of
    /// at most 10,000, in the sense of [`Commands::lohe_rate`].
    ///
    /// # Errors
    /// `Shape`, `DType`, `Param` for an angle that is not finite; as [`Commands::apply`].
    pub fn sphere_rotate(&mut self, x: &Tensor, frequencies: &Tensor, angle: f32) -> Result<Tensor> {
        Ok(self.apply(&SphereRotate::new(x.shape(), angle)?, &[x, frequencies])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::sphere_rotate`](crate::Commands::sphere_rotate), differentiable in state and frequencies.
    ///
    /// # Errors
    /// As [`Commands::sphere_rotate`](crate::Commands::sphere_rotate).
    pub fn sphere_rotate(&mut self, x: Var, frequencies: Var, angle: f32) -> Result<Var> {
        let op = SphereRotate::new(&self.spec(x)?.shape, angle)?;
        self.apply_one(op, &[x, frequencies])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "sphere_rotate",
    formula: "dst = exp(angle Omega) x per oscillator",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD_W],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |shape: [usize; 3], angle: f32, fill: Fill| {
        let [batch, nodes, n] = shape;
        let at = Oscillators { samples: batch, groups: 1, outer: batch * nodes, n, inner: 1 };
        let op = SphereRotate::new(&shape, angle).ok()?;
        Some(Case::new(format!("{shape:?} by {angle}, {fill:?}"), op, vec![Fill::Unit(at), fill]))
    };
    [
        case([0, 3, 2], 0.5, Fill::Uniform),
        case([1, 1, 2], 0.5, Fill::Uniform).map(Case::ladder),
        case([2, 2, 4], -1.25, Fill::Uniform).map(Case::ladder),
        case([3, 65, 2], 0.75, Fill::Between(-9.0, 9.0)),
        case([2, 33, 6], 1.5, Fill::Mixed(8)),
        case([2, 7, 4], 0.0, Fill::Uniform),
        case([1, 5, 2], 1.0, Fill::Zero),
        case([8, 8192, 4], 0.5, Fill::Uniform).map(Case::bench),
    ]
    .into_iter()
    .flatten()
    .collect()
}
