// What clients in Node see of a connection that is opened in the wrong way: `ws`, wscat, `socket.io-client`.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { io } from "socket.io-client";
import WebSocket from "ws";
import { register, url } from "./server.mjs";

const PATIENCE = 30_000;
const { access_token: token } = await register("ann");
const at = (path) => `${url.replace("http", "ws")}${path}`;

/** All that happens to a WebSocket until its end, or its welcome. */
function open(path, protocols = [], options = {}) {
  return new Promise((resolve) => {
    const socket = new WebSocket(at(path), protocols, options);
    const seen = {};
    socket.on("open", () => (seen.protocol = socket.protocol));
    socket.on("message", (data) => {
      if (JSON.parse(data).type !== "welcome") return;
      resolve({ ...seen, welcome: true });
      socket.terminate();
    });
    socket.on("close", (code, reason) => resolve({ ...seen, code, reason: String(reason) }));
    socket.on("unexpected-response", (_, response) => {
      response.setEncoding("utf8");
      let body = "";
      response.on("data", (part) => (body += part));
      response.on("end", () => resolve({ status: response.statusCode, body }));
    });
    socket.on("error", (error) => resolve({ error: error.message }));
  });
}

/** How a Socket.IO client is refused. */
function refused(options) {
  return new Promise((resolve, reject) => {
    const socket = io(url, { reconnection: false, forceNew: true, timeout: PATIENCE, ...options });
    socket.on("connect", () => reject(new Error("it came in")));
    socket.on("connect_error", (error) => {
      socket.disconnect();
      resolve(error);
    });
  });
}

async function play() {
  assert.deepEqual(await open("/ws", [`bearer.${token}`]), { protocol: `bearer.${token}`, welcome: true });
  assert.deepEqual(await open("/ws", ["doorward.v1", `bearer.${token}`]), { protocol: "doorward.v1", welcome: true });
  for (const [path, protocols] of [[`/ws?token=${token}`], ["/ws", ["access_token", token]]]) {
    const { code, reason } = await open(path, protocols);
    assert.equal(code, 4401, path);
    assert.match(reason, /Authorization.*bearer\.TOKEN.*first message/);
  }
  const old = await open("/ws", [], { protocolVersion: 8, headers: { authorization: `Bearer ${token}` } });
  assert.equal(old.status, 426);
  assert.equal(JSON.parse(old.body).code, "websocket_version");
  assert.equal((await open("/", [])).status, 404);
  assert.equal((await open("/socket.io/", [])).status, 400);
  const scheme = await open("/ws", [], { headers: { authorization: `Token ${token}` } });
  assert.equal(scheme.status, 401);
  assert.match(JSON.parse(scheme.body).detail, /Bearer TOKEN/);

  for (const transports of [["polling"], ["websocket"]]) {
    for (const options of [{}, { query: { token } }, { extraHeaders: { authorization: `Bearer ${token}` } }, { auth: { jwt: token } }]) {
      const { message, data } = await refused({ transports, ...options });
      assert.equal(message, 'the access token is missing: it belongs in auth, as {"token":"TOKEN"}');
      assert.deepEqual([data.code, data.reconnect], [4401, "never"]);
    }
    // At the plain WebSocket: the transport fails at once.
    await refused({ transports, path: "/ws" });
  }

  const wscat = createRequire(import.meta.url).resolve("wscat/bin/wscat");
  const said = await new Promise((resolve) => {
    // Its standard input stays open: at the end of it, it goes.
    execFile(process.execPath, [wscat, "-c", at(`/ws?token=${token}`)], { timeout: PATIENCE }, (_, out, err) => resolve(out + err));
  });
  assert.match(said, /4401.*first message/s);
}

let failure = null;
const late = setTimeout(() => {
  console.log("it takes too long");
  process.exit(1);
}, 4 * PATIENCE);
try {
  await play();
} catch (error) {
  failure = error;
}
clearTimeout(late);
if (failure) console.log(`${fileURLToPath(import.meta.url)}: ${failure.stack}`);
process.exit(failure ? 1 : 0);
