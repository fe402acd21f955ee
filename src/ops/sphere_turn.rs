//! From a point of the sphere along a great circle, the exponential map.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Oscillators, Real, sphere_turn as cpu};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::{DType, Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of both kernels.
    struct Params { count: u32, n: u32 }
}

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "sphere_turn",
    source: source!("sphere_turn", "grid", "sincos", "sphere_turn"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::F32, "[count, n]"),
        input("v", Elem::F32, "[count, n]"),
        output("dst", Elem::F32, "[count, n]"),
    ],
    constants: &[],
};

/// Backward.
pub static BACKWARD: Kernel = Kernel {
    name: "sphere_turn_bwd",
    source: source!("sphere_turn_bwd", "grid", "sincos", "sphere_turn"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::F32, "[count, n]"),
        input("v", Elem::F32, "[count, n]"),
        input("dst_bar", Elem::F32, "[count, n]"),
        output("x_bar", Elem::F32, "[count, n]"),
        output("v_bar", Elem::F32, "[count, n]"),
    ],
    constants: &[],
};

/// The map for a state with fixed extents.
#[derive(Clone, Debug)]
pub struct SphereTurn {
    shape: Vec<usize>,
    n: usize,
}

impl SphereTurn {
    fn new(x: &[usize]) -> Result<SphereTurn> {
        match x.last() {
            Some(n) if *n >= 2 && x.len() >= 2 => Ok(SphereTurn { shape: x.to_vec(), n: *n }),
            _ => {
                let wanted = "[.., n] of at least 2 components";
                Err(Error::argument(ErrorKind::Shape, "sphere_turn", "x", format!("{x:?}"), wanted))
            }
        }
    }

    #[cfg(feature = "gpu")]
    fn count(&self) -> usize {
        self.shape.iter().product::<usize>() / self.n
    }

    #[cfg(feature = "gpu")]
    fn params(&self) -> Params {
        Params { count: self.count() as u32, n: self.n as u32 }
    }
}

impl Op for SphereTurn {
    fn name(&self) -> &'static str {
        "sphere_turn"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::f32("x", &self.shape), Port::f32("v", &self.shape)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("dst", &self.shape)]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1], self.n)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(inputs[0], inputs[1], cotangents[0], self.n).into()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let dst = commands.empty(&self.shape, DType::F32)?;
        let work = Work::invocations(self.count()).rounds(2 * self.n).flops(5 * dst.len() + 20 * self.count());
        let binds = [read(inputs[0]), read(inputs[1]), write(&dst)];
        commands.dispatch(&FORWARD, DType::F32, &[], &self.params(), &binds, work)?;
        Ok(vec![dst])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        _: &[bool],
        _: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = cotangents[0] else { return Ok(vec![None; 2]) };
        let (x_bar, v_bar) = (commands.empty(&self.shape, DType::F32)?, commands.empty(&self.shape, DType::F32)?);
        let work = Work::invocations(self.count()).rounds(2 * self.n).flops(10 * x_bar.len() + 30 * self.count());
        let binds = [read(inputs[0]), read(inputs[1]), read(g), write(&x_bar), write(&v_bar)];
        commands.dispatch(&BACKWARD, DType::F32, &[], &self.params(), &binds, work)?;
        Ok(vec![Some(x_bar), Some(v_bar)])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `cos(d) x + (sin(d) / d) v`, `d = |v|`: where one arrives from the unit vectors `x` `[.., n]` along the great circles of
    /// the tangent vectors `v` (`x . v = 0`), f32, by an angle of at most 10,000.
    ///
    /// # Errors
    /// `Shape`, `DType`; as [`Commands::apply`].
    pub fn sphere_turn(&mut self, x: &Tensor, v: &Tensor) -> Result<Tensor> {
        Ok(self.apply(&SphereTurn::new(x.shape())?, &[x, v])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::sphere_turn`](crate::Commands::sphere_turn), differentiable in both.
    ///
    /// # Errors
    /// As [`Commands::sphere_turn`](crate::Commands::sphere_turn).
    pub fn sphere_turn(&mut self, x: Var, v: Var) -> Result<Var> {
        let op = SphereTurn::new(&self.spec(x)?.shape)?;
        self.apply_one(op, &[x, v])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "sphere_turn",
    formula: "dst = cos(d) x + sin(d) / d v, d = |v|",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |shape: &[usize], fill: Fill| {
        let op = SphereTurn::new(shape).ok()?;
        let n = op.n;
        let outer = shape.iter().product::<usize>() / n;
        let at = Oscillators { samples: shape[0], groups: 1, outer, n, inner: 1 };
        Some(Case::new(format!("{shape:?}, {fill:?}"), op, vec![Fill::Unit(at), fill]))
    };
    [
        case(&[0, 2], Fill::Uniform),
        case(&[1, 2], Fill::Uniform).map(Case::ladder),
        case(&[2, 3], Fill::Between(-3.0, 3.0)).map(Case::ladder),
        case(&[5, 2], Fill::Zero),
        case(&[2, 33, 4], Fill::Uniform),
        case(&[3, 65, 3], Fill::Between(-8.0, 8.0)),
        case(&[65, 8], Fill::Mixed(10)),
        case(&[2, 7, 16], Fill::Between(-0.3, 0.3)),
        case(&[8, 8192, 4], Fill::Uniform).map(Case::bench),
    ]
    .into_iter()
    .flatten()
    .collect()
}
