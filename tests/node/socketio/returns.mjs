// The server goes, and its clients come back by themselves once it is there again.

import assert from "node:assert/strict";
import { register, server } from "../server.mjs";
import { Client, scenario, within } from "./harness.mjs";

await scenario(async () => {
  const client = await Client.in(await register("ann"));
  const other = await Client.in(await register("bob"));
  for (const each of [client, other]) await each.travels();
  const { id } = client.socket;

  await server("stop");
  for (const each of [client, other]) {
    const [[name, goodbye]] = await each.lost();
    assert.equal(name, "goodbye");
    assert.deepEqual([goodbye.code, goodbye.reconnect], [1012, "backoff"]);
  }
  // While no server answers it goes on trying.
  const attempt = new Promise((resolve) => client.socket.io.once("reconnect_error", resolve));
  await within(attempt, () => "an attempt that fails");
  // Asked meanwhile: the client keeps it.
  client.socket.emit("get_secret");

  // A sign-in that ended while the server was away: no reconnecting to that.
  await server("start", { revoke: "bob" });
  for (const each of [client, other]) await each.tried();
  const welcome = await client.greeted();
  assert.notEqual(welcome.session, id);
  assert.match((await client.expect("secret_message")).message, /^ann, /);
  await client.travels();
  await client.lives();
  await other.refused(4401, "never", "invalid_token");
});
