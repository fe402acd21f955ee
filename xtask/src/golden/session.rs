//! What a case sees while it is built: attributes, inputs and parameters of its file, and a tape.

use std::collections::{BTreeMap, BTreeSet};
use std::f64::consts::TAU;

use kuramoto::model::{Bound, Parameters, Role};
use kuramoto::{DType, Tape, Var};
use serde_json::Value as Json;

use super::file::{Golden, Numbers};
use crate::failure::{Failure, Result};

/// A kind of case, as `case` in a file names it.
#[derive(Clone, Copy)]
pub struct Case {
    /// The name.
    pub name: &'static str,
    /// The attributes that it knows. A file with others is not understood, and refused.
    pub attrs: &'static [&'static str],
    /// Records the forward pass.
    pub build: fn(&mut Session) -> Result<Vec<Output>>,
}

/// What a case computes under one name.
pub struct Output {
    name: &'static str,
    form: Form,
}

enum Form {
    Whole(Var),
    Stack(Vec<Option<Var>>),
    Moved(Var, Vec<usize>),
    Phases(Vec<Var>),
    Modulus(Vec<Var>),
}

impl Output {
    /// A variable as it is.
    pub fn new(name: &'static str, var: Var) -> Output {
        Output { name, form: Form::Whole(var) }
    }

    /// Equal variables along a new first axis; where there is none, zeros.
    pub fn stack(name: &'static str, rows: Vec<Option<Var>>) -> Output {
        Output { name, form: Form::Stack(rows) }
    }

    /// Angles along a new first axis, known but for whole turns: those next to the file's are given.
    pub fn phases(name: &'static str, rows: Vec<Var>) -> Output {
        Output { name, form: Form::Phases(rows) }
    }

    /// The moduli of complex numbers, pairs of a real and an imaginary part.
    pub fn modulus(name: &'static str, pairs: Vec<Var>) -> Output {
        Output { name, form: Form::Modulus(pairs) }
    }

    /// A variable whose axis `axes[i]` becomes axis `i`.
    pub fn moved(name: &'static str, var: Var, axes: &[usize]) -> Output {
        Output { name, form: Form::Moved(var, axes.to_vec()) }
    }
}

/// Everything that a case computed, by the names that a file uses: `out/..` and `grad/..`.
pub type Computed = BTreeMap<String, Numbers>;

/// A case in the making.
pub struct Session<'a> {
    /// What it is recorded on.
    pub tape: Tape,
    golden: &'a Golden,
    /// Variables whose gradients are compared, by their names after `grad/`.
    leaves: Vec<(String, Var)>,
    used: BTreeSet<String>,
}

/// Builds and runs the case of `golden` forward and backward on `tape`.
pub fn compute(cases: &[Case], tape: Tape, golden: &Golden) -> Result<Computed> {
    let about = |failure: Failure| failure.about(&golden.name);
    let Some(case) = cases.iter().find(|case| case.name == golden.case) else {
        return Err(Failure::usage(format!("the case `{}` is not known", golden.case)).about(&golden.name));
    };
    if let Some(unknown) = golden.attrs.keys().find(|key| !case.attrs.contains(&key.as_str())) {
        return Err(
            Failure::usage(format!("the case `{}` has no attribute `{unknown}`", case.name)).about(&golden.name)
        );
    }
    let mut session = Session { tape, golden, leaves: vec![], used: BTreeSet::new() };
    let outputs = (case.build)(&mut session).map_err(about)?;
    session.finish(&outputs).map_err(about)
}

impl Session<'_> {
    /// An attribute.
    pub fn attr(&self, name: &str) -> Result<&Json> {
        self.golden.attrs.get(name).ok_or_else(|| Failure::usage(format!("there is no attribute `{name}`")))
    }

    /// A whole number that is not negative.
    pub fn count(&self, name: &str) -> Result<usize> {
        let value = self.attr(name)?;
        let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
        count.ok_or_else(|| self.unfit(name, "a whole number"))
    }

    /// A number.
    pub fn number(&self, name: &str) -> Result<f64> {
        self.attr(name)?.as_f64().ok_or_else(|| self.unfit(name, "a number"))
    }

    /// Whether it is computed by the f64 references.
    pub fn is_reference(&mut self) -> bool {
        matches!(self.tape.backend(), kuramoto::Backend::Reference)
    }

    /// A list of whole numbers.
    pub fn counts(&self, name: &str) -> Result<Vec<usize>> {
        let count = |value: &Json| value.as_u64().and_then(|count| usize::try_from(count).ok());
        let counts = self.attr(name)?.as_array().and_then(|list| list.iter().map(count).collect());
        counts.ok_or_else(|| self.unfit(name, "a list of whole numbers"))
    }

    /// Yes or no.
    pub fn flag(&self, name: &str) -> Result<bool> {
        self.attr(name)?.as_bool().ok_or_else(|| self.unfit(name, "true or false"))
    }

    /// One of several words.
    pub fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<T> {
        let word = self.attr(name)?.as_str();
        let found = word.and_then(|word| words.iter().find(|(known, _)| *known == word));
        let known: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
        found.map(|(_, meaning)| *meaning).ok_or_else(|| self.unfit(name, &known.join(" or ")))
    }

    /// Says that an attribute has a value that the case does not know.
    pub fn unfit(&self, name: &str, wanted: &str) -> Failure {
        let got = self.golden.attrs.get(name).map_or("absent".to_owned(), Json::to_string);
        Failure::usage(format!("the attribute `{name}` is {got}, expected {wanted}"))
    }

    fn numbers(&mut self, key: String) -> Result<&Numbers> {
        let numbers = self.golden.tensors.get(&key);
        let numbers = numbers.ok_or_else(|| Failure::usage(format!("there is no tensor `{key}`")))?;
        self.used.insert(key);
        Ok(numbers)
    }

    fn leaf(&mut self, key: String, gradient: Option<String>) -> Result<Var> {
        let Numbers { shape, data } = self.numbers(key)?.clone();
        let value = self.tape.upload(&data, &shape, DType::F32)?;
        Ok(match gradient {
            Some(name) => {
                let var = self.tape.leaf(value);
                self.leaves.push((name, var));
                var
            }
            None => self.tape.constant(value),
        })
    }

    /// The input `name`; its gradient is compared if the file has one.
    pub fn input(&mut self, name: &str) -> Result<Var> {
        let gradient = format!("in.{name}");
        let wanted = self.golden.tensors.contains_key(&format!("grad/{gradient}"));
        self.leaf(format!("in/{name}"), wanted.then_some(gradient))
    }

    /// Extents of the input `name`.
    pub fn shape(&mut self, name: &str) -> Result<&[usize]> {
        Ok(&self.numbers(format!("in/{name}"))?.shape)
    }

    /// The input `name` of whole numbers that are not negative.
    pub fn indices(&mut self, name: &str) -> Result<Vec<u32>> {
        let numbers = self.numbers(format!("in/{name}"))?;
        let whole = |v: &f64| (*v >= 0.0 && *v <= f64::from(u32::MAX) && v.fract() == 0.0).then_some(*v as u32);
        let indices: Option<Vec<u32>> = numbers.data.iter().map(whole).collect();
        indices.ok_or_else(|| Failure::usage(format!("`in/{name}` has elements that are no indices")))
    }

    /// The parameter `key`, whose gradient must be the file's; a parameter without one there must get none.
    pub fn parameter(&mut self, key: &str) -> Result<Var> {
        self.leaf(format!("param/{key}"), Some(key.to_owned()))
    }

    /// The parameters of a model with the file's values. Everything that the model learns must get the file's gradient.
    pub fn parameters(&mut self, mut parameters: Parameters) -> Result<Bound> {
        // It refuses a name that the model does not have, and one that the file lacks.
        parameters.load(&self.golden.parameters)?;
        self.used.extend(self.golden.parameters.iter().map(|(name, _)| format!("param/{name}")));
        let bound = parameters.place(&mut self.tape)?.bind(&mut self.tape);
        for parameter in parameters.iter().filter(|parameter| parameter.role == Role::Learned) {
            self.leaves.push((parameter.name.clone(), bound.get(&parameter.name)?));
        }
        Ok(bound)
    }

    /// One extent of the parameter `key`.
    pub fn extent(&self, key: &str, axis: usize) -> Result<usize> {
        let shape = self.golden.parameters.require(key)?.shape();
        let missing = || Failure::usage(format!("`param/{key}` is {shape:?}, expected an axis {axis}"));
        shape.get(axis).copied().ok_or_else(missing)
    }

    /// Runs backward and collects what there is to compare.
    fn finish(mut self, outputs: &[Output]) -> Result<Computed> {
        let given = self.golden.tensors.keys().filter(|key| key.starts_with("in/") || key.starts_with("param/"));
        if let Some(unread) = given.into_iter().find(|key| !self.used.contains(*key)) {
            return Err(Failure::usage(format!("the case `{}` does not read `{unread}`", self.golden.case)));
        }
        let mut computed = Computed::new();
        for output in outputs {
            let mut numbers = self.output(&output.form)?;
            if let (Form::Phases(_), Some(file)) =
                (&output.form, self.golden.tensors.get(&format!("out/{}", output.name)))
            {
                for (got, expected) in numbers.data.iter_mut().zip(&file.data) {
                    *got += TAU * ((expected - *got) / TAU).round();
                }
            }
            computed.insert(format!("out/{}", output.name), numbers);
        }
        let mut seeds = Vec::new();
        let cotangents: Vec<(&str, &Numbers)> = self.golden.of("cotangent").collect();
        for (name, cotangent) in &cotangents {
            let Some(output) = outputs.iter().find(|output| output.name == *name) else {
                return Err(Failure::usage(format!("`cotangent/{name}` belongs to no output")));
            };
            if computed[&format!("out/{name}")].shape != cotangent.shape {
                return Err(Failure::usage(format!("`cotangent/{name}` is {:?}, unlike its output", cotangent.shape)));
            }
            self.seed(&output.form, cotangent, &mut seeds)?;
        }
        let loss = outputs.iter().find(|output| output.name == "loss");
        let gradients = match (cotangents.is_empty(), loss) {
            (false, _) => self.tape.vjp(&seeds)?,
            (true, Some(Output { form: Form::Whole(loss), .. })) => self.tape.backward(*loss)?,
            (true, _) if self.leaves.is_empty() => return Ok(computed),
            (true, _) => return Err(Failure::usage("there are neither cotangents nor a loss")),
        };
        for (name, var) in std::mem::take(&mut self.leaves) {
            if gradients.get(var).is_some() {
                let data = gradients.read(&mut self.tape, var)?;
                computed.insert(format!("grad/{name}"), Numbers { shape: self.tape.spec(var)?.shape, data });
            }
        }
        Ok(computed)
    }

    /// The elements of an output as its file has them.
    fn output(&mut self, form: &Form) -> Result<Numbers> {
        match form {
            Form::Whole(var) => Ok(Numbers { shape: self.tape.spec(*var)?.shape, data: self.tape.read(*var)? }),
            Form::Moved(var, axes) => {
                let whole = self.output(&Form::Whole(*var))?;
                Ok(moved(&whole, axes))
            }
            Form::Phases(rows) => self.output(&Form::Stack(rows.iter().copied().map(Some).collect())),
            Form::Modulus(pairs) => {
                let mut data = Vec::new();
                for pair in pairs {
                    data.extend(self.tape.read(*pair)?.chunks(2).map(|z| z.iter().map(|v| v * v).sum::<f64>().sqrt()));
                }
                Ok(Numbers { shape: vec![data.len()], data })
            }
            Form::Stack(rows) => {
                let Some(first) = rows.iter().flatten().next() else {
                    return Err(Failure::usage("a stack of nothing has no extents"));
                };
                let row = self.tape.spec(*first)?;
                let mut data = Vec::new();
                for var in rows {
                    match var {
                        Some(var) => data.extend(self.tape.read(*var)?),
                        None => data.resize(data.len() + row.len(), 0.0),
                    }
                }
                Ok(Numbers { shape: [&[rows.len()], row.shape.as_slice()].concat(), data })
            }
        }
    }

    /// The cotangent of an output as cotangents of variables.
    fn seed(&mut self, form: &Form, cotangent: &Numbers, seeds: &mut Vec<(Var, kuramoto::Value)>) -> Result {
        let mut push = |tape: &mut Tape, var: Var, data: &[f64]| -> Result {
            let spec = tape.spec(var)?;
            seeds.push((var, tape.upload(data, &spec.shape, spec.dtype)?));
            Ok(())
        };
        match form {
            Form::Whole(var) => push(&mut self.tape, *var, &cotangent.data),
            Form::Moved(var, axes) => {
                let mut back = vec![0; axes.len()];
                axes.iter().enumerate().for_each(|(to, from)| back[*from] = to);
                push(&mut self.tape, *var, &moved(cotangent, &back).data)
            }
            Form::Phases(rows) => {
                let rows = Form::Stack(rows.iter().copied().map(Some).collect());
                self.seed(&rows, cotangent, seeds)
            }
            Form::Modulus(_) => Err(Failure::usage("a modulus has no cotangent here")),
            Form::Stack(rows) => {
                let width = cotangent.data.len() / rows.len().max(1);
                let parts = (0..rows.len()).map(|row| &cotangent.data[row * width..(row + 1) * width]);
                rows.iter().zip(parts).try_for_each(|(var, part)| match var {
                    Some(var) => push(&mut self.tape, *var, part),
                    None => Ok(()),
                })
            }
        }
    }
}

/// `numbers` with axis `axes[i]` as axis `i`.
fn moved(numbers: &Numbers, axes: &[usize]) -> Numbers {
    let shape: Vec<usize> = axes.iter().map(|axis| numbers.shape[*axis]).collect();
    let stride = |axis: usize| numbers.shape[axis + 1..].iter().product::<usize>();
    let strides: Vec<usize> = axes.iter().map(|axis| stride(*axis)).collect();
    let element = |index: usize| {
        let (mut rest, mut from) = (index, 0);
        for (extent, stride) in shape.iter().zip(&strides).rev() {
            from += rest % extent * stride;
            rest /= extent;
        }
        numbers.data[from]
    };
    let data = (0..numbers.data.len()).map(element).collect();
    Numbers { shape, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_move() {
        let numbers = Numbers { shape: vec![2, 3], data: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0] };
        let turned = moved(&numbers, &[1, 0]);
        assert_eq!(turned, Numbers { shape: vec![3, 2], data: vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0] });
        let three = Numbers { shape: vec![2, 3, 4], data: (0..24).map(f64::from).collect() };
        let last = moved(&three, &[1, 2, 0]);
        assert_eq!((last.shape.as_slice(), last.data[1], last.data[2]), (&[3, 4, 2][..], 12.0, 1.0));
        assert_eq!(moved(&last, &[2, 0, 1]), three);
    }
}
