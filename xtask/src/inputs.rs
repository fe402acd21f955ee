//! Numbers to run kernels on where what they are does not matter, only that they repeat.

use kuramoto::DType;
use kuramoto::ops::spec::{Fill, Port};

/// A generator of 64-bit numbers by Marsaglia (2003); the same on every machine.
pub struct Numbers(u64);

impl Numbers {
    /// A stream of its own for each seed.
    pub fn new(seed: u64) -> Numbers {
        Numbers(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Uniform in `[0, 1)`, a multiple of `2^-24`.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// Uniform in `[-1, 1)`.
    pub fn signed(&mut self) -> f32 {
        2.0 * self.unit() - 1.0
    }

    /// An input of a case. Speed does not depend on values, so special fills become what is simplest and legal.
    pub fn fill(&mut self, port: &Port, fill: &Fill) -> Vec<f32> {
        let len = port.len();
        match fill {
            Fill::Between(low, high) => (0..len).map(|_| *low as f32 + (*high - *low) as f32 * self.unit()).collect(),
            Fill::Values(values) => values.iter().map(|v| *v as f32).cycle().take(len).collect(),
            Fill::Unit(at) | Fill::Axes(at) => {
                let mut data: Vec<f32> = (0..len).map(|_| self.signed()).collect();
                for i in 0..at.count() {
                    let v = at.gather(&data, i);
                    let norm = v.iter().map(|x| x * x).sum::<f32>().sqrt();
                    at.scatter(&mut data, i, &v.iter().map(|x| x / norm).collect::<Vec<_>>());
                }
                data
            }
            _ => (0..len).map(|_| self.signed()).collect(),
        }
    }
}

/// The storage types that a case can run with among `able`.
pub fn dtypes(fixed: Option<DType>, able: &[DType]) -> Vec<DType> {
    able.iter().copied().filter(|d| fixed.is_none_or(|f| f == *d)).collect()
}
