// Several browsers of one person: each sees the others come and go, and what one ends closes the others at once.

import assert from "node:assert/strict";
import { NEW_PASSWORD, PASSWORD, base, connected, register, rows, says, scenario, server, signIn } from "./harness.mjs";

const IPHONE =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1";

await scenario(async ({ person }) => {
  const home = await person();
  await register(home, "ada");
  await connected(home);
  await rows(home, "connections", 1);
  await rows(home, "devices", 1);
  await says(home, "This page");
  assert(!(await home.getByRole("button", { name: "Sign out other devices" }).isVisible()));

  // A phone comes: it appears as device and connection, without a reload.
  const phone = await person({ userAgent: IPHONE });
  await signIn(phone, "ada");
  await connected(phone);
  await rows(home, "connections", 2);
  await rows(home, "devices", 2);
  await says(home.locator("#devices"), "Safari on iPhone");
  await says(home.locator("#connections"), "Safari on iPhone");
  assert.equal(await home.locator("#devices-list [data-slot=current]:not([hidden])").count(), 1);
  // This device comes first and is tinted; each has the icon of its kind, and is active while it is connected.
  const icons = () => home.locator("#devices-list use").evaluateAll((icons) => icons.map((icon) => icon.getAttribute("href")));
  assert.deepEqual(await icons(), ["#i-desktop", "#i-phone"]);
  assert.equal(await home.locator("#devices-list > li.current").count(), 1);
  await home.locator("#devices-list > li.current:first-child").waitFor();
  const active = home.locator("#devices-list [data-slot=online]:visible");
  assert.equal(await active.count(), 2);
  assert.equal(await home.locator("#connections-list use[href='#i-websocket']").count(), 2);
  // It goes, and comes back: the connection, not the device.
  await phone.goto(`${base}/static/icon.svg`);
  await rows(home, "connections", 1);
  await rows(home, "devices", 2);
  assert.equal(await active.count(), 1);
  await phone.goto(`${base}/dashboard`);
  await rows(home, "connections", 2);

  // Out by its own button, seen on the phone's page.
  await home.locator("#devices").getByRole("button", { name: "Sign out Safari on iPhone" }).click();
  await says(phone.getByRole("dialog"), "You signed out, here or on another device.");
  await says(home, "The device is signed out, and its connections are closed.");
  await rows(home, "devices", 1);
  await phone.keyboard.press("Escape");
  await phone.getByRole("link", { name: "Sign in again" }).click();
  await phone.waitForURL("**/login");

  // Everywhere else.
  await signIn(phone, "ada");
  await connected(phone);
  const tablet = await person();
  await signIn(tablet, "ada");
  await connected(tablet);
  await rows(home, "devices", 3);
  await tablet.getByRole("button", { name: "Sign out other devices" }).click();
  for (const page of [home, phone]) await says(page.getByRole("dialog"), "You signed out");
  await connected(tablet);
  await rows(tablet, "devices", 1);

  // A changed password closes the others and says why.
  await home.getByRole("link", { name: "Sign in again" }).click();
  await signIn(home, "ada");
  await connected(home);
  await tablet.locator("#security summary").click();
  await tablet.locator("#password-current-password").fill(PASSWORD);
  await tablet.locator("#password-new-password").fill(NEW_PASSWORD);
  await tablet.getByRole("button", { name: "Change password" }).click();
  await says(tablet, "Your password is changed");
  await says(home.getByRole("dialog"), "Your password was changed or reset on another device.");
  await connected(tablet);

  // Everywhere, and this device too.
  await home.getByRole("link", { name: "Sign in again" }).click();
  await signIn(home, "ada", NEW_PASSWORD);
  await connected(home);
  await home.getByRole("button", { name: "Sign out everywhere" }).click();
  await home.waitForURL("**/login*");
  await says(home, "You’re signed out.");
  await says(tablet.getByRole("dialog"), "You signed out, here or on another device.");
  await tablet.getByRole("link", { name: "Sign in again" }).click();
  await signIn(tablet, "ada", NEW_PASSWORD);
  await connected(tablet);

  // A closed account.
  await server("disable", { username: "ada" });
  await says(tablet.getByRole("dialog"), "Your account was closed.");
  assert.equal(await tablet.title(), "Signed out – Doorward");

  // A page may ask for its devices in the very moment in which its sign-in ends.
}, /status of 401/);
