// A connection outlives its token if the client sends another, and ends with it if not.

import assert from "node:assert/strict";
import { login, refresh, register, server } from "../server.mjs";
import { Client, scenario } from "./harness.mjs";

await scenario(async () => {
  const laptop = await register("ann");
  const careful = new Client(laptop.access_token);
  const { expires_at: first } = await careful.greeted();
  const phone = await login("ann");
  const careless = await Client.in(phone);
  for (const client of [careful, careless]) await client.travels();

  await server("advance", { seconds: 14 * 60 + 5 });
  assert.equal((await careful.expect("expiring")).expires_at, first);
  await careless.expect("expiring");
  const { access_token: second, refresh_token } = await refresh(laptop.refresh_token);
  const renewed = await careful.answer("auth", "authenticated", { token: second, id: "renewal" });
  assert(Date.parse(renewed.expires_at) > Date.parse(first));
  assert.equal(renewed.id, "renewal");

  // The first token's end passes.
  await server("advance", { seconds: 120 });
  await careful.lives();
  await careless.ends(4440, "new_token");

  // By an acknowledgement as well.
  const { access_token: third } = await refresh(refresh_token);
  const again = await careful.ask("auth", { token: third });
  assert(Date.parse(again.expires_at) > Date.parse(renewed.expires_at));
  await careful.lives();

  // A client that slept is told that a new token is enough, and reconnects with one.
  careless.socket.connect();
  await careless.refused(4440, "new_token", "token_expired");
  careless.token = (await refresh(phone.refresh_token)).access_token;
  careless.socket.connect();
  await careless.greeted();
  await careless.travels();
  await careless.lives();
});
