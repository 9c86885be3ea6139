// What the scripts share: checks that count, and an end that always comes.

import { strict as assert } from "node:assert";

let passed = 0;
let failed = 0;

/// Runs one check, says how it went, and goes on either way.
export async function check(name, body) {
  try {
    await body();
    passed += 1;
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}\n${error.stack ?? error}`);
  }
}

/// Counts what another program checked.
export function counted(otherPassed, otherFailed) {
  passed += otherPassed;
  failed += otherFailed;
}

/// The closing line, which is summed, and the end.
export function finish() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 && passed > 0 ? 0 : 1);
}

/// Waits until `look` gives something.
export async function eventually(what, look, seconds = 30) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < deadline, `waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// The runner holds the other end: where it is gone, this group of processes goes too.
process.stdin.on("end", () => process.kill(0, "SIGKILL")).resume();
process.stdin.unref?.();
