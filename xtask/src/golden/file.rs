//! A golden file: what to build, what goes in, what must come out.

use std::collections::BTreeMap;
use std::path::Path;

use kuramoto::weights::Weights;
use serde_json::{Map, Value};

use crate::failure::{Failure, Result};

/// Numbers with extents.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// Row-major.
    pub data: Vec<f64>,
}

/// One case with everything that its file says.
#[derive(Clone, Debug)]
pub struct Golden {
    /// The file's name without its ending.
    pub name: String,
    /// What to build.
    pub case: String,
    /// How.
    pub attrs: Map<String, Value>,
    /// All tensors by their full names: `in/x`, `param/bias`, `out/y`, `cotangent/y`, `grad/in.x`, `grad/bias`.
    pub tensors: BTreeMap<String, Numbers>,
    /// The parameters as they are stored, by their names in a checkpoint.
    pub parameters: Weights,
    /// What the file says of itself.
    pub metadata: BTreeMap<String, String>,
}

const KINDS: [&str; 5] = ["in", "param", "out", "cotangent", "grad"];

impl Golden {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Golden> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Golden::new(name, Weights::read(path)?)
    }

    /// What `weights`, read from the file `name`, describe.
    pub fn new(name: String, weights: Weights) -> Result<Golden> {
        let described = |key: &str| {
            let missing = || Failure::usage(format!("{name}: the metadata has no `{key}`"));
            weights.metadata.get(key).cloned().ok_or_else(missing)
        };
        let attrs = serde_json::from_str(&described("attrs")?)
            .map_err(|why| Failure::usage(format!("{name}: attrs are no JSON object: {why}")))?;
        let case = described("case")?;
        let (mut tensors, mut parameters) = (BTreeMap::new(), Weights::new());
        for (key, stored) in weights.iter() {
            match key.split_once('/') {
                Some((kind, _)) if KINDS.contains(&kind) => {}
                _ => {
                    return Err(Failure::usage(format!(
                        "{name}: `{key}` is none of in/, param/, out/, cotangent/, grad/"
                    )));
                }
            }
            if let Some(parameter) = key.strip_prefix("param/") {
                parameters.insert(parameter, stored.clone())?;
            }
            let data = if stored.dtype().is_float() {
                stored.to_f32()?.into_iter().map(f64::from).collect()
            } else {
                stored.to_i64()?.into_iter().map(|v| v as f64).collect()
            };
            tensors.insert(key.to_owned(), Numbers { shape: stored.shape().to_vec(), data });
        }
        Ok(Golden { name, case, attrs, tensors, parameters, metadata: weights.metadata })
    }

    /// The tensors whose names begin with `kind/`, without that.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Numbers)> {
        let below = move |key: &'a str| key.strip_prefix(kind)?.strip_prefix('/');
        self.tensors.iter().filter_map(move |(key, numbers)| Some((below(key)?, numbers)))
    }
}
