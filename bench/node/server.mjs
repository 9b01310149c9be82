// An API that takes payments by itself, in Node: for each paid request one script on Redis, which deducts
// the price from the client's balance, and then the answer. It speaks to Redis over one socket, as Node's
// clients of Redis do, and needs no packages.
//
// node server.mjs PORT REDIS_PORT CLIENT_ID CREDIT
import { createServer } from "node:http";
import { connect } from "node:net";

const [port, redisPort, clientId, credit] = process.argv.slice(2);
const PRICE = 1;
const SCRIPT = `
local balance = tonumber(redis.call('HGET', KEYS[1], 'balance') or '0')
local price = tonumber(ARGV[1])
if balance < price then return -1 end
return redis.call('HINCRBY', KEYS[1], 'balance', -price)`;

const redis = connect(Number(redisPort), "127.0.0.1").setNoDelay(true);
const waiting = [];
let unread = "";

// Answers come in the order of their commands. Here each is one line.
redis.on("data", (piece) => {
  unread += piece.toString("latin1");
  for (let end = unread.indexOf("\r\n"); end >= 0; end = unread.indexOf("\r\n")) {
    const [kind, value] = [unread[0], unread.slice(1, end)];
    unread = unread.slice(end + 2);
    const { resolve, reject } = waiting.shift();
    if (kind === "-") reject(new Error(value));
    else resolve(kind === ":" ? Number(value) : value);
  }
});
redis.on("close", () => process.exit(1));

function command(...words) {
  const text = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("");
  return new Promise((resolve, reject) => {
    waiting.push({ resolve, reject });
    redis.write(`*${words.length}\r\n${text}`);
  });
}

const key = (client) => `bench:client:${client}`;
await command("HSET", key(clientId), "balance", credit);

async function deduct(header) {
  const { clientId: client } = JSON.parse(Buffer.from(header ?? "", "base64").toString());
  if (typeof client !== "string") throw new Error("no client id");
  return [client, await command("EVAL", SCRIPT, "1", key(client), String(PRICE))];
}

createServer(async (request, response) => {
  try {
    const [client, left] = await deduct(request.headers.payment);
    if (left < 0) return response.writeHead(402).end();
    const receipt = JSON.stringify({ success: true, clientId: client, creditsRemaining: left });
    response.writeHead(200, {
      "content-type": "application/json",
      "payment-response": Buffer.from(receipt).toString("base64"),
    });
    response.end('{"joke":"Why did the request cost a cent? It made sense."}');
  } catch {
    response.writeHead(402).end();
  }
}).listen(Number(port), "127.0.0.1");
