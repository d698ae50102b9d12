// What a page sees of a WebSocket that is opened in the wrong way, and of one whose only subprotocol is its token.

import assert from "node:assert/strict";
import { PASSWORD, base, scenario } from "./harness.mjs";

await scenario(async ({ person }) => {
  const page = await person();
  const answer = await page.request.post(`${base.replace("doorward.example", process.env.DOORWARD_ADDRESS)}/api/register`, {
    data: { username: "ada", password: PASSWORD },
  });
  const { access_token: token } = await answer.json();
  await page.goto(`${base}/login`);

  /** Opens a socket, says what is to be said, and answers all that comes until it closes, or its welcome. */
  const open = (path, protocols, first) =>
    page.evaluate(
      ([path, protocols, first]) =>
        new Promise((resolve) => {
          const socket = new WebSocket(new URL(path, location.href), protocols);
          const seen = { opened: false, types: [] };
          socket.addEventListener("open", () => {
            seen.opened = true;
            seen.protocol = socket.protocol;
            if (first) socket.send(first);
          });
          socket.addEventListener("message", ({ data }) => {
            const { type } = JSON.parse(data);
            seen.types.push(type);
            if (type === "welcome") resolve(seen);
          });
          socket.addEventListener("close", ({ code, reason }) => resolve({ ...seen, code, reason }));
        }),
      [path, protocols, first],
    );

  for (const [protocols, protocol] of [
    [[`bearer.${token}`], `bearer.${token}`],
    [["doorward.v1", `bearer.${token}`], "doorward.v1"],
  ]) {
    const seen = await open("/ws", protocols);
    assert.deepEqual(seen, { opened: true, protocol, types: ["welcome"] });
  }
  assert.equal((await open("/ws", ["bearer.nonsense"])).code, 4401);

  for (const [path, protocols] of [
    [`/ws?token=${token}`, []],
    [`/ws?access_token=${token}`, []],
    ["/ws", ["access_token", token]],
    ["/ws", [token]],
  ]) {
    const { opened, code, reason } = await open(path, protocols);
    assert.deepEqual([opened, code], [true, 4401], path);
    assert.match(reason, /Authorization.*bearer\.TOKEN.*first message/);
  }
  for (const first of [token, JSON.stringify({ token }), JSON.stringify({ type: "login", token })]) {
    const { code, reason } = await open("/ws", [], first);
    assert.deepEqual([code, reason], [4401, 'the first message must be {"type":"auth","token":"TOKEN"}']);
  }
  const seen = await open("/ws", [], JSON.stringify({ type: "auth", token }));
  assert.deepEqual(seen.types, ["welcome"]);
});
