//! A device as this library sees it: limits, pipelines, buffers, and whether it is still alive.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::adapter::{cooperative_tile, instance, loop_limit};
use super::arena::Chunks;
use super::cache::PipelineCache;
use super::choices::Choices;
use super::commands::Commands;
use super::latch::{Latch, lock};
use super::memory::Guarded;
use super::pipeline::{BindGroups, Pipelines};
use super::pool::{Pool, RecordingId};
use super::profile::Profile;
use super::trust;
use crate::error::{Error, ErrorKind, Result};

/// A device, its pipelines and its pool of buffers. Cheap to clone; clones are the same context.
///
/// Tensors belong to the context that made them. There is no global context and no environment variable is read:
/// a program that wants another adapter passes it.
#[derive(Clone)]
pub struct Context(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    pub(crate) info: wgpu::AdapterInfo,
    pub(crate) limits: wgpu::Limits,
    pub(crate) features: wgpu::Features,
    /// Loop rounds after which the driver stops an invocation without a word.
    pub(crate) loop_limit: Option<u64>,
    /// Edge of the cooperative matrices with f16 operands and f32 sums.
    pub(crate) cooperative_tile: Option<u32>,
    /// Whether their products are right, once it was tried.
    pub(crate) cooperation: Mutex<Option<bool>>,
    pub(crate) latch: Latch,
    pub(crate) pipelines: Pipelines,
    pub(crate) pipeline_cache: PipelineCache,
    pub(crate) choices: Choices,
    pub(crate) bind_groups: BindGroups,
    pub(crate) pool: Pool,
    pub(crate) chunks: Chunks,
    pub(crate) staging: Mutex<Vec<wgpu::Buffer>>,
    pub(crate) submissions: AtomicU64,
    pub(crate) dispatches: AtomicU64,
    pub(crate) readbacks: AtomicU64,
    next_recording: AtomicU64,
    pub(crate) budget: Mutex<Option<u64>>,
    timeout: Mutex<Duration>,
    checked: AtomicBool,
    pub(crate) guarded: Option<Mutex<Vec<Guarded>>>,
}

/// What a context has done so far; see [`Context::counters`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counters {
    /// Buffers created for tensors, ever.
    pub allocations: u64,
    /// Bytes of all tensors' buffers, in use or pooled. Parameters and readbacks have small buffers besides.
    pub allocated_bytes: u64,
    /// Bytes of the buffers in use by tensors.
    pub live_bytes: u64,
    /// The most that [`Counters::live_bytes`] has been.
    pub peak_live_bytes: u64,
    /// Bind groups created, ever.
    pub bind_groups: u64,
    /// Command buffers submitted by this library, ever.
    pub submissions: u64,
    /// Dispatches recorded, ever.
    pub dispatches: u64,
    /// Copies to the host, ever: each one waits for the device or is awaited later.
    pub readbacks: u64,
}

impl Context {
    /// A context on the best adapter of this machine (Vulkan, Metal or DirectX 12).
    ///
    /// # Errors
    /// `NoAdapter` if there is none or its device cannot be had.
    pub fn new() -> Result<Context> {
        let instance = instance();
        let request = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        let adapter = pollster::block_on(instance.request_adapter(&request)).map_err(|e| {
            Error::new(
                ErrorKind::NoAdapter,
                format!("Context::new: no adapter ({e}); install a Vulkan, Metal or DirectX 12 driver"),
            )
        })?;
        Context::from_adapter(&adapter)
    }

    /// Every adapter of this machine.
    pub fn adapters() -> Vec<wgpu::Adapter> {
        pollster::block_on(instance().enumerate_adapters(wgpu::Backends::PRIMARY))
    }

    /// A context on a device of its own of `adapter`, with [`Context::required_features`] and
    /// [`Context::required_limits`].
    ///
    /// # Errors
    /// `NoAdapter` if the adapter gives no device.
    pub fn from_adapter(adapter: &wgpu::Adapter) -> Result<Context> {
        let info = adapter.get_info();
        let cooperative_tile = cooperative_tile(adapter);
        let (mut features, mut experimental_features) = (Context::required_features(adapter), Default::default());
        if cooperative_tile.is_some() {
            features |= wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
            experimental_features = trust::experimental_features();
        }
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("kuramoto"),
            required_features: features,
            required_limits: Context::required_limits(adapter),
            experimental_features,
            ..Default::default()
        };
        let refused = |why: String| {
            Error::new(ErrorKind::NoAdapter, format!("Context::from_adapter: {} gives no device ({why})", info.name))
        };
        // wgpu panics instead of failing where a driver runs out of memory while it creates the queue.
        let device = catch_unwind(AssertUnwindSafe(|| pollster::block_on(adapter.request_device(&descriptor))));
        let (device, queue) = match device {
            Ok(Ok(pair)) => pair,
            Ok(Err(e)) => return Err(refused(e.to_string())),
            Err(_) => return Err(refused("the driver failed while creating it".into())),
        };
        let context = Context::build(device.clone(), queue, info, Latch::default(), cooperative_tile, None);
        device.set_device_lost_callback(context.device_lost_handler());
        let latch = context.0.latch.clone();
        // Everything foreseeable is checked before or caught in a scope; what still arrives here was reported on
        // another thread's behalf and must not abort the program.
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            if let wgpu::Error::OutOfMemory { .. } = error {
                latch.set(ErrorKind::DeviceLost, format!("the device ran out of memory outside of a call ({error})"));
            }
        }));
        Ok(context)
    }

    /// A context on a device that the host application owns. The handles are kept, nothing about the device is
    /// changed: its error and loss handlers stay the host's. A host that wants calls refused as soon as it learns of a
    /// loss forwards that to [`Context::device_lost_handler`]; without, the next readback notices.
    ///
    /// Create the device with [`Context::required_features`] and [`Context::required_limits`] to run every kernel at
    /// every size that the adapter can.
    pub fn from_wgpu(device: wgpu::Device, queue: wgpu::Queue, info: wgpu::AdapterInfo) -> Context {
        Context::build(device, queue, info, Latch::default(), None, None)
    }

    fn build(
        device: wgpu::Device,
        queue: wgpu::Queue,
        info: wgpu::AdapterInfo,
        latch: Latch,
        cooperative_tile: Option<u32>,
        guarded: Option<Mutex<Vec<Guarded>>>,
    ) -> Context {
        Context(Arc::new(Inner {
            loop_limit: loop_limit(&info),
            cooperative_tile,
            cooperation: Mutex::default(),
            limits: device.limits(),
            features: device.features(),
            device,
            queue,
            info,
            latch,
            pipelines: Pipelines::default(),
            pipeline_cache: PipelineCache::default(),
            choices: Choices::default(),
            bind_groups: BindGroups::default(),
            pool: Pool::default(),
            chunks: Chunks::default(),
            staging: Mutex::default(),
            submissions: AtomicU64::new(0),
            dispatches: AtomicU64::new(0),
            readbacks: AtomicU64::new(0),
            next_recording: AtomicU64::new(0),
            budget: Mutex::default(),
            timeout: Mutex::new(Duration::from_secs(60)),
            checked: AtomicBool::new(false),
            guarded,
        }))
    }

    /// Another context on the same device whose tensors start as NaN and end in a guard zone that stays bound.
    pub(crate) fn poisoned(&self) -> Context {
        let c = &self.0;
        let (device, queue) = (c.device.clone(), c.queue.clone());
        Context::build(device, queue, c.info.clone(), c.latch.clone(), c.cooperative_tile, Some(Mutex::default()))
    }

    /// Turns on checks that need a readback: every op first refuses NaN, infinities and, where it takes a state,
    /// oscillators off the unit sphere. Slow, for debugging and tests. Applies to all clones.
    pub fn checked(self) -> Context {
        self.0.checked.store(true, Ordering::Relaxed);
        self
    }

    pub(crate) fn is_checked(&self) -> bool {
        self.0.checked.load(Ordering::Relaxed)
    }

    /// Bounds the bytes of all tensors' buffers, pooled ones included; `None`, the default, leaves that to the driver.
    pub fn set_memory_budget(&self, bytes: Option<u64>) {
        *lock(&self.0.budget) = bytes;
    }

    /// How long a readback waits for the device, 60 s by default. Past it the context is dead.
    pub fn set_timeout(&self, timeout: Duration) {
        *lock(&self.0.timeout) = timeout;
    }

    /// A copy: a guard in the arguments of a call that waits would stay locked meanwhile.
    pub(crate) fn timeout(&self) -> Duration {
        *lock(&self.0.timeout)
    }

    /// The wgpu device.
    pub fn device(&self) -> &wgpu::Device {
        &self.0.device
    }

    /// The wgpu queue.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.0.queue
    }

    /// The adapter, its driver and the driver's version.
    pub fn info(&self) -> &wgpu::AdapterInfo {
        &self.0.info
    }

    /// Whether the adapter is a driver that runs on the processor.
    pub fn is_software(&self) -> bool {
        self.0.info.device_type == wgpu::DeviceType::Cpu
    }

    /// Whether kernels can store f16.
    pub fn has_f16(&self) -> bool {
        self.0.features.contains(wgpu::Features::SHADER_F16)
    }

    /// Begins a recording.
    pub fn commands(&self) -> Commands {
        Commands::new(self)
    }

    /// Runs what `f` records with one timestamped pass per dispatch.
    ///
    /// # Errors
    /// `Feature` if the device was created without `TIMESTAMP_QUERY`; whatever `f` returns.
    pub fn profile<T>(&self, f: impl FnOnce(&mut Commands) -> Result<T>) -> Result<(T, Profile)> {
        Profile::run(self, f)
    }

    /// Counts of allocations, submissions, dispatches and readbacks.
    pub fn counters(&self) -> Counters {
        let usage = self.0.pool.usage();
        Counters {
            allocations: usage.allocations,
            allocated_bytes: usage.allocated_bytes,
            live_bytes: usage.live_bytes,
            peak_live_bytes: usage.peak_live_bytes,
            bind_groups: self.0.bind_groups.created(),
            submissions: self.0.submissions.load(Ordering::Relaxed),
            dispatches: self.0.dispatches.load(Ordering::Relaxed),
            readbacks: self.0.readbacks.load(Ordering::Relaxed),
        }
    }

    /// Frees pooled buffers and cached bind groups that nothing uses.
    pub fn trim(&self) {
        self.0.bind_groups.clear();
        self.0.pool.trim();
        lock(&self.0.staging).clear();
    }

    /// A callback for [`wgpu::Device::set_device_lost_callback`]; after it ran, every call answers `DeviceLost`.
    pub fn device_lost_handler(&self) -> impl Fn(wgpu::DeviceLostReason, String) + Send + Sync + 'static {
        let latch = self.0.latch.clone();
        move |reason, message| latch.set(ErrorKind::DeviceLost, format!("the device was lost ({reason:?}): {message}"))
    }

    /// An error once the device is gone.
    pub(crate) fn alive(&self) -> Result<()> {
        self.0.latch.check()
    }

    pub(crate) fn is_same(&self, other: &Context) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn next_recording(&self) -> RecordingId {
        self.0.next_recording.fetch_add(1, Ordering::Relaxed)
    }

    /// Runs `f` inside error scopes of this thread and returns what wgpu reported there.
    pub(crate) fn scoped<T>(&self, f: impl FnOnce() -> T) -> Result<T, wgpu::Error> {
        let device = &self.0.device;
        let internal = device.push_error_scope(wgpu::ErrorFilter::Internal);
        let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let value = f();
        let errors = [validation.pop(), memory.pop(), internal.pop()];
        // In a browser the futures resolve after this call returns; its errors reach the host's handler there.
        #[cfg(target_arch = "wasm32")]
        drop(errors);
        #[cfg(not(target_arch = "wasm32"))]
        if let Some(error) = errors.into_iter().find_map(pollster::block_on) {
            return Err(error);
        }
        Ok(value)
    }

    /// What a wgpu error means here: a lost device first, because then every other report is a consequence.
    pub(crate) fn explain(&self, kind: ErrorKind, doing: &str, error: wgpu::Error) -> Error {
        let _ = self.poll_once();
        if let Err(lost) = self.alive() {
            return lost;
        }
        match error {
            wgpu::Error::OutOfMemory { .. } => {
                Error::new(ErrorKind::OutOfMemory, format!("{doing}: the device is out of memory"))
            }
            wgpu::Error::Validation { description, .. } | wgpu::Error::Internal { description, .. } => {
                Error::new(kind, format!("{doing}: {description}"))
            }
        }
    }

    /// One poll without waiting: runs callbacks that are due, the loss callback among them.
    pub(crate) fn poll_once(&self) -> Result<()> {
        self.poll(wgpu::PollType::Poll)
    }

    /// Waits until the device has run everything submitted.
    ///
    /// # Errors
    /// `Timeout` past [`Context::set_timeout`], `DeviceLost`.
    pub fn wait(&self) -> Result<()> {
        self.poll(wgpu::PollType::Wait { submission_index: None, timeout: Some(self.timeout()) })
    }

    /// Waits until the device has run the submission `number` and those before it.
    pub(crate) fn wait_for(&self, number: wgpu::SubmissionIndex) -> Result<()> {
        self.poll(wgpu::PollType::Wait { submission_index: Some(number), timeout: Some(self.timeout()) })
    }

    /// The only place that polls: wgpu panics here when a driver reports a real device loss.
    fn poll(&self, poll: wgpu::PollType) -> Result<()> {
        self.alive()?;
        match catch_unwind(AssertUnwindSafe(|| self.0.device.poll(poll))) {
            Ok(Ok(_)) => {}
            Ok(Err(wgpu::PollError::Timeout)) => {
                let waited = self.timeout();
                self.0.latch.set(
                    ErrorKind::Timeout,
                    format!("the device did not finish within {waited:?}; make a new context"),
                );
                // Dropping a device whose queue hangs blocks forever on some drivers. One leaked handle prevents that.
                std::mem::forget((self.0.device.clone(), self.0.queue.clone()));
            }
            Ok(Err(e)) => self.0.latch.set(ErrorKind::DeviceLost, format!("the device cannot be polled ({e})")),
            Err(_) => self.0.latch.set(ErrorKind::DeviceLost, "the driver reported a lost device".into()),
        }
        self.alive()
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Context({}, {})", self.0.info.name, self.0.info.driver_info)
    }
}
