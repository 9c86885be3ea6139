// What the scripts share: checks that count, and an end that always comes.

import { strict as assert } from "node:assert";
import { setTimeout as pause } from "node:timers/promises";

let passed = 0;
let failed = 0;

// Generous: it only matters when something is broken.
const PATIENCE = 120_000;

// Runs one check, says how it went, and goes on either way.
export async function check(name, body) {
  const late = new AbortController();
  try {
    await Promise.race([body(), lateness(late.signal)]);
    passed += 1;
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}\n${error.stack ?? error}`);
  } finally {
    late.abort();
  }
}

// Fails after a while, unless it is told that nobody waits any more.
async function lateness(signal) {
  await pause(PATIENCE, undefined, { signal }).catch(() => {});
  assert.ok(signal.aborted, `it did not end within ${PATIENCE / 1000} seconds`);
}

// Counts what another program checked.
export function counted(otherPassed, otherFailed) {
  passed += otherPassed;
  failed += otherFailed;
}

// The closing line, which is summed, and the end.
export function finish() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 && passed > 0 ? 0 : 1);
}

// Waits until `look` gives something.
export async function eventually(what, look) {
  for (const deadline = Date.now() + PATIENCE / 4; ; await pause(20)) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < deadline, `waited in vain for ${what}`);
  }
}

// The runner holds the other end: where it is gone, this group of processes goes too.
process.stdin.on("end", () => process.kill(0, "SIGKILL")).resume();
process.stdin.unref?.();
