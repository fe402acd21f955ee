// Runs kernels under Dawn and writes what they leave in their buffers.
//
//   node dawn_run.mjs DIR
//
// DIR/cases.json is {"cases":[{"name","code","features","workgroups":[x,y,z],
// "bindings":[{"kind":"uniform"|"read"|"write","file":"relative.bin","bytes":N}]}]}.
// Binding i of a case is @group(0) @binding(i). Contents come from DIR/<file>;
// a "write" binding without such a file starts as 0xFF bytes, so that an element
// that the kernel never writes is seen. After the dispatch each "write" binding
// goes to DIR/out/<file>, N bytes of it.

import fs from 'node:fs';
import path from 'node:path';
import { compile, lacking, openDevice, scoped } from './gpu.mjs';
import { EXIT_USAGE, fail, finish, readList } from './report.mjs';

const LAYOUT_TYPE = { uniform: 'uniform', read: 'read-only-storage', write: 'storage' };

const roundUp = (n, to) => Math.max(to, Math.ceil(n / to) * to);

// A storage binding's size is a multiple of 4 and a uniform's of 16, whatever
// the number of bytes in use.
const bufferSize = ({ kind, bytes }) => roundUp(bytes, kind === 'uniform' ? 16 : 4);

function initialContents(dir, binding) {
  const file = path.join(dir, binding.file);
  const data = new Uint8Array(bufferSize(binding));
  if (fs.existsSync(file)) {
    const bytes = fs.readFileSync(file);
    if (bytes.length !== binding.bytes) {
      throw new Error(`${binding.file} has ${bytes.length} bytes, the case says ${binding.bytes}`);
    }
    data.set(bytes);
  } else if (binding.kind === 'write') {
    data.fill(0xff);
  } else {
    throw new Error(`${binding.file} does not exist`);
  }
  return data;
}

function checkShape(c) {
  for (const b of c.bindings) {
    if (!(b.kind in LAYOUT_TYPE)) throw new Error(`unknown binding kind "${b.kind}"`);
    if (!Number.isInteger(b.bytes) || b.bytes < 0) throw new Error(`${b.file}: bad "bytes"`);
  }
}

function makeBuffers(device, dir, bindings) {
  return bindings.map((b) => {
    const usage =
      b.kind === 'uniform'
        ? GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST
        : GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    const data = initialContents(dir, b);
    const buffer = device.createBuffer({ size: data.length, usage });
    device.queue.writeBuffer(buffer, 0, data);
    return buffer;
  });
}

// One dispatch, then the contents of the "write" buffers by binding index.
async function dispatch(device, pipeline, layout, c, buffers) {
  const group = device.createBindGroup({
    layout,
    entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(...c.workgroups);
  pass.end();
  const copies = new Map();
  c.bindings.forEach((b, i) => {
    if (b.kind !== 'write') return;
    const size = bufferSize(b);
    const copy = device.createBuffer({
      size,
      usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
    });
    encoder.copyBufferToBuffer(buffers[i], 0, copy, 0, size);
    copies.set(i, copy);
  });
  device.queue.submit([encoder.finish()]);

  const outputs = new Map();
  for (const [i, copy] of copies) {
    await copy.mapAsync(GPUMapMode.READ);
    // The mapped range dies with the buffer, so the bytes are copied out of it.
    outputs.set(i, Buffer.from(copy.getMappedRange().slice(0, c.bindings[i].bytes)));
    copy.destroy();
  }
  return outputs;
}

async function runCase(gpu, dir, c) {
  const { device } = gpu;
  const result = (ok, messages) => ({ name: c.name, ok, messages });
  if (gpu.state.lost) return result(false, [gpu.state.lost]);
  const missing = lacking(gpu, c.features);
  if (missing.length) return result(null, missing);

  // The layout is spelled out: an automatic one leaves out the bindings that
  // the kernel declares but does not statically use, and the group below would
  // then not fit it.
  const laid = await scoped(device, () => {
    checkShape(c);
    return device.createBindGroupLayout({
      entries: c.bindings.map((b, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: LAYOUT_TYPE[b.kind] },
      })),
    });
  });
  if (laid.errors.length) return result(false, laid.errors);
  const layout = laid.value;
  const pipelineLayout = device.createPipelineLayout({ bindGroupLayouts: [layout] });
  const { pipeline, messages } = await compile(device, c.code, pipelineLayout);
  if (!pipeline) return result(false, messages);

  let buffers = [];
  const ran = await scoped(device, async () => {
    buffers = makeBuffers(device, dir, c.bindings);
    return dispatch(device, pipeline, layout, c, buffers);
  });
  for (const buffer of buffers) buffer.destroy();
  if (gpu.state.lost) ran.errors.push(gpu.state.lost);
  if (ran.errors.length) return result(false, [...messages, ...ran.errors]);

  for (const [i, bytes] of ran.value) {
    const file = path.join(dir, 'out', c.bindings[i].file);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, bytes);
  }
  return result(true, messages);
}

// Two outputs under one name would leave only the later one, without a word.
function repeatedOutput(cases) {
  const seen = new Set();
  for (const b of cases.flatMap((c) => c.bindings)) {
    if (b.kind !== 'write') continue;
    const file = path.normalize(b.file);
    if (seen.has(file)) return file;
    seen.add(file);
  }
  return null;
}

const args = process.argv.slice(2);
if (args.length !== 1) {
  await fail('usage: node dawn_run.mjs DIR', EXIT_USAGE);
}
const dir = args[0];
const cases = await readList(path.join(dir, 'cases.json'), 'cases');
const repeated = repeatedOutput(cases);
if (repeated) await fail(`two "write" bindings share the file ${repeated}`, EXIT_USAGE);

// A case that fails must not leave an earlier run's output to be compared.
for (const b of cases.flatMap((c) => c.bindings)) {
  if (b.kind === 'write') fs.rmSync(path.join(dir, 'out', b.file), { force: true });
}

const gpu = await openDevice(new Set(cases.flatMap((c) => c.features ?? [])));
const report = { adapter: gpu.adapter, cases: [] };
for (const c of cases) report.cases.push(await runCase(gpu, dir, c));
await finish(report);
