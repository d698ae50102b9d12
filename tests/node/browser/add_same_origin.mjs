// An app behind the same address as the server: the example of the manual.

import assert from "node:assert/strict";
import { PASSWORD, base, says, scenario } from "./harness.mjs";

const app = new URL("/", base).href;
// No user is signed in yet, and nginx has no icon.
const EXPECTED = /Failed to load resource/;

await scenario(async ({ person }) => {
  const page = await person();
  await page.goto(`${app}?room=1`);
  // Its token source finds no sign-in, and the app sends its user to ours.
  await page.getByRole("link", { name: /^Create (an )?account$/ }).click();
  await page.getByLabel("Username").fill("ada");
  await page.locator("#password").fill(PASSWORD);
  await page.getByRole("button", { name: "Create account" }).click();
  await says(page, "ada, ");
  await page.locator("#status[data-state=open]").waitFor();
  assert.equal(page.url(), `${app}?room=1`);

  // The cookie is there: another page of the app is signed in at once.
  const second = await page.context().newPage();
  await second.goto(app);
  await says(second, "ada, ");
  // So is a sign-in page that is opened again.
  await second.goto(`${base}/login?return_to=${encodeURIComponent("/?room=2")}`);
  await says(second, "ada, ");
  assert.equal(second.url(), `${app}?room=2`);
  await second.close();

  await page.getByRole("link", { name: "Sign out" }).click();
  await page.getByRole("main").getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.equal(page.url(), `${base}/login?return_to=%2F`);
  await page.getByLabel("Username or email").fill("ada");
  await page.locator("#password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await says(page, "ada, ");
  assert.equal(page.url(), app);
}, EXPECTED);
