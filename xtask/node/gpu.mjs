// One Dawn adapter and device, and compilation with every complaint collected.

import { create, globals } from 'webgpu';
import { EXIT_NO_ADAPTER, fail } from './report.mjs';

// GPUBufferUsage, GPUShaderStage, GPUMapMode and the like.
Object.assign(globalThis, globals);

// Dawn frees its instance with the object that `create` returns, so that object
// stays reachable for the life of the process.
const instances = [];

// Opens the first adapter with a device that has every feature of `wanted` that
// the adapter offers, and the default limits of WebGPU: a kernel that needs
// more than those is not portable, and that shows up as a complaint.
//
// `backend` chooses a Dawn backend by name. 'null' runs nothing but validates
// everything in the front end, so it needs no driver.
export async function openDevice(wanted, backend) {
  const gpu = create(backend ? [`backend=${backend}`] : []);
  instances.push(gpu);
  let adapter = null;
  let reason = '';
  try {
    adapter = await gpu.requestAdapter();
  } catch (e) {
    reason = `: ${e.message}`;
  }
  if (!adapter) {
    return fail(
      `no WebGPU adapter${reason}; Dawn needs libvulkan.so.1 and a Vulkan driver that it accepts`,
      EXIT_NO_ADAPTER,
    );
  }
  const features = new Set([...wanted].filter((f) => adapter.features.has(f)));
  const device = await adapter.requestDevice({ requiredFeatures: [...features] });

  // A lost device answers every later call as if all were well; callers look
  // here before they trust a result.
  const state = { lost: null };
  device.lost.then((info) => {
    state.lost = `device lost (${info.reason}): ${info.message}`;
  });

  const { vendor, architecture, device: name, description } = adapter.info;
  const { subgroupMinSize, subgroupMaxSize } = adapter.info;
  return {
    device,
    features,
    state,
    adapter: {
      backend: backend ?? 'default',
      vendor,
      architecture,
      device: name,
      description,
      subgroupMinSize,
      subgroupMaxSize,
      features: [...features],
    },
  };
}

// The features among `wanted` that the device lacks, as messages.
export function lacking(gpu, wanted = []) {
  return wanted.filter((f) => !gpu.features.has(f)).map((f) => `adapter lacks ${f}`);
}

// Runs `body` with every error scope open; returns its value and the errors.
export async function scoped(device, body) {
  const kinds = ['internal', 'out-of-memory', 'validation'];
  for (const kind of kinds) device.pushErrorScope(kind);
  let value = null;
  const errors = [];
  try {
    value = await body();
  } catch (e) {
    errors.push(e?.message ?? String(e));
  }
  for (const kind of kinds.reverse()) {
    const e = await device.popErrorScope();
    if (e) errors.push(`${kind}: ${e.message}`);
  }
  return { value, errors };
}

// Compiles a module and its pipeline for the entry point "main".
//
// The pipeline is made too because part of the rules hold per entry point
// (workgroup size and memory limits, bindings against the layout) and are not
// looked at while the module is parsed.
export async function compile(device, code, layout = 'auto') {
  const messages = [];
  const made = await scoped(device, async () => {
    const module = device.createShaderModule({ code });
    const info = await module.getCompilationInfo();
    for (const m of info.messages) {
      messages.push(`${m.type} ${m.lineNum}:${m.linePos}: ${m.message}`);
    }
    return module;
  });
  // The error scope repeats what the compilation info says; it is kept only
  // where the info says nothing.
  const refused = messages.some((m) => m.startsWith('error'));
  if (refused) return { pipeline: null, messages };
  if (made.errors.length) return { pipeline: null, messages: [...messages, ...made.errors] };

  const built = await scoped(device, () =>
    device.createComputePipelineAsync({
      layout,
      compute: { module: made.value, entryPoint: 'main' },
    }),
  );
  const pipeline = built.errors.length ? null : built.value;
  return { pipeline, messages: [...messages, ...built.errors] };
}
