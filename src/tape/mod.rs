//! Reverse-mode differentiation: a list of values, and for each recorded call a rule that maps the cotangents of its
//! outputs to those of its inputs.
//!
//! One model text runs on two backends: on a device, or on the *reference* backend, which calls each op's f64 reference
//! and needs no wgpu. The tape knows no op; ops, of this library or of its users, come through [`Tape::push`].

pub(crate) mod accumulate;
mod checkpoint;
mod open_sum;
mod stack;
mod value;

use std::ops::Range;
use std::sync::Arc;

pub(crate) use checkpoint::within;
pub use checkpoint::{Repeated, Stepped, Storage};
pub use open_sum::OpenSum;
pub use value::{Array, Backend, Spec, Value};

use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Context, Profile};
use crate::kernel::DType;

/// A value on a [`Tape`]. A plain index: copy it freely; it means nothing to another tape.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Var {
    index: usize,
    tape: usize,
}

/// Maps the cotangents of a call's outputs (in the outputs' types, absent where nothing depends on the output) to those
/// of its inputs, in order, which may be f32 for an input in f16. `needs` says which inputs want one; others may be `None`.
pub type Rule = Box<dyn Fn(&mut Backend, &[Option<Value>], &[bool]) -> Result<Vec<Option<Value>>>>;

/// As [`Rule`] with the open sums of the inputs, which it may add to, or open where there is none: what is in a sum is in no
/// cotangent that it returns.
pub(crate) type SummingRule =
    Box<dyn Fn(&mut Backend, &[Option<Value>], &[bool], &mut [Option<OpenSum>]) -> Result<Vec<Option<Value>>>>;

struct Node {
    value: Value,
    needs_grad: bool,
}

struct Record {
    parents: Vec<usize>,
    outputs: Range<usize>,
    rule: SummingRule,
}

/// What has arrived of a value's cotangent.
#[derive(Default)]
struct Arrived {
    sum: Option<Value>,
    open: Option<OpenSum>,
}

impl Arrived {
    /// Adds the cotangent of a value like `of`.
    fn add(&mut self, backend: &mut Backend, cotangent: Value, of: &Value) -> Result<()> {
        accumulate::into(backend, &mut self.sum, cotangent, &of.spec())
    }

    /// Of two open sums one is closed: a value stands in one place in the calls that share a sum.
    fn put(&mut self, backend: &mut Backend, open: Option<OpenSum>, of: &Value) -> Result<()> {
        match (open, &self.open) {
            (Some(open), Some(_)) => {
                let cotangent = open.settle(backend)?;
                self.add(backend, cotangent, of)
            }
            (Some(open), None) => {
                self.open = Some(open);
                Ok(())
            }
            (None, _) => Ok(()),
        }
    }

    /// All of it, once no call can add to it any more.
    fn take(&mut self, backend: &mut Backend, of: &Value) -> Result<Option<Value>> {
        if let Some(open) = self.open.take() {
            let cotangent = open.settle(backend)?;
            self.add(backend, cotangent, of)?;
        }
        Ok(self.sum.take())
    }
}

/// Values in the order of their making, and how each was made.
pub struct Tape {
    backend: Backend,
    nodes: Vec<Node>,
    records: Vec<Record>,
    // Its address is this tape's identity; no counter has to be shared between tapes.
    identity: Arc<u8>,
}

/// Gradients by leaf.
pub struct Grads {
    tape: usize,
    values: Vec<Option<Value>>,
}

impl Grads {
    /// The gradient with respect to the leaf `var`; `None` if the output does not depend on it.
    pub fn get(&self, var: Var) -> Option<&Value> {
        if var.tape == self.tape { self.values.get(var.index)?.as_ref() } else { None }
    }

    /// The elements of that gradient, zeros if the output does not depend on `var`.
    ///
    /// # Errors
    /// `Foreign` if `var` is not of `tape`; whatever reading from the device returns.
    pub fn read(&self, tape: &mut Tape, var: Var) -> Result<Vec<f64>> {
        match self.get(var) {
            Some(value) => tape.backend.read(value),
            None => Ok(vec![0.0; tape.spec(var)?.len()]),
        }
    }
}

impl Tape {
    /// A tape that records on the device of `context`.
    #[cfg(feature = "gpu")]
    pub fn new(context: &Context) -> Tape {
        Tape::from_commands(context.commands())
    }

    /// A tape that goes on with a recording; [`Tape::into_commands`] gives it back.
    #[cfg(feature = "gpu")]
    pub fn from_commands(commands: Commands) -> Tape {
        Tape::over(Backend::Device(Box::new(commands)))
    }

    /// Submits what a device tape has recorded so far, without waiting; the reference backend computes at once anyway.
    ///
    /// # Errors
    /// As [`Commands::submit`].
    pub fn submit(&mut self) -> Result<()> {
        match &mut self.backend {
            #[cfg(feature = "gpu")]
            Backend::Device(commands) => commands.submit(),
            Backend::Reference => Ok(()),
        }
    }

    /// As [`Context::profile`] for what `f` records on a tape.
    ///
    /// # Errors
    /// As [`Context::profile`].
    #[cfg(feature = "gpu")]
    pub fn profile<T>(context: &Context, f: impl FnOnce(&mut Tape) -> Result<T>) -> Result<(T, Profile)> {
        context.profile(|commands| {
            let mut tape = Tape::from_commands(std::mem::replace(commands, context.commands()));
            let value = f(&mut tape)?;
            if let Some(recording) = tape.into_commands() {
                *commands = recording;
            }
            Ok(value)
        })
    }

    /// The recording, without the values.
    #[cfg(feature = "gpu")]
    pub fn into_commands(self) -> Option<Commands> {
        match self.backend {
            Backend::Device(commands) => Some(*commands),
            Backend::Reference => None,
        }
    }

    /// A tape that computes with the f64 references, at once, on the host.
    pub fn reference() -> Tape {
        Tape::over(Backend::Reference)
    }

    fn over(backend: Backend) -> Tape {
        Tape { backend, nodes: vec![], records: vec![], identity: Arc::new(0) }
    }

    fn id(&self) -> usize {
        Arc::as_ptr(&self.identity) as usize
    }

    /// The backend, for code that computes values itself before [`Tape::push`].
    pub fn backend(&mut self) -> &mut Backend {
        &mut self.backend
    }

    /// A value of this tape's backend, rounded to `dtype` on a device.
    ///
    /// # Errors
    /// `Shape` if `data` does not have the product of `shape` elements; as [`Tensor::from_slice`](crate::Tensor::from_slice).
    pub fn upload<T: Copy + Into<f64>>(&mut self, data: &[T], shape: &[usize], dtype: DType) -> Result<Value> {
        self.backend.upload(data, shape, dtype)
    }

    /// A value that wants a gradient.
    pub fn leaf(&mut self, value: impl Into<Value>) -> Var {
        self.node(value.into(), true)
    }

    /// A value that wants none.
    pub fn constant(&mut self, value: impl Into<Value>) -> Var {
        self.node(value.into(), false)
    }

    fn node(&mut self, value: Value, needs_grad: bool) -> Var {
        self.nodes.push(Node { value, needs_grad });
        Var { index: self.nodes.len() - 1, tape: self.id() }
    }

    fn find(&self, var: Var) -> Result<&Node> {
        let node = if var.tape == self.id() { self.nodes.get(var.index) } else { None };
        node.ok_or_else(|| Error::new(ErrorKind::Foreign, "tape: the variable belongs to another tape"))
    }

    /// The value of `var`.
    ///
    /// # Errors
    /// `Foreign` if `var` is of another tape.
    pub fn value(&self, var: Var) -> Result<&Value> {
        Ok(&self.find(var)?.value)
    }

    /// Extents and element type of `var`.
    ///
    /// # Errors
    /// `Foreign` if `var` is of another tape.
    pub fn spec(&self, var: Var) -> Result<Spec> {
        Ok(self.value(var)?.spec())
    }

    /// The elements of `var`.
    ///
    /// # Errors
    /// `Foreign` if `var` is of another tape; whatever reading from the device returns.
    pub fn read(&mut self, var: Var) -> Result<Vec<f64>> {
        let value = self.value(var)?.clone();
        self.backend.read(&value)
    }

    /// Records a call with one output; see [`Tape::push_all`].
    ///
    /// # Errors
    /// `Foreign` if a parent is of another tape.
    pub fn push(
        &mut self,
        value: Value,
        parents: &[Var],
        rule: impl Fn(&mut Backend, &Value, &[bool]) -> Result<Vec<Option<Value>>> + 'static,
    ) -> Result<Var> {
        let rule = Box::new(move |backend: &mut Backend, cotangents: &[Option<Value>], needs: &[bool]| {
            // A rule runs only if a cotangent arrived, and here there is one output.
            match cotangents {
                [Some(cotangent)] => rule(backend, cotangent, needs),
                _ => Ok(vec![None; needs.len()]),
            }
        });
        let index = self.nodes.len();
        self.push_all(vec![value], parents, rule)?;
        Ok(Var { index, tape: self.id() })
    }

    /// Records a call: its outputs, which came from the values of `parents`, and its rule. This is how every op, and a
    /// user's own kernel, gets onto the tape.
    ///
    /// # Errors
    /// `Foreign` if a parent is of another tape.
    pub fn push_all(&mut self, values: Vec<Value>, parents: &[Var], rule: Rule) -> Result<Vec<Var>> {
        self.push_summing(
            values,
            parents,
            Box::new(move |backend, cotangents, needs, _| rule(backend, cotangents, needs)),
        )
    }

    /// As [`Tape::push_all`] for a rule that sums over calls.
    pub(crate) fn push_summing(&mut self, values: Vec<Value>, parents: &[Var], rule: SummingRule) -> Result<Vec<Var>> {
        let mut needs_grad = false;
        for parent in parents {
            needs_grad |= self.find(*parent)?.needs_grad;
        }
        let start = self.nodes.len();
        let vars: Vec<Var> = values.into_iter().map(|value| self.node(value, needs_grad)).collect();
        if needs_grad {
            let parents = parents.iter().map(|p| p.index).collect();
            self.records.push(Record { parents, outputs: start..self.nodes.len(), rule });
        }
        Ok(vars)
    }

    /// The same elements with other extents; no kernel runs.
    ///
    /// # Errors
    /// `Foreign`, `Shape` if the products differ.
    pub fn reshape(&mut self, var: Var, shape: &[usize]) -> Result<Var> {
        let value = self.value(var)?;
        let old = value.spec().shape;
        let reshaped = value.reshape(shape)?;
        self.push(reshaped, &[var], move |_, cotangent, _| Ok(vec![Some(cotangent.reshape(&old)?)]))
    }

    /// Whether gradients flow to `var`.
    ///
    /// # Errors
    /// `Foreign` if `var` is of another tape.
    pub fn needs_grad(&self, var: Var) -> Result<bool> {
        Ok(self.find(var)?.needs_grad)
    }

    /// Gradients of the scalar `loss` with respect to every leaf.
    ///
    /// # Errors
    /// `Shape` if `loss` has more than one element (see [`Tape::vjp`]), `Foreign`, whatever the rules return.
    pub fn backward(&mut self, loss: Var) -> Result<Grads> {
        let spec = self.spec(loss)?;
        if spec.len() != 1 {
            let got = format!("{:?}", spec.shape);
            return Err(Error::argument(ErrorKind::Shape, "backward", "loss", got, "one element; use vjp for more"));
        }
        let seed = self.upload(&[1.0f32], &spec.shape, spec.dtype)?;
        self.vjp(&[(loss, seed)])
    }

    /// Gradients of `sum <cotangent, output>` over the given outputs.
    ///
    /// # Errors
    /// `Shape` or `DType` if a cotangent is not like its output, `Foreign`, whatever the rules return.
    pub fn vjp(&mut self, outputs: &[(Var, Value)]) -> Result<Grads> {
        let wanted: Vec<bool> = self.nodes.iter().map(|node| node.needs_grad).collect();
        self.pull(outputs, &wanted)
    }

    /// As [`Tape::vjp`] with respect to the leaves `wrt` alone: what leads to other leaves only is not computed. The
    /// recording stays, so one evaluation serves any number of cotangents.
    ///
    /// # Errors
    /// As [`Tape::vjp`].
    pub fn vjp_for(&mut self, outputs: &[(Var, Value)], wrt: &[Var]) -> Result<Grads> {
        let mut wanted = vec![false; self.nodes.len()];
        for var in wrt {
            wanted[var.index] = self.needs_grad(*var)?;
        }
        for record in &self.records {
            if record.parents.iter().any(|parent| wanted[*parent]) {
                wanted[record.outputs.clone()].fill(true);
            }
        }
        self.pull(outputs, &wanted)
    }

    fn pull(&mut self, outputs: &[(Var, Value)], wanted: &[bool]) -> Result<Grads> {
        let mut arrived: Vec<Arrived> = self.nodes.iter().map(|_| Arrived::default()).collect();
        for (var, cotangent) in outputs {
            let (got, wanted) = (cotangent.spec(), self.spec(*var)?);
            if got != wanted {
                return Err(Error::argument(ErrorKind::Shape, "vjp", "cotangent", got, wanted));
            }
            arrived[var.index].add(&mut self.backend, cotangent.clone(), &self.nodes[var.index].value)?;
        }
        for record in self.records.iter().rev() {
            let mut incoming = Vec::with_capacity(record.outputs.len());
            for i in record.outputs.clone() {
                let value = &self.nodes[i].value;
                let cotangent = arrived[i].take(&mut self.backend, value)?;
                let dtype = value.spec().dtype;
                incoming.push(cotangent.map(|c| accumulate::like(&mut self.backend, c, dtype)).transpose()?);
            }
            let needs: Vec<bool> = record.parents.iter().map(|p| wanted[*p]).collect();
            if incoming.iter().all(Option::is_none) || !needs.contains(&true) {
                continue;
            }
            let mut sums: Vec<Option<OpenSum>> = record.parents.iter().map(|p| arrived[*p].open.take()).collect();
            let outgoing = (record.rule)(&mut self.backend, &incoming, &needs, &mut sums)?;
            // Apart from the cotangents: a rule of a program may return fewer of these.
            for (parent, open) in record.parents.iter().zip(sums) {
                arrived[*parent].put(&mut self.backend, open, &self.nodes[*parent].value)?;
            }
            for ((parent, need), cotangent) in record.parents.iter().zip(&needs).zip(outgoing) {
                if let (true, Some(cotangent)) = (need, cotangent) {
                    arrived[*parent].add(&mut self.backend, cotangent, &self.nodes[*parent].value)?;
                }
            }
        }
        let mut values = Vec::with_capacity(arrived.len());
        for (mut arrived, node) in arrived.into_iter().zip(&self.nodes) {
            values.push(arrived.take(&mut self.backend, &node.value)?);
        }
        Ok(Grads { tape: self.id(), values })
    }
}
