//! What is checked before a dispatch is recorded: wgpu would answer most of it with a panic.

use super::commands::{Bind, Commands, Work};
use super::tensor::f16_missing;
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::{Access, DType, Elem, Field, Kernel, WORKGROUP};

impl Commands {
    pub(super) fn check(&self, kernel: &Kernel, dtype: DType, fields: &[Field], binds: &[Bind<'_>]) -> Result<()> {
        let name = kernel.name;
        let limits = &self.context.0.limits;
        if fields != kernel.params {
            return Err(Error::new(ErrorKind::Shader, format!("{name}: the parameters are not those of the contract")));
        }
        if binds.len() != kernel.bindings.len() {
            let message =
                format!("{name}: {} tensors are bound, the contract has {}", binds.len(), kernel.bindings.len());
            return Err(Error::new(ErrorKind::Shader, message));
        }
        let most = limits.max_storage_buffers_per_shader_stage as usize;
        if binds.len() > most {
            let message = format!("{name}: {} storage buffers, the device binds at most {most}", binds.len());
            return Err(Error::new(ErrorKind::Limit, message));
        }
        if kernel.is_generic() && dtype == DType::F16 && !self.context.has_f16() {
            return Err(f16_missing(name));
        }
        for (i, (bind, contract)) in binds.iter().zip(kernel.bindings).enumerate() {
            let tensor = bind.tensor;
            if !tensor.context().is_same(&self.context) {
                let message = format!("{name}: {} belongs to another context; wrap its buffer", contract.name);
                return Err(Error::new(ErrorKind::Foreign, message));
            }
            let fits = match contract.access {
                Access::Sum => matches!(bind.access, Access::Write | Access::Update),
                access => bind.access == access,
            };
            if !fits {
                let message = format!("{name}: {} is bound for the wrong access", contract.name);
                return Err(Error::new(ErrorKind::Shader, message));
            }
            let wanted = match contract.elem {
                Elem::Storage => Some(dtype),
                Elem::F32 => Some(DType::F32),
                Elem::U32 => Some(DType::U32),
                Elem::Words => None,
            };
            if let Some(wanted) = wanted.filter(|w| *w != tensor.dtype()) {
                return Err(Error::argument(ErrorKind::DType, name, contract.name, tensor.dtype(), wanted));
            }
            let limit = limits.max_storage_buffer_binding_size;
            if tensor.bound_bytes() > limit {
                let message =
                    format!("{name}: {} is {} bytes, the device binds at most {limit}", contract.name, tensor.bytes());
                return Err(Error::new(ErrorKind::Limit, message));
            }
            // wgpu tracks hazards per buffer: a written buffer may not be bound twice, even at disjoint ranges.
            let shared = binds
                .iter()
                .enumerate()
                .find(|(j, other)| *j != i && bind.access != Access::Read && other.tensor.buffer() == tensor.buffer());
            if let Some((j, _)) = shared {
                let other = kernel.bindings[j].name;
                let message =
                    format!("{name}: output {} shares its buffer with {other}; use separate ones", contract.name);
                return Err(Error::new(ErrorKind::Aliasing, message));
            }
        }
        Ok(())
    }

    /// Folds the workgroups into columns and rows.
    pub(super) fn grid(&self, kernel: &Kernel, work: Work) -> Result<(u32, u32)> {
        let groups = work.groups;
        if let Some(limit) = self.context.0.loop_limit.filter(|limit| work.rounds > *limit) {
            let message = format!(
                "{}: {} loop rounds an invocation, {} silently stops after {limit}; use a newer driver",
                kernel.name,
                work.rounds,
                self.context.info().driver_info
            );
            return Err(Error::new(ErrorKind::Limit, message));
        }
        let most = u64::from(self.context.0.limits.max_compute_workgroups_per_dimension);
        let columns = groups.min(most).max(1);
        let rows = groups.div_ceil(columns).max(1);
        // The linear index of the last invocation, padding included, must fit a u32.
        let reach = columns.saturating_mul(rows).saturating_mul(WORKGROUP.into());
        match (u32::try_from(columns), u32::try_from(rows)) {
            (Ok(c), Ok(r)) if rows <= most && reach <= u64::from(u32::MAX) => Ok((c, r)),
            _ => {
                let message =
                    format!("{}: {groups} workgroups, the device dispatches at most {most} x {most}", kernel.name);
                Err(Error::new(ErrorKind::Limit, message))
            }
        }
    }
}
