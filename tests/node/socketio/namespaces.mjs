// There is one namespace; who asks for another is told so, and keeps the one.

import assert from "node:assert/strict";
import { register } from "../server.mjs";
import { Client, scenario, within } from "./harness.mjs";

await scenario(async () => {
  const ann = await register("ann");
  const lost = new Client(ann.access_token, "/admin");
  assert.equal((await lost.expect("connect_error")).message, "Invalid namespace");
  assert(!lost.socket.active);

  // On the connection of one that is in.
  const client = await Client.in(ann);
  const other = client.socket.io.socket("/admin", { auth: { token: ann.access_token } });
  const refused = new Promise((resolve) => other.once("connect_error", resolve));
  other.connect();
  assert.equal((await within(refused, () => "connect_error")).message, "Invalid namespace");
  assert(!other.active && !other.connected);
  await client.travels();
  await client.lives();
});
