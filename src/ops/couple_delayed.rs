//! Coupling of phases over the edges of a graph, each with a delay.

use super::graph::Graph;
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::Real;
use crate::cpu::couple_delayed::{self as cpu, Numbers, Operands};
use crate::cpu::couple_sparse::Rows;
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::{DType, Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

pub use crate::cpu::couple_delayed::Past;

crate::params! {
    /// Parameters of the kernel.
    struct Params {
        len: u32, nodes: u32, base_len: u32, slots: u32, stride: u32, newest: u32, per_step: f32, lag: f32, harmonic: f32,
    }
}

/// Forward.
pub static KERNEL: Kernel = Kernel {
    name: "couple_delayed",
    source: source!("couple_delayed", "grid", "sincos"),
    params: Params::FIELDS,
    bindings: &[
        input("theta", Elem::F32, "[batch, nodes]"),
        input("base", Elem::F32, "[nodes] or [batch, nodes]"),
        input("links", Elem::F32, "[nnz, 2]"),
        input("strength", Elem::F32, "[batch]"),
        input("history", Elem::F32, "[slots, stride]"),
        input("indptr", Elem::U32, "[nodes + 1]"),
        input("indices", Elem::U32, "[nnz]"),
        output("dst", Elem::F32, "[batch, nodes]"),
    ],
    constants: &[],
};

/// The operands of a coupling with delays.
#[derive(Clone, Copy, Debug)]
pub struct DelayedCoupling<V> {
    /// Weight and delay of each edge, `[edges, 2]`, in the graph's order. A delay has the unit of [`Past::step`], is not
    /// negative and reaches back no further than the history: `slots` steps.
    pub links: V,
    /// `[B]`.
    pub strength: V,
    /// Phases of the past, `[slots, stride]`.
    pub history: V,
}

/// A coupling with delays over a fixed graph with fixed extents.
#[derive(Clone, Debug)]
pub struct CoupleDelayed {
    graph: Graph,
    batch: usize,
    /// Whether each sample adds to a base of its own.
    own_base: bool,
    past: Past,
    numbers: Numbers,
}

impl CoupleDelayed {
    fn new(
        theta: &[usize],
        base: &[usize],
        history: &[usize],
        graph: &Graph,
        past: &Past,
        numbers: Numbers,
    ) -> Result<CoupleDelayed> {
        let nodes = graph.nodes();
        let refuse = |kind, argument: &str, got: String, wanted: String| {
            Err(Error::argument(kind, "couple_delayed", argument, got, wanted))
        };
        let &[batch, n] = theta else {
            return refuse(ErrorKind::Shape, "theta", format!("{theta:?}"), format!("[B, {nodes}]"));
        };
        if n != nodes {
            return refuse(ErrorKind::Shape, "theta", format!("{theta:?}"), format!("[B, {nodes}] for this graph"));
        }
        let own_base = match base {
            [n] if *n == nodes => false,
            [b, n] if [*b, *n] == [batch, nodes] => true,
            _ => {
                let wanted = format!("[{nodes}] or [{batch}, {nodes}]");
                return refuse(ErrorKind::Shape, "base", format!("{base:?}"), wanted);
            }
        };
        let fits = history.len() == 2 && history[0] == past.slots && history[1] == past.stride;
        if !fits || past.slots == 0 || past.stride < batch * nodes || past.newest >= past.slots {
            let wanted = format!("[slots, stride] of {past:?}, a stride of at least {}", batch * nodes);
            return refuse(ErrorKind::Shape, "history", format!("{history:?}"), wanted);
        }
        if !(past.step.is_finite() && past.step > 0.0 && (1.0 / past.step).is_finite()) {
            return refuse(ErrorKind::Param, "step", past.step.to_string(), "a positive finite time".into());
        }
        if numbers.harmonic == 0 {
            return refuse(ErrorKind::Param, "harmonic", "0".into(), "at least 1".into());
        }
        super::finite("couple_delayed", "lag", numbers.lag)?;
        Ok(CoupleDelayed { graph: graph.clone(), batch, own_base, past: *past, numbers })
    }

    fn state(&self) -> [usize; 2] {
        [self.batch, self.graph.nodes()]
    }
}

impl Op for CoupleDelayed {
    fn name(&self) -> &'static str {
        "couple_delayed"
    }
    fn inputs(&self) -> Vec<Port> {
        let state = self.state();
        vec![
            Port::f32("theta", &state),
            Port::f32("base", if self.own_base { &state } else { &state[1..] }),
            Port::f32("links", &[self.graph.edge_count(), 2]),
            Port::f32("strength", &state[..1]),
            Port::f32("history", &[self.past.slots, self.past.stride]),
        ]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("rate", &self.state())]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        let &[theta, base, links, strength, history] = inputs else { return vec![] };
        let operands = Operands { theta, base, links, strength, history };
        let rows = Rows { indptr: self.graph.indptr(), indices: self.graph.indices() };
        vec![cpu::forward(&operands, &rows, &self.past, &self.numbers)]
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], _: &[&[R]]) -> Vec<Vec<R>> {
        vec![]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let graph = self.graph.on(commands.context())?;
        let dst = commands.empty(&self.state(), DType::F32)?;
        let [batch, nodes] = self.state();
        let params = Params {
            len: dst.len() as u32,
            nodes: nodes as u32,
            base_len: inputs[1].len() as u32,
            slots: self.past.slots as u32,
            stride: self.past.stride as u32,
            newest: self.past.newest as u32,
            per_step: 1.0 / self.past.step,
            lag: self.numbers.lag,
            harmonic: self.numbers.harmonic as f32,
        };
        let binds = [
            read(inputs[0]),
            read(inputs[1]),
            read(inputs[2]),
            read(inputs[3]),
            read(inputs[4]),
            read(&graph.indptr),
            read(&graph.indices),
            write(&dst),
        ];
        let work = Work::invocations(dst.len()).rounds(self.graph.longest()[0]);
        let work = work.flops(40 * batch * self.graph.edge_count());
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
    /// `base_i + K_b sum over edges e into i of w_e sin(q (theta_j(t - tau_e) - theta_i) - lag)`, f32: rates `[B, N]` of
    /// phases `theta` `[B, N]` in radians, `base` `[N]` or `[B, N]`, each edge with a delay into the past that `past` describes.
    /// Between two known states a phase is interpolated along the shorter arc.
    ///
    /// # Errors
    /// `Shape`; `Param` for a harmonic of 0, a lag that is not finite or a step that is not positive; `DType`; as
    /// [`Commands::apply`].
    #[allow(clippy::too_many_arguments)]
    pub fn couple_delayed(
        &mut self,
        theta: &Tensor,
        base: &Tensor,
        coupling: &DelayedCoupling<&Tensor>,
        graph: &Graph,
        past: &Past,
        harmonic: u32,
        lag: f32,
    ) -> Result<Tensor> {
        let DelayedCoupling { links, strength, history } = *coupling;
        let numbers = Numbers { harmonic, lag };
        let op = CoupleDelayed::new(theta.shape(), base.shape(), history.shape(), graph, past, numbers)?;
        Ok(self.apply(&op, &[theta, base, links, strength, history])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::couple_delayed`](crate::Commands::couple_delayed). No gradient passes through it: that of a delayed
    /// network needs the whole past.
    ///
    /// # Errors
    /// As [`Commands::couple_delayed`](crate::Commands::couple_delayed).
    #[allow(clippy::too_many_arguments)]
    pub fn couple_delayed(
        &mut self,
        theta: Var,
        base: Var,
        coupling: &DelayedCoupling<Var>,
        graph: &Graph,
        past: &Past,
        harmonic: u32,
        lag: f32,
    ) -> Result<Var> {
        let shape = |var| Ok(self.spec(var)?.shape);
        let (theta_shape, base_shape, history) = (shape(theta)?, shape(base)?, shape(coupling.history)?);
        let numbers = Numbers { harmonic, lag };
        let op = CoupleDelayed::new(&theta_shape, &base_shape, &history, graph, past, numbers)?;
        self.apply_one(op, &[theta, base, coupling.links, coupling.strength, coupling.history])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "couple_delayed",
    formula: "rate[b,i] = base[i] + K[b] sum over edges e into i of w[e] sin(q (theta[b,j](t - tau[e]) - theta[b,i]) - lag)",
    differentiable: false,
    kernels: &[&KERNEL],
    cases,
};

fn cases() -> Vec<Case> {
    let ring = |nodes: usize, degree: usize| -> Vec<(usize, usize)> {
        (0..nodes).flat_map(|i| (1..=degree).map(move |d| (i, (i + d) % nodes))).collect()
    };
    let case = |batch: usize, own: bool, nodes: usize, edges: &[(usize, usize)], past: Past, numbers: Numbers| {
        let graph = Graph::from_edges(nodes, edges).ok()?;
        let base = if own { vec![batch, nodes] } else { vec![nodes] };
        let history = [past.slots, past.stride];
        let op = CoupleDelayed::new(&[batch, nodes], &base, &history, &graph, &past, numbers).ok()?;
        // Now, between two states, the oldest state, past it.
        let delays = [0.0, 0.3, 1.0, 1.75, past.slots as f64, 99.0].map(|d| d * f64::from(past.step));
        let links = delays.iter().enumerate().flat_map(|(k, d)| [0.7 - 0.3 * k as f64, *d]).collect();
        let phases = Fill::Between(-3.0, 3.0);
        let fills = vec![phases.clone(), Fill::Uniform, Fill::Values(links), Fill::Uniform, phases];
        let label = format!("[{batch}, {nodes}], {} edges, {past:?}, {numbers:?}", edges.len());
        Some(Case::new(label, op, fills))
    };
    let past = |slots: usize, stride: usize, newest: usize| Past { slots, stride, newest, step: 0.25 };
    let plain = Numbers { harmonic: 1, lag: 0.0 };
    let lagging = Numbers { harmonic: 3, lag: -0.6 };
    let mut cases = Vec::new();
    cases.extend(case(0, false, 3, &ring(3, 1), past(2, 0, 0), plain));
    cases.extend(case(1, false, 1, &[], past(1, 1, 0), plain));
    cases.extend(case(2, true, 1, &[(0, 0)], past(1, 2, 0), lagging));
    cases.extend(case(2, false, 5, &ring(5, 3), past(3, 16, 1), plain));
    cases.extend(case(3, true, 7, &ring(7, 6), past(4, 64, 3), lagging));
    cases.extend(case(1, false, 65, &ring(65, 2), past(2, 65, 0), plain));
    cases.extend(case(8, false, 1024, &ring(1024, 16), past(16, 8192, 5), plain).map(Case::bench));
    cases
}
