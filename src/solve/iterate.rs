//! The iteration: one text for both backends and for the adjoint's linear map.

use super::options::SolveOptions;
use super::report::{Sample, Solution, fresh};
use crate::cpu::Window;
use crate::cpu::solve_judge::{Judgement, RUNNING, STATUS, coefficients_len, record_len};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::Read;
use crate::kernel::DType;
use crate::tape::{Array, Backend, Spec, Tape, Value, Var};

/// How residuals are judged.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Relative {
    /// To the image of the state.
    ToImage,
    /// To the first image: what a linear map's right-hand side is. A solution that grows without end never looks good.
    ToFirst,
}

/// Whether samples still run, as the host gets to know.
#[derive(Default)]
struct Flags {
    #[cfg(feature = "gpu")]
    older: Option<Read>,
}

/// What is solved: records the next state from the state and the parameters.
pub(super) type Recorded<'a> = dyn Fn(&mut Tape, Var, &[Var]) -> Result<Var> + 'a;

/// A map of states.
pub(super) type Step<'a> = dyn FnMut(&mut Tape, &Value) -> Result<Value> + 'a;

/// Refuses what is no state: f32 `[samples, ...]`.
pub(super) fn check_state(spec: &Spec) -> Result<()> {
    if spec.dtype != DType::F32 {
        return Err(Error::argument(ErrorKind::DType, "solve", "state", spec.dtype, "f32; cast within f"));
    }
    if spec.shape.is_empty() {
        return Err(Error::argument(ErrorKind::Shape, "solve", "state", "[]", "[samples, ...]"));
    }
    Ok(())
}

/// Refuses an image that is no state of the same extents.
pub(super) fn check_image(image: &Spec, state: &Spec) -> Result<()> {
    if image == state {
        return Ok(());
    }
    let kind = if image.dtype == state.dtype { ErrorKind::Shape } else { ErrorKind::DType };
    Err(Error::argument(kind, "solve", "what f returns", image, format!("{state} as its argument")))
}

/// Iterates `step` from `start` until every sample has ended.
pub(super) fn iterate(
    tape: &mut Tape,
    start: &Value,
    options: &SolveOptions,
    relative_to: Relative,
    step: &mut Step,
) -> Result<Solution> {
    let spec = start.spec();
    check_state(&spec)?;
    let samples = spec.shape[0];
    let len = spec.shape[1..].iter().product();
    if samples == 0 {
        return Ok(Solution { best: start.clone(), samples: vec![], evaluations: 0 });
    }
    let (window, beta, relative, absolute) = options.method.mixture();
    let (last, secant) = (options.max_iterations, options.method.is_secant());
    let flat = [samples, len];
    let mut y = start.reshape(&flat)?;
    let mut ring = empty(tape, &[2, window, samples, len])?;
    let mut record = {
        let mut records = vec![0.0; samples * record_len(window)];
        records.chunks_mut(record_len(window)).for_each(fresh);
        tape.upload(&records, &[samples, record_len(window)], DType::F32)?
    };
    let mut kept = keep(tape, &y, &ring, &Window::new(samples, len, window, 0))?;
    let (mut flags, mut evaluations) = (Flags::default(), 0);
    for iteration in 0..=last {
        let f = step(tape, &y.reshape(&spec.shape)?)?;
        check_image(&f.spec(), &spec)?;
        evaluations += 1;
        let at = match secant {
            true => Window::secants(samples, len, window, iteration),
            false => Window::new(samples, len, window, iteration),
        };
        let judgement = Judgement {
            iteration,
            least: options.min_iterations,
            last,
            // A mixture of one pair is a function of the newest state.
            memoryless: window == 1,
            patience: options.patience,
            to_first: relative_to == Relative::ToFirst,
            secant,
            tolerance: options.tolerance,
            floor: options.floor,
            divergence: options.divergence,
            relative,
            absolute,
        };
        let [pairs, sums] = tape.solve_residual(&y, &f.reshape(&flat)?, &kept, &ring, &at)?;
        let [records, coefficients] = tape.solve_judge(&sums, &record, &at, &judgement)?;
        (ring, kept, y) = if secant {
            tape.solve_secant(&y, &coefficients, &pairs, &kept, &at)?.into()
        } else {
            let [states, next] = tape.solve_mix(&y, &coefficients, &pairs, &kept, &at, beta)?;
            (pairs, states, next)
        };
        record = records;
        if iteration < last && flags.all_ended(tape, iteration, options.check_every, &record, &coefficients)? {
            break;
        }
    }
    let records = tape.backend().read(&record)?;
    let best = copy(tape, &kept.slice(0, &spec.shape)?)?;
    Ok(Solution { best, samples: records.chunks(record_len(window)).map(Sample::of).collect(), evaluations })
}

impl Flags {
    /// Whether all samples have ended. On a device that is looked at every few iterations, for an earlier look if the
    /// device runs beside the host; what is recorded is submitted then.
    #[cfg_attr(not(feature = "gpu"), allow(unused_variables))]
    fn all_ended(
        &mut self,
        tape: &mut Tape,
        iteration: usize,
        every: usize,
        record: &Value,
        coefficients: &Value,
    ) -> Result<bool> {
        match tape.backend() {
            Backend::Reference => {
                let width = record.spec().shape[1];
                Ok(record.array()?.data().chunks(width).all(|record| record[STATUS] != RUNNING))
            }
            #[cfg(feature = "gpu")]
            Backend::Device(commands) => {
                if !(iteration + 1).is_multiple_of(every) {
                    return Ok(false);
                }
                let newest = commands.read_async(coefficients.tensor()?)?;
                // A device that is the host's own cores gains nothing by running ahead of it.
                let due = match commands.context().is_software() {
                    true => Some(newest),
                    false => self.older.replace(newest),
                };
                // The third number from a row's end says whether the sample advances.
                let row = coefficients.spec().shape[1];
                match due {
                    Some(read) => Ok(read.wait()?.chunks(row).all(|c| c[row - 3] == 0.0)),
                    None => Ok(false),
                }
            }
        }
    }
}

/// A value for kernels to write.
fn empty(tape: &mut Tape, shape: &[usize]) -> Result<Value> {
    match tape.backend() {
        #[cfg(feature = "gpu")]
        Backend::Device(commands) => Ok(Value::Device(commands.empty(shape, DType::F32)?)),
        Backend::Reference => Ok(Array::new(vec![0.0; shape.iter().product()], shape, DType::F32)?.into()),
    }
}

fn copy(tape: &mut Tape, value: &Value) -> Result<Value> {
    match tape.backend() {
        #[cfg(feature = "gpu")]
        Backend::Device(commands) => Ok(Value::Device(commands.copy(value.tensor()?)?)),
        Backend::Reference => Ok(value.clone()),
    }
}

/// The start as the best state and as the anchor: a mixture in which no sample advances.
fn keep(tape: &mut Tape, y: &Value, ring: &Value, at: &Window) -> Result<Value> {
    let row = coefficients_len(at.window);
    let flags: Vec<f32> = (0..at.samples * row).map(|i| if i % row + 2 >= row { 1.0 } else { 0.0 }).collect();
    let coefficients = tape.upload(&flags, &[at.samples, row], DType::F32)?;
    let kept = empty(tape, &[2, at.samples, at.len])?;
    let [kept, _] = tape.solve_mix(y, &coefficients, ring, &kept, at, 1.0)?;
    Ok(kept)
}
