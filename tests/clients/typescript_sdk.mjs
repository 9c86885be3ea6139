// The official TypeScript SDK as a client: 1.x, and 2.x in both eras.

import { strict as assert } from "node:assert";

import * as two from "@modelcontextprotocol/client";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

import { check, eventually, finish } from "./check.mjs";
import { granted } from "./configuration.mjs";

const { TEST_URL, CLIENT_TOKEN } = process.env;
const DENIAL = "mcp-universal-server/denial";
const one = { Client, StreamableHTTPClientTransport };

await speak("1.x", one, {});
await speak("2.x, 2025-11-25", two, { versionNegotiation: { mode: "legacy" } });
await speak("2.x, 2026-07-28", two, { versionNegotiation: { mode: { pin: "2026-07-28" } } });
finish();

async function speak(label, sdk, options) {
  // Every check has a connection of its own, and `changes` counts what it is told.
  const connected = (name, body) =>
    check(`${label}: ${name}`, async () => {
      let changes = 0;
      const onChanged = () => (changes += 1);
      const client = await connect(sdk, { ...options, listChanged: { tools: { autoRefresh: false, onChanged } } });
      try {
        await body(client, () => changes);
      } finally {
        await client.close();
      }
    });

  await connected("connects", async (client) => {
    assert.equal(client.getServerVersion().name, "mcp-universal-server");
  });
  await connected("lists the tools that are granted", async (client) => {
    assert.deepEqual(await tools(client), ["core.sum"]);
  });
  await connected("calls a tool", async (client) => {
    const result = await client.callTool({ name: "core.sum", arguments: { a: 2, b: 3 } });
    assert.deepEqual([result.isError, result.content], [false, [{ type: "text", text: "5" }]]);
  });
  await connected("is denied a tool, with the reasons", async (client) => {
    const result = await client.callTool({ name: "core.echo", arguments: { text: "hello" } });
    assert.equal(result.isError, true);
    assert.equal(result._meta[DENIAL].reasons[0].message, "agent `client` is not granted tool `core.echo`");
  });
  await connected("is told which arguments are wrong", async (client) => {
    const result = await client.callTool({ name: "core.sum", arguments: { a: 2 } });
    assert.equal(result.isError, true);
    assert.match(result.content[0].text, /^the arguments: `b` is missing/);
  });
  await connected("is told that a tool is unknown", async (client) => {
    await assert.rejects(client.callTool({ name: "core.nothing", arguments: {} }), { code: -32602 });
  });
  await connected("has a prompt", async (client) => {
    const { prompts } = await client.listPrompts();
    assert.deepEqual(prompts.map((prompt) => prompt.name), ["review_pr", "tool_usage"]);
    const prompt = await client.getPrompt({ name: "review_pr", arguments: { diff: "+ one line" } });
    assert.match(prompt.messages[0].content.text, /\+ one line/);
  });
  await connected("reads a resource", async (client) => {
    const { resources } = await client.listResources();
    assert.deepEqual(resources.map((resource) => resource.uri), ["about://policies", "about://server"]);
    const { contents } = await client.readResource({ uri: "about://policies" });
    assert.equal(JSON.parse(contents[0].text).agent, "client");
  });
  await connected("hears of a change, and uses what came", async (client, changes) => {
    assert.deepEqual(await tools(client), ["core.sum"]);
    await granted("core.echo", async () => {
      await eventually("the first change", changes);
      assert.deepEqual(await tools(client), ["core.echo", "core.sum"]);
      const result = await client.callTool({ name: "core.echo", arguments: { text: "new" } });
      assert.deepEqual(result.content, [{ type: "text", text: "new" }]);
    });
    await eventually("the second change", () => changes() > 1);
    assert.deepEqual(await tools(client), ["core.sum"]);
  });
  await connected("takes what a tool with an output schema answers, fails and is denied with", async (client) => {
    const sum = (input) => client.callTool({ name: "test_structured", arguments: input });
    await granted("*", async () => {
      await eventually("the tools", async () => (await tools(client)).includes("test_structured"));
      assert.deepEqual((await sum({ a: 2, b: 3 })).structuredContent, { total: 5 });
      assert.equal((await sum({ a: 2 })).isError, true);
      assert.equal((await client.callTool({ name: "test_broken_structured" })).isError, true);
      assert.equal((await client.callTool({ name: "test_error_handling" })).isError, true);
    });
    // The client still knows the schema, and holds a denial against it.
    const denied = await eventually("the denial", async () => {
      const result = await sum({ a: 2, b: 3 });
      return result.isError && result;
    });
    assert.equal(denied._meta[DENIAL].reasons[0].message, "agent `client` is not granted tool `test_structured`");
    assert.equal(denied.structuredContent, undefined);
  });
  await check(`${label}: needs a token`, async () => {
    await assert.rejects(connect(sdk, options, "wrong"), /token is not valid|HTTP 401/);
  });
}

async function connect(sdk, options, token = CLIENT_TOKEN) {
  const client = new sdk.Client({ name: "test", version: "1.0.0" }, options);
  const requestInit = { headers: { Authorization: `Bearer ${token}` } };
  await client.connect(new sdk.StreamableHTTPClientTransport(new URL(TEST_URL), { requestInit }));
  return client;
}

async function tools(client) {
  return (await client.listTools()).tools.map((tool) => tool.name);
}
