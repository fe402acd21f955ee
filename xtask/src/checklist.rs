//! `cargo xtask checklist`: what has to be known of an adapter before its kernels are made fast, in a minute or two.

use std::path::{Path, PathBuf};
use std::time::Instant;

use kuramoto::wgpu;
use kuramoto::{Commands, Context, DType, MatmulOptions, StepOptions, Tensor};
use serde::Serialize;

use crate::adapter::{self, AdapterArgs};
use crate::failure::Result;
use crate::profile::ceilings::{Ceilings, scalar_copy_gb_s};
use crate::profile::steady;
use crate::{output, say};

/// Flags of the command.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Write the findings as JSON to FILE, `-` for standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// What was found.
#[derive(Serialize)]
struct Findings {
    adapter: String,
    driver: String,
    kind: &'static str,
    /// Least and most invocations of a subgroup.
    subgroup: [u32; 2],
    /// Nanoseconds of a tick of the device's clock.
    timestamp_period_ns: f32,
    workgroup_storage_bytes: u32,
    invocations_per_workgroup: u32,
    storage_binding_bytes: u64,
    features: Vec<&'static str>,
    /// All shapes of cooperative matrices that wgpu tells of.
    cooperative: Vec<String>,
    /// The edge that kernels would use: f16 operands, f32 sums.
    cooperative_tile: Option<u32>,
    /// Elements of the products of the long self-test that are wrong.
    cooperative_wrong: Option<usize>,
    ceilings: Ceilings,
    scalar_copy_gb_s: f64,
    matmul: Vec<Product>,
    /// Microseconds of the device for a dispatch of one workgroup, where each waits for the one before it, and where none
    /// does.
    dependent_dispatch_us: f64,
    independent_dispatch_us: f64,
    /// Microseconds of the host for a dispatch, recorded and submitted.
    host: Vec<Host>,
}

#[derive(Serialize)]
struct Product {
    n: usize,
    dtype: String,
    gflop_s: f64,
}

#[derive(Serialize)]
struct Host {
    buffers: usize,
    us: f64,
}

/// Dispatches of a chain.
const CHAIN: usize = 1000;

/// Repeats; the least time counts.
const REPEATS: usize = 5;

/// Runs the command.
pub fn run(args: &Args) -> Result {
    args.adapter.rerun()?;
    let adapter = args.adapter.choose()?;
    let context = Context::from_adapter(&adapter)?;
    let findings = find(&adapter, &context)?;
    if args.json.as_deref() != Some(Path::new("-")) {
        print(&findings);
    }
    if let Some(path) = &args.json {
        output::write_json(path, &findings)?;
    }
    Ok(())
}

fn find(adapter: &wgpu::Adapter, context: &Context) -> kuramoto::Result<Findings> {
    let (info, limits) = (context.info(), context.device().limits());
    let sizes: &[usize] = if context.is_software() { &[256, 512] } else { &[1024, 4096] };
    let ceilings = Ceilings::measure(context)?;
    let mut matmul = Vec::new();
    for n in sizes {
        for dtype in adapter::dtypes(context) {
            matmul.push(product(context, *n, *dtype)?);
        }
    }
    // A hundred times three products: far more than what decides in a program.
    let cooperative_wrong = match context.cooperative_tile() {
        Some(edge) => Some(kuramoto::ops::self_test(context, edge, 100)?),
        None => None,
    };
    Ok(Findings {
        cooperative_wrong,
        adapter: info.name.clone(),
        driver: adapter::driver(info),
        kind: adapter::kind(info.device_type),
        subgroup: [info.subgroup_min_size, info.subgroup_max_size],
        timestamp_period_ns: context.queue().get_timestamp_period(),
        workgroup_storage_bytes: limits.max_compute_workgroup_storage_size,
        invocations_per_workgroup: limits.max_compute_invocations_per_workgroup,
        storage_binding_bytes: limits.max_storage_buffer_binding_size,
        features: features(adapter.features()),
        cooperative: adapter.cooperative_matrix_properties().iter().map(|p| format!("{p:?}")).collect(),
        cooperative_tile: context.cooperative_tile(),
        ceilings,
        scalar_copy_gb_s: scalar_copy_gb_s(context)?,
        matmul,
        dependent_dispatch_us: chain(context, &ceilings, true)?,
        independent_dispatch_us: chain(context, &ceilings, false)?,
        host: hosts(context)?,
    })
}

/// Those of wgpu's optional features that bear on kernels.
fn features(has: wgpu::Features) -> Vec<&'static str> {
    let known = [
        ("f16", wgpu::Features::SHADER_F16),
        ("subgroups", wgpu::Features::SUBGROUP),
        ("subgroup barrier", wgpu::Features::SUBGROUP_BARRIER),
        ("cooperative matrices", wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX),
        ("timestamps", wgpu::Features::TIMESTAMP_QUERY),
        ("timestamps inside passes", wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES),
        ("immediates", wgpu::Features::IMMEDIATES),
        ("pipeline cache", wgpu::Features::PIPELINE_CACHE),
        ("f32 atomics", wgpu::Features::SHADER_FLOAT32_ATOMIC),
        ("SPIR-V passthrough", wgpu::Features::PASSTHROUGH_SHADERS),
    ];
    known.into_iter().filter(|(_, feature)| has.contains(*feature)).map(|(name, _)| name).collect()
}

fn product(context: &Context, n: usize, dtype: DType) -> kuramoto::Result<Product> {
    let numbers: Vec<f32> = (0..n * n).map(|i| ((i * 7919) % 2003) as f32 / 1001.0 - 1.0).collect();
    let a = Tensor::from_slice(context, &numbers, &[n, n], dtype)?;
    let multiply = |commands: &mut Commands| commands.matmul(&a, &a, MatmulOptions::default()).map(drop);
    let least = steady::least(context, REPEATS, multiply)?;
    Ok(Product { n, dtype: dtype.to_string(), gflop_s: 2.0 * (n as f64).powi(3) / least })
}

/// The device's time for a dispatch of one workgroup in a chain, by the host's clock: the time of the whole chain less
/// that of an empty submission.
fn chain(context: &Context, ceilings: &Ceilings, dependent: bool) -> kuramoto::Result<f64> {
    let x = Tensor::from_slice(context, &[1.0; 64], &[64], DType::F32)?;
    let timed = |count: usize| -> kuramoto::Result<f64> {
        let mut least = f64::INFINITY;
        for _ in 0..REPEATS {
            let mut commands = context.commands();
            let mut last = x.clone();
            let mut all = Vec::new();
            for _ in 0..count {
                let next = commands.scale(0.5, if dependent { &last } else { &x })?;
                // Kept, or the pool would hand the same memory out again, and writes to it would wait for each other.
                all.push(next.clone());
                last = next;
            }
            ceilings.warm_up(context)?;
            let begin = Instant::now();
            commands.submit()?;
            context.wait()?;
            least = least.min(begin.elapsed().as_secs_f64() * 1e6);
        }
        Ok(least)
    };
    Ok((timed(CHAIN)? - timed(1)?) / (CHAIN - 1) as f64)
}

fn hosts(context: &Context) -> kuramoto::Result<Vec<Host>> {
    let numbers = [0.6f32, 0.8, 0.0, 1.0, 1.0, 0.0, 0.8, 0.6];
    let x = Tensor::from_slice(context, &numbers, &[1, 4, 2], DType::F32)?;
    let gamma = Tensor::from_slice(context, &[0.1], &[1], DType::F32)?;
    let least = |step: &dyn Fn(&mut Commands) -> kuramoto::Result<()>| -> kuramoto::Result<f64> {
        let mut least = f64::INFINITY;
        for _ in 0..2 * REPEATS {
            let before = context.counters().dispatches;
            let begin = Instant::now();
            let mut commands = context.commands();
            for _ in 0..CHAIN {
                step(&mut commands)?;
            }
            commands.submit()?;
            let took = begin.elapsed().as_secs_f64() * 1e6;
            context.wait()?;
            least = least.min(took / (context.counters().dispatches - before).max(1) as f64);
        }
        Ok(least)
    };
    let two = least(&|commands| commands.scale(0.5, &x).map(drop))?;
    let options = StepOptions::new(2, 1);
    let six = least(&|commands| commands.sphere_step(&x, &x, &gamma, None, &options).map(drop))?;
    Ok(vec![Host { buffers: 2, us: two }, Host { buffers: 6, us: six }])
}

fn print(f: &Findings) {
    say!("{}, {} ({})", f.adapter, f.driver, f.kind);
    say!("subgroups of {} to {}; a tick of the clock is {} ns", f.subgroup[0], f.subgroup[1], f.timestamp_period_ns);
    say!(
        "workgroup: {} invocations, {} bytes; a binding: {} bytes",
        f.invocations_per_workgroup,
        f.workgroup_storage_bytes,
        f.storage_binding_bytes
    );
    say!("features: {}", f.features.join(", "));
    match (f.cooperative.is_empty(), f.cooperative_tile) {
        (true, _) => say!("cooperative matrices: none"),
        (false, tile) => {
            let tile =
                tile.map_or("no square ones with f16 operands and f32 sums".to_owned(), |t| format!("{t} x {t}"));
            say!("cooperative matrices for the kernels: {tile}; all that are offered:");
            f.cooperative.iter().for_each(|shape| say!("  {shape}"));
            match f.cooperative_wrong {
                Some(0) => say!("300 products by them: every element is right"),
                Some(wrong) => say!("300 products by them: {wrong} elements are wrong, so that no kernel uses them"),
                None => {}
            }
        }
    }
    say!("copy: {:.2} GB/s by fours, {:.2} GB/s one by one", f.ceilings.copy_gb_s, f.scalar_copy_gb_s);
    say!("multiply-add in f32: {:.1} GFLOP/s", f.ceilings.peak_gflop_s);
    for p in &f.matmul {
        say!("matmul {0} x {0} x {0} {1}: {2:.2} GFLOP/s", p.n, p.dtype, p.gflop_s);
    }
    say!(
        "a dispatch of one workgroup: {:.2} µs where each waits for the last, {:.2} µs where none does",
        f.dependent_dispatch_us,
        f.independent_dispatch_us
    );
    for host in &f.host {
        say!("host: {:.2} µs for a dispatch of at most {} buffers", host.us, host.buffers);
    }
}
