//! What the suites on a device share: one context per process, small random tensors, comparison of bits.

#![allow(dead_code)] // Each suite uses its part.

use std::sync::OnceLock;

use kuramoto::{Context, DType, Error, ErrorKind, Result, Tensor, wgpu};

/// The context that the tests of one process share. A machine without an adapter fails here, loudly: these tests
/// prove nothing without one.
pub fn device() -> Context {
    static SHARED: OnceLock<Context> = OnceLock::new();
    SHARED.get_or_init(own_device).clone()
}

/// A context on a device of its own, for tests that lose it or count what it does.
pub fn own_device() -> Context {
    static PRINTED: OnceLock<()> = OnceLock::new();
    let context = Context::new().unwrap_or_else(|e| panic!("these tests need a device: {e}"));
    PRINTED.get_or_init(|| {
        let info = context.info();
        println!("adapter: {} ({:?}), driver: {} {}", info.name, info.backend, info.driver, info.driver_info);
    });
    context
}

/// A context of its own on the shared device: its own pool, counters and checks.
pub fn sibling(context: &Context) -> Context {
    Context::from_wgpu(context.device().clone(), context.queue().clone(), context.info().clone())
}

/// A device of the first adapter as a host application makes it, with these features only.
pub fn host_device(
    features: impl Fn(&wgpu::Adapter) -> wgpu::Features,
) -> (wgpu::Device, wgpu::Queue, wgpu::AdapterInfo) {
    let adapters = Context::adapters();
    // The adapter that the other tests run on, should there be several.
    let info = device().info().clone();
    let adapter = adapters.iter().find(|a| a.get_info().name == info.name).expect("the adapter is gone");
    let descriptor = wgpu::DeviceDescriptor {
        required_features: features(adapter),
        required_limits: Context::required_limits(adapter),
        ..Default::default()
    };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).expect("no device");
    (device, queue, info)
}

/// A device that computes nothing, with these limits and features: it stands for hardware that is not here.
pub fn noop(limits: wgpu::Limits, features: wgpu::Features) -> Context {
    let options = wgpu::NoopBackendOptions {
        enable: true,
        limits: Some(limits.clone()),
        features: Some(features),
        ..Default::default()
    };
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: wgpu::Backends::NOOP,
        backend_options: wgpu::BackendOptions { noop: options, ..Default::default() },
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let adapter = pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default()))
        .expect("the noop backend has an adapter");
    let descriptor =
        wgpu::DeviceDescriptor { required_features: features, required_limits: limits, ..Default::default() };
    let (device, queue) =
        pollster::block_on(adapter.request_device(&descriptor)).expect("the noop backend has a device");
    Context::from_wgpu(device, queue, adapter.get_info())
}

/// The storage types that the device has; says so if f16 is left out.
pub fn dtypes(context: &Context) -> &'static [DType] {
    if context.has_f16() {
        &[DType::F32, DType::F16]
    } else {
        println!("f16 left out: the device has no SHADER_F16");
        &[DType::F32]
    }
}

/// Pseudo-random numbers in `[-1, 1)` with 11 significant bits: exact in f16, f32 and f64.
pub fn numbers(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..len)
        .map(|_| {
            // SplitMix64.
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 53) as f32 / 1024.0 - 1.0
        })
        .collect()
}

/// Unit oscillators: `n` successive components along the axis before `inner` others, as `[outer, n, inner]`.
pub fn unit(seed: u64, outer: usize, n: usize, inner: usize) -> Vec<f32> {
    let mut x = numbers(seed, outer * n * inner);
    for o in 0..outer {
        for i in 0..inner {
            let at = |k: usize| (o * n + k) * inner + i;
            // Never the zero vector.
            x[at(0)] += 2.0;
            let norm = (0..n).map(|k| f64::from(x[at(k)]).powi(2)).sum::<f64>().sqrt();
            (0..n).for_each(|k| x[at(k)] = (f64::from(x[at(k)]) / norm) as f32);
        }
    }
    x
}

/// The bits of every element; f16 as those of its exact f32 value.
pub fn bits(tensor: &Tensor) -> Result<Vec<u32>> {
    let mut commands = tensor.context().commands();
    match tensor.dtype() {
        DType::F16 => Ok(commands.read(tensor)?.into_iter().map(f32::to_bits).collect()),
        _ => commands.read_u32(tensor),
    }
}

/// Asserts that `result` is an error of `kind` with exactly this message.
#[track_caller]
pub fn refused<T>(result: Result<T>, kind: ErrorKind, message: &str) {
    let error = error_of(result, message);
    assert_eq!((error.kind(), error.to_string().as_str()), (kind, message));
}

/// The error that `result` must be.
#[track_caller]
pub fn error_of<T>(result: Result<T>, expected: &str) -> Error {
    match result {
        Ok(_) => panic!("accepted; expected: {expected}"),
        Err(error) => error,
    }
}
