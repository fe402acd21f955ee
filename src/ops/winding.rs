//! Winding numbers of phases around closed loops, `[B, N] -> [B, L]`.

use super::boundary::Boundary;
use super::loops::Loops;
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Real, winding as cpu};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::{DType, Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the kernel.
    struct Params { len: u32, loops: u32, nodes: u32 }
}

/// The kernel.
pub static KERNEL: Kernel = Kernel {
    name: "winding",
    source: source!("winding", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("theta", Elem::F32, "[batch, nodes]"),
        input("indptr", Elem::U32, "[loops + 1]"),
        input("indices", Elem::U32, "[entries]"),
        output("dst", Elem::F32, "[batch, loops]"),
    ],
    constants: &[],
};

/// Windings of so many samples around fixed loops.
#[derive(Clone, Debug)]
pub struct Winding {
    loops: Loops,
    at: [usize; 2],
}

impl Winding {
    /// Windings of phases of extents `theta`, `[B, N]`.
    ///
    /// # Errors
    /// `Shape` if `N` is not the number of nodes that `loops` go through, `Index` past 32 bits.
    pub fn new(theta: &[usize], loops: &Loops) -> Result<Winding> {
        let at = super::nodes::extents("winding", "theta", theta)?;
        if at[1] != loops.nodes() {
            let wanted = format!("[B, {0}] for loops through {0} nodes", loops.nodes());
            return Err(Error::argument(ErrorKind::Shape, "winding", "theta", format!("{theta:?}"), wanted));
        }
        super::layout::indexable("winding: the result", &[at[0], loops.count()])?;
        Ok(Winding { loops: loops.clone(), at })
    }
}

impl Op for Winding {
    fn name(&self) -> &'static str {
        "winding"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::f32("theta", &self.at)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("dst", &[self.at[0], self.loops.count()])]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], &self.loops.list().collect::<Vec<_>>(), self.at)]
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], _: &[&[R]]) -> Vec<Vec<R>> {
        vec![]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let ([samples, nodes], loops) = (self.at, self.loops.count());
        let on = self.loops.on(commands.context())?;
        let dst = commands.empty(&[samples, loops], DType::F32)?;
        let params = Params { len: dst.len() as u32, loops: loops as u32, nodes: nodes as u32 };
        let entries = on.indices.len();
        let work = Work::invocations(dst.len()).rounds(self.loops.longest()).flops(4 * samples * entries);
        let binds = [read(inputs[0]), read(&on.indptr), read(&on.indices), write(&dst)];
        commands.dispatch(&KERNEL, DType::F32, &[], &params, &binds, work)?;
        Ok(vec![dst])
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
    /// How often the phases `theta`, `[B, N]` in radians, turn around each of `loops`, `[B, L]` in f32 and exact integers:
    /// the sum of the differences from node to node, each wrapped to `[-pi, pi]`, over `2 pi`. A difference within rounding
    /// of `pi` may count either way. The loops are uploaded at their first use with a context.
    /// Source: Mermin, Rev. Mod. Phys. 51 (1979) 591.
    ///
    /// # Errors
    /// `Shape`, `Index`, `DType`; `Limit` for a loop of more than 65535 nodes on drivers that end loops there; as
    /// [`Commands::apply`].
    pub fn winding(&mut self, theta: &Tensor, loops: &Loops) -> Result<Tensor> {
        Ok(self.apply(&Winding::new(theta.shape(), loops)?, &[theta])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::winding`](crate::Commands::winding); no gradient passes through it.
    ///
    /// # Errors
    /// As [`Commands::winding`](crate::Commands::winding).
    pub fn winding(&mut self, theta: Var, loops: &Loops) -> Result<Var> {
        let op = Winding::new(&self.spec(theta)?.shape, loops)?;
        self.apply_one(op, &[theta])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "winding",
    formula: "dst[b,l] = 1 / (2 pi) sum of wrapped differences of theta[b] around loop l",
    differentiable: false,
    kernels: &[&KERNEL],
    cases,
};

/// Windings are integers.
fn integer_law(_: &[Vec<f64>], outputs: &[Vec<f64>], _: &Case, _: DType) -> f64 {
    if outputs[0].iter().all(|turns| turns.fract() == 0.0) { 0.0 } else { f64::INFINITY }
}

fn cases() -> Vec<Case> {
    let case = |samples: usize, loops: Result<Loops>, label: &str, fill: Fill| {
        let loops = loops.ok()?;
        let op = Winding::new(&[samples, loops.nodes()], &loops).ok()?;
        let label = format!("{samples} samples, {loops:?}{label}");
        Some(Case::new(label, op, vec![fill]).law("integers", integer_law))
    };
    let circle = || Fill::Between(-std::f64::consts::PI, std::f64::consts::PI);
    let square = |h: usize, w: usize| Loops::plaquettes(h, w, Boundary::Periodic);
    let mut cases = Vec::new();
    cases.extend(case(0, Loops::ring(3), "", circle()));
    cases.extend(case(2, Loops::new(4, &[]), "", circle()));
    cases.extend(case(2, Loops::new(0, &[]), "", circle()));
    for (samples, nodes) in [(1, 3), (65, 5), (2, 64), (3, 200)] {
        cases.extend(case(samples, Loops::ring(nodes), "", circle()));
    }
    cases.extend(case(2, Loops::plaquettes(5, 7, Boundary::Open), "", circle()));
    cases.extend(case(3, square(8, 9), "", circle()));
    cases.extend(case(2, Loops::new(9, &[vec![0, 4, 8], vec![8, 2, 5, 7, 1]]), ", apart", circle()));
    cases.extend(case(2, square(6, 6), ", far", Fill::Between(-3000.0, 3000.0)));
    cases.extend(case(2, square(6, 6), ", mixed scales", Fill::Mixed(10)));
    let corners = vec![0.0, std::f64::consts::PI, -0.0, -std::f64::consts::PI, 2.0, 7.0];
    cases.extend(case(2, square(5, 5), ", corners", Fill::Values(corners)));
    cases.extend(case(8, square(256, 256), "", circle()).map(Case::bench));
    cases
}
