// wgsl_reflect's race detector, with five of its blind spots removed.
//
// The detector interprets all invocations of a workgroup side by side and looks
// between barriers for unordered accesses to the same bytes. As it stands it
//   - watches workgroup memory in the first workgroup only: the variables stay
//     bound to that workgroup's tracker;
//   - does not watch workgroup variables that are plain scalars or vectors;
//   - takes workgroupUniformLoad for neither a load nor a barrier;
//   - walks past a barrier that is the first statement of a block, since it
//     enters a block and runs its first statement in one step;
//   - keeps what a function returned at the call in the syntax tree, where the
//     next invocation to come along finds it and takes it for its own.
// What stays out of its reach: races between workgroups, always, and what
// `unsupported` lists, which counts as an error. Its false alarms: arrays in
// var<private>, which it shares among the invocations, and accesses to single
// components of one vector, which it takes for accesses to the whole vector.

import {
  CallExpr,
  MemoryTracker,
  WgslDebug,
  WorkgroupScheduler,
  detectRaces,
} from 'wgsl_reflect/wgsl_reflect.module.js';

// Every access goes to the tracker of the workgroup that runs, also one through
// a variable that an earlier workgroup's tracker wraps.
let current = null;
const { run } = WorkgroupScheduler.prototype;
WorkgroupScheduler.prototype.run = function () {
  current = this._tracker;
  return run.call(this);
};
const { record } = MemoryTracker.prototype;
MemoryTracker.prototype.record = function (...access) {
  return record.apply(current ?? this, access);
};

// What a call returned belongs to the invocation that made it.
const returned = new WeakMap();
let invocation = null;
const { stepStack } = WgslDebug.prototype;
WgslDebug.prototype.stepStack = function (stack, ...rest) {
  invocation = stack;
  if (!returned.has(stack)) returned.set(stack, new WeakMap());
  return stepStack.call(this, stack, ...rest);
};
Object.defineProperty(CallExpr.prototype, 'cachedReturnValue', {
  get() {
    return returned.get(invocation)?.get(this) ?? null;
  },
  set(value) {
    returned.get(invocation)?.set(this, value);
  },
});

const SCALAR_VAR =
  /var\s*<\s*workgroup\s*>\s*(\w+)\s*:\s*((?:[fiu]32|bool)|vec[234](?:[fiu]|\s*<\s*[fiu]32\s*>))\s*;/g;
const UNIFORM_LOAD =
  /let\s+(\w+)\s*(?::\s*[\w<>\s]+)?=\s*workgroupUniformLoad\s*\(\s*&\s*([^;]+?)\s*\)\s*;/g;

// Rewrites the kernel into the equivalent that the detector understands, line
// for line, so that the lines in its reports still hold.
export function lower(code) {
  // Comments go first: a name in one is not a use of the variable.
  let out = code
    .replace(/\/\*[\s\S]*?\*\//g, (c) => c.replace(/[^\n]/g, ' '))
    .replace(/\/\/.*$/gm, '');
  // A uniform load is a load between two barriers.
  out = out.replace(
    UNIFORM_LOAD,
    (_, name, place) => `workgroupBarrier(); let ${name} = ${place}; workgroupBarrier();`,
  );
  // No barrier is the first statement of its block.
  let barriers = 0;
  out = out.replace(
    /\b(?:workgroup|storage)Barrier\s*\(/g,
    (call) => `let before_barrier_${barriers++} = 0u; ${call}`,
  );
  // A scalar becomes an array of one. A local variable of the same name would
  // break the rewritten kernel, which shows as an error and not as a pass.
  const scalars = [...out.matchAll(SCALAR_VAR)].map((m) => m[1]);
  for (const name of scalars) {
    out = out.replace(new RegExp(`(?<![.\\w])${name}\\b(?!\\s*:)`, 'g'), `${name}[0]`);
  }
  return out.replace(SCALAR_VAR, (_, name, type) => `var<workgroup> ${name}: array<${type}, 1>;`);
}

// What the detector would walk past in silence, as messages.
function unsupported(lowered) {
  const rules = [
    [/workgroupUniformLoad/, 'workgroupUniformLoad is read only as `let x = workgroupUniformLoad(&v);`'],
    [/\bptr\s*<\s*(?:workgroup|storage)\b/, 'writes through pointers to shared memory are not watched'],
    [/(?<![=!<>])=\s*&(?!&)/, 'writes through `let p = &v;` are not watched'],
    [/\bsubgroup[A-Z]\w*\s*\(/, 'subgroup operations are evaluated as if alone in the subgroup'],
  ];
  return rules.filter(([pattern]) => pattern.test(lowered)).map(([, message]) => message);
}

// Runs the detector; returns {races, errors}, both lists of messages.
//
// The interpreter reports what it cannot evaluate on the console and goes on,
// so whatever it prints counts as an error: a kernel that is only half
// interpreted is not a kernel without races.
export function races(code, workgroups, buffers) {
  const lowered = lower(code);
  const errors = unsupported(lowered);
  const methods = ['log', 'info', 'warn', 'error'];
  const saved = methods.map((m) => console[m]);
  for (const m of methods) {
    console[m] = (...what) => errors.push(`interpreter: ${what.map(String).join(' ')}`);
  }
  let found = [];
  try {
    const result = detectRaces(lowered, 'main', workgroups, { 0: buffers });
    found = result.races.map((r) => r.message);
    errors.push(...result.errors);
  } catch (e) {
    errors.push(`interpreter: ${e?.message ?? e}`);
  } finally {
    methods.forEach((m, i) => (console[m] = saved[i]));
  }
  return { races: found, errors };
}
