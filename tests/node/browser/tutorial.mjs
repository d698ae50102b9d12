// The steps of docs/TUTORIAL.md, "Try it" and "Send your own requests".

import assert from "node:assert/strict";
import { PASSWORD, base, rows, says, scenario, server } from "./harness.mjs";

// No user is signed in yet, nginx has no icon, and once the server is down.
const EXPECTED = /Failed to load resource|WebSocket connection/;

await scenario(async ({ person }) => {
  const open = async () => {
    const page = await person();
    await page.goto(base);
    return page;
  };
  const enter = async (page, button) => {
    await page.getByLabel("Username").fill("ada");
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: button }).click();
    await says(page, "Connected as ada");
  };
  const first = await open();
  await enter(first, "Create account");
  await rows(first, "sessions", 1);
  const second = await open();
  await enter(second, "Sign in");
  for (const page of [first, second]) await rows(page, "sessions", 2);

  await first.getByRole("button", { name: "Tell me something" }).click();
  await says(first, "ada, ");

  await first.getByRole("button", { name: "Sign out everywhere" }).click();
  for (const page of [first, second]) {
    await says(page, "signed out");
    assert(await page.getByLabel("Username").isVisible());
  }

  await enter(first, "Sign in");
  await server("stop");
  await says(first, "waiting");
  await server("start");
  await says(first, "Connected as ada");
  await first.getByRole("button", { name: "Sign out here" }).click();
  await says(first, "signed out");
}, EXPECTED);
