// The steps of docs/CHAT.md.

import assert from "node:assert/strict";
import { PASSWORD, base, says, scenario, server } from "./harness.mjs";

// There is no icon, a room is refused, and once the server is down.
const EXPECTED = /Failed to load resource|WebSocket connection/;

await scenario(async ({ person }) => {
  const open = async (name) => {
    const page = await person();
    await page.goto(base);
    await page.getByLabel("Username").fill(name);
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Create account" }).click();
    await says(page, `You are ${name}`);
    return page;
  };
  const write = async (page, text) => {
    await page.getByLabel("Message").fill(text);
    await page.getByRole("button", { name: "Send" }).click();
  };
  const row = (page, text) => page.getByRole("log").getByRole("listitem").filter({ hasText: text });
  const [ada, bob] = [await open("ada"), await open("bob")];
  await write(ada, "hello");
  await row(bob, "ada hello").waitFor();
  await row(ada, "you hello").waitFor();

  await server("stop");
  await says(ada, /waiting|connecting/);
  await server("start");
  for (const [page, name] of [[ada, "ada"], [bob, "bob"]]) await says(page, `You are ${name}`);
  await write(bob, "again");
  await row(ada, "bob again").waitFor();

  await bob.getByLabel("Message").pressSequentially("t");
  await says(ada, "bob is typing…");
  await bob.getByLabel("Message").fill("");

  await row(ada, "bob again").getByRole("button").click();
  await write(ada, "psst");
  await row(bob, "ada to you psst").waitFor();
  await ada.getByRole("status").click();
  await write(ada, "to all");
  await row(bob, "ada to all").waitFor();
  assert.equal(await row(bob, "ada to you to all").count(), 0);

  assert.equal(await row(ada, "staff:room").count(), 0);
  await server("roles", { username: "ada", roles: "staff" });
  await row(ada, "staff:room You have joined.").waitFor();
  await server("roles", { username: "ada", roles: "" });
  await row(ada, "staff:room your roles do not allow this room any more").waitFor();
  await write(bob, "still here?");
  await row(ada, "bob still here?").waitFor();
}, EXPECTED);
