//! Numbers for cases: seeded by the names, so that a failure repeats.

use crate::cpu::noise::philox;
use crate::kernel::DType;
use crate::ops::spec::{Fill, Port};

/// A stream of numbers keyed by a text.
pub(super) struct Random {
    key: [u32; 2],
    next: u32,
}

impl Random {
    pub(super) fn keyed(text: &str) -> Random {
        // FNV-1a: any hash serves that does not change with the compiler.
        let hash =
            text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3));
        Random { key: [hash as u32, (hash >> 32) as u32], next: 0 }
    }

    fn word(&mut self) -> u32 {
        let at = self.next;
        self.next += 1;
        philox([at / 4, 0, 0, 0], self.key)[at as usize % 4]
    }

    /// Uniform in `[0, 1)`.
    pub(super) fn unit(&mut self) -> f64 {
        f64::from(self.word() >> 8) * f64::powi(2.0, -24)
    }

    /// Uniform in `[-1, 1)`.
    pub(super) fn signed(&mut self) -> f64 {
        2.0 * self.unit() - 1.0
    }
}

/// The nearest number that `dtype` stores.
pub(super) fn round(value: f64, dtype: DType) -> f64 {
    match dtype {
        DType::F16 => half::f16::from_f64(value).to_f64(),
        DType::F32 | DType::U32 => f64::from(value as f32),
    }
}

/// The elements of an input, as `dtype` stores them.
pub(super) fn fill(port: &Port, fill: &Fill, dtype: DType, random: &mut Random) -> Vec<f64> {
    let dtype = port.spec(dtype).dtype;
    let len = port.len();
    let mut data: Vec<f64> = match fill {
        Fill::Uniform => (0..len).map(|_| random.signed()).collect(),
        Fill::Between(low, high) => (0..len).map(|_| low + (high - low) * random.unit()).collect(),
        Fill::Unit(_) => (0..len).map(|_| random.signed()).collect(),
        Fill::Axes(_) | Fill::Zero | Fill::OneHot => vec![0.0; len],
        Fill::Mixed(exponent) => {
            // f16 spans 2^-14 to 2^15; products and sums of a few must fit.
            let most = if dtype == DType::F16 { (*exponent).min(4) } else { *exponent };
            (0..len)
                .map(|_| {
                    let scale = (2.0 * f64::from(most) * random.unit()) as i32 - most;
                    random.signed() * f64::powi(2.0, scale)
                })
                .collect()
        }
        Fill::Values(values) => values.iter().copied().cycle().take(len).collect(),
        Fill::Integers => (0..len).map(|_| (random.unit() * 5.0).floor() - 2.0).collect(),
    };
    match fill {
        Fill::OneHot if len > 0 => data[len / 2] = 1.0,
        Fill::Unit(at) => {
            for i in 0..at.count() {
                let mut v = at.gather(&data, i);
                let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
                v.iter_mut().for_each(|x| *x /= norm);
                at.scatter(&mut data, i, &v);
            }
        }
        Fill::Axes(at) => {
            for i in 0..at.count() {
                data[at.index(i, i % at.n)] = if i % 2 == 0 { 1.0 } else { -1.0 };
            }
        }
        _ => {}
    }
    data.iter_mut().for_each(|v| *v = round(*v, dtype));
    data
}
