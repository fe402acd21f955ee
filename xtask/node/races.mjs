// Looks for data races inside workgroups.
//
//   node races.mjs MANIFEST.json
//   node races.mjs --self-test
//
// The manifest is {"kernels":[{"name","code","workgroups":[x,y,z],
// "bindings":{"0":{"kind":"u32"|"i32"|"f32"|"bytes","data":[...]}, ...}}]}, all
// of @group(0). Kernels with f16 are not for this tool: the interpreter has no
// such numbers. It needs no GPU.
//
// A kernel passes with 0 races and 0 errors; an error says that the detector
// could not follow the kernel, or that a barrier is not reached by all.

import { races } from './lockstep.mjs';
import { EXIT_FAILED_SELF_TEST, EXIT_OK, EXIT_USAGE, fail, finish, readList } from './report.mjs';

const ARRAY = { u32: Uint32Array, i32: Int32Array, f32: Float32Array, bytes: Uint8Array };

// A kernel can have thousands of races with one cause; a few say where it is.
const SHOWN = 8;

function check({ name, code, workgroups, bindings }) {
  const buffers = {};
  for (const [index, { kind, data }] of Object.entries(bindings)) {
    if (!(kind in ARRAY)) {
      return { name, races: 0, errors: 1, messages: [`binding ${index}: unknown kind "${kind}"`] };
    }
    buffers[index] = ARRAY[kind].from(data).buffer;
  }
  const found = races(code, workgroups, buffers);
  return {
    name,
    races: found.races.length,
    errors: found.errors.length,
    messages: [
      ...[...new Set(found.races)].slice(0, SHOWN),
      ...[...new Set(found.errors)].slice(0, SHOWN),
    ],
  };
}

// The controls. Each source has its barriers marked; `without` removes one, and
// the races must then be seen.
const TREE = `
struct Params { n: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
const SIZE = 32u;
var<workgroup> part: array<f32, SIZE>;
fn term(i: u32) -> f32 {
  if (i >= params.n) { return 0.0; }
  return x[i] * x[i];
}
@compute @workgroup_size(SIZE)
fn main(@builtin(local_invocation_index) l: u32,
        @builtin(global_invocation_id) g: vec3<u32>,
        @builtin(workgroup_id) w: vec3<u32>) {
  part[l] = term(g.x);
  workgroupBarrier(); // 1
  for (var h = SIZE / 2u; h > 0u; h = h >> 1u) {
    if (l < h) { part[l] += part[l + h]; }
    workgroupBarrier(); // 2
  }
  if (l == 0u) { y[w.x] = part[0]; }
}`;

// One control for each blind spot that lockstep.mjs removes: a race in the second
// workgroup only, with barriers that open their blocks; in a scalar; around a
// workgroupUniformLoad, in place of a barrier as well as beside one; an index that
// a function returns, which is racy only where the function makes it so.
const LATER = `
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
var<workgroup> tile: array<u32, 8>;
@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) l: u32, @builtin(workgroup_id) w: vec3<u32>) {
  tile[l] = l;
  if (w.x == 0u) {
    workgroupBarrier();
  } else {
    workgroupBarrier(); // 1
  }
  y[w.x * 8u + l] = tile[7u - l];
}`;
const SCALAR = `
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
var<workgroup> total: u32; // total of nothing in particular
@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) l: u32) {
  if (l == 0u) { total = y[0]; total += 3u; }
  workgroupBarrier(); // 1
  y[l + 1u] = total + l;
}`;
const UNIFORM = `
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
var<workgroup> count: u32;
var<workgroup> tile: array<u32, 8>;
@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) l: u32) {
  if (l == 0u) { count = y[0]; }
  let n = workgroupUniformLoad(&count);
  for (var i = 0u; i < n; i++) {
    tile[l] = i + l;
    workgroupBarrier();
    y[l + 1u] = tile[7u - l];
    workgroupBarrier(); // 1
  }
}`;

const CALL = `
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
var<workgroup> tile: array<u32, 8>;
fn place(l: u32) -> u32 { return l / 1u; }
@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) l: u32) {
  let at = place(l);
  tile[at] = l;
  workgroupBarrier(); // 1
  y[l] = tile[7u - l];
}`;

const without = (code, mark) => {
  const line = `workgroupBarrier(); // ${mark}`;
  if (!code.includes(line)) throw new Error(`no barrier marked ${mark}`);
  return code.replace(line, '');
};
const ramp = (n) => Array.from({ length: n }, (_, i) => i % 5);
const treeBindings = {
  0: { kind: 'bytes', data: [50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] },
  1: { kind: 'f32', data: ramp(50) },
  2: { kind: 'f32', data: ramp(2) },
};
const words = { 0: { kind: 'u32', data: Array(16).fill(2) } };

const tree = (name, code, racy) => ({ name, code, racy, workgroups: [2, 1, 1], bindings: treeBindings });
const small = (name, code, racy, groups = 1) => ({
  name,
  code,
  racy,
  workgroups: [groups, 1, 1],
  bindings: words,
});
const CONTROLS = [
  tree('tree reduction', TREE, false),
  tree('tree reduction without its first barrier', without(TREE, 1), true),
  tree('tree reduction without the barrier in its loop', without(TREE, 2), true),
  small('reversal in two workgroups', LATER, false, 2),
  small('reversal, no barrier in the second workgroup', without(LATER, 1), true, 2),
  small('shared scalar', SCALAR, false),
  small('shared scalar without its barrier', without(SCALAR, 1), true),
  small('workgroupUniformLoad', UNIFORM, false),
  small('workgroupUniformLoad, loop without a barrier', without(UNIFORM, 1), true),
  small('index from a function', CALL, false),
  small('index from a function that gives it to two', CALL.replace('l / 1u', 'l / 2u'), true),
];

function selfTest() {
  const results = CONTROLS.map((control) => {
    const r = check(control);
    return { ...r, passed: r.errors === 0 && r.races > 0 === control.racy };
  });
  const passed = results.every((r) => r.passed);
  return finish({ results, passed }, passed ? EXIT_OK : EXIT_FAILED_SELF_TEST);
}

const args = process.argv.slice(2);
if (args.length !== 1) {
  await fail('usage: node races.mjs MANIFEST.json | --self-test', EXIT_USAGE);
} else if (args[0] === '--self-test') {
  await selfTest();
} else {
  const kernels = await readList(args[0], 'kernels');
  await finish({ results: kernels.map(check) });
}
