//! What the adapter can do at most, measured before anything is compared with it.

use kuramoto::kernel::{Binding, Elem, Kernel, Params as _, Source, input, output};
use kuramoto::{Commands, Context, DType, Result, Tensor, Work, read, write};
use serde::{Deserialize, Serialize};

use super::steady;

kuramoto::params! {
    struct Copy { len: u32 }
}

kuramoto::params! {
    struct Multiply { len: u32, rounds: u32, factor: f32, shift: f32 }
}

static COPY: Kernel = Kernel {
    name: "copy",
    source: Source::new(include_str!("copy.wgsl")),
    params: Copy::FIELDS,
    bindings: COPY_BINDINGS,
    constants: &[],
};

static COPY_SCALAR: Kernel = Kernel {
    name: "copy_scalar",
    source: Source::new(include_str!("copy_scalar.wgsl")),
    params: Copy::FIELDS,
    bindings: COPY_BINDINGS,
    constants: &[],
};

const COPY_BINDINGS: &[Binding] = &[input("src", Elem::F32, "[numbers]"), output("dst", Elem::F32, "[numbers]")];

static MULTIPLY: Kernel = Kernel {
    name: "multiply",
    source: Source::new(include_str!("multiply.wgsl")),
    params: Multiply::FIELDS,
    bindings: &[output("dst", Elem::F32, "[len]")],
    constants: &[],
};

/// Repeats of each measurement; the best counts, for a ceiling is what nothing passes.
const REPEATS: usize = 5;

/// Invocations and rounds of `multiply` on a GPU.
const LARGE: (usize, usize) = (1 << 20, 1024);

/// Numbers that one invocation of `multiply` works on.
const LANES: usize = 32;

/// The two ceilings of a roofline.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Ceilings {
    /// Read and written bytes of a copy, 10^9 a second.
    pub copy_gb_s: f64,
    /// Multiplications and additions in f32, 10^9 a second.
    pub peak_gflop_s: f64,
}

impl Ceilings {
    /// Measures both.
    pub fn measure(context: &Context) -> Result<Ceilings> {
        // From what fits a cache to what does not; a device that binds less measures what it can.
        let most = context.device().limits().max_storage_buffer_binding_size;
        let large: &[u64] = if context.is_software() { &[32, 64] } else { &[256, 1024] };
        let mut copy_gb_s = 0.0f64;
        for megabytes in large.iter().filter(|megabytes| (**megabytes << 20) <= most) {
            let len = (*megabytes << 20) as usize / 4;
            let nanos = copy_nanos(context, &COPY, len, 4)?;
            copy_gb_s = copy_gb_s.max(8.0 * len as f64 / nanos);
        }
        let (len, rounds) = if context.is_software() { (1 << 13, 512) } else { LARGE };
        let nanos = steady::least(context, REPEATS, |commands| multiply(commands, len, rounds))?;
        Ok(Ceilings { copy_gb_s, peak_gflop_s: flops(len, rounds) as f64 / nanos })
    }

    /// The shortest time in which so much can be read, written and computed, in microseconds.
    pub fn least_us(&self, bytes: u64, flops: u64) -> f64 {
        (bytes as f64 / self.copy_gb_s).max(flops as f64 / self.peak_gflop_s) / 1e3
    }

    /// Keeps a GPU busy for [`steady::WARM`], for what is timed by the host's clock right after.
    pub fn warm_up(&self, context: &Context) -> Result<()> {
        if context.is_software() {
            return Ok(());
        }
        let (len, rounds) = LARGE;
        let each = flops(len, rounds) as f64 / self.peak_gflop_s;
        let mut commands = context.commands();
        for _ in 0..((steady::WARM.as_nanos() as f64 / each).ceil() as usize).clamp(1, 1 << 10) {
            multiply(&mut commands, len, rounds)?;
        }
        commands.submit()?;
        context.wait()
    }
}

fn flops(len: usize, rounds: usize) -> usize {
    2 * LANES * len * rounds
}

/// The rate of a copy that takes one number at a time, 10^9 bytes a second.
pub fn scalar_copy_gb_s(context: &Context) -> Result<f64> {
    let len = if context.is_software() { 1 << 23 } else { 1 << 26 };
    Ok(8.0 * len as f64 / copy_nanos(context, &COPY_SCALAR, len, 1)?)
}

/// The shortest copy of `len` numbers, `each` an invocation.
fn copy_nanos(context: &Context, kernel: &'static Kernel, len: usize, each: usize) -> Result<f64> {
    let mut commands = context.commands();
    let src = commands.fill(1.5, &[len], DType::F32)?;
    commands.submit()?;
    steady::least(context, REPEATS, |commands| copy(commands, kernel, &src, each))
}

fn copy(commands: &mut Commands, kernel: &'static Kernel, src: &Tensor, each: usize) -> Result<()> {
    let dst = commands.empty(src.shape(), DType::F32)?;
    let params = Copy { len: (src.len() / each) as u32 };
    let work = Work::invocations(src.len() / each);
    commands.dispatch(kernel, DType::F32, &[], &params, &[read(src), write(&dst)], work)
}

fn multiply(commands: &mut Commands, len: usize, rounds: usize) -> Result<()> {
    let dst = commands.empty(&[len], DType::F32)?;
    let params = Multiply { len: len as u32, rounds: rounds as u32, factor: 0.75, shift: 0.25 };
    let work = Work::invocations(len).rounds(rounds).flops(flops(len, rounds));
    commands.dispatch(&MULTIPLY, DType::F32, &[], &params, &[write(&dst)], work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_of_memory_and_arithmetic_decides() {
        let ceilings = Ceilings { copy_gb_s: 10.0, peak_gflop_s: 100.0 };
        // 10^6 bytes at 10 GB/s are 100 microseconds, 10^6 flops at 100 GFLOP/s are 10.
        assert!((ceilings.least_us(1_000_000, 1_000_000) - 100.0).abs() < 1e-9);
        assert!((ceilings.least_us(1_000, 100_000_000) - 1000.0).abs() < 1e-9);
    }
}
