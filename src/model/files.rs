//! Parameters to and from files, under the names of published checkpoints.

use super::parameters::{Parameter, Parameters, Role};
use super::snapshot::{Kept, Snapshot};
use crate::error::{Error, ErrorKind, Result};
use crate::weights::{Stored, Weights};

/// Before the names in a checkpoint of a moving average, and what stands beside it there.
const AVERAGE: &str = "ema_model.";
const BESIDE_AVERAGE: [&str; 2] = ["initted", "step"];
const ONLINE: &str = "online_model.";

impl Parameters {
    /// Takes all values from a file. Names may carry the prefix `ema_model.` of a moving average, which is then what is
    /// taken; the parameters it was made from (`online_model.`) and its counters are kept for [`Parameters::save`], as is
    /// what published files hold and nothing uses ([`Role::Unused`]).
    ///
    /// # Errors
    /// `File` that names the key: one that is missing, surplus, of other extents or no number, or a second name whose
    /// values are not those of the first. Nothing is changed then.
    pub fn load(&mut self, weights: &Weights) -> Result<()> {
        let prefix = if weights.iter().any(|(name, _)| name.starts_with(AVERAGE)) { AVERAGE } else { "" };
        let mut loaded = self.clone();
        loaded.prefix = prefix;
        loaded.carried = Weights::new();
        loaded.carried.metadata = weights.metadata.clone();
        for (key, stored) in weights.iter() {
            let name = key.strip_prefix(prefix);
            let parameter = name.and_then(|name| self.get(name));
            let beside = !prefix.is_empty() && (key.starts_with(ONLINE) || BESIDE_AVERAGE.contains(&key));
            match parameter {
                Some(parameter) => {
                    fits(parameter, key, stored)?;
                    match parameter.role {
                        Role::Learned | Role::Frozen | Role::Statistic => {
                            loaded.set(&parameter.name, &stored.to_f32().map_err(|why| about(key, &why))?)?;
                        }
                        Role::Unused => loaded.carried.insert(key, stored.clone())?,
                        Role::Alias(_) => {}
                    }
                }
                None if beside => loaded.carried.insert(key, stored.clone())?,
                None => return Err(refuse(key, "surplus", "a parameter of this model")),
            }
        }
        for parameter in self.iter() {
            let key = format!("{prefix}{}", parameter.name);
            let stored = weights.get(&key);
            match (&parameter.role, stored) {
                (Role::Alias(of), Some(stored)) => {
                    let first = weights.get(&format!("{prefix}{of}"));
                    if first.is_some_and(|first| first.to_f32().ok() != stored.to_f32().ok()) {
                        return Err(refuse(&key, "different from it", &format!("the values of {prefix}{of}")));
                    }
                }
                (Role::Unused | Role::Alias(_), None) | (_, Some(_)) => {}
                (_, None) => return Err(refuse(&key, "missing", &format!("{:?} numbers", parameter.shape))),
            }
        }
        *self = loaded;
        Ok(())
    }

    /// All values in f32, under the names that [`Parameters::load`] found them by, with what it carried along.
    ///
    /// # Errors
    /// As [`Weights::insert`].
    pub fn save(&self) -> Result<Weights> {
        let mut weights = self.carried.clone();
        for parameter in self.iter() {
            let values = match &parameter.role {
                Role::Unused => continue,
                Role::Alias(of) => self.get(of).map_or(&[][..], |first| &first.values),
                Role::Learned | Role::Frozen | Role::Statistic => &parameter.values,
            };
            let key = format!("{}{}", self.prefix, parameter.name);
            weights.insert(key, Stored::from_f32(values, &parameter.shape)?)?;
        }
        Ok(weights)
    }
}

/// Where a file says that it holds a snapshot, and of how many steps.
const STEP: &str = "kuramoto.snapshot.step";

impl Snapshot {
    /// The snapshot as tensors: in f32 where that loses nothing, which is everywhere for a snapshot of a device, else in
    /// f64. The number of steps is in the metadata.
    ///
    /// # Errors
    /// As [`Weights::insert`].
    pub fn save(&self) -> Result<Weights> {
        let mut weights = Weights::new();
        for (name, shape, values) in self.iter() {
            let narrow: Vec<f32> = values.iter().map(|value| *value as f32).collect();
            let exact = values.iter().zip(&narrow).all(|(wide, narrow)| wide.to_bits() == f64::from(*narrow).to_bits());
            let stored = if exact { Stored::from_f32(&narrow, shape) } else { Stored::from_f64(values, shape) };
            weights.insert(name, stored?)?;
        }
        weights.metadata.insert(STEP.into(), self.step.to_string());
        Ok(weights)
    }

    /// The snapshot that [`Snapshot::save`] made these of.
    ///
    /// # Errors
    /// `File` if the number of steps is not there, `DType` for integers.
    pub fn load(weights: &Weights) -> Result<Snapshot> {
        let step = weights.metadata.get(STEP);
        let Some(step) = step.and_then(|step| step.parse().ok()) else {
            let got = step.map_or("missing", String::as_str);
            return Err(Error::argument(ErrorKind::File, "Snapshot::load", STEP, got, "a number of steps"));
        };
        let kept = weights.iter().map(|(name, stored)| {
            Ok((name.to_owned(), Kept { shape: stored.shape().to_vec(), values: stored.to_f64()? }))
        });
        Ok(Snapshot { step, kept: kept.collect::<Result<_>>()? })
    }
}

fn fits(parameter: &Parameter, key: &str, stored: &Stored) -> Result<()> {
    // The extents of what nothing reads are not this model's business, but for those that are known.
    if stored.shape() == parameter.shape {
        return Ok(());
    }
    Err(refuse(key, &format!("{:?}", stored.shape()), &format!("{:?}", parameter.shape)))
}

fn refuse(key: &str, got: &str, wanted: &str) -> Error {
    Error::argument(ErrorKind::File, "Parameters::load", key, got, wanted)
}

fn about(key: &str, why: &Error) -> Error {
    Error::new(ErrorKind::File, format!("Parameters::load: {key}: {why}"))
}
