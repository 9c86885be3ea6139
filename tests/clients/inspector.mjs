// The MCP Inspector's command line, in both eras.

import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";

import { check, finish } from "./check.mjs";

const INSPECTOR = "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js";
const { TEST_URL, CLIENT_TOKEN, BRIEF_TOKEN } = process.env;

for (const era of ["legacy", "modern"]) {
  const inspect = (token, ...request) => inspector(era, token, request);

  await check(`${era}: the tools are those that are granted`, async () => {
    const { code, answer } = await inspect(CLIENT_TOKEN, "tools/list");
    assert.deepEqual([code, answer.result.tools.map((tool) => tool.name)], [0, ["core.sum"]]);
  });
  await check(`${era}: a tool is called`, async () => {
    const sum = ["--tool-name", "core.sum", "--tool-arg", "a=2", "--tool-arg", "b=3"];
    const { code, answer } = await inspect(CLIENT_TOKEN, "tools/call", ...sum);
    assert.deepEqual([code, answer.result.content], [0, [{ type: "text", text: "5" }]]);
  });
  await check(`${era}: a denial says its reasons`, async () => {
    const text = JSON.stringify({ text: "a".repeat(89) });
    const { code, answer } = await inspect(BRIEF_TOKEN, "tools/call", "--tool-name", "core.echo", "--tool-args-json", text);
    const [reason] = answer.result._meta["mcp-universal-server/denial"].reasons;
    assert.equal(reason.message, "the arguments have 100 bytes, and agent `brief` may send 64");
    assert.deepEqual([code, answer.result.isError, reason.code], [5, true, "payload_too_large"]);
  });
  await check(`${era}: a prompt is given`, async () => {
    const { code, answer } = await inspect(CLIENT_TOKEN, "prompts/get", "--prompt-name", "tool_usage");
    assert.match(answer.result.messages[0].content.text, /agent `client` of tenant `clients`/);
    assert.equal(code, 0);
  });
  await check(`${era}: a resource is read`, async () => {
    const { code, answer } = await inspect(CLIENT_TOKEN, "resources/read", "--uri", "about://policies");
    const policies = JSON.parse(answer.result.contents[0].text);
    assert.deepEqual([code, policies.agent, policies.denied_tools[0].name], [0, "client", "core.echo"]);
  });
  await check(`${era}: a wrong token is refused`, async () => {
    const { code, answer } = await inspect("wrong", "tools/list");
    assert.deepEqual([code, answer.error.code], [3, "auth_required"]);
    assert.match(answer.error.message, /token is not valid|HTTP 401/);
  });
}

finish();

// Its exit code and the JSON that it prints; an error it prints elsewhere.
async function inspector(era, token, [method, ...more]) {
  const server = ["--cli", TEST_URL, "--transport", "http", "--protocol-era", era];
  const authorization = ["--header", `Authorization: Bearer ${token}`, "--stored-auth-only"];
  const child = spawn(
    process.execPath,
    [INSPECTOR, ...server, ...authorization, "--method", method, ...more, "--format", "json"],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let [output, errors] = ["", ""];
  child.stdout.on("data", (piece) => (output += piece));
  child.stderr.on("data", (piece) => (errors += piece));
  const [code] = await once(child, "close");
  const line = (output || errors).split("\n").find((line) => line.startsWith("{"));
  assert.ok(line, `no answer, exit code ${code}: ${output}${errors}`);
  return { code, answer: JSON.parse(line) };
}
