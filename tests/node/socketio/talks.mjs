// A client comes in and asks for what there is, with acknowledgements and without.

import assert from "node:assert/strict";
import { login, register } from "../server.mjs";
import { Client, scenario } from "./harness.mjs";

const CODE = /^[A-Z0-9]{8}$/;
const SECRET = /^ann, .+ \[Secret Code: ([A-Z0-9]{8})\]$/;

await scenario(async () => {
  const laptop = await register("ann");
  const client = new Client(laptop.access_token);
  const welcome = await client.greeted();
  assert.equal(welcome.user.username, "ann");
  assert.equal(welcome.user.id, laptop.user.id);
  assert(Date.parse(welcome.expires_at) > 0 && welcome.heartbeat_s > 0);

  // Before an upgrade, while it takes place, and after it: everything is answered, and in its order.
  const ids = Array.from({ length: 200 }, (_, id) => id);
  const acknowledged = [];
  const asked = ids.map((id) =>
    client.ask("ping", { id }).then((reply) => {
      assert.equal(reply.id, id);
      acknowledged.push(id);
    }),
  );
  for (const id of ids) client.socket.emit("ping", { id });
  await Promise.all(asked);
  assert.deepEqual(acknowledged, ids);
  for (const id of ids) assert.deepEqual(await client.expect("pong"), { id });
  await client.travels();

  // An event is answered by an event.
  for (const args of [[], [{}], [{ id: "mine" }]]) {
    const secret = await client.answer("secret", "secret", ...args);
    assert.match(secret.message, /^ann, ./);
    assert.match(secret.code, CODE);
    assert.equal(secret.id, args[0]?.id);
  }
  // An acknowledgement takes its place.
  for (const args of [[], [{ id: 7 }]]) {
    const secret = await client.ask("secret", ...args);
    assert.match(secret.message, /^ann, ./);
    assert.match(secret.code, CODE);
    assert.equal(secret.id, args[0]?.id);
  }
  await client.lives();

  // The older name: the event comes always, because its pages wait for that.
  const { message } = await client.answer("get_secret", "secret_message");
  assert.match(message, SECRET);
  const called = await client.ask("get_secret");
  assert.match(called.message, SECRET);
  assert.deepEqual(await client.expect("secret_message"), called);

  // Another device is seen beside this one.
  const phone = await Client.in(await login("ann"));
  const { sessions } = await client.answer("sessions", "sessions");
  assert.deepEqual(sessions.map(({ id }) => id).sort(), [client.socket.id, phone.socket.id].sort());
  const own = sessions.find(({ id }) => id === client.socket.id);
  assert.deepEqual([own.login, own.carrier], [welcome.login, "socketio"]);
  assert(own.address && Date.parse(own.since) > 0);
  assert.equal((await client.ask("sessions")).sessions.length, 2);

  // What is not understood is said to be so, whatever came with it, and harms nothing.
  for (const args of [[], [{ any: "thing" }], ["text", 5, null], [Buffer.from([0, 255, 30, 98])]]) {
    const error = await client.answer("nothing", "error", ...args);
    assert.equal(error.code, "unknown_type");
    assert.equal(typeof error.detail, "string");
  }
  const files = [{ id: 1, first: Buffer.alloc(1000, 30), more: [Buffer.alloc(0), Buffer.from("ü")] }, Buffer.from("4")];
  assert.equal((await client.answer("nothing", "error", ...files)).code, "unknown_type");
  const error = await client.ask("nothing", ...files);
  assert.deepEqual([error.type, error.code, typeof error.detail], ["error", "unknown_type", "string"]);
  await client.lives();

  // It goes, and is not seen any more.
  client.socket.disconnect();
  assert.equal(await client.expect("disconnect"), "io client disconnect");
  for (;;) {
    const { sessions, code } = await phone.ask("sessions");
    if (sessions?.length === 1) break;
    // A server that has much else to do may be asked too often.
    assert(sessions ?? code === "too_many_requests", code);
    await new Promise((done) => setTimeout(done, 50));
  }
  await phone.lives();
});
