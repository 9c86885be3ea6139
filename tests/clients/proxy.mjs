// Stands between the conformance suite, which cannot send a token, and the
// server: passes everything through as it is, and only adds Authorization.
//
//     node proxy.mjs http://127.0.0.1:8080 TOKEN
//
// prints its own address, and ends when its standard input does.

import http from "node:http";

const [upstream, token] = process.argv.slice(2);
const { hostname, port } = new URL(upstream);
const agent = new http.Agent({ keepAlive: true });

const proxy = http.createServer((asked, answer) => {
  const headers = [...asked.rawHeaders, "Authorization", `Bearer ${token}`];
  const { method, url: path } = asked;
  const passed = http.request({ agent, hostname, port, method, path, headers });
  passed.on("response", (answered) => {
    answer.writeHead(answered.statusCode, answered.statusMessage, answered.rawHeaders);
    // The client is to see when the server begins to answer, also if nothing follows yet.
    answer.flushHeaders();
    answered.on("error", () => answer.destroy());
    answered.pipe(answer);
  });
  passed.on("error", () => answer.destroy());
  answer.on("close", () => passed.destroy());
  asked.pipe(passed);
});

process.stdin.on("end", () => process.exit()).resume();
proxy.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${proxy.address().port}`));
