// The official conformance suite, for both revisions, as an agent with a token.
// Every scenario that a revision's requirements score must pass.

import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

import { check, counted, finish } from "./check.mjs";

const SUITE = "node_modules/@modelcontextprotocol/conformance/dist/index.js";
const { TEST_URL, CONFORMANCE_TOKEN } = process.env;

const proxy = spawn(process.execPath, ["proxy.mjs", new URL(TEST_URL).origin, CONFORMANCE_TOKEN], {
  stdio: ["pipe", "pipe", "inherit"],
});
const [address] = await once(createInterface(proxy.stdout), "line");

for (const revision of ["2025-11-25", "2026-07-28"]) {
  console.log(`-- requirements of ${revision}`);
  const suite = spawn(
    process.execPath,
    [SUITE, "server", "--url", `${address}/mcp`, "--requirements", revision, "-o", `${process.env.TEST_FOLDER}/conformance`],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let output = "";
  suite.stdout.on("data", (piece) => (output += piece));
  const [code] = await once(suite, "close");
  const { passed, failed } = summary(output);
  counted(passed, failed);
  if (code !== 0 || failed > 0) console.log(output);
  await check(`the suite itself is content with ${revision}`, () => assert.equal(code, 0));
  await check(`the suite scored something for ${revision}`, () => assert.ok(passed > 50, `${passed} passed`));
}

proxy.kill();
finish();

// The sum of the scenarios that are scored. The suite runs some more, which its
// last paragraph lists: extensions, and what a revision does not require yet.
function summary(output) {
  const [, scenarios = "", unscored = ""] =
    /=== SUMMARY ===\n([^]*?)\n\nTotal: [^\n]*([^]*)/.exec(output) ?? [];
  const skipped = new Set([...unscored.matchAll(/^ {2}[✓✗] (\S+) \(/gm)].map(([, name]) => name));
  let passed = 0;
  let failed = 0;
  for (const [line, name, good, bad] of scenarios.matchAll(/^[✓✗] (\S+): (\d+) passed, (\d+) failed/gm)) {
    if (skipped.has(name)) continue;
    console.log(line);
    passed += Number(good);
    failed += Number(bad);
  }
  return { passed, failed };
}
