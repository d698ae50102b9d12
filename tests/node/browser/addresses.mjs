// Opened under another name than `public_url` has: everything works but the live part, which says what to do. On two
// ports of one machine, two servers do not sign each other's users out.

import assert from "node:assert/strict";
import { PASSWORD, check, says, scenario } from "./harness.mjs";

const other = "http://door.test";

await scenario(
  async ({ person }) => {
    const page = await person();
    await page.goto(`${other}/register`);
    await page.getByLabel("Username").fill("ada");
    await page.locator("#password").fill(PASSWORD);
    await page.getByRole("button", { name: "Create account" }).click();
    await page.waitForURL(`${other}/dashboard`);
    await says(page, "Hello, ada");
    await says(page, "you opened this page at http://door.test, but the server’s address is http://doorward.example (public_url)");
    await says(page, "Not connected");
    assert.equal(await page.getByRole("dialog").count(), 0, "no user is signed out");
    if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/opened-elsewhere.png` });
    await check(page, "opened elsewhere");

    await page.goto(`${other}/logout`);
    await page.getByRole("main").getByRole("button", { name: "Sign out" }).click();
    await says(page, "You’re signed out.");
    await page.goto(`${other}/login`);
    await page.getByLabel("Username or email").fill("ada");
    await page.locator("#password").fill(PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL(`${other}/dashboard`);

    // Under a loopback address of its own all of it works.
    const local = `http://${process.env.DOORWARD_ADDRESS}`;
    const here = await person();
    await here.goto(`${local}/login/?x=1`);
    assert.equal(here.url(), `${local}/login?x=1`);
    await here.getByLabel("Username or email").fill("ada");
    await here.locator("#password").fill(PASSWORD);
    await here.getByRole("button", { name: "Sign in" }).click();
    await here.locator("#live[data-state=open]").waitFor();
    await here.goto(`${local}/.well-known/change-password`);
    await here.locator("#security details[open]").waitFor();
    assert.equal(await here.locator("details[open]").count(), 1);
    await here.locator("#password-current-password").waitFor();
  },
  /WebSocket|4403/,
  { "door.test": process.env.DOORWARD_ADDRESS },
);
