// What ends a sign-in ends its clients at once, and they stay away. Who has no good token does not come in.

import assert from "node:assert/strict";
import { NEW_PASSWORD, PASSWORD, api, login, logout, register, server } from "../server.mjs";
import { Client, scenario } from "./harness.mjs";

await scenario(async () => {
  const laptop = await register("ann");
  const phone = await login("ann");
  const tablet = await login("ann");
  const onLaptop = await Client.in(laptop);
  const onPhone = await Client.in(phone);
  const onTablet = await Client.in(tablet);
  await onPhone.travels();

  // Signed out over HTTP, while a request of the client's may be under way.
  onPhone.socket.emit("ping");
  await onPhone.expect("pong");
  await logout(phone.access_token);
  assert.equal((await onPhone.ends(4441, "never")).reason, "signed out");
  await onTablet.lives();
  // As often as it tries.
  for (let attempt = 0; attempt < 2; attempt++) {
    onPhone.socket.connect();
    await onPhone.refused(4401, "never", "invalid_token");
  }

  const change = { current_password: PASSWORD, new_password: NEW_PASSWORD };
  await api("POST", "me/password", { token: laptop.access_token, body: change });
  await onTablet.ends(4442, "never");
  await onLaptop.lives();

  await server("disable", { username: "ann" });
  await onLaptop.ends(4443, "never");

  // Damaged, or never a token.
  const bob = await register("bob");
  for (const token of [`${bob.access_token}x`, "nonsense"]) {
    await new Client(token).refused(4401, "never", "invalid_token");
  }
  await (await Client.in(bob)).lives();
});
