//! Values of flags that are more than a number.

use std::path::PathBuf;
use std::str::FromStr;

/// Natural frequencies.
#[derive(Clone, PartialEq, Debug)]
pub enum Frequencies {
    Lorentz,
    Gauss,
    Uniform,
    /// What each bus of a grid feeds in.
    Power,
    /// A file with one number per node.
    File(PathBuf),
}

impl FromStr for Frequencies {
    type Err = String;

    fn from_str(text: &str) -> Result<Frequencies, String> {
        match text {
            "lorentz" => Ok(Frequencies::Lorentz),
            "gauss" => Ok(Frequencies::Gauss),
            "uniform" => Ok(Frequencies::Uniform),
            "power" => Ok(Frequencies::Power),
            path if path.contains(['.', '/', '\\']) => Ok(Frequencies::File(path.into())),
            _ => Err("expected lorentz, gauss, uniform, power or a file".into()),
        }
    }
}

/// Values at equal distances, both ends included.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Grid {
    pub from: f64,
    pub to: f64,
    pub count: usize,
}

impl Grid {
    pub fn values(&self) -> Vec<f64> {
        let last = self.count.saturating_sub(1).max(1) as f64;
        (0..self.count).map(|k| self.from + (self.to - self.from) * k as f64 / last).collect()
    }
}

impl FromStr for Grid {
    type Err = String;

    fn from_str(text: &str) -> Result<Grid, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let (from, to, count) = match parts[..] {
            [one] => (finite(one)?, finite(one)?, 1),
            [from, to, count] => {
                let count = count.parse().map_err(|_| format!("`{count}` is no count"))?;
                (finite(from)?, finite(to)?, count)
            }
            _ => return Err("expected FROM:TO:COUNT or one number".into()),
        };
        if count == 0 || (count > 1 && from >= to) {
            return Err("expected FROM below TO and at least one value".into());
        }
        Ok(Grid { from, to, count })
    }
}

/// An edge that is taken out during a run.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Trip {
    pub ends: [usize; 2],
    pub time: f64,
}

impl FromStr for Trip {
    type Err = String;

    fn from_str(text: &str) -> Result<Trip, String> {
        let [a, b, time] = text.split(',').collect::<Vec<_>>()[..] else {
            return Err("expected NODE,NODE,TIME".into());
        };
        let node = |word: &str| word.trim().parse().map_err(|_| format!("`{word}` is no number of a node"));
        Ok(Trip { ends: [node(a)?, node(b)?], time: not_negative(time.trim())? })
    }
}

/// A number that is neither infinite nor none.
pub fn finite(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|value: &f64| value.is_finite()).ok_or_else(|| "expected a finite number".into())
}

/// A number above 0.
pub fn positive(text: &str) -> Result<f64, String> {
    finite(text).ok().filter(|value| *value > 0.0).ok_or_else(|| "expected a number above 0".into())
}

/// A number of at least 0.
pub fn not_negative(text: &str) -> Result<f64, String> {
    finite(text).ok().filter(|value| *value >= 0.0).ok_or_else(|| "expected a number of at least 0".into())
}
