// Compiles kernels with Tint through Dawn.
//
//   node tint.mjs [--backend=NAME] MANIFEST.json
//   node tint.mjs [--backend=NAME] --self-test
//
// The manifest is {"kernels":[{"name","code","features":["shader-f16",...]}]}.
// Tint's uniformity analysis and limits are stricter than naga's, and browsers
// built on Chromium use it, so a kernel has to pass here as well.

import { compile, lacking, openDevice } from './gpu.mjs';
import { EXIT_FAILED_SELF_TEST, EXIT_OK, EXIT_USAGE, fail, finish, readList } from './report.mjs';

async function check(gpu, kernel) {
  const missing = lacking(gpu, kernel.features);
  if (missing.length) return { name: kernel.name, ok: null, messages: missing };
  const { pipeline, messages } = await compile(gpu.device, kernel.code);
  if (gpu.state.lost) messages.push(gpu.state.lost);
  return { name: kernel.name, ok: pipeline !== null && !gpu.state.lost, messages };
}

async function checkAll(kernels, backend) {
  const gpu = await openDevice(new Set(kernels.flatMap((k) => k.features ?? [])), backend);
  const results = [];
  for (const kernel of kernels) results.push(await check(gpu, kernel));
  return { adapter: gpu.adapter, results };
}

// The controls: a check that accepts everything is worth nothing, so the tool
// first has to refuse what it is there to refuse.
const HEAD = `
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
var<workgroup> tile: array<f32, 64>;
var<workgroup> count: u32;
`;
const MAIN = `@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) l: u32, @builtin(global_invocation_id) g: vec3<u32>)`;

// `complaint` is what a refusal has to mention, so that a typing error in a
// control cannot pass for the refusal that is meant. Null: to be accepted.
const CONTROLS = [
  {
    name: 'barrier under a data-dependent if',
    complaint: /uniform control flow/,
    code: `${HEAD}${MAIN} {
      tile[l] = y[g.x];
      if (tile[l] > 0.0) { workgroupBarrier(); }
      y[g.x] = tile[63u - l];
    }`,
  },
  {
    name: 'early return before a barrier',
    complaint: /uniform control flow/,
    code: `${HEAD}${MAIN} {
      if (g.x >= arrayLength(&y)) { return; }
      tile[l] = y[g.x];
      workgroupBarrier();
      y[g.x] = tile[63u - l];
    }`,
  },
  {
    name: 'barrier in a loop whose bound comes from storage',
    complaint: /uniform control flow/,
    code: `${HEAD}${MAIN} {
      let n = u32(y[0]);
      for (var i = 0u; i < n; i++) { tile[l] = y[i]; workgroupBarrier(); }
      y[g.x] = tile[l];
    }`,
  },
  {
    name: 'workgroup larger than the default limit',
    complaint: /workgroup|invocations/i,
    code: `@compute @workgroup_size(1024) fn main() {}`,
  },
  {
    name: 'the same loop with the bound through workgroupUniformLoad',
    complaint: null,
    code: `${HEAD}${MAIN} {
      if (l == 0u) { count = u32(y[0]); }
      let n = workgroupUniformLoad(&count);
      for (var i = 0u; i < n; i++) { tile[l] = y[i]; workgroupBarrier(); }
      y[g.x] = tile[l];
    }`,
  },
];

async function selfTest(backend) {
  const report = await checkAll(CONTROLS, backend);
  report.results.forEach((r, i) => {
    const { complaint } = CONTROLS[i];
    r.expected = complaint === null ? 'accepted' : 'refused';
    r.passed =
      complaint === null ? r.ok === true : r.ok === false && r.messages.some((m) => complaint.test(m));
  });
  report.passed = report.results.every((r) => r.passed);
  return finish(report, report.passed ? EXIT_OK : EXIT_FAILED_SELF_TEST);
}

const args = process.argv.slice(2);
const backend = args.find((a) => a.startsWith('--backend='))?.slice('--backend='.length);
const rest = args.filter((a) => !a.startsWith('--backend='));
if (rest.length !== 1) {
  await fail('usage: node tint.mjs [--backend=NAME] MANIFEST.json | --self-test', EXIT_USAGE);
} else if (rest[0] === '--self-test') {
  await selfTest(backend);
} else {
  await finish(await checkAll(await readList(rest[0], 'kernels'), backend));
}
