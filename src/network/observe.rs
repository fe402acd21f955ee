//! What a run may record, computed on the device.

use std::cell::RefCell;

use super::state::State;
use super::terms::Network;
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::ops::graph::Graph;
use crate::tape::{Backend, Tape, Value, Var};

/// What an observable computes of a state; it records on the tape it is given.
type Probe = Box<dyn Fn(&mut Tape, &Network<Var>, &State<Var>) -> Result<Var>>;

/// Something that a run records at every sampled time.
pub struct Observable {
    pub(super) name: String,
    pub(super) probe: Probe,
}

impl Observable {
    /// Any f32 value that ops make of a state.
    pub fn new(
        name: impl Into<String>,
        probe: impl Fn(&mut Tape, &Network<Var>, &State<Var>) -> Result<Var> + 'static,
    ) -> Observable {
        Observable { name: name.into(), probe: Box::new(probe) }
    }

    /// Its name in records.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Numbers that an observable needs at every sampled time, uploaded at the first.
struct Kept {
    numbers: Vec<f32>,
    shape: Vec<usize>,
    last: RefCell<Option<Value>>,
}

impl Kept {
    fn new(numbers: Vec<f32>, shape: &[usize]) -> Kept {
        Kept { numbers, shape: shape.to_vec(), last: RefCell::default() }
    }

    /// The numbers as a constant of `tape`; another backend than that of the last call gets its own copy.
    fn on(&self, tape: &mut Tape) -> Result<Var> {
        let known = self.last.borrow().clone().filter(|value| match (value, tape.backend()) {
            #[cfg(feature = "gpu")]
            (Value::Device(tensor), Backend::Device(commands)) => tensor.context().is_same(commands.context()),
            (Value::Host(_), Backend::Reference) => true,
            #[cfg(feature = "gpu")]
            _ => false,
        });
        let value = match known {
            Some(value) => value,
            None => tape.upload(&self.numbers, &self.shape, DType::F32)?,
        };
        self.last.replace(Some(value.clone()));
        Ok(tape.constant(value))
    }
}

/// The `q`-th order parameter `1/N sum_j exp(i q theta_j)` as `[B, 1, 2]`, the real part first; its modulus is `r`.
pub fn order_parameter(q: u32) -> Observable {
    Observable::new(format!("order_parameter_{q}"), move |tape, _, state| {
        let phasors = tape.phasors(state.theta, q)?;
        tape.mean_nodes(phasors)
    })
}

/// All phases, `[B, N]`.
pub fn phases() -> Observable {
    Observable::new("phases", |_, _, state| Ok(state.theta))
}

/// All velocities of a second-order network, `[B, N]`.
pub fn velocities() -> Observable {
    Observable::new("velocities", |_, _, state| {
        let wanted = "a network with inertia";
        state.velocity.ok_or_else(|| Error::argument(ErrorKind::Param, "velocities", "state", "first order", wanted))
    })
}

/// The mean rate of the nodes, `[B, 1, 1]`: of `F` for first order, of the velocities for second.
pub fn mean_rate() -> Observable {
    Observable::new("mean_rate", |tape, network, state| {
        let rate = match state.velocity {
            Some(velocity) => velocity,
            None => network.rate(tape, state.theta)?,
        };
        let shape = tape.spec(rate)?.shape;
        let columns = tape.reshape(rate, &[shape.as_slice(), &[1]].concat())?;
        tape.mean_nodes(columns)
    })
}

/// Order parameters of communities, `[B, communities, 2]`: `labels` `[N]` names the community of each node, from 0.
pub fn communities(labels: &[usize]) -> Observable {
    let count = labels.iter().max().map_or(0, |last| last + 1);
    let mut sizes = vec![0.0f32; count];
    labels.iter().for_each(|label| sizes[*label] += 1.0);
    let mut members = vec![0.0f32; count * labels.len()];
    for (node, label) in labels.iter().enumerate() {
        members[label * labels.len() + node] = 1.0 / sizes[*label];
    }
    let shape = [count, labels.len()];
    let members = Kept::new(members, &shape);
    Observable::new("communities", move |tape, _, state| {
        let phasors = tape.phasors(state.theta, 1)?;
        let members = members.on(tape)?;
        tape.linear(phasors, members, None, 1)
    })
}

/// Local order parameters `1/degree sum over edges into i of exp(i theta_j)`, `[B, N, 2]`; 0 for a node that listens to
/// nobody.
pub fn local_order(graph: &Graph) -> Observable {
    let graph = graph.clone();
    let degree = |i: usize| graph.indptr()[i + 1] - graph.indptr()[i];
    let shares: Vec<f32> = graph.edges().map(|(i, _)| 1.0 / degree(i) as f32).collect();
    let edges = [shares.len()];
    let shares = Kept::new(shares, &edges);
    Observable::new("local_order", move |tape, _, state| {
        let phasors = tape.phasors(state.theta, 1)?;
        let shares = shares.on(tape)?;
        tape.couple_sparse(phasors, shares, &graph)
    })
}

/// Metastability: the variance over time of a community's order parameter, mean over communities. `r` is
/// `[times][communities]`, moduli. Source: Shanahan, Chaos 20 (2010) 013108.
pub fn metastability(r: &[Vec<f64>]) -> f64 {
    let count = r.first().map_or(0, Vec::len);
    mean((0..count).map(|c| variance(r.iter().map(|row| row[c]))))
}

/// Chimera index: the variance over communities of their order parameters, mean over time; arguments and source as of
/// [`metastability`].
pub fn chimera_index(r: &[Vec<f64>]) -> f64 {
    mean(r.iter().map(|row| variance(row.iter().copied())))
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), v| (sum + v, count + 1));
    sum / f64::from(count)
}

/// Of a sample: with one less than its number below.
fn variance(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let middle = mean(values.clone());
    let (sum, count) = values.fold((0.0, 0), |(sum, count), v| (sum + (v - middle) * (v - middle), count + 1));
    sum / f64::from(count - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_variances_over_time_and_over_communities() {
        // One community steady, one that comes and goes.
        let r = vec![vec![1.0, 0.0], vec![1.0, 1.0], vec![1.0, 0.0], vec![1.0, 1.0]];
        assert!((metastability(&r) - 0.5 * (1.0 / 3.0)).abs() < 1e-12);
        assert!((chimera_index(&r) - 0.5 * 0.5).abs() < 1e-12);
        assert_eq!(metastability(&[vec![0.5], vec![0.5]]), 0.0);
    }
}
