//! Buffers are reused, never leaked and never overwritten while a recording still needs them.
#![cfg(feature = "gpu")]

mod common;

use std::sync::{Mutex, MutexGuard, PoisonError};

use common::{bits, numbers, own_device, unit};
use kuramoto::{Commands, Context, DType, ErrorKind, Result, Rotation, StepOptions, Tensor};

/// These tests count allocations and resident memory, so they take turns.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Network {
    x: Tensor,
    w: Tensor,
    bias: Tensor,
    c: Tensor,
    gamma: Tensor,
    frequencies: Tensor,
}

impl Network {
    fn new(context: &Context) -> Result<Network> {
        let upload = |data: &[f32], shape: &[usize]| Tensor::from_slice(context, data, shape, DType::F32);
        Ok(Network {
            x: upload(&unit(1, 4, 2, 16), &[2, 4, 4, 4])?,
            w: upload(&numbers(2, 4 * 4 * 9), &[4, 4, 3, 3])?,
            bias: upload(&numbers(3, 4), &[4])?,
            c: upload(&numbers(4, 2 * 4 * 16), &[2, 4, 4, 4])?,
            gamma: upload(&[0.25], &[1])?,
            frequencies: upload(&[0.5, 0.75], &[2])?,
        })
    }

    /// Four dispatches per step: coupling, addition, step, the step's energy.
    fn record(&self, commands: &mut Commands, steps: usize) -> Result<Tensor> {
        let options = StepOptions::new(2, 1).rotation(Rotation::PerPair);
        let mut x = self.x.clone();
        for _ in 0..steps {
            let drive = commands.couple_conv2d(&x, &self.w, &self.bias)?;
            let drive = commands.add(&drive, &self.c)?;
            (x, _) = commands.sphere_step(&x, &drive, &self.gamma, Some(&self.frequencies), &options)?;
        }
        Ok(x)
    }

    fn run(&self, context: &Context, steps: usize) -> Result<Tensor> {
        let mut commands = context.commands();
        let x = self.record(&mut commands, steps)?;
        commands.submit()?;
        Ok(x)
    }
}

#[test]
fn a_steady_loop_allocates_nothing_and_submits_once() -> Result<()> {
    let _turn = alone();
    let context = own_device();
    let network = Network::new(&context)?;
    drop(network.run(&context, 100)?);
    let before = context.counters();
    let x = network.run(&context, 100)?;
    let after = context.counters();
    assert_eq!(after.allocations - before.allocations, 0, "buffers created");
    assert_eq!(after.bind_groups - before.bind_groups, 0, "bind groups created");
    assert_eq!(after.submissions - before.submissions, 1, "submissions");
    assert_eq!(after.dispatches - before.dispatches, 400, "dispatches");
    assert_eq!(after.peak_live_bytes, before.peak_live_bytes, "peak of live bytes");
    drop(x);
    // The memory of a recording does not grow with its length: intermediates return to the pool while recording.
    drop(network.run(&context, 300)?);
    assert_eq!(context.counters().peak_live_bytes, before.peak_live_bytes);
    Ok(())
}

/// Resident memory of this process in bytes.
fn resident() -> Option<u64> {
    let pages: u64 = std::fs::read_to_string("/proc/self/statm").ok()?.split_whitespace().nth(1)?.parse().ok()?;
    // Every Linux that these tests run on has pages of at least 4 KiB; with larger ones growth is underestimated.
    Some(pages * 4096)
}

#[test]
fn a_hundred_thousand_dispatches_leak_nothing() -> Result<()> {
    const PER_SUBMISSION: usize = 1000;
    const SUBMISSIONS: usize = 100;
    const WARM: usize = 20;
    let _turn = alone();
    let context = own_device();
    let x = Tensor::from_slice(&context, &numbers(5, 64), &[64], DType::F32)?;
    let once = |context: &Context| -> Result<Tensor> {
        let mut commands = context.commands();
        let mut last = commands.scale(-0.5, &x)?;
        for _ in 1..PER_SUBMISSION {
            last = commands.scale(-0.5, &x)?;
        }
        commands.submit()?;
        // Without a bound on the work in flight this would measure the driver's queue.
        context.wait()?;
        Ok(last)
    };
    let first = bits(&once(&context)?)?;
    let mut warm = (context.counters(), None);
    for i in 1..SUBMISSIONS {
        if i == WARM {
            warm = (context.counters(), resident());
        }
        let last = once(&context)?;
        if i + 1 == SUBMISSIONS {
            assert_eq!(bits(&last)?, first, "the last result differs from the first");
        }
    }
    let after = context.counters();
    assert!(after.dispatches >= (PER_SUBMISSION * SUBMISSIONS) as u64);
    assert_eq!(after.allocations, warm.0.allocations, "buffers created after the warm-up");
    assert_eq!(after.allocated_bytes, warm.0.allocated_bytes, "bytes allocated after the warm-up");
    assert_eq!(after.bind_groups, warm.0.bind_groups, "bind groups created after the warm-up");
    if let (Some(before), Some(now)) = (warm.1, resident()) {
        let growth = now.saturating_sub(before);
        // The smallest block of a 64-bit malloc takes 32 bytes: a leak of one object per dispatch grows by at least
        // that times the dispatches. Half of it leaves room for the allocator's own arenas and still catches any.
        let allowed = 16 * (PER_SUBMISSION * (SUBMISSIONS - WARM)) as u64;
        println!("resident memory grew by {growth} bytes, {allowed} allowed");
        assert!(growth <= allowed, "resident memory grew by {growth} bytes, at most {allowed} is no leak");
    }
    Ok(())
}

#[test]
fn trim_frees_what_nothing_uses() -> Result<()> {
    let _turn = alone();
    let context = own_device();
    let network = Network::new(&context)?;
    let x = network.run(&context, 3)?;
    let held = context.counters().live_bytes;
    context.wait()?;
    assert!(context.counters().allocated_bytes > held, "the pool is empty; this test proves nothing");
    context.trim();
    let trimmed = context.counters();
    assert_eq!((trimmed.allocated_bytes, trimmed.live_bytes), (held, held));
    drop((network, x));
    assert_eq!(context.counters().live_bytes, 0);
    context.trim();
    assert_eq!(context.counters().allocated_bytes, 0);
    // And it computes as before.
    let network = Network::new(&context)?;
    assert_eq!(bits(&network.run(&context, 3)?)?, bits(&network.run(&context, 3)?)?);
    Ok(())
}

#[test]
fn a_budget_bounds_what_is_allocated_and_pooled_memory_makes_room() -> Result<()> {
    let _turn = alone();
    let context = own_device();
    context.set_memory_budget(Some(64 << 10));
    // Eight sizes of a quarter of the budget: the pool must give up old sizes for new ones.
    for extra in 0..8usize {
        let len = (4 << 10) - 64 * extra;
        let x = Tensor::from_slice(&context, &vec![1.0; len], &[len], DType::F32)?;
        let mut commands = context.commands();
        let y = commands.scale(2.0, &x)?;
        assert_eq!(commands.read(&y)?, vec![2.0; len]);
        assert!(context.counters().allocated_bytes <= 64 << 10);
    }
    let wanted = Tensor::from_slice(&context, &vec![0.0; 32 << 10], &[32 << 10], DType::F32);
    assert_eq!(wanted.map_err(|e| e.kind()).err(), Some(ErrorKind::OutOfMemory));
    context.set_memory_budget(None);
    Tensor::from_slice(&context, &vec![0.0; 32 << 10], &[32 << 10], DType::F32)?;
    Ok(())
}

#[test]
fn a_tensor_dropped_while_recorded_is_not_overwritten_by_uploads() -> Result<()> {
    let _turn = alone();
    let context = own_device();
    let data = numbers(6, 100);
    let x = Tensor::from_slice(&context, &data, &[100], DType::F32)?;
    let mut commands = context.commands();
    let y = commands.scale(2.0, &x)?;
    drop(x);
    // The queue runs a host's write before a recording submitted later: the freed buffer must not be handed out here.
    let mut intruders = Vec::new();
    for _ in 0..4 {
        intruders.push(Tensor::from_slice(&context, &[9.0; 100], &[100], DType::F32)?);
    }
    assert_eq!(commands.read(&y)?, data.iter().map(|v| 2.0 * v).collect::<Vec<_>>());
    for intruder in &intruders {
        assert_eq!(commands.read(intruder)?, [9.0; 100]);
    }
    // After the submission it is free again.
    drop(intruders);
    let allocations = context.counters().allocations;
    Tensor::from_slice(&context, &data, &[100], DType::F32)?;
    assert_eq!(context.counters().allocations, allocations);
    Ok(())
}

#[test]
fn a_tensor_dropped_in_one_recording_is_not_written_by_another_that_runs_first() -> Result<()> {
    let _turn = alone();
    let context = own_device();
    let data = numbers(7, 100);
    let x = Tensor::from_slice(&context, &data, &[100], DType::F32)?;
    let mut late = context.commands();
    let half = late.scale(0.5, &x)?;
    let y = late.scale(2.0, &half)?;
    drop((half, x));
    let mut early = context.commands();
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(early.fill(9.0, &[100], DType::F32)?);
    }
    early.submit()?;
    assert_eq!(late.read(&y)?, data);
    for other in &others {
        assert_eq!(late.read(other)?, [9.0; 100]);
    }
    Ok(())
}

#[test]
fn a_recording_that_is_dropped_gives_everything_back() -> Result<()> {
    let _turn = alone();
    let context = own_device();
    let network = Network::new(&context)?;
    let record = || -> Result<()> {
        let mut commands = context.commands();
        network.record(&mut commands, 5)?;
        Ok(())
    };
    record()?;
    let before = context.counters();
    for _ in 0..10 {
        record()?;
    }
    let after = context.counters();
    assert_eq!((after.allocations, after.live_bytes), (before.allocations, before.live_bytes));
    assert_eq!(after.submissions, before.submissions);
    Ok(())
}
