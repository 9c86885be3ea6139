// Claude Code's own program, without an account: its language model is a script
// here. What is asserted is what the model was sent.

import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";

import { check, finish } from "./check.mjs";
import { grant } from "./configuration.mjs";
import { serveMessages } from "./messages.mjs";

const { TEST_URL, TEST_FOLDER, CLIENT_TOKEN, PATH } = process.env;
const PROGRAM = `${process.cwd()}/node_modules/@anthropic-ai/claude-code-linux-${process.arch}/claude`;
const TOOLS = "mcp__mus__*,ListMcpResourcesTool,ReadMcpResourceTool";
const [SUM, ECHO] = ["mcp__mus__core_sum", "mcp__mus__core_echo"];
const OWN_TOKEN = { headers: { Authorization: `Bearer ${CLIENT_TOKEN}` } };
let calls = 0;

await connects();
await authorizes();
await works("2026-07-28", "auto");
await works("2025-11-25", "legacy");
finish();

async function connects() {
  const home = await newHome("connects");
  const add = (name, token) =>
    claude(home, ["mcp", "add", "--transport", "http", name, TEST_URL, "--header", `Authorization: Bearer ${token}`]);
  await check("`claude mcp add` connects with a token, and not with a wrong one", async () => {
    await add("right", CLIENT_TOKEN);
    await add("wrong", "wrong");
    const list = await claude(home, ["mcp", "list"]);
    assert.match(list, /^right: .* ✔ Connected$/m);
    assert.match(list, /^wrong: .* ✘ Failed to connect/m);
  });
}

// The ways in which the README keeps tokens out of `.mcp.json`.
async function authorizes() {
  const home = await newHome("authorizes");
  const helper = `${home}/headers`;
  await writeFile(helper, `#!/bin/sh\nprintf '{"Authorization": "Bearer %s"}' "$TOKEN"\n`, { mode: 0o755 });
  for (const [name, access] of [
    ["a variable", { headers: { Authorization: "Bearer ${TOKEN}" } }],
    ["a program", { headersHelper: helper }],
  ]) {
    await check(`the token comes from ${name}`, async () => {
      let sum;
      const model = async function* (asked) {
        asked = yield use(SUM, { a: 2, b: 3 });
        sum = result(asked);
      };
      await converse(home, "auto", "Go on.", model, access);
      assert.deepEqual(sum, { error: false, text: "5" });
    });
  }
}

async function works(revision, negotiation) {
  const home = await newHome(revision);
  const seen = {};
  const checked = (name, body) => check(`${revision}: ${name}`, body);

  await checked("a conversation comes to its end", () =>
    converse(home, negotiation, "Go on.", async function* (asked) {
      seen.tools = tools(asked);
      asked = yield use(SUM, { a: 2, b: 3 });
      seen.sum = result(asked);
      asked = yield use(SUM, { a: 2 });
      seen.mistake = result(asked);
      asked = yield use("ListMcpResourcesTool", {});
      seen.resources = result(asked);
      asked = yield use("ReadMcpResourceTool", { server: "mus", uri: "about://policies" });
      seen.resource = result(asked);

      const takeBack = await grant("core.echo");
      for (const waiting = patience(); !tools(asked).includes(ECHO) && waiting(); await pause(50)) {
        asked = yield use(SUM, { a: 1, b: 1 });
      }
      seen.more = tools(asked);
      asked = yield use(ECHO, { text: "it came" });
      seen.echo = result(asked);

      await takeBack();
      for (const waiting = patience(); !(seen.denial?.error ?? false) && waiting(); await pause(50)) {
        asked = yield use(ECHO, { text: "it went" });
        seen.denial = result(asked);
      }
    }),
  );
  await checked("that revision was spoken", async () => assert.deepEqual(await negotiated(home), new Set([revision])));
  await checked("the model has the tools that are granted", () => assert.deepEqual(seen.tools, [SUM]));
  await checked("a call gives the model its result", () => assert.deepEqual(seen.sum, { error: false, text: "5" }));
  await checked("a mistake in the arguments is told to the model", () =>
    assert.deepEqual(seen.mistake, {
      error: true,
      text: "the arguments: `b` is missing (see the arguments that `core.sum` lists)",
    }),
  );
  await checked("the model finds the resources", () => {
    const uris = JSON.parse(seen.resources.text).map((resource) => resource.uri);
    assert.deepEqual(uris, ["about://policies", "about://server"]);
  });
  await checked("the model reads a resource", () => {
    const [{ text }] = JSON.parse(seen.resource.text).contents;
    assert.equal(JSON.parse(text).agent, "client");
  });
  await checked("a tool that comes is used in the same conversation", () => {
    assert.deepEqual(seen.more, [ECHO, SUM]);
    assert.deepEqual(seen.echo, { error: false, text: "it came" });
  });
  await checked("a tool that went is denied, with the reason and what would help", () =>
    assert.deepEqual(seen.denial, {
      error: true,
      text: "agent `client` is not granted tool `core.echo` (add `core.echo` to `agents.client.tools`)",
    }),
  );
  await checked("a prompt reaches the model, with its argument", async () => {
    let prompt;
    await converse(home, negotiation, "/mcp__mus__review_pr one-line", async function* (asked) {
      prompt = JSON.stringify(asked.messages);
    });
    assert.match(prompt, /a change that somebody wants to merge:[^]{1,20}one-line/);
  });
}

// What the model calls.
function use(name, input) {
  calls += 1;
  return { type: "tool_use", id: `toolu_${calls}`, name, input };
}

// What the model is told that its last call gave.
function result(asked) {
  const blocks = asked.messages.flatMap((message) => message.content);
  const { content, is_error } = blocks.find((block) => block.tool_use_id === `toolu_${calls}`);
  const text = typeof content === "string" ? content : content.map((block) => block.text).join("\n");
  return { error: is_error ?? false, text };
}

// Which of the server's tools the model is offered.
function tools(asked) {
  return asked.tools.map((tool) => tool.name).filter((name) => name.startsWith("mcp__mus__"));
}

// True for as long as anything may take that is waited for.
function patience() {
  const deadline = Date.now() + 30_000;
  return () => Date.now() < deadline;
}

// Has Claude Code work on a prompt, with this model.
async function converse(home, negotiation, prompt, model, access = OWN_TOKEN) {
  let conversation;
  const messages = await serveMessages(async (asked) => {
    // The first request is what the model is called with, not an answer to it.
    const { value } = await (conversation ? conversation.next(asked) : (conversation = model(asked)).next());
    return value ?? { type: "text", text: "That is all." };
  });
  const servers = `${home}/mcp.json`;
  await writeFile(servers, JSON.stringify({ mcpServers: { mus: { type: "http", url: TEST_URL, ...access } } }));
  const output = await claude(
    home,
    ["-p", prompt, "--mcp-config", servers, "--strict-mcp-config", "--allowedTools", TOOLS, "--output-format", "json"],
    {
      ANTHROPIC_BASE_URL: messages.url,
      ANTHROPIC_API_KEY: "none-is-needed",
      ENABLE_TOOL_SEARCH: "false",
      MCP_PROTOCOL_NEGOTIATION: negotiation,
      TOKEN: CLIENT_TOKEN,
    },
  );
  messages.close();
  assert.equal(JSON.parse(output).result, "That is all.");
}

// The revisions that the program's own log says were agreed on.
async function negotiated(home) {
  const folder = `${home}/.cache/claude-cli-nodejs`;
  const files = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".jsonl"));
  const logs = await Promise.all(files.map((name) => readFile(`${folder}/${name}`, "utf8")));
  return new Set([...logs.join("").matchAll(/negotiatedProtocolVersion\W+([\d-]+)/g)].map(([, revision]) => revision));
}

async function newHome(name) {
  const home = `${TEST_FOLDER}/${name}`;
  await mkdir(home);
  return home;
}

// Runs the program in a home of its own; gives what it prints.
async function claude(home, args, more = {}) {
  const quiet = { CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1", DISABLE_AUTOUPDATER: "1" };
  const child = spawn(PROGRAM, args, {
    cwd: home,
    env: { PATH, HOME: home, ...quiet, ...more },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (piece) => (output += piece));
  const [code] = await once(child, "close");
  assert.equal(code, 0, `\`claude ${args[0]}\` ended with ${code}: ${output}`);
  return output;
}
