//! What a run can be resumed from.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::simulate::Start;

/// Where a run stands, and what it has sampled.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
pub struct Checkpoint {
    /// What the run is: it goes on only as the same.
    pub settings: String,
    /// Steps that are done.
    pub done: usize,
    pub theta: Vec<f32>,
    pub velocity: Vec<f32>,
    pub times: Vec<f64>,
    pub order: Vec<f64>,
    pub rate: Vec<f64>,
}

impl Checkpoint {
    pub fn start(&self) -> Start {
        Start { theta: self.theta.clone(), velocity: self.velocity.clone() }
    }

    /// # Errors
    /// In words.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let at = |why: &dyn std::fmt::Display| format!("{}: cannot be written ({why})", path.display());
        let text = serde_json::to_vec(self).map_err(|why| at(&why))?;
        // A run that is stopped while it writes keeps the older one.
        let fresh = path.with_extension("new");
        std::fs::write(&fresh, text).and_then(|()| std::fs::rename(&fresh, path)).map_err(|why| at(&why))
    }

    /// The checkpoint of a run with these settings.
    ///
    /// # Errors
    /// In words: none there, damaged, or of another run.
    pub fn read(path: &Path, settings: &str) -> Result<Checkpoint, String> {
        let at = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        let text = std::fs::read(path).map_err(|why| at(&format!("there is nothing to resume ({why})")))?;
        let found: Checkpoint = serde_json::from_slice(&text).map_err(|why| at(&format!("is damaged ({why})")))?;
        match found.settings == settings {
            true => Ok(found),
            false => Err(at(&format!("is of another run ({}), not of this one ({settings})", found.settings))),
        }
    }
}
