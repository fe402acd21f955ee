//! Pipelines and bind groups, built once and kept.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::context::Context;
use super::latch::lock;
use super::trust;
use crate::error::{ErrorKind, Result};
use crate::kernel::{Access, DType, Kernel};

/// A compiled kernel and the layout of its one bind group.
pub(crate) struct Pipeline {
    /// Kernel, storage type and constants, as [`Kernel::variant_name`] prints them.
    name: String,
    pub(crate) pipeline: wgpu::ComputePipeline,
    pub(crate) layout: wgpu::BindGroupLayout,
}

/// Kernels are `'static`, so their address is their identity: two kernels may share a name.
type PipelineKey = (usize, DType);

/// The few sets of constants that one kernel is compiled for; found without building a key.
type ByConstants = Vec<(Vec<(&'static str, u32)>, Arc<Pipeline>)>;

#[derive(Default)]
pub(crate) struct Pipelines(Mutex<HashMap<PipelineKey, ByConstants, Quick>>);

impl Pipelines {
    fn find(&self, key: PipelineKey, constants: &[(&'static str, u32)]) -> Option<Arc<Pipeline>> {
        let pipelines = lock(&self.0);
        let found = pipelines.get(&key)?.iter().find(|(compiled, _)| compiled == constants);
        found.map(|(_, pipeline)| pipeline.clone())
    }
}

/// Keys are addresses of our own: the default hasher's guard against keys that an attacker chooses is time for nothing.
type Quick = BuildHasherDefault<QuickHasher>;

#[derive(Default)]
struct QuickHasher(u64);

impl QuickHasher {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for QuickHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }
    fn write_u64(&mut self, word: u64) {
        self.add(word);
    }
    fn write_usize(&mut self, word: usize) {
        self.add(word as u64);
    }
    fn finish(&self) -> u64 {
        // The multiplication leaves the low bits weak, and the map looks at both ends.
        self.0 ^ self.0 >> 32
    }
}

impl Context {
    /// The pipeline of `kernel` for storage in `dtype`, compiled inside an error scope on first use.
    pub(crate) fn pipeline(
        &self,
        kernel: &'static Kernel,
        dtype: DType,
        constants: &[(&'static str, u32)],
    ) -> Result<Arc<Pipeline>> {
        let dtype = if kernel.is_generic() { dtype } else { DType::F32 };
        let key = (kernel as *const Kernel as usize, dtype);
        if let Some(pipeline) = self.0.pipelines.find(key, constants) {
            return Ok(pipeline);
        }
        // Compiled outside of the lock: two threads may both compile, the second result is dropped.
        let pipeline = self
            .scoped(|| build(self, kernel, dtype, constants))
            .map_err(|e| self.explain(ErrorKind::Shader, &format!("{}: the kernel was rejected", kernel.name), e))?;
        let mut pipelines = lock(&self.0.pipelines.0);
        let compiled = pipelines.entry(key).or_default();
        if let Some((_, first)) = compiled.iter().find(|(other, _)| other == constants) {
            return Ok(first.clone());
        }
        let pipeline = Arc::new(pipeline);
        compiled.push((constants.to_vec(), pipeline.clone()));
        Ok(pipeline)
    }
}

impl Context {
    /// The pipelines compiled so far, sorted: `linear_reg f32 ACROSS=8`. A program that keeps them can have them compiled
    /// before it needs them; see [`prewarm`](crate::ops::prewarm()).
    pub fn compiled(&self) -> Vec<String> {
        let mut names: Vec<String> = {
            let pipelines = lock(&self.0.pipelines.0);
            pipelines.values().flatten().map(|(_, pipeline)| pipeline.name.clone()).collect()
        };
        names.sort();
        names
    }
}

fn build(context: &Context, kernel: &Kernel, dtype: DType, constants: &[(&'static str, u32)]) -> Pipeline {
    let text = kernel.text(dtype, constants);
    let device = &context.0.device;
    let cache = context.0.pipeline_cache.get();
    let label = Some(kernel.name);
    let descriptor = wgpu::ShaderModuleDescriptor { label, source: wgpu::ShaderSource::Wgsl(text.into()) };
    let module = match kernel.source.is_vouched() {
        true => trust::shader_module(device, descriptor),
        false => device.create_shader_module(descriptor),
    };
    let entry = |binding: usize, ty, has_dynamic_offset| wgpu::BindGroupLayoutEntry {
        binding: binding as u32,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
        count: None,
    };
    let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform, true)];
    entries.extend(kernel.bindings.iter().enumerate().map(|(i, b)| {
        let read_only = b.access == Access::Read;
        entry(i + 1, wgpu::BufferBindingType::Storage { read_only }, false)
    }));
    let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label,
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label,
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: cache.as_ref(),
    });
    Pipeline { name: kernel.variant_name(dtype, constants), pipeline, layout }
}

/// A range of a buffer as a bind group holds it.
pub(crate) type Range = (wgpu::Buffer, u64, u64);

type GroupKey = (usize, Vec<Range>);

/// Bind groups by (pipeline, buffers). Pooled buffers come back in a steady loop, so keys repeat.
#[derive(Default)]
pub(crate) struct BindGroups {
    cache: Mutex<HashMap<GroupKey, wgpu::BindGroup, Quick>>,
    created: AtomicU64,
}

/// Past this many entries the cache starts anew: it keeps buffers alive, and a program whose buffers never repeat
/// gains nothing from it.
const CACHED: usize = 4096;

impl BindGroups {
    pub(crate) fn clear(&self) {
        lock(&self.cache).clear();
    }

    pub(crate) fn created(&self) -> u64 {
        self.created.load(Ordering::Relaxed)
    }
}

impl Context {
    /// The bind group of `pipeline` over `ranges`, the uniform first. Groups over a host's buffers are not kept.
    pub(crate) fn bind_group(&self, pipeline: &Arc<Pipeline>, ranges: Vec<Range>, keep: bool) -> wgpu::BindGroup {
        let key = (Arc::as_ptr(pipeline) as usize, ranges);
        if let Some(group) = lock(&self.0.bind_groups.cache).get(&key) {
            return group.clone();
        }
        let entries: Vec<_> = key
            .1
            .iter()
            .enumerate()
            .map(|(i, (buffer, offset, size))| wgpu::BindGroupEntry {
                binding: i as u32,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer,
                    offset: *offset,
                    size: wgpu::BufferSize::new(*size),
                }),
            })
            .collect();
        let group = self.0.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.layout,
            entries: &entries,
        });
        drop(entries);
        self.0.bind_groups.created.fetch_add(1, Ordering::Relaxed);
        if keep {
            let mut cache = lock(&self.0.bind_groups.cache);
            if cache.len() >= CACHED {
                cache.clear();
            }
            cache.insert(key, group.clone());
        }
        group
    }
}
