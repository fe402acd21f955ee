//! All that training keeps, on the host: what a run needs to go on as if it had never stopped.

use std::collections::BTreeMap;

use super::parameters::{Parameters, Role};
use super::trainer::{Arena, Trainer};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::tape::{Tape, Value};

/// The state of a [`Trainer`] between two steps: parameters, both moments, running statistics, moving averages and the
/// number of steps, without rounding. A trainer restored from it computes the same bits as the one it was taken from.
///
/// Names are those of the parameters behind what is kept of them: `parameters.`, `moments.first.`, `moments.second.` and,
/// with a moving average, `average.`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Snapshot {
    /// Steps done.
    pub step: u32,
    pub(super) kept: BTreeMap<String, Kept>,
}

/// One tensor of a snapshot. The reference backend computes in f64; of a device all numbers are those of f32.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Kept {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f64>,
}

const NOW: &str = "parameters.";
const MOMENTS: [&str; 2] = ["moments.first.", "moments.second."];
const AVERAGE: &str = "average.";

impl Snapshot {
    /// Names, extents and elements, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[usize], &[f64])> {
        self.kept.iter().map(|(name, kept)| (name.as_str(), kept.shape.as_slice(), kept.values.as_slice()))
    }

    /// Whether a moving average was kept.
    pub fn is_averaged(&self) -> bool {
        self.kept.keys().any(|name| name.starts_with(AVERAGE))
    }

    /// Puts the values that were kept, or their moving average, into the parameters of the same model, rounded to f32.
    ///
    /// # Errors
    /// `Param` with the name that one of the two lacks, `Shape` for another number of elements. `into` may have been
    /// changed in part then.
    pub fn parameters(&self, averaged: bool, into: &mut Parameters) -> Result<()> {
        let placed = |role: &Role| matches!(role, Role::Learned | Role::Statistic | Role::Frozen);
        let parameters: Vec<_> =
            into.iter().filter(|p| placed(&p.role)).map(|p| (p.name.clone(), p.role == Role::Frozen)).collect();
        for (name, frozen) in parameters {
            // What never changes has no average.
            let prefix = if averaged && !frozen { AVERAGE } else { NOW };
            let Some(kept) = self.kept.get(&format!("{prefix}{name}")) else {
                let name = format!("{prefix}{name}");
                return Err(Error::argument(
                    ErrorKind::Param,
                    "Snapshot::parameters",
                    &name,
                    "missing",
                    "in the snapshot",
                ));
            };
            let values: Vec<f32> = kept.values.iter().map(|value| *value as f32).collect();
            into.set(&name, &values)?;
        }
        Ok(())
    }
}

impl Trainer {
    /// All that this trainer keeps, on the host. Waits for the device.
    ///
    /// # Errors
    /// `Foreign` for a tape of another backend or context; whatever reading from the device returns.
    pub fn snapshot(&self, tape: &mut Tape) -> Result<Snapshot> {
        let mut kept = BTreeMap::new();
        for (arena, value, prefixes) in self.slots() {
            let data = tape.backend().read(value)?;
            for (row, prefix) in prefixes.iter().enumerate() {
                for (at, start) in &arena.starts {
                    let parameter = self.parameters.at(*at);
                    let (name, shape) = (format!("{prefix}{}", parameter.name), parameter.shape.clone());
                    let values = data[row * arena.len + start..][..parameter.values.len()].to_vec();
                    kept.insert(name, Kept { shape, values });
                }
            }
        }
        Ok(Snapshot { step: self.step, kept })
    }

    /// Takes everything from `snapshot`, on whichever backend it was made. Learning rate and other options stay those of
    /// this trainer.
    ///
    /// # Errors
    /// `Param` with the name that is missing or surplus, an average that only one of the two has among them; `Shape` for
    /// other extents; whatever uploading returns. Nothing is changed then.
    pub fn restore(&mut self, tape: &mut Tape, snapshot: &Snapshot) -> Result<()> {
        let (mut found, mut values) = (0, Vec::new());
        for (arena, _, prefixes) in self.slots() {
            let mut data = vec![0.0; prefixes.len() * arena.len];
            for (row, prefix) in prefixes.iter().enumerate() {
                for (at, start) in &arena.starts {
                    let parameter = self.parameters.at(*at);
                    let name = format!("{prefix}{}", parameter.name);
                    let Some(kept) = snapshot.kept.get(&name) else {
                        return Err(refuse(ErrorKind::Param, &name, "missing".into(), "what this trainer keeps"));
                    };
                    if kept.shape != parameter.shape || kept.values.len() != parameter.values.len() {
                        let wanted = format!("{:?}", parameter.shape);
                        return Err(refuse(ErrorKind::Shape, &name, format!("{:?}", kept.shape), &wanted));
                    }
                    data[row * arena.len + start..][..kept.values.len()].copy_from_slice(&kept.values);
                    found += 1;
                }
            }
            let shape = if prefixes.len() == 1 { vec![arena.len] } else { vec![prefixes.len(), arena.len] };
            values.push((data, shape));
        }
        if found < snapshot.kept.len() {
            let known = |name: &str| self.slots().iter().any(|slot| self.keeps(slot, name));
            let name = snapshot.kept.keys().find(|name| !known(name)).map_or("", String::as_str);
            return Err(refuse(ErrorKind::Param, name, "surplus".into(), "what this trainer keeps"));
        }
        let values = values.iter().map(|(data, shape)| tape.upload(data, shape, DType::F32));
        let mut values = values.collect::<Result<Vec<_>>>()?.into_iter();
        let mut next = |slot: &mut Value| values.next().into_iter().for_each(|value| *slot = value);
        next(&mut self.learned.value);
        next(&mut self.statistics.value);
        next(&mut self.frozen.value);
        self.average.iter_mut().flatten().for_each(next);
        self.step = snapshot.step;
        Ok(())
    }

    /// What is kept, in the order of [`Trainer::restore`]: the arena that says where parameters lie, the buffer, and a
    /// prefix for each of its rows.
    fn slots(&self) -> Vec<(&Arena, &Value, &'static [&'static str])> {
        const LEARNED: [&str; 3] = [NOW, MOMENTS[0], MOMENTS[1]];
        let mut slots: Vec<(_, _, &'static [&'static str])> = vec![
            (&self.learned, &self.learned.value, &LEARNED),
            (&self.statistics, &self.statistics.value, &[NOW]),
            (&self.frozen, &self.frozen.value, &[NOW]),
        ];
        if let Some([learned, statistics]) = &self.average {
            slots.push((&self.learned, learned, &[AVERAGE]));
            slots.push((&self.statistics, statistics, &[AVERAGE]));
        }
        slots
    }

    fn keeps(&self, (arena, _, prefixes): &(&Arena, &Value, &'static [&'static str]), name: &str) -> bool {
        let of = |prefix: &&str| name.strip_prefix(*prefix).map(str::to_owned);
        let is = |rest: String| arena.starts.iter().any(|(at, _)| self.parameters.at(*at).name == rest);
        prefixes.iter().filter_map(of).any(is)
    }
}

fn refuse(kind: ErrorKind, name: &str, got: String, wanted: &str) -> Error {
    Error::argument(kind, "Trainer::restore", name, got, wanted)
}
