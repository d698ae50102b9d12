// Every page in every state, light and dark, on a phone and on a wide screen: axe finds nothing, nothing is wider than
// the window. With SCREENSHOTS set to a directory it leaves a picture of each there.

import assert from "node:assert/strict";
import { PASSWORD, base, check, connected, register, rows, says, scenario, server, signIn } from "./harness.mjs";

const IPHONE =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1";

await scenario(async ({ person, tolerate }) => {
  let mails;
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [375, 1280]) {
      const page = await person({ colorScheme, viewport: { width, height: 800 }, reducedMotion: "reduce" });
      const look = async (name) => {
        await check(page, `${name}, ${colorScheme}, ${width} px`);
        // The smallest and the largest common windows, where nothing but the layout can differ.
        const other = width === 375 ? 320 : 1920;
        await page.setViewportSize({ width: other, height: 800 });
        const overflow = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        assert.equal(overflow, 0, `${name}, ${other} px`);
        await page.setViewportSize({ width, height: 800 });
        if (process.env.SCREENSHOTS) {
          const path = `${process.env.SCREENSHOTS}/${name.replaceAll(" ", "-")}-${colorScheme}-${width}.png`;
          await page.screenshot({ path, fullPage: true });
        }
      };
      const open = async (path, name) => {
        await page.goto(base + path);
        await look(name);
      };
      await open("/", "home");
      await open("/register", "register");
      await page.getByLabel("Username").fill("-x");
      await page.getByLabel(/^Email/).fill("a@b");
      await page.locator("#password").fill("password1");
      await page.locator(".meter:not([hidden])").waitFor();
      await look("register meter");
      await page.getByRole("button", { name: "Create account" }).click();
      await says(page, "3 fields need your attention");
      await look("register refused");
      await open("/login", "login");
      await signIn(page, "nobody");
      await says(page, "Wrong username, email or password.");
      await look("login refused");
      await open("/forgot-password", "forgot");

      const name = `ada-${colorScheme}-${width}`;
      await register(page, name, `${name}@example.org`);
      await connected(page);
      const phone = await person({ userAgent: IPHONE });
      await signIn(phone, name, "wrong");
      await says(phone, "Wrong username, email or password.");
      await signIn(phone, name);
      await connected(phone);
      await rows(page, "connections", 2);
      await rows(page, "devices", 2);
      await page.getByRole("button", { name: "Show secret message" }).click();
      await page.locator("#secret:not([hidden])").waitFor();
      await look("dashboard");
      for (const summary of await page.locator("summary").all()) await summary.click();
      await look("dashboard forms");
      await page.locator("#security summary").click();
      await look("dashboard password");
      await page.locator("#password-current-password").fill("wrong");
      await page.locator("#password-new-password").fill(PASSWORD);
      await page.getByRole("button", { name: "Change password" }).click();
      await says(page, "This password is wrong.");
      await connected(page);
      await look("dashboard refused");
      await open("/logout", "logout");
      const { path: proof } = await server("mail", { page: "verify-email" });
      await open(proof, "verify email");
      await page.getByRole("button", { name: "Confirm email" }).click();
      await page.waitForURL("**/dashboard**");
      // Another browser, which is not signed in, opens it once more.
      const stranger = await person({ colorScheme, viewport: { width, height: 800 }, reducedMotion: "reduce" });
      await stranger.goto(base + proof);
      await says(stranger, "Email confirmed");
      await check(stranger, `email confirmed, ${colorScheme}, ${width} px`);
      await stranger.context().close();

      await page.goto(`${base}/dashboard`);
      await connected(page);
      // Its list of devices may be on its way at that moment.
      await tolerate(/status of 401/, async () => {
        await phone.getByRole("button", { name: "Sign out other devices" }).click();
        await page.getByRole("dialog").waitFor();
      });
      await look("dashboard ended");

      await page.goto(`${base}/forgot-password`);
      await page.getByLabel("Username or email").fill(name);
      await page.getByRole("button", { name: "Send reset link" }).click();
      await says(page, "Check your email");
      await look("forgot sent");
      mails = (mails ?? 0) + 2;
      await server("mails", { count: mails });
      await open((await server("mail", { page: "reset-password" })).path, "reset password");
      await open("/reset-password/nothing", "link expired");
      await open("/nothing", "not found");
      await phone.context().close();

      // A sign-in on a device that is not known, once the password is no longer new.
      await server("advance", { seconds: 7200 });
      const other = await person({ userAgent: IPHONE });
      await signIn(other, name);
      await other.waitForURL("**/dashboard");
      await other.context().close();
      mails += 1;
      await server("mails", { count: mails });
      await open((await server("mail", { page: "not-me" })).path, "not me");
      await page.getByRole("button", { name: "Sign this device out" }).click();
      await says(page, "The device is signed out.");
      await look("not me done");
      await page.context().close();
    }
  }
});
