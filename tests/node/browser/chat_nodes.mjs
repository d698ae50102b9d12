// The chat of examples/chat on two nodes, behind nginx with the shipped configuration: a moderator on one node bans a user
// whose window is on the other. With SCREENSHOTS set to a directory it leaves pictures there.

import assert from "node:assert/strict";
import { PASSWORD, base, says, scenario, server } from "./harness.mjs";

const BEFORE_SIGN_IN = /Failed to load resource/;

await scenario(async ({ person }) => {
  const shoot = async (page, name) => {
    if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/nodes-${name}.png` });
  };
  const open = async (name) => {
    const page = await person();
    await page.goto(base);
    await page.getByLabel("Username").fill(name);
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Create account" }).click();
    await page.getByRole("heading", { name: "# Lobby" }).waitFor();
    return page;
  };
  const write = async (page, text) => {
    await page.getByLabel("Message", { exact: true }).fill(text);
    await page.keyboard.press("Enter");
  };
  const log = (page) => page.getByRole("log");
  const reads = (page, text) => log(page).getByText(text, { exact: true }).waitFor();

  const ada = await open("ada");
  const eve = await open("eve");
  assert.deepEqual((await server("spread")).counts, [1, 1], "each window has a node of its own");
  const bob = await open("bob");
  await write(ada, "Good morning!");
  for (const page of [bob, eve]) await reads(page, "Good morning!");
  await write(eve, "Buy my watches!");
  for (const page of [ada, bob]) await reads(page, "Buy my watches!");

  await server("roles", { username: "ada", roles: "moderator" });
  const spam = log(ada).getByRole("listitem").filter({ hasText: "Buy my watches!" });
  await spam.hover();
  ada.once("dialog", (dialog) => void dialog.accept());
  await shoot(eve, "before");
  await spam.getByRole("button", { name: /^Ban eve/ }).click();
  await says(ada, "ada has banned eve for an hour.");
  // From here on, nothing reaches her.
  for (let number = 0; number < 5; number++) await write(ada, `Among ourselves ${number}`);
  await reads(bob, "Among ourselves 4");
  await says(eve, "You are no longer in this room: you are banned from this room.");
  await write(eve, "Very cheap!");
  await says(eve, "Not sent: you are banned from this room.");
  assert.equal(await log(eve).getByText(/Among ourselves/).count(), 0);
  assert.equal(await log(eve).getByText(/has banned/).count(), 0);
  for (const page of [ada, bob]) assert.equal(await log(page).getByText("Very cheap!").count(), 0);
  await shoot(ada, "moderator");
  await shoot(eve, "banned");

  // The other rooms go on, and direct messages.
  await eve.getByRole("navigation").getByRole("button", { name: /Music/ }).click();
  await bob.getByRole("navigation").getByRole("button", { name: /Music/ }).click();
  await write(bob, "Rain on a roof");
  await reads(eve, "Rain on a roof");
}, BEFORE_SIGN_IN);
