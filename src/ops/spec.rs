//! What an op is: extents, a device implementation, a reference. Everything else (tape, conformance, benches, the
//! README's table) follows from it.

pub use super::any_op::AnyOp;
#[cfg(feature = "gpu")]
pub use super::call::Call;
pub use super::case::{Case, Fill, Law};
use crate::cpu::{Oscillators, Real};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor};
use crate::kernel::{DType, Elem, Kernel};
use crate::tape::{Array, Backend, OpenSum, Spec, Tape, Value, Var};

/// One input or output of an op.
#[derive(Clone, PartialEq, Debug)]
pub struct Port {
    /// The argument's name, as messages and shaders spell it.
    pub name: &'static str,
    /// `Storage` follows the tensors' type, `F32` does not.
    pub elem: Elem,
    /// Extents.
    pub shape: Vec<usize>,
}

impl Port {
    /// A port in the storage type.
    pub fn storage(name: &'static str, shape: &[usize]) -> Port {
        Port { name, elem: Elem::Storage, shape: shape.to_vec() }
    }

    /// A port in f32 whatever the storage type is.
    pub fn f32(name: &'static str, shape: &[usize]) -> Port {
        Port { name, elem: Elem::F32, shape: shape.to_vec() }
    }

    /// A port of indices or labels: integers, without a cotangent. A reference gets them as numbers.
    pub fn u32(name: &'static str, shape: &[usize]) -> Port {
        Port { name, elem: Elem::U32, shape: shape.to_vec() }
    }

    /// Whether values of this port have cotangents.
    pub fn is_real(&self) -> bool {
        matches!(self.elem, Elem::Storage | Elem::F32)
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The spec of this port when storage is `dtype`.
    pub fn spec(&self, dtype: DType) -> Spec {
        Spec { shape: self.shape.clone(), dtype: self.dtype(dtype) }
    }

    /// The element type of this port when storage is `dtype`.
    fn dtype(&self, dtype: DType) -> DType {
        match self.elem {
            Elem::Storage => dtype,
            Elem::F32 => DType::F32,
            Elem::U32 | Elem::Words => DType::U32,
        }
    }
}

/// A differentiable function with fixed extents. Its fields are its options; they are checked where it is made, so
/// [`Tape::apply`] only compares tensors with its ports.
pub trait Op: Send + Sync + 'static {
    /// The stem of its shader, its reference and its method.
    fn name(&self) -> &'static str;

    /// The inputs, in order.
    fn inputs(&self) -> Vec<Port>;

    /// The outputs, in order.
    fn outputs(&self) -> Vec<Port>;

    /// The storage type, for an op whose inputs do not tell.
    fn dtype(&self) -> Option<DType> {
        None
    }

    /// Names of the inputs in storage type that are parameters: their cotangents are f32.
    fn parameters(&self) -> &'static [&'static str] {
        &[]
    }

    /// Inputs that must be states on the unit sphere, for [`checked`](crate::Context::checked) contexts.
    fn unit_inputs(&self) -> Vec<(usize, Oscillators)> {
        vec![]
    }

    /// Inputs of integers that index something, with its extent, for [`checked`](crate::Context::checked) contexts and
    /// the reference backend.
    fn index_inputs(&self) -> Vec<(usize, usize)> {
        vec![]
    }

    /// The outputs' elements.
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>>;

    /// The inputs' cotangents, one per input (what stands for an integer input is not read); empty for an op without
    /// differentiable inputs.
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>>;

    /// Records the kernels. The inputs fit [`Op::inputs`].
    ///
    /// # Errors
    /// Whatever [`Commands::dispatch`] returns.
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>>;

    /// Records the kernels of the backward pass: cotangents of the inputs that `needs` asks for, f32 for parameters.
    ///
    /// # Errors
    /// Whatever [`Commands::dispatch`] returns.
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        needs: &[bool],
        dtype: DType,
    ) -> Result<Vec<Option<Tensor>>>;

    /// [`Op::forward`] of a call that will be differentiated, and what its backward pass would have to compute again.
    ///
    /// # Errors
    /// As [`Op::forward`].
    #[cfg(feature = "gpu")]
    fn forward_keeping(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        dtype: DType,
    ) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
        Ok((self.forward(commands, inputs, dtype)?, vec![]))
    }

    /// [`Op::backward`] of a call on a tape, with what it kept and the sums of earlier calls with the same parameters.
    ///
    /// # Errors
    /// As [`Op::backward`].
    #[cfg(feature = "gpu")]
    fn backward_of(&self, commands: &mut Commands, call: Call<'_>) -> Result<Vec<Option<Tensor>>> {
        self.backward(commands, call.inputs, call.cotangents, call.needs, call.dtype)
    }
}

/// The spec of an f32 value.
pub(super) fn f32_spec(shape: &[usize]) -> Spec {
    Spec { shape: shape.to_vec(), dtype: DType::F32 }
}

/// Compares `specs` with the op's inputs and returns the storage type.
pub(super) fn check<O: Op>(op: &O, specs: &[Spec]) -> Result<DType> {
    let given: Vec<(&[usize], DType)> = specs.iter().map(|spec| (spec.shape.as_slice(), spec.dtype)).collect();
    check_ports(op, &op.inputs(), &given)
}

/// Compares `given`, extents and element types, with the op's `ports` and returns the storage type.
fn check_ports<O: Op>(op: &O, ports: &[Port], given: &[(&[usize], DType)]) -> Result<DType> {
    if ports.len() != given.len() {
        let message = format!("{}: {} arguments, expected {}", op.name(), given.len(), ports.len());
        return Err(Error::new(ErrorKind::Shape, message));
    }
    let first = ports.iter().zip(given).find(|(port, _)| port.elem == Elem::Storage).map(|(_, (_, dtype))| *dtype);
    let dtype = op.dtype().or(first).unwrap_or(DType::F32);
    if dtype == DType::U32 {
        return Err(Error::argument(ErrorKind::DType, op.name(), "storage", dtype, "f32 or f16"));
    }
    for (port, (shape, given)) in ports.iter().zip(given) {
        if *shape != port.shape {
            let (got, wanted) = (format!("{shape:?}"), format!("{:?}", port.shape));
            return Err(Error::argument(ErrorKind::Shape, op.name(), port.name, got, wanted));
        }
        let wanted = port.dtype(dtype);
        if *given != wanted {
            return Err(Error::argument(ErrorKind::DType, op.name(), port.name, *given, wanted));
        }
    }
    Ok(dtype)
}

#[cfg(feature = "gpu")]
impl Commands {
    /// Records `op` over `inputs` after comparing them with its ports. The methods named like ops call this.
    ///
    /// # Errors
    /// `Shape`, `DType`, `Foreign`; in a checked context `NonFinite` and `NotUnit`; whatever
    /// [`Commands::dispatch`] returns.
    pub fn apply<O: Op>(&mut self, op: &O, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let dtype = self.admit(op, inputs)?;
        op.forward(self, inputs, dtype)
    }

    /// [`Commands::apply`] of a call that will be differentiated: its outputs, and what [`Op::forward_keeping`] kept.
    fn apply_keeping<O: Op>(&mut self, op: &O, inputs: &[&Tensor]) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
        let dtype = self.admit(op, inputs)?;
        op.forward_keeping(self, inputs, dtype)
    }

    /// Compares `inputs` with the ports of `op`, looks at their elements in a checked context, and returns the storage
    /// type: what [`Commands::apply`] does before it records.
    pub(super) fn admit<O: Op>(&mut self, op: &O, inputs: &[&Tensor]) -> Result<DType> {
        let dtype = self.admit_shapes(op, inputs)?;
        super::check::inputs(self, op, inputs)?;
        Ok(dtype)
    }

    /// As [`Commands::admit`] without looking at elements, for ops that themselves report what is not finite.
    pub(super) fn admit_shapes<O: Op>(&mut self, op: &O, inputs: &[&Tensor]) -> Result<DType> {
        let ports = op.inputs();
        let given: Vec<(&[usize], DType)> = inputs.iter().map(|tensor| (tensor.shape(), tensor.dtype())).collect();
        let dtype = check_ports(op, &ports, &given)?;
        let foreign = |tensor: &Tensor| !tensor.context().is_same(self.context());
        if let Some((port, _)) = ports.iter().zip(inputs).find(|(_, tensor)| foreign(tensor)) {
            let message = format!("{}: {} belongs to another context; wrap its buffer", op.name(), port.name);
            return Err(Error::new(ErrorKind::Foreign, message));
        }
        Ok(dtype)
    }
}

impl Tape {
    /// Computes `op` over the values of `inputs` on this tape's backend and records it.
    ///
    /// # Errors
    /// `Shape`, `DType` or `Foreign` if the inputs are not what the op takes; as [`Commands::apply`] on a device.
    pub fn apply<O: Op>(&mut self, op: O, inputs: &[Var]) -> Result<Vec<Var>> {
        let mut values = Vec::with_capacity(inputs.len());
        for var in inputs {
            values.push(self.value(*var)?.clone());
        }
        let specs: Vec<Spec> = values.iter().map(Value::spec).collect();
        let dtype = check(&op, &specs)?;
        #[cfg(feature = "gpu")]
        let mut kept = vec![];
        #[cfg(feature = "gpu")]
        let needs_grad = inputs.iter().any(|var| self.needs_grad(*var).unwrap_or(false));
        let outputs = match self.backend() {
            #[cfg(feature = "gpu")]
            Backend::Device(commands) => {
                let tensors = values.iter().map(Value::tensor).collect::<Result<Vec<_>>>()?;
                let (outputs, of_outputs) = if needs_grad {
                    commands.apply_keeping(&op, &tensors)?
                } else {
                    (commands.apply(&op, &tensors)?, vec![])
                };
                kept = of_outputs;
                outputs.into_iter().map(Value::Device).collect()
            }
            Backend::Reference => {
                let slices = slices(&values)?;
                super::check::indices(&op, &slices)?;
                let outputs = op.reference::<f64>(&slices);
                arrays(outputs, &op.outputs(), dtype)?
            }
        };
        type Sums<'a> = &'a mut [Option<OpenSum>];
        let rule = move |backend: &mut Backend, cotangents: &[Option<Value>], needs: &[bool], sums: Sums| match backend
        {
            #[cfg(feature = "gpu")]
            Backend::Device(commands) => {
                let inputs = values.iter().map(Value::tensor).collect::<Result<Vec<_>>>()?;
                let given =
                    cotangents.iter().map(|c| c.as_ref().map(Value::tensor).transpose()).collect::<Result<Vec<_>>>()?;
                let call = Call { inputs: &inputs, kept: &kept, cotangents: &given, needs, dtype, sums };
                let found = op.backward_of(commands, call)?;
                Ok(found.into_iter().map(|t| t.map(Value::Device)).collect())
            }
            Backend::Reference => {
                let zeros: Vec<Vec<f64>> = op.outputs().iter().map(|port| vec![0.0; port.len()]).collect();
                let mut given = Vec::with_capacity(zeros.len());
                for (cotangent, zero) in cotangents.iter().zip(&zeros) {
                    given.push(match cotangent {
                        Some(value) => value.array()?.data(),
                        None => zero.as_slice(),
                    });
                }
                // The references compute all cotangents at once; the tape drops what nobody needs.
                let _ = (needs, sums);
                let found = op.reference_vjp::<f64>(&slices(&values)?, &given);
                let mut ports = op.inputs();
                for port in ports.iter_mut().filter(|port| op.parameters().contains(&port.name)) {
                    port.elem = Elem::F32;
                }
                let found = found.into_iter().zip(&ports).map(|(data, port)| match port.is_real() {
                    true => Ok(Some(Value::Host(Array::new(data, &port.shape, port.spec(dtype).dtype)?))),
                    false => Ok(None),
                });
                found.collect()
            }
        };
        self.push_summing(outputs, inputs, Box::new(rule))
    }

    /// [`Tape::apply`] for an op with one output.
    pub(crate) fn apply_one<O: Op>(&mut self, op: O, inputs: &[Var]) -> Result<Var> {
        let name = op.name();
        match self.apply(op, inputs)?.as_slice() {
            [var] => Ok(*var),
            other => Err(Error::argument(ErrorKind::Param, name, "number of outputs", other.len(), 1)),
        }
    }
}

fn slices(values: &[Value]) -> Result<Vec<&[f64]>> {
    values.iter().map(|value| Ok(value.array()?.data())).collect()
}

fn arrays(data: Vec<Vec<f64>>, ports: &[Port], dtype: DType) -> Result<Vec<Value>> {
    data.into_iter()
        .zip(ports)
        .map(|(data, port)| {
            let spec = port.spec(dtype);
            Ok(Value::Host(Array::new(data, &spec.shape, spec.dtype)?))
        })
        .collect()
}

/// What the rest of the house knows of an op's file.
pub struct OpSpec {
    /// The stem.
    pub name: &'static str,
    /// The formula, one line.
    pub formula: &'static str,
    /// Whether it has a backward pass.
    pub differentiable: bool,
    /// Its kernels; the forward one first.
    pub kernels: &'static [&'static Kernel],
    /// Its cases.
    pub cases: fn() -> Vec<Case>,
}
