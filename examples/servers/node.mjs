// A server of node. Arguments: port, rounds of work, and per cent of them added.
import { createServer } from "node:http";

const [port, basis, added = 0] = process.argv.slice(2).map(Number);
const rounds = Math.floor((basis * (100 + added)) / 100);

function work() {
  const parts = [];
  for (let number = 0; number < rounds; number += 1) parts.push(`${number * 7}:${number & 3}`);
  return parts.join(",").length;
}

createServer((_request, response) => {
  if (work() === 0) throw new Error("no work");
  const body = '{"done":true}';
  response.writeHead(200, { "content-type": "application/json", "content-length": body.length });
  response.end(body);
}).listen(port, "127.0.0.1");
