//! What an adapter offers, and how its driver differs from others.

use super::context::Context;
use super::latch::lock;

/// The edge of square tiles with f16 operands and f32 sums, the largest if there are several.
pub(super) fn cooperative_tile(adapter: &wgpu::Adapter) -> Option<u32> {
    let needed =
        wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX | wgpu::Features::SHADER_F16 | wgpu::Features::SUBGROUP;
    if !adapter.features().contains(needed) {
        return None;
    }
    let square = |p: &wgpu::CooperativeMatrixProperties| p.m_size == p.n_size && p.n_size == p.k_size;
    let mixed = |p: &wgpu::CooperativeMatrixProperties| {
        p.ab_type == wgpu::CooperativeScalarType::F16 && p.cr_type == wgpu::CooperativeScalarType::F32
    };
    let fits = |p: &wgpu::CooperativeMatrixProperties| square(p) && mixed(p) && [8, 16].contains(&p.m_size);
    adapter.cooperative_matrix_properties().iter().filter(|p| fits(p)).map(|p| p.m_size).max()
}

/// Mesa's software driver counts the rounds of all loops of an invocation and leaves at 65535; measured on 22.3.6, gone
/// in 25.0.7. Versions between were not measured and count as affected.
pub(super) fn loop_limit(info: &wgpu::AdapterInfo) -> Option<u64> {
    let version = info.driver_info.strip_prefix("Mesa ")?;
    let major: u32 = version.split('.').next()?.parse().ok()?;
    (info.driver == "llvmpipe" && major < 25).then_some(65_535)
}

pub(super) fn instance() -> wgpu::Instance {
    wgpu::Instance::new(wgpu::InstanceDescriptor {
        // GL adapters show the same software driver a second time, without f16.
        backends: wgpu::Backends::PRIMARY,
        flags: wgpu::InstanceFlags::empty(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    })
}

impl Context {
    /// The features that kernels of this library use, as far as `adapter` has them: f16 storage, timestamps for
    /// [`Context::profile`], subgroups, a cache of pipelines.
    pub fn required_features(adapter: &wgpu::Adapter) -> wgpu::Features {
        let used = wgpu::Features::SHADER_F16 | wgpu::Features::TIMESTAMP_QUERY;
        adapter.features() & (used | wgpu::Features::SUBGROUP | wgpu::Features::PIPELINE_CACHE)
    }

    /// The adapter's own limits: the defaults of WebGPU stop at 128 MiB a binding.
    pub fn required_limits(adapter: &wgpu::Adapter) -> wgpu::Limits {
        adapter.limits()
    }

    /// The edge of the cooperative matrices (f16 operands, f32 sums) that this device multiplies: 8, 16, or `None`.
    ///
    /// A context on a host's device has none: wgpu tells the shapes of an adapter only. Whether the products are right is
    /// another question; see [`trusted_tile`](crate::ops::trusted_tile).
    pub fn cooperative_tile(&self) -> Option<u32> {
        self.0.cooperative_tile
    }

    /// Whether the products of cooperative matrices were found to be right, once that is known.
    pub(crate) fn cooperation(&self) -> Option<bool> {
        *lock(&self.0.cooperation)
    }

    /// Keeps what was found; two threads that both looked found the same.
    pub(crate) fn set_cooperation(&self, right: bool) {
        *lock(&self.0.cooperation) = Some(right);
    }
}
