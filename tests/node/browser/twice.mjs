// A double click on a button sends its form once; without a script twice, and the answer is the same.

import assert from "node:assert/strict";
import { NEW_PASSWORD, PASSWORD, base, check, says, scenario, server } from "./harness.mjs";

await scenario(async ({ person }) => {
  for (const javaScriptEnabled of [true, false]) {
    const page = await person({ javaScriptEnabled });
    const posts = [];
    page.on("request", (request) => {
      if (request.method() === "POST" && !request.url().includes("/api/")) posts.push(new URL(request.url()).pathname);
    });
    const once = (path) => {
      const sent = posts.splice(0).filter((post) => post.startsWith(path)).length;
      assert.ok(sent === 1 || (!javaScriptEnabled && sent >= 1), `${path}: ${sent}`);
    };
    const name = javaScriptEnabled ? "ada" : "bob";
    await page.goto(`${base}/register`);
    await page.getByLabel("Username").fill(name);
    await page.getByLabel(/^Email/).fill(`${name}@example.org`);
    await page.locator("#password").fill(PASSWORD);
    await page.getByRole("button", { name: "Create account" }).dblclick();
    await page.waitForURL("**/dashboard");
    await says(page, `Hello, ${name}`);
    once("/register");

    // The first user is sent two: this one, and the one about the new password.
    await server("mails", { count: javaScriptEnabled ? 1 : 3 });
    await page.goto(base + (await server("mail", { page: "verify-email" })).path);
    await page.getByRole("button", { name: "Confirm email" }).dblclick();
    await says(page, "Your email is confirmed.");
    once("/verify-email/");

    await page.locator("#security summary").click();
    await page.locator("#password-current-password").fill(PASSWORD);
    await page.locator("#password-new-password").fill(NEW_PASSWORD);
    await page.getByRole("button", { name: "Change password" }).dblclick();
    await says(page, "Your password is changed");
    once("/dashboard/password");

    await page.goto(`${base}/logout`);
    await page.getByRole("main").getByRole("button", { name: "Sign out" }).dblclick();
    await says(page, "You’re signed out.");
    once("/logout");

    // A form that was refused can be sent again, also after Back.
    await page.getByLabel("Username or email").fill(name);
    await page.locator("#password").fill(PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
    await says(page, "Wrong username, email or password.");
    await page.goBack();
    await page.getByLabel("Username or email").fill(name);
    await page.locator("#password").fill(NEW_PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
    await says(page, `Hello, ${name}`);
    if (javaScriptEnabled) await check(page, "signed in after Back");
  }
});
