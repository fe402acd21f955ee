//! Named parameters of a model: on the host, on a backend, on a tape.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cpu::noise::{Distribution, Stream, forward as noise};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::tape::{Tape, Value, Var};

/// What training does to a parameter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Role {
    /// Gradients flow to it and an optimiser changes it.
    Learned,
    /// It stays as it is.
    Frozen,
    /// A running statistic: no gradient, but training updates it.
    Statistic,
    /// The same values as the parameter of this name, under a second one.
    Alias(String),
    /// Nothing reads it; published files carry it, and saving writes it back. A file may lack it.
    Unused,
}

/// How a parameter begins.
#[derive(Clone, PartialEq, Debug)]
pub enum Initial {
    /// This number everywhere.
    Constant(f32),
    /// Uniform between minus and plus this bound.
    Uniform(f32),
    /// Normal with this standard deviation.
    Normal(f32),
    /// Consecutive vectors of this many components on the unit sphere, uniformly.
    Directions(usize),
    /// These numbers.
    Values(Vec<f32>),
}

/// One parameter on the host.
#[derive(Clone, PartialEq, Debug)]
pub struct Parameter {
    /// The name in the published checkpoint.
    pub name: String,
    /// Extents.
    pub shape: Vec<usize>,
    /// What training does to it.
    pub role: Role,
    /// The elements; empty for what nothing has filled yet ([`Role::Unused`]) and for an alias.
    pub values: Vec<f32>,
}

/// The parameters of a model, in a fixed order, on the host.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Parameters {
    list: Vec<Parameter>,
    index: Arc<HashMap<String, usize>>,
    /// What a file held besides, and the prefix of its names.
    #[cfg(feature = "weights")]
    pub(super) carried: crate::weights::Weights,
    #[cfg(feature = "weights")]
    pub(super) prefix: &'static str,
}

/// Collects the parameters of a model.
#[derive(Debug)]
pub struct Builder {
    list: Vec<Parameter>,
    seed: u64,
}

impl Builder {
    /// Initial values are drawn from `seed` and the parameter's name: adding a layer leaves the others as they were.
    pub fn new(seed: u64) -> Builder {
        Builder { list: vec![], seed }
    }

    /// Adds a parameter.
    pub fn add(&mut self, name: impl Into<String>, shape: &[usize], role: Role, initial: Initial) {
        let (name, len) = (name.into(), shape.iter().product::<usize>());
        // FNV-1a: any hash serves that does not change with the compiler.
        let hash = name.bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
        let stream = Stream { seed: self.seed, first_sample: 0, step: 0, stream: hash };
        let values = match (&role, initial) {
            (Role::Unused | Role::Alias(_), _) => vec![],
            (_, Initial::Constant(value)) => vec![value; len],
            (_, Initial::Uniform(bound)) => {
                let unit: Vec<f64> = noise(&stream, Distribution::Uniform, 1, len);
                unit.into_iter().map(|u| ((2.0 * u - 1.0) * f64::from(bound)) as f32).collect()
            }
            (_, Initial::Normal(deviation)) => {
                let normal: Vec<f64> = noise(&stream, Distribution::Gaussian, 1, len);
                normal.into_iter().map(|z| (z * f64::from(deviation)) as f32).collect()
            }
            (_, Initial::Directions(n)) => {
                let normal: Vec<f64> = noise(&stream, Distribution::Gaussian, 1, len);
                let unit = |v: &[f64]| crate::cpu::sphere_normalize::normalize(v);
                normal.chunks(n.max(1)).flat_map(unit).map(|x| x as f32).collect()
            }
            (_, Initial::Values(values)) => values,
        };
        self.list.push(Parameter { name, shape: shape.to_vec(), role, values });
    }

    /// A convolution or linear map: `<name>.weight` of `shape` `[out, in, ..]` and, if `bias`, `<name>.bias`, uniform
    /// within `1 / sqrt(in * taps)` as PyTorch has it.
    pub fn affine(&mut self, name: &str, shape: &[usize], bias: bool) {
        let fan_in = shape[1..].iter().product::<usize>().max(1);
        let bound = 1.0 / (fan_in as f32).sqrt();
        self.add(format!("{name}.weight"), shape, Role::Learned, Initial::Uniform(bound));
        if bias {
            self.add(format!("{name}.bias"), &shape[..1], Role::Learned, Initial::Uniform(bound));
        }
    }

    /// The collection.
    ///
    /// # Errors
    /// `Param` for a name that comes twice or an alias of nothing, `Shape` for initial values of another number.
    pub fn finish(self) -> Result<Parameters> {
        let mut index = HashMap::new();
        for (at, parameter) in self.list.iter().enumerate() {
            if index.insert(parameter.name.clone(), at).is_some() {
                return Err(Error::argument(ErrorKind::Param, "parameters", "name", &parameter.name, "unique names"));
            }
            let wanted: usize = parameter.shape.iter().product();
            let filled = !matches!(parameter.role, Role::Unused | Role::Alias(_));
            if filled && parameter.values.len() != wanted {
                return Err(parameter.misfit(parameter.values.len()));
            }
        }
        for parameter in &self.list {
            if let Role::Alias(of) = &parameter.role {
                let shape = index.get(of).map(|at| self.list[*at].shape.clone());
                if shape.as_ref() != Some(&parameter.shape) {
                    let wanted = "the name of a parameter of the same shape";
                    return Err(Error::argument(ErrorKind::Param, "parameters", &parameter.name, of, wanted));
                }
            }
        }
        Ok(Parameters {
            list: self.list,
            index: Arc::new(index),
            #[cfg(feature = "weights")]
            carried: Default::default(),
            #[cfg(feature = "weights")]
            prefix: "",
        })
    }
}

impl Parameter {
    fn misfit(&self, got: usize) -> Error {
        let wanted = format!("the product of {:?}", self.shape);
        Error::argument(ErrorKind::Shape, "parameters", &self.name, format!("{got} elements"), wanted)
    }

    /// Whether it lies on a backend.
    fn is_placed(&self) -> bool {
        matches!(self.role, Role::Learned | Role::Frozen | Role::Statistic)
    }
}

/// Elements between the starts of parameters in an arena are multiples of this: 256 bytes, which every device can bind at.
const ALIGNMENT: usize = 64;

impl Parameters {
    /// All parameters, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Parameter> {
        self.list.iter()
    }

    /// One parameter.
    pub fn get(&self, name: &str) -> Option<&Parameter> {
        self.index.get(name).map(|at| &self.list[*at])
    }

    /// Replaces the elements of a parameter.
    ///
    /// # Errors
    /// `Param` for an unknown name, `Shape` for another number of elements.
    pub fn set(&mut self, name: &str, values: &[f32]) -> Result<()> {
        let Some(at) = self.index.get(name) else { return Err(unknown(name)) };
        let parameter = &mut self.list[*at];
        if values.len() != parameter.shape.iter().product::<usize>() {
            return Err(parameter.misfit(values.len()));
        }
        parameter.values = values.to_vec();
        Ok(())
    }

    /// Elements that learn.
    pub fn learned(&self) -> usize {
        self.list.iter().filter(|p| p.role == Role::Learned).map(|p| p.values.len()).sum()
    }

    /// Where each parameter that `wanted` selects begins in an arena, and the arena's length.
    pub(super) fn layout(&self, wanted: impl Fn(&Role) -> bool) -> (Vec<(usize, usize)>, usize) {
        let (mut starts, mut len) = (Vec::new(), 0usize);
        for (at, parameter) in self.list.iter().enumerate().filter(|(_, p)| p.is_placed() && wanted(&p.role)) {
            starts.push((at, len));
            len += parameter.values.len().next_multiple_of(ALIGNMENT).max(ALIGNMENT);
        }
        (starts, len.max(ALIGNMENT))
    }

    /// The elements as they lie in an arena.
    pub(super) fn arena(&self, starts: &[(usize, usize)], len: usize) -> Vec<f32> {
        let mut data = vec![0.0; len];
        for (at, start) in starts {
            let values = &self.list[*at].values;
            data[*start..start + values.len()].copy_from_slice(values);
        }
        data
    }

    pub(super) fn at(&self, at: usize) -> &Parameter {
        &self.list[at]
    }

    pub(super) fn index(&self) -> Arc<HashMap<String, usize>> {
        self.index.clone()
    }

    /// Puts all parameters into one buffer of the tape's backend.
    ///
    /// # Errors
    /// Whatever uploading returns.
    pub fn place(&self, tape: &mut Tape) -> Result<Placed> {
        let (starts, len) = self.layout(|_| true);
        let arena = tape.upload(&self.arena(&starts, len), &[len], DType::F32)?;
        let mut values = vec![None; self.list.len()];
        for (at, start) in starts {
            values[at] = Some((arena.slice(start, &self.list[at].shape)?, self.list[at].role == Role::Learned));
        }
        Ok(Placed { values, index: self.index() })
    }
}

fn unknown(name: &str) -> Error {
    Error::argument(ErrorKind::Param, "parameters", "name", name, "a parameter of this model")
}

/// Parameters on a backend. Every recording binds them anew.
#[derive(Clone, Debug)]
pub struct Placed {
    /// By position in [`Parameters`]: the value, and whether it learns.
    pub(super) values: Vec<Option<(Value, bool)>>,
    pub(super) index: Arc<HashMap<String, usize>>,
}

impl Placed {
    /// Variables of `tape`: leaves for what learns, constants for the rest.
    pub fn bind(&self, tape: &mut Tape) -> Bound {
        self.bind_as(tape, true)
    }

    /// Constants of `tape`, for a calculation without gradients of parameters.
    pub fn bind_constant(&self, tape: &mut Tape) -> Bound {
        self.bind_as(tape, false)
    }

    fn bind_as(&self, tape: &mut Tape, gradients: bool) -> Bound {
        let vars = self.values.iter().map(|value| {
            let (value, learned) = value.clone()?;
            Some(if learned && gradients { tape.leaf(value) } else { tape.constant(value) })
        });
        Bound { vars: vars.collect(), index: self.index.clone() }
    }
}

/// The parameters of a model as variables of one tape.
#[derive(Clone, Debug)]
pub struct Bound {
    pub(super) vars: Vec<Option<Var>>,
    index: Arc<HashMap<String, usize>>,
}

impl Bound {
    /// The variable of a parameter.
    ///
    /// # Errors
    /// `Param` for a name that the model does not have or nothing reads.
    pub fn get(&self, name: &str) -> Result<Var> {
        self.index.get(name).and_then(|at| self.vars[*at]).ok_or_else(|| unknown(name))
    }

    /// The variable of a parameter that may be absent.
    pub fn find(&self, name: &str) -> Option<Var> {
        self.index.get(name).and_then(|at| self.vars[*at])
    }

    /// The same with the parameters that `wanted` names as `dtype`: products of f16 where a device has matrices for them,
    /// while what learns stays f32 and gets its gradients so. Scalars that an op takes as f32, such as a step's size and its
    /// frequencies, have to stay as they are.
    ///
    /// # Errors
    /// `DType`; as [`Tape::cast`].
    pub fn cast(&self, tape: &mut Tape, dtype: DType, wanted: impl Fn(&str) -> bool) -> Result<Bound> {
        let mut cast = self.clone();
        for (_, at) in self.index.iter().filter(|(name, _)| wanted(name)) {
            if let Some(var) = self.vars[*at] {
                cast.vars[*at] = Some(tape.cast(var, dtype)?);
            }
        }
        Ok(cast)
    }

    /// Names and variables.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Var)> {
        self.index.iter().filter_map(|(name, at)| Some((name.as_str(), self.vars[*at]?)))
    }
}
