//! Compiling the kernels that a program is known to need, before it needs them.

use super::kernels;
use crate::error::Result;
use crate::gpu::Context;
use crate::kernel::{DType, Kernel};

/// What [`prewarm`] did.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Prewarmed {
    /// Pipelines that are ready now.
    pub compiled: usize,
    /// Names that are none of this library's kernels: of an older version, or a program's own.
    pub unknown: Vec<String>,
}

/// Compiles the pipelines with these names, as [`Context::compiled`] gave them after an earlier run, and waits until
/// the device is done with it. Another thread may do so while the program reads its data.
///
/// ```no_run
/// # fn main() -> kuramoto::Result<()> {
/// let context = kuramoto::Context::new()?;
/// let warmed = kuramoto::ops::prewarm(&context, &["linear_reg f32 ACROSS=8", "sphere_step_reg f32 N=4 PER=16"])?;
/// assert!(warmed.unknown.is_empty());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Shader` if the device rejects a kernel, `Feature` for f16 on a device without it, `DeviceLost`, `OutOfMemory`.
pub fn prewarm<S: AsRef<str>>(context: &Context, names: &[S]) -> Result<Prewarmed> {
    let all = kernels();
    let mut warmed = Prewarmed::default();
    let mut commands = context.commands();
    for name in names {
        match find(&all, name.as_ref()) {
            Some((kernel, dtype, constants)) => {
                commands.warm(kernel, dtype, &constants)?;
                warmed.compiled += 1;
            }
            None => warmed.unknown.push(name.as_ref().to_owned()),
        }
    }
    commands.submit()?;
    context.wait()?;
    Ok(warmed)
}

type Variant = (&'static Kernel, DType, Vec<(&'static str, u32)>);

fn find(all: &[&'static Kernel], name: &str) -> Option<Variant> {
    let stem = name.split(' ').next()?;
    let kernel = all.iter().find(|kernel| kernel.name == stem)?;
    let sets = kernel.constant_sets();
    let dtyped = kernel.dtypes().iter().flat_map(|dtype| sets.iter().map(|set| (*dtype, set)));
    let (dtype, constants) = dtyped.into_iter().find(|(dtype, set)| kernel.variant_name(*dtype, set) == name)?;
    Some((kernel, dtype, constants.clone()))
}
