// Without JavaScript: in, out, back by mail, and the account's forms.

import assert from "node:assert/strict";
import { NEW_PASSWORD, PASSWORD, base, register, says, scenario, server, signIn } from "./harness.mjs";

await scenario(async ({ person }) => {
  const page = await person({ javaScriptEnabled: false });
  await register(page, "ada", "ada@example.org");
  await says(page, "Hello, ada");
  await page.locator("noscript .notice").waitFor();
  assert.equal(await page.locator("#devices-list > li").count(), 1);

  const other = await person({ javaScriptEnabled: false });
  await signIn(other, "ada");
  await other.waitForURL("**/dashboard");
  await page.reload();
  assert.equal(await page.locator("#devices-list > li").count(), 2);
  await page.getByRole("button", { name: "Sign out other devices" }).click();
  await says(page, "Your other devices are signed out");
  await other.reload();
  await other.waitForURL("**/login");

  await page.locator("#security summary").click();
  await page.locator("#password-current-password").fill("wrong");
  await page.locator("#password-new-password").fill(NEW_PASSWORD);
  await page.getByRole("button", { name: "Change password" }).click();
  await says(page, "This password is wrong.");

  await page.getByRole("banner").getByRole("button", { name: "Sign out" }).click();
  await says(page, "You’re signed out.");
  await page.goto(`${base}/dashboard`);
  await page.waitForURL("**/login");
  await signIn(page, "ada", "wrong");
  await says(page, "Wrong username, email or password.");
  await signIn(page, "ada");
  await says(page, "Hello, ada");
  await page.goto(`${base}/logout`);
  await page.getByRole("main").getByRole("button", { name: "Sign out" }).click();
  await says(page, "You’re signed out.");

  await page.getByRole("link", { name: "Forgot your password?" }).click();
  await page.getByLabel("Username or email").fill("ada@example.org");
  await page.getByRole("button", { name: "Send reset link" }).click();
  await says(page, "a link is on its way");
  await page.goto(base + (await server("mail", { page: "reset-password" })).path);
  await page.locator("#password").fill("password1");
  await page.getByRole("button", { name: "Set new password" }).click();
  await page.locator("#password-error").waitFor();
  await page.locator("#password").fill(NEW_PASSWORD);
  await page.getByRole("button", { name: "Set new password" }).click();
  await says(page, "Your new password is set");
  await signIn(page, "ada", PASSWORD);
  await says(page, "Wrong username, email or password.");
  await signIn(page, "ada", NEW_PASSWORD);
  await says(page, "Hello, ada");
});
