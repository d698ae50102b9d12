// A person's way through everything that one browser can do.

import assert from "node:assert/strict";
import { NEW_PASSWORD, PASSWORD, base, connected, says, scenario, server, signIn } from "./harness.mjs";

await scenario(async ({ person }) => {
  const page = await person();

  // From the start to an account, with a first try that is refused.
  await page.goto(base);
  await page.getByRole("link", { name: /^Create (an )?account$/ }).click();
  await page.getByLabel("Username").fill("-ada");
  await page.getByLabel(/^Email/).fill("ada@example.org");
  const password = page.locator("#password");
  await password.fill("password1");
  await page.locator(".meter[data-score='1'], .meter[data-score='2']").waitFor();
  assert.notEqual(await page.locator(".judgement").innerText(), "");
  await page.getByRole("button", { name: "Show Password" }).click();
  assert.equal(await password.getAttribute("type"), "text");
  await page.getByRole("button", { name: "Create account" }).click();
  await says(page, "Start your username with a letter or a digit.");
  assert.equal(await page.getByLabel("Username").inputValue(), "-ada");
  assert.equal(await page.getByLabel(/^Email/).inputValue(), "ada@example.org");
  assert.equal(await password.inputValue(), "", "a password does not come back");
  assert(await page.getByLabel("Username").evaluate((input) => input === document.activeElement));
  await page.getByLabel("Username").fill("Ada");
  await password.fill(PASSWORD);
  await page.locator(".meter[data-score='4']").waitFor();
  await password.press("Enter");
  await page.waitForURL("**/dashboard");
  await says(page, "Hello, Ada");

  // The secret comes over the socket; no token is kept where a later script would find it.
  await connected(page);
  await page.getByRole("button", { name: "Show secret message" }).click();
  await says(page, /^ada, /);
  assert.match(await page.locator("#secret-code").innerText(), /^[2-9A-Z]{8}$/);
  const kept = await page.evaluate(() => [document.cookie, { ...localStorage }, { ...sessionStorage }]);
  assert.deepEqual(kept, ["", {}, {}]);

  // The address is proven by the mail's link, in a browser that is signed in.
  await says(page, "Not confirmed");
  await page.goto(base + (await server("mail", { page: "verify-email" })).path);
  await page.getByRole("button", { name: "Confirm email" }).click();
  await page.waitForURL("**/dashboard");
  await says(page, "Your email is confirmed.");
  assert.equal(await page.getByText("Not confirmed").count(), 0);

  // The account: a form that is refused is open and says why, one that is not says so once.
  await page.getByLabel("Display name").fill("Countess");
  await page.getByRole("button", { name: "Save changes" }).click();
  await says(page, "Hello, Countess");
  await says(page, "Your changes are saved.");
  await page.reload();
  assert.equal(await page.getByText("Your changes are saved.").count(), 0);
  await page.locator("#profile summary").click();
  await page.getByLabel("New email").fill("lovelace@example.org");
  await page.locator("#email-current-password").fill("wrong");
  await page.getByRole("button", { name: "Send link" }).click();
  await says(page, "This password is wrong.");
  assert(await page.locator("#email-current-password").evaluate((input) => input === document.activeElement));
  assert.equal(await page.getByLabel("New email").inputValue(), "lovelace@example.org");

  // Out, in vain back in, and by the link of a mail.
  await page.getByRole("banner").getByRole("button", { name: "Sign out" }).click();
  await says(page, "You’re signed out.");
  await page.goto(`${base}/dashboard`);
  await page.waitForURL("**/login*");
  await signIn(page, "ada", "not that");
  await says(page, "Wrong username, email or password.");
  assert.equal(await page.getByLabel("Username or email").inputValue(), "ada");
  await page.getByRole("link", { name: "Forgot your password?" }).click();
  await page.getByLabel("Username or email").fill("ada");
  await page.getByRole("button", { name: "Send reset link" }).click();
  await says(page, "a link is on its way");
  const { path } = await server("mail", { page: "reset-password" });
  await page.goto(base + path);
  await says(page, "You’ll be signed out on every device.");
  await page.locator("#password").fill(NEW_PASSWORD);
  await page.getByRole("button", { name: "Set new password" }).click();
  await says(page, "Your new password is set");
  await page.goto(base + path);
  await says(page, "Your new password is set");
  await server("advance", { seconds: 61 });
  await page.goto(base + path);
  await says(page, "This link no longer works");
  await page.getByRole("link", { name: "Send a new link" }).click();
  await page.waitForURL("**/forgot-password");
  await signIn(page, "ada@example.org", NEW_PASSWORD);
  await says(page, "Hello, Countess");
  await connected(page);

  // And gone.
  await page.locator("#delete summary").click();
  await page.locator("#delete-current-password").fill(NEW_PASSWORD);
  await page.getByRole("button", { name: "Delete my account" }).click();
  await says(page, "Your account is deleted.");
  await signIn(page, "ada", NEW_PASSWORD);
  await says(page, "Wrong username, email or password.");
});
