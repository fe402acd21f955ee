//! The calls that wgpu marks unsafe, each with what makes it sound here. No other module may use `unsafe`.
#![allow(unsafe_code)]

/// The agreement that features whose name begins with `EXPERIMENTAL` may have undefined behaviour.
///
/// Only cooperative matrices are asked for, and a kernel that uses them runs only after its products agreed with plain
/// ones on the device at hand.
pub(super) fn experimental_features() -> wgpu::ExperimentalFeatures {
    // SAFETY: the acknowledgement that the constructor asks for; see above for how the feature is fenced in.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}

/// A cache of compiled pipelines that starts from `data`, or empty where the driver cannot use them.
///
/// `data` must come unchanged from [`wgpu::PipelineCache::get_data`]: [`super::cache`] keeps a checksum beside it.
pub(super) fn pipeline_cache(device: &wgpu::Device, data: Option<&[u8]>) -> wgpu::PipelineCache {
    let descriptor = wgpu::PipelineCacheDescriptor { label: Some("kuramoto"), data, fallback: true };
    // SAFETY: the data's checksum was compared; wgpu and the driver compare adapter, driver and format themselves.
    unsafe { device.create_pipeline_cache(&descriptor) }
}

/// The module of a kernel that this library answers for. The counters that wgpu puts into every loop stay out (they cost
/// up to a quarter of a kernel's time on a software driver); indices and divisions stay checked.
pub(super) fn shader_module(device: &wgpu::Device, descriptor: wgpu::ShaderModuleDescriptor<'_>) -> wgpu::ShaderModule {
    let checks = wgpu::ShaderRuntimeChecks { force_loop_bounding: false, ..wgpu::ShaderRuntimeChecks::checked() };
    // SAFETY: what is left unchecked is that loops end. Those of the library count over extents.
    unsafe { device.create_shader_module_trusted(descriptor, checks) }
}
