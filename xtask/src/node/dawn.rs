//! The same launches under wgpu and under Dawn.

use std::path::Path;

use kuramoto::{Context, Tensor, wgpu};
use serde::{Deserialize, Serialize};

use super::Verdict;
use super::launches::{self, Launch};
use super::swiftshader;
use super::tools::{Tools, Trouble};
use crate::adapter::{AdapterArgs, DRIVER_FILES};
use crate::output;

/// Both stacks compute in f32 but may contract multiplications and additions differently, and have built-ins of their
/// own: some units in the last place of the largest number.
const TOLERANCE: f64 = 1e-6;

#[derive(Serialize)]
struct Manifest {
    cases: Vec<Case>,
}

#[derive(Serialize)]
struct Case {
    name: String,
    code: String,
    features: [&'static str; 0],
    workgroups: [u32; 3],
    bindings: Vec<Binding>,
}

#[derive(Serialize)]
struct Binding {
    kind: &'static str,
    file: String,
    bytes: usize,
}

#[derive(Deserialize)]
struct Report {
    adapter: Adapter,
    cases: Vec<Outcome>,
}

#[derive(Deserialize)]
struct Adapter {
    description: String,
}

#[derive(Deserialize)]
struct Outcome {
    name: String,
    ok: Option<bool>,
    messages: Vec<String>,
}

/// Runs every launch on both stacks and compares.
pub fn check(tools: &Tools, adapter: &AdapterArgs) -> Verdict {
    let context = match adapter.context() {
        Ok(context) => context,
        Err(why) => return Verdict::Skip(why.message().unwrap_or_default().to_owned()),
    };
    judge(tools, &context).unwrap_or_else(|why| match why {
        Trouble::NoAdapter(why) => Verdict::Skip(why),
        Trouble::Failed(why) => Verdict::Fail(why),
    })
}

fn judge(tools: &Tools, context: &Context) -> Result<Verdict, Trouble> {
    let launches = launches::all().map_err(Trouble::Failed)?;
    let folder = tools.folder().join("dawn");
    write(&folder, &launches).map_err(|why| Trouble::Failed(why.message().unwrap_or_default().to_owned()))?;
    let argument = folder.display().to_string();
    let report: Report = match tools.run("dawn_run.mjs", &[&argument], &[]) {
        // The driver that wgpu uses is none for Dawn.
        Err(Trouble::NoAdapter(_)) => {
            let manifest = swiftshader::manifest().map_err(Trouble::NoAdapter)?;
            tools.run("dawn_run.mjs", &[&argument], &[(DRIVER_FILES, &manifest)])?
        }
        other => other?,
    };
    let (mut equal, mut near, mut bad) = (0, 0, Vec::new());
    for (launch, outcome) in launches.iter().zip(&report.cases) {
        if outcome.ok != Some(true) {
            bad.push(format!("{}: Dawn: {}", outcome.name, outcome.messages.join("; ")));
            continue;
        }
        let wgpu = run(context, launch).map_err(|why| Trouble::Failed(format!("{}: {why}", launch.name())))?;
        match compare(&folder.join("out"), launch, &wgpu).map_err(Trouble::Failed)? {
            0.0 => equal += 1,
            apart if apart <= TOLERANCE => near += 1,
            apart => bad.push(format!("{}: the stacks are {apart:.2e} apart", launch.name())),
        }
    }
    if report.cases.len() != launches.len() {
        bad.push(format!("Dawn ran {} of {} launches", report.cases.len(), launches.len()));
    }
    let stacks = format!("wgpu on {}, Dawn on {}", context.info().name, report.adapter.description);
    let text = format!("{equal} kernels bitwise equal, {near} within {TOLERANCE:.0e}; {stacks}");
    Ok(if bad.is_empty() { Verdict::Pass(text) } else { Verdict::Fail(format!("{text}\n{}", bad.join("\n"))) })
}

fn file(launch: &Launch, binding: usize) -> String {
    format!("{}.{binding}.bin", launch.name())
}

fn write(folder: &Path, launches: &[Launch]) -> crate::failure::Result {
    let bytes = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|w| w.to_le_bytes()).collect() };
    let mut cases = Vec::new();
    for launch in launches {
        let mut uniform = launch.params.clone();
        uniform.resize(uniform.len().next_multiple_of(4), 0);
        output::write_file(&folder.join(file(launch, 0)), &bytes(&uniform))?;
        let mut bindings = vec![Binding { kind: "uniform", file: file(launch, 0), bytes: 4 * uniform.len() }];
        for (i, buffer) in launch.buffers.iter().enumerate() {
            let name = file(launch, i + 1);
            let kind = if buffer.written { "write" } else { "read" };
            // What is written begins with these words too: sums are added to.
            output::write_file(&folder.join(&name), &bytes(&buffer.words))?;
            bindings.push(Binding { kind, file: name, bytes: 4 * buffer.words.len() });
        }
        let workgroups = [launch.groups, 1, 1];
        cases.push(Case { name: launch.name(), code: launch.text(), features: [], workgroups, bindings });
    }
    output::write_json(&folder.join("cases.json"), &Manifest { cases })
}

/// The launch under wgpu: the words of each buffer that it writes.
fn run(context: &Context, launch: &Launch) -> kuramoto::Result<Vec<Vec<u32>>> {
    let (device, queue) = (context.device(), context.queue());
    let mut uniform = launch.params.clone();
    uniform.resize(uniform.len().next_multiple_of(4), 0);
    let params = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 4 * uniform.len() as u64,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    queue.write_buffer(&params, 0, bytemuck::cast_slice(&uniform));
    let tensors = launch
        .buffers
        .iter()
        .map(|buffer| Tensor::from_u32(context, &buffer.words, &[buffer.words.len()]))
        .collect::<kuramoto::Result<Vec<_>>>()?;
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(launch.kernel.name),
        source: wgpu::ShaderSource::Wgsl(launch.text().into()),
    });
    let layout = layout(device, launch);
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: None,
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(launch.kernel.name),
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some("main"),
        compilation_options: Default::default(),
        cache: None,
    });
    let mut entries = vec![wgpu::BindGroupEntry { binding: 0, resource: params.as_entire_binding() }];
    entries.extend(tensors.iter().enumerate().map(|(i, tensor)| wgpu::BindGroupEntry {
        binding: i as u32 + 1,
        resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: tensor.buffer(),
            offset: tensor.offset(),
            size: wgpu::BufferSize::new(4 * tensor.len() as u64),
        }),
    }));
    let group =
        device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &entries });
    let mut encoder = device.create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(launch.groups, 1, 1);
    }
    queue.submit([encoder.finish()]);
    let mut commands = context.commands();
    let written = tensors.iter().zip(&launch.buffers).filter(|(_, buffer)| buffer.written);
    written.map(|(tensor, _)| commands.read_u32(tensor)).collect()
}

/// Spelled out: an automatic layout leaves out what a text declares and does not use.
fn layout(device: &wgpu::Device, launch: &Launch) -> wgpu::BindGroupLayout {
    let entry = |binding: usize, ty| wgpu::BindGroupLayoutEntry {
        binding: binding as u32,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    };
    let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform)];
    entries.extend(
        launch
            .buffers
            .iter()
            .enumerate()
            .map(|(i, buffer)| entry(i + 1, wgpu::BufferBindingType::Storage { read_only: !buffer.written })),
    );
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries })
}

/// The largest difference over the buffers that the launch writes, relative to the largest number of its buffer and
/// never to less than 1; 0 only for equal bits.
fn compare(out: &Path, launch: &Launch, wgpu: &[Vec<u32>]) -> Result<f64, String> {
    let written = launch.buffers.iter().enumerate().filter(|(_, buffer)| buffer.written);
    let mut worst = 0.0f64;
    for ((i, buffer), ours) in written.zip(wgpu) {
        let path = out.join(file(launch, i + 1));
        let bytes = std::fs::read(&path).map_err(|why| format!("{}: {why}", path.display()))?;
        let theirs: Vec<u32> = bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        if *ours == theirs {
            continue;
        }
        if !buffer.float || ours.len() != theirs.len() {
            return Ok(f64::INFINITY);
        }
        let number = |word: &u32| f64::from(f32::from_bits(*word));
        let scale = ours.iter().map(|w| number(w).abs()).fold(1.0, f64::max);
        for (a, b) in ours.iter().zip(&theirs).filter(|(a, b)| a != b) {
            let apart = (number(a) - number(b)).abs() / scale;
            // An element that neither wrote is equal; one that is no number on one side only is as far as can be.
            worst = worst.max(if apart.is_nan() { f64::INFINITY } else { apart.max(f64::MIN_POSITIVE) });
        }
    }
    Ok(worst)
}
