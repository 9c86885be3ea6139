// A language model for Claude Code that costs nothing and always does the same:
// the Messages API on a loopback port, answered by a function.

import { once } from "node:events";
import http from "node:http";

// Serves the API. `answer` is given what a request with tools holds, and gives
// the one content block to answer with; a request without tools is none of the
// conversation, and gets some text.
export async function serveMessages(answer) {
  let count = 0;
  const server = http.createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    const path = request.url.split("?")[0];
    if (request.method !== "POST" || path !== "/v1/messages") return response.writeHead(404).end();
    const asked = JSON.parse(body);
    const block = asked.tools?.length ? await answer(asked) : { type: "text", text: "yes" };
    count += 1;
    if (!asked.stream) {
      const whole = message(count, asked.model, [block], stopReason(block));
      return response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(whole));
    }
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    for (const event of events(count, asked.model, block)) {
      response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    }
    response.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

function* events(count, model, block) {
  yield { type: "message_start", message: message(count, model, [], null) };
  const [start, delta] =
    block.type === "text"
      ? [{ ...block, text: "" }, { type: "text_delta", text: block.text }]
      : [{ ...block, input: {} }, { type: "input_json_delta", partial_json: JSON.stringify(block.input) }];
  yield { type: "content_block_start", index: 0, content_block: start };
  yield { type: "content_block_delta", index: 0, delta };
  yield { type: "content_block_stop", index: 0 };
  yield { type: "message_delta", delta: { stop_reason: stopReason(block), stop_sequence: null }, usage: { output_tokens: 1 } };
  yield { type: "message_stop" };
}

function message(count, model, content, stop_reason) {
  const usage = { input_tokens: 1, output_tokens: 1 };
  return { id: `msg_${count}`, type: "message", role: "assistant", model, content, stop_reason, stop_sequence: null, usage };
}

function stopReason(block) {
  return block.type === "tool_use" ? "tool_use" : "end_turn";
}
