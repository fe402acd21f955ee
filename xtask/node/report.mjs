// How the tools of this folder talk: one JSON object on stdout, all else on
// stderr, and an exit that does not depend on anyone's destructors.

import fs from 'node:fs';

// Exit codes shared by the tools.
export const EXIT_OK = 0;
export const EXIT_FAILED_SELF_TEST = 1;
export const EXIT_USAGE = 2;
export const EXIT_NO_ADAPTER = 3;

// Prints `value` as JSON and ends the process once stdout has taken it.
//
// The explicit exit matters: Dawn's binding keeps threads of its own, so a
// process that merely runs off its end can hang or abort there, and an exit
// before the write completes can cut a long report in a pipe.
export function finish(value, code = EXIT_OK) {
  process.stdout.write(JSON.stringify(value) + '\n', () => process.exit(code));
  return new Promise(() => {}); // nothing runs after this
}

// Ends the process with a message for a person.
export function fail(message, code) {
  process.stderr.write(message + '\n', () => process.exit(code));
  return new Promise(() => {});
}

// Reads a JSON file whose top level holds a list under `key`.
export async function readList(path, key) {
  let value;
  try {
    value = JSON.parse(fs.readFileSync(path, 'utf8'));
  } catch (e) {
    return fail(`cannot read ${path}: ${e.message}`, EXIT_USAGE);
  }
  if (!Array.isArray(value?.[key])) {
    return fail(`${path} has no list "${key}"`, EXIT_USAGE);
  }
  return value[key];
}
