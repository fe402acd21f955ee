//! The library as a guest: a host's device, encoders, buffers, threads and executor.
#![cfg(feature = "gpu")]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::{device, host_device, numbers, sibling, unit};
use kuramoto::kernel::{Elem, Kernel, Params as _, Source, input, output};
use kuramoto::{
    Bind, Commands, Context, Counters, DType, Error, Profile, Result, Rotation, StepOptions, Stream, Tape, Tensor,
    Work, read, wgpu, write,
};

kuramoto::params! {
    struct Export { len: u32, shift: f32 }
}

/// What a host writes to put results where it wants them: ops allocate their outputs, a kernel of its own does not.
static EXPORT: Kernel = Kernel {
    name: "export",
    source: Source::new(
        "
// dst = x + shift
struct Params { len: u32, shift: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> dst: array<f32>;
@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    if gid.x < params.len { dst[gid.x] = x[gid.x] + params.shift; }
}",
    ),
    params: Export::FIELDS,
    bindings: &[input("x", Elem::F32, "[len]"), output("dst", Elem::F32, "[len]")],
    constants: &[],
};

const LEN: usize = 2 * 4 * 9;
const BYTES: u64 = LEN as u64 * 4;

struct Host {
    device: wgpu::Device,
    queue: wgpu::Queue,
    context: Context,
    /// Where tensors start in the host's buffers.
    offset: u64,
}

impl Host {
    fn new() -> Host {
        let (device, queue, info) = host_device(Context::required_features);
        let context = Context::from_wgpu(device.clone(), queue.clone(), info);
        let offset = 3 * u64::from(device.limits().min_storage_buffer_offset_alignment);
        Host { device, queue, context, offset }
    }

    fn buffer(&self, data: &[f32]) -> wgpu::Buffer {
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            // Something behind the tensor, too.
            size: self.offset + BYTES + 64,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let around = vec![0xAB; (self.offset + BYTES + 64) as usize];
        self.queue.write_buffer(&buffer, 0, &around);
        self.queue.write_buffer(&buffer, self.offset, bytemuck::cast_slice(data));
        buffer
    }

    fn read(&self, buffer: &wgpu::Buffer) -> Vec<u8> {
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: buffer.size(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.encoder();
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
        self.queue.submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |result| result.unwrap());
        self.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        staging.get_mapped_range(..).unwrap().to_vec()
    }

    fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }
}

struct Weights {
    w: Vec<f32>,
    bias: Vec<f32>,
}

/// Two steps of a small network.
fn network(commands: &mut Commands, x: &Tensor, weights: &Weights, gamma: f32) -> Result<Tensor> {
    let context = commands.context().clone();
    let w = Tensor::from_slice(&context, &weights.w, &[4, 4, 3, 3], DType::F32)?;
    let bias = Tensor::from_slice(&context, &weights.bias, &[4], DType::F32)?;
    let gamma = Tensor::from_slice(&context, &[gamma], &[1], DType::F32)?;
    let mut x = x.clone();
    for _ in 0..2 {
        let y = commands.couple_conv2d(&x, &w, &bias)?;
        (x, _) = commands.sphere_step(&x, &y, &gamma, None, &StepOptions::new(2, 1))?;
    }
    Ok(x)
}

#[test]
fn recordings_into_two_encoders_of_a_host_are_right_in_whatever_order_it_submits_them() -> Result<()> {
    let host = Host::new();
    let context = &host.context;
    let weights = Weights { w: numbers(1, 4 * 4 * 9), bias: numbers(2, 4) };
    let states = [unit(3, 4, 2, 9), unit(4, 4, 2, 9)];
    // What each must give, computed by itself, in a context of its own.
    let alone = |state: &[f32], gamma: f32, shift: f32| -> Result<Vec<f32>> {
        let context = sibling(context);
        let x = Tensor::from_slice(&context, state, &[2, 4, 3, 3], DType::F32)?;
        let mut c = context.commands();
        let x = network(&mut c, &x, &weights, gamma)?;
        Ok(c.read(&x)?.into_iter().map(|v| v + shift).collect())
    };
    let options = [(0.25, 1.0), (0.75, -2.0)];
    let wanted = [alone(&states[0], 0.25, 1.0)?, alone(&states[1], 0.75, -2.0)?];
    assert_ne!(wanted[0], wanted[1]);

    let sources = [host.buffer(&states[0]), host.buffer(&states[1])];
    let targets = [host.buffer(&[0.0; LEN]), host.buffer(&[0.0; LEN])];
    let mut encoders = Vec::new();
    for i in 0..2 {
        let mut c = Commands::from_encoder(context, host.encoder());
        let x = Tensor::wrap(context, &sources[i], host.offset, &[2, 4, 3, 3], DType::F32)?;
        let dst = Tensor::wrap(context, &targets[i], host.offset, &[2, 4, 3, 3], DType::F32)?;
        let (gamma, shift) = options[i];
        let x = network(&mut c, &x, &weights, gamma)?;
        let params = Export { len: LEN as u32, shift };
        c.dispatch(&EXPORT, DType::F32, &[], &params, &[read(&x), write(&dst)], Work::invocations(LEN))?;
        // The tensors and the recording drop here: what the encoder still needs must not be handed out again.
        encoders.push(c.into_encoder());
    }
    // Work of ours, of the same sizes, in between: uploads, recordings, reads.
    for _ in 0..3 {
        let x = Tensor::from_slice(context, &unit(9, 4, 2, 9), &[2, 4, 3, 3], DType::F32)?;
        let other = Weights { w: vec![9.0; 4 * 4 * 9], bias: vec![9.0; 4] };
        let mut c = context.commands();
        let x = network(&mut c, &x, &other, 9.0)?;
        assert!(c.read(&x)?.iter().all(|v| v.is_finite()));
    }
    let second = encoders.pop().unwrap().finish();
    let first = encoders.pop().unwrap().finish();
    host.queue.submit([second]);
    host.queue.submit([first]);
    for (target, wanted) in targets.iter().zip(&wanted) {
        let bytes = host.read(target);
        let (before, rest) = bytes.split_at(host.offset as usize);
        let (data, after) = rest.split_at(BYTES as usize);
        assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(data), *wanted);
        // Nothing beside the tensor changed.
        assert!(before.iter().chain(after).all(|b| *b == 0xAB));
    }
    // What the encoders held is free again once the device has run them: the same work allocates nothing new.
    let round = || -> Result<()> {
        let mut c = Commands::from_encoder(context, host.encoder());
        let x = Tensor::wrap(context, &sources[0], host.offset, &[2, 4, 3, 3], DType::F32)?;
        drop(network(&mut c, &x, &weights, 0.25)?);
        host.queue.submit([c.into_encoder().finish()]);
        host.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        Ok(())
    };
    round()?;
    let allocations = context.counters().allocations;
    round()?;
    assert_eq!(context.counters().allocations, allocations);
    Ok(())
}

#[test]
fn an_encoder_that_the_host_drops_gives_back_what_it_held() -> Result<()> {
    let host = Host::new();
    let weights = Weights { w: numbers(1, 4 * 4 * 9), bias: numbers(2, 4) };
    let x = Tensor::from_slice(&host.context, &unit(3, 4, 2, 9), &[2, 4, 3, 3], DType::F32)?;
    let record = || -> Result<()> {
        let mut c = Commands::from_encoder(&host.context, host.encoder());
        network(&mut c, &x, &weights, 0.25)?;
        drop(c.into_encoder());
        Ok(())
    };
    record()?;
    let before = host.context.counters();
    for _ in 0..5 {
        record()?;
    }
    let after = host.context.counters();
    assert_eq!((after.allocations, after.live_bytes), (before.allocations, before.live_bytes));
    Ok(())
}

#[test]
fn the_host_records_around_us_in_one_command_buffer() -> Result<()> {
    let host = Host::new();
    let context = &host.context;
    let (source, target) = (host.buffer(&numbers(1, LEN)), host.buffer(&[0.0; LEN]));
    let result = Tensor::from_slice(context, &[0.0; LEN], &[LEN], DType::F32)?;
    let mut encoder = host.encoder();
    // Before: the host moves its data into a tensor of ours. After: it takes our result out.
    encoder.copy_buffer_to_buffer(&source, host.offset, result.buffer(), result.offset(), BYTES);
    let mut c = Commands::from_encoder(context, encoder);
    let double = c.scale(2.0, &result)?;
    let mut encoder = c.into_encoder();
    encoder.copy_buffer_to_buffer(double.buffer(), double.offset(), &target, 0, BYTES);
    host.queue.submit([encoder.finish()]);
    let got = host.read(&target);
    let wanted: Vec<f32> = numbers(1, LEN).iter().map(|v| 2.0 * v).collect();
    assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(&got[..BYTES as usize]), wanted);
    Ok(())
}

#[test]
fn two_contexts_on_one_device_do_not_disturb_each_other() -> Result<()> {
    let a = device();
    let b = sibling(&a);
    let (x, y) = (numbers(1, 100), numbers(2, 100));
    let (p, q) = (Tensor::from_slice(&a, &x, &[100], DType::F32)?, Tensor::from_slice(&b, &y, &[100], DType::F32)?);
    let (mut c, mut d) = (a.commands(), b.commands());
    let before = b.counters();
    let (mut r, mut s) = (c.scale(2.0, &p)?, d.scale(-0.5, &q)?);
    for _ in 0..10 {
        (r, s) = (c.add(&r, &p)?, d.add(&s, &q)?);
    }
    d.submit()?;
    assert_eq!(c.read(&r)?, x.iter().map(|v| 12.0 * v).collect::<Vec<_>>());
    assert_eq!(d.read(&s)?, y.iter().map(|v| 9.5 * v).collect::<Vec<_>>());
    // Counters and what is freed are each context's own.
    assert_eq!(b.counters().dispatches - before.dispatches, 11);
    drop((r, p, c));
    a.trim();
    assert_eq!(d.read(&s)?, y.iter().map(|v| 9.5 * v).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn handles_cross_threads() {
    fn send_and_sync<T: Send + Sync>() {}
    fn send<T: Send>() {}
    send_and_sync::<Context>();
    send_and_sync::<Tensor>();
    send_and_sync::<Error>();
    send_and_sync::<Counters>();
    send_and_sync::<Profile>();
    send_and_sync::<Bind<'static>>();
    send_and_sync::<Stream>();
    send::<Commands>();
    send::<kuramoto::Read>();
}

#[test]
fn eight_threads_of_fifty_dispatches_and_reads_are_all_right() {
    let context = device();
    thread::scope(|scope| {
        for t in 0..8u64 {
            let context = &context;
            scope.spawn(move || {
                for i in 0..50u64 {
                    // Sizes meet across threads, so that they compete for the same pooled buffers.
                    let data = numbers(t * 50 + i, 64 + (i % 3) as usize);
                    let x = Tensor::from_slice(context, &data, &[data.len()], DType::F32).unwrap();
                    let mut c = context.commands();
                    let y = c.axpy(t as f32, &x, &x).unwrap();
                    drop(x);
                    let wanted: Vec<f32> = data.iter().map(|v| t as f32 * v + v).collect();
                    assert_eq!(c.read(&y).unwrap(), wanted, "thread {t}, round {i}");
                }
            });
        }
    });
}

#[test]
fn a_host_that_polls_the_device_from_its_own_threads_takes_no_answer_away() {
    let host = Host::new();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    host.device.poll(wgpu::PollType::Poll).expect("the device is there");
                }
            });
        }
        let data = numbers(1, 64);
        let x = Tensor::from_slice(&host.context, &data, &[64], DType::F32).unwrap();
        let staging = host.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: BYTES,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let wrong = (0..30).find(|_| {
            // The thread that wgpu calls back on runs all callbacks that are due: a slow one of the host's comes first, and
            // our read finds the device finished long before its own.
            let mut encoder = host.encoder();
            encoder.clear_buffer(&staging, 0, None);
            host.queue.submit([encoder.finish()]);
            staging.map_async(wgpu::MapMode::Read, .., |_| thread::sleep(Duration::from_millis(20)));
            let got = host.context.commands().read(&x);
            host.device.poll(wgpu::PollType::wait_indefinitely()).expect("the device is there");
            thread::sleep(Duration::from_millis(25));
            staging.unmap();
            !got.is_ok_and(|got| got == data)
        });
        done.store(true, Ordering::Relaxed);
        assert_eq!(wrong, None, "a read failed or returned something else");
    });
}

#[test]
fn reads_are_awaited_in_any_order_and_several_at_once() -> Result<()> {
    let context = device();
    let inputs: Vec<Vec<f32>> = (0..6).map(|i| numbers(i, 50 + i as usize)).collect();
    let mut reads = Vec::new();
    let mut c = context.commands();
    for data in &inputs {
        let x = Tensor::from_slice(&context, data, &[data.len()], DType::F32)?;
        let y = c.scale(-2.0, &x)?;
        reads.push(c.read_async(&y)?);
    }
    // A blocking read in between takes nothing away from them.
    let first = Tensor::from_slice(&context, &inputs[0], &[50], DType::F32)?;
    assert_eq!(c.read(&first)?, inputs[0]);
    for (i, (data, pending)) in inputs.iter().zip(reads).enumerate().rev() {
        let found = if i % 2 == 0 { pollster::block_on(pending)? } else { pending.wait()? };
        assert_eq!(found, data.iter().map(|v| -2.0 * v).collect::<Vec<_>>());
    }
    // One that nobody awaits is no obstacle.
    drop(c.read_async(&first)?);
    assert_eq!(c.read(&first)?, inputs[0]);
    Ok(())
}

#[test]
fn reads_of_f16_and_of_odd_lengths_return_every_element() -> Result<()> {
    let context = device();
    for dtype in common::dtypes(&context) {
        for len in [1, 3, 255, 1001] {
            let data = numbers(len as u64, len);
            let x = Tensor::from_slice(&context, &data, &[len], *dtype)?;
            let mut c = context.commands();
            assert_eq!(c.read(&x)?, data);
            assert_eq!(pollster::block_on(c.read_async(&x)?)?, data);
            let copy = c.copy(&x)?;
            assert_eq!(c.read(&copy)?, data);
        }
    }
    Ok(())
}

#[test]
fn a_tape_moves_to_another_thread_of_the_host() -> Result<()> {
    let context = device();
    let gradient = thread::spawn(move || -> Result<Vec<f64>> {
        let mut tape = Tape::new(&context);
        let x = tape.upload(&unit(1, 1, 2, 1), &[1, 2], DType::F32)?;
        let x = tape.leaf(x);
        let gamma = tape.upload(&[0.5f32], &[1], DType::F32)?;
        let gamma = tape.constant(gamma);
        let options = StepOptions::new(2, 1).rotation(Rotation::Identity);
        let (x1, _) = tape.sphere_step(x, x, gamma, None, &options)?;
        let loss = tape.dot(x1, x)?;
        tape.backward(loss)?.read(&mut tape, x)
    })
    .join()
    .expect("the thread ends");
    assert_eq!(gradient?.len(), 2);
    Ok(())
}
