// The chat of examples/chat: two people in two windows, on a desktop and a phone, in light and dark. With SCREENSHOTS set to
// a directory it leaves pictures there.

import assert from "node:assert/strict";
import { PASSWORD, base, check, says, scenario, server } from "./harness.mjs";

// While the server is away, and before a first sign-in.
const EXPECTED = /Failed to load resource|WebSocket connection/;

await scenario(async ({ person }) => {
  const shoot = async (page, name) => {
    await check(page, name);
    if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/chat-${name}.png` });
  };
  const open = async (name, options, button = "Create account") => {
    const page = await person(options);
    await page.goto(base);
    await page.getByLabel("Username").fill(name);
    await page.getByLabel("Password").fill(PASSWORD);
    if (process.env.SCREENSHOTS) await shoot(page, `welcome-${name}`);
    await page.getByRole("button", { name: button }).click();
    await page.getByRole("heading", { name: "# Lobby" }).waitFor();
    return page;
  };
  const write = async (page, text) => {
    await page.getByLabel("Message", { exact: true }).fill(text);
    await page.keyboard.press("Enter");
  };
  const log = (page) => page.getByRole("log");
  const reads = (page, text) => log(page).getByText(text, { exact: true }).waitFor();
  const item = (page, name) => page.getByRole("navigation").getByRole("button", { name });

  // What is wrong is said where it was typed.
  const stranger = await person({ colorScheme: "dark" });
  await stranger.goto(base);
  await stranger.getByLabel("Username").fill("nobody");
  await stranger.getByLabel("Password").fill("wrong");
  await stranger.getByRole("button", { name: "Sign in" }).click();
  await stranger.getByRole("alert").filter({ hasText: "wrong" }).waitFor();
  await shoot(stranger, "refused-dark-1280");
  await stranger.context().close();

  const ada = await open("ada", { colorScheme: "light" });
  const bob = await open("bob", { colorScheme: "dark", viewport: { width: 375, height: 740 }, hasTouch: true });
  // Each sees who is there. Changes are collected for a moment.
  await server("advance", { seconds: 1 });
  for (const page of [ada, bob]) await says(page, "Say hello · Here: ada, bob");
  await write(ada, "Good morning! Is anyone here?");
  await reads(bob, "Good morning! Is anyone here?");
  await write(bob, "Morning, ada. The kettle is on.");
  await reads(ada, "Morning, ada. The kettle is on.");
  await write(ada, "Tea for me, please.");
  await write(ada, "And one of those biscuits, if there are any left after yesterday.");
  await reads(bob, "And one of those biscuits, if there are any left after yesterday.");
  assert.equal(await log(ada).locator(".sending, .failed").count(), 0);

  // Typing is told, and not kept.
  await bob.getByLabel("Message", { exact: true }).pressSequentially("Two");
  await says(ada, "bob is typing…");
  await shoot(ada, "room-light-1280");
  await shoot(bob, "room-dark-375");
  await bob.keyboard.press("Enter");
  await reads(ada, "Two");
  assert.equal(await ada.locator("#typing").innerText(), "");

  // Nothing that another writes is markup.
  await write(bob, "<img src=x onerror=alert(1)> & <b>bold</b>");
  await reads(ada, "<img src=x onerror=alert(1)> & <b>bold</b>");

  // A direct message, from the name in the log to the list of the other.
  await log(ada).getByRole("button", { name: "bob" }).first().click();
  await write(ada, "Psst: it is carl's birthday.");
  await bob.getByRole("button", { name: "Conversations" }).click();
  await item(bob, /^ada 1 new message/).waitFor();
  await shoot(bob, "list-dark-375");
  await item(bob, /^ada/).click();
  await reads(bob, "Psst: it is carl's birthday.");
  await write(bob, "I'll bring cake.");
  await reads(ada, "I'll bring cake.");
  await shoot(ada, "direct-light-1280");

  // Each room is its own.
  await item(ada, /Music/).click();
  await write(ada, "Listening to rain.");
  await bob.getByRole("button", { name: "Conversations" }).click();
  await item(bob, /Lobby/).click();
  assert.equal(await log(bob).getByText("Listening to rain.").count(), 0);

  // A moderator removes a message, for everyone. The role counts at once.
  await item(ada, /Lobby/).click();
  assert.equal(await log(ada).getByRole("button", { name: /^Remove/ }).count(), 0);
  await server("roles", { username: "ada", roles: "moderator" });
  const unwanted = log(ada).getByRole("listitem").filter({ hasText: "onerror" });
  await unwanted.getByRole("button", { name: /^Remove/ }).click();
  for (const page of [ada, bob]) await says(page, "A moderator has removed this message.");
  assert.equal(await log(bob).getByText("onerror").count(), 0);

  // A moderator bans. The room ends for the other at once; direct messages go on.
  const third = await open("eve", { colorScheme: "light" });
  await write(third, "Buy my watches!");
  const spam = log(ada).getByRole("listitem").filter({ hasText: "Buy my watches!" });
  ada.once("dialog", (dialog) => void dialog.accept());
  await spam.hover();
  await shoot(ada, "moderator-light-1280");
  await spam.getByRole("button", { name: "Ban eve from this room for an hour" }).click();
  await says(third, "You are no longer in this room: you are banned from this room.");
  for (const page of [ada, bob]) await says(page, "ada has banned eve for an hour.");
  await write(third, "But they are cheap!");
  await says(third, "Not sent: you are banned from this room.");
  await shoot(third, "banned-light-1280");
  await write(ada, "Sorry about that.");
  await reads(bob, "Sorry about that.");
  assert.equal(await log(third).getByText("Sorry about that.").count(), 0);
  await third.context().close();

  // The server restarts: both say so, come back, and go on. What could not be sent is tried again.
  await server("stop");
  await says(ada, /Offline|Reconnecting/);
  await shoot(bob, "offline-dark-375");
  await server("start");
  await ada.locator("#connection").waitFor({ state: "hidden" });
  await bob.locator("#connection").waitFor({ state: "hidden" });
  await says(ada, "You were offline: messages of that time are missing.");
  await write(bob, "Back again.");
  await reads(ada, "Back again.");
  await shoot(ada, "back-light-1280");

  // Too fast is an error beside the message.
  for (let number = 0; number < 16; number++) await write(bob, `again ${number}`);
  await says(bob, "Not sent: you write faster than this room allows.");
  await shoot(bob, "failed-dark-375");
  await server("advance", { seconds: 10 });
  await log(bob).getByRole("button", { name: "Try again" }).last().click();
  await reads(ada, "again 15");

  // A reload keeps the sign-in. Signing out ends it.
  await ada.reload();
  await ada.getByRole("heading", { name: "# Lobby" }).waitFor();
  await ada.getByRole("button", { name: "Sign out" }).click();
  await ada.getByLabel("Password").waitFor();
  await shoot(ada, "welcome-light-1280");

  const phone = await open("carl", { colorScheme: "light", viewport: { width: 375, height: 740 }, hasTouch: true });
  const desk = await open("dora", { colorScheme: "dark" });
  await write(phone, "Hello from the train");
  await reads(desk, "Hello from the train");
  await write(desk, "Hello from the desk. This is a longer message, so that one sees how it wraps in a narrow window and in a wide one alike.");
  await phone.getByText("Hello from the desk.").waitFor();
  await shoot(phone, "room-light-375");
  await shoot(desk, "room-dark-1280");
}, EXPECTED);
