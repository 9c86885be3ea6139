// The official conformance suite, for both revisions, as an agent with a token.
// Every scenario that a revision's requirements score must pass.

import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, readdir } from "node:fs/promises";
import { createInterface } from "node:readline";

import { check, counted, finish } from "./check.mjs";

const SUITE = "node_modules/@modelcontextprotocol/conformance/dist/index.js";
const { TEST_URL, TEST_FOLDER, CONFORMANCE_TOKEN } = process.env;

const proxy = spawn(process.execPath, ["proxy.mjs", new URL(TEST_URL).origin, CONFORMANCE_TOKEN], {
  stdio: ["pipe", "pipe", "inherit"],
});
const [address] = await once(createInterface(proxy.stdout), "line");

for (const revision of ["2025-11-25", "2026-07-28"]) {
  const results = `${TEST_FOLDER}/${revision}`;
  const asked = ["server", "--url", `${address}/mcp`, "--requirements", revision, "-o", results];
  const suite = spawn(process.execPath, [SUITE, ...asked], { stdio: ["ignore", "pipe", "inherit"], timeout: 120_000 });
  let output = "";
  suite.stdout.on("data", (piece) => (output += piece));
  const [code] = await once(suite, "close");

  console.log(`-- ${revision}`);
  const { passed, failed, failing } = summary(output);
  counted(passed, failed);
  for (const scenario of failing) await explain(results, scenario);
  await check(`what ${revision} requires is there`, () => {
    assert.ok(passed > 0, output);
    assert.equal(code, 0, "the suite is not content");
  });
}

proxy.kill();
finish();

// The sum of the scenarios that are scored. The suite runs some more, which its
// last paragraph lists: extensions, and what a revision does not require yet.
function summary(output) {
  const [, scenarios = "", unscored = ""] =
    /=== SUMMARY ===\n([^]*?)\n\nTotal: [^\n]*([^]*)/.exec(output) ?? [];
  const skipped = new Set([...unscored.matchAll(/^ {2}[✓✗] (\S+) \(/gm)].map(([, name]) => name));
  const sum = { passed: 0, failed: 0, failing: [] };
  for (const [line, name, passed, failed] of scenarios.matchAll(/^[✓✗] (\S+): (\d+) passed, (\d+) failed/gm)) {
    if (skipped.has(name)) continue;
    console.log(line);
    sum.passed += Number(passed);
    sum.failed += Number(failed);
    if (Number(failed) > 0) sum.failing.push(name);
  }
  return sum;
}

// What the suite has against a scenario; it says so in files only.
async function explain(results, scenario) {
  for (const folder of await readdir(results)) {
    if (folder.replace(/-\d{4}-\d\d-\d\dT.*/, "") !== `server-${scenario}`) continue;
    const checks = JSON.parse(await readFile(`${results}/${folder}/checks.json`, "utf8"));
    for (const { id, status, errorMessage, details } of checks.filter((it) => it.status === "FAILURE")) {
      console.log(`FAILED  ${scenario}, ${id}: ${errorMessage ?? ""} ${JSON.stringify(details ?? {})}`);
    }
  }
}
