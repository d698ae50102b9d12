// The sections of the account page: links between them, an address that waits for its link, and a form that is refused.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { NEW_PASSWORD, PASSWORD, base, check, connected, register, rows, says, scenario, server } from "./harness.mjs";

await scenario(async ({ person }) => {
  const page = await person();
  await register(page, "ada", "ada@example.org");
  await connected(page);
  assert.equal(await page.locator(".hello .avatar").innerText(), "A");

  // The link of the section in view is marked; the last ones are too short to reach the top of the window.
  const marked = page.locator(".sections [aria-current]");
  assert.equal(await marked.innerText(), "Profile");
  for (const name of ["Security", "Devices", "Connections", "Delete account"]) {
    await page.locator(".sections").getByRole("link", { name }).click();
    await page.locator(".sections [aria-current]", { hasText: name }).waitFor();
    assert.equal(await marked.count(), 1);
    const section = page.locator(new URL(page.url()).hash);
    assert.ok(await section.getByRole("heading", { name }).isVisible());
  }

  // An address that waits: the link is sent again, but not at once.
  const profile = page.locator("#profile");
  const waiting = profile.locator(".waiting");
  await says(profile, "Not confirmed");
  await server("mails", { count: 1 });
  await server("advance", { seconds: 61 });
  await waiting.getByRole("button", { name: "Send again" }).click();
  await says(profile, "We’ve sent the link again");
  await server("mails", { count: 2 });
  await page.goto(base + (await server("mail", { page: "verify-email" })).path);
  await page.getByRole("button", { name: "Confirm email" }).click();
  await says(page, "Email confirmed");
  await page.goto(`${base}/dashboard`);
  await says(profile, "Confirmed");
  assert.equal(await waiting.count(), 0);

  // A change waits for its link, and is given up.
  await profile.locator("summary").click();
  await page.getByLabel("New email").fill("countess@example.org");
  await page.locator("#email-current-password").fill(PASSWORD);
  await page.getByRole("button", { name: "Send link" }).click();
  await says(waiting, "countess@example.org becomes your email once you open the link");
  await check(page, "an address that waits");
  const { path } = await server("mail", { page: "verify-email" });
  await waiting.getByRole("button", { name: "Cancel change" }).click();
  await says(profile, "Your email stays as it is.");
  assert.equal(await waiting.count(), 0);

  // A copy of all data is saved, and the page goes on: its connection stays open.
  const [file] = await Promise.all([
    page.waitForEvent("download"),
    profile.getByRole("button", { name: "Download" }).click(),
  ]);
  assert.equal(file.suggestedFilename(), "account-data.json");
  const saved = JSON.parse(await readFile(await file.path(), "utf8"));
  assert.equal(saved.account.username, "ada");
  await connected(page);
  await profile.locator("[data-busy]").waitFor({ state: "detached" });

  await page.goto(base + path);
  await says(page, "This link no longer works");

  // Every fault of a form is said at once, and what was right stays, with a script and without one.
  const refuse = async (person) => {
    await person.getByLabel("Display name").fill("  ");
    await person.locator("#profile-language").selectOption("Deutsch");
    await person.getByRole("button", { name: "Save changes" }).click();
    await says(person.locator("#profile"), "Enter a display name.");
    assert.equal(await person.locator("#profile-language").inputValue(), "de");
    await person.locator("#security summary").click();
    await person.locator("#password-current-password").fill("wrong");
    await person.locator("#password-new-password").fill("password1");
    await person.getByRole("button", { name: "Change password" }).click();
    await says(person.locator("#security"), "2 fields need your attention");
    for (const field of ["Current password: This password is wrong.", "New password: This is"]) {
      await person.locator("#security").getByRole("link", { name: field }).waitFor();
    }
  };
  await page.goto(`${base}/dashboard`);
  await connected(page);
  await refuse(page);
  await connected(page);
  await check(page, "two faults");

  // In another language, what the script fills in is in it, too.
  await page.locator("#profile-language").selectOption("Deutsch");
  await page.getByRole("button", { name: "Save changes" }).click();
  await says(page.locator("#profile"), "Deine Änderungen sind gespeichert.");
  await connected(page);
  await rows(page, "connections", 1);
  for (const list of ["devices", "connections"]) {
    await page.locator(`#${list}-list`, { hasText: /Headless Chrome auf Linux/ }).waitFor();
  }
  await says(page.locator("#connections"), "Noch keine App verbunden");
  await page.locator("#profile-language").selectOption("English");
  await page.getByRole("button", { name: "Änderungen speichern" }).click();
  await says(page.locator("#profile"), "Your changes are saved.");

  // Without a script, on a phone: a refused form is open, in view, and its first wrong field has the focus.
  const phone = await person({ javaScriptEnabled: false, viewport: { width: 375, height: 700 } });
  await phone.context().addCookies(await page.context().cookies());
  await phone.goto(`${base}/dashboard`);
  await refuse(phone);
  await phone.goto(`${base}/dashboard`);
  await phone.locator(".sections").getByRole("link", { name: "Security" }).click();
  await phone.locator("#security summary").click();
  await phone.locator("#password-current-password").fill("wrong");
  await phone.locator("#password-new-password").fill(NEW_PASSWORD);
  await phone.getByRole("button", { name: "Change password" }).click();
  const wrong = phone.locator("#password-current-password");
  await phone.locator("#password-current-password-error").waitFor();
  assert.ok(await wrong.evaluate((input) => input === document.activeElement));
  const box = await wrong.boundingBox();
  assert.ok(box.y >= 0 && box.y + box.height <= 700, `in view: ${JSON.stringify(box)}`);
  assert.equal(await phone.locator(".sections [aria-current]").innerText(), "Security");
  await wrong.fill(PASSWORD);
  await phone.locator("#password-new-password").fill(NEW_PASSWORD);
  await phone.getByRole("button", { name: "Change password" }).click();
  await phone.waitForURL("**/dashboard?done=password-changed#security");
  await says(phone.locator("#security"), "Your password is changed");
});
