// `public_url` is https, and a page was opened by http: with a script it says so before anything is typed, without one
// once the form is sent.

import assert from "node:assert/strict";
import { PASSWORD, base, check, says, scenario } from "./harness.mjs";

const WARNING = `opened this page at ${base}, where you can’t stay signed in. Open https://id.example.org instead.`;

// Browsers take that header over https only, and the server cannot tell how the page was opened.
const EXPECTED = /Cross-Origin-Opener-Policy header has been ignored/;

await scenario(async ({ person }) => {
  for (const colorScheme of ["light", "dark"]) {
    const look = async (page, name) => {
      await check(page, `${name}, ${colorScheme}`);
      const path = `${process.env.SCREENSHOTS}/${name.replaceAll(" ", "-")}-${colorScheme}.png`;
      if (process.env.SCREENSHOTS) await page.screenshot({ path, fullPage: true });
    };
    const page = await person({ colorScheme });
    for (const path of ["/login", "/register", "/forgot-password"]) {
      await page.goto(base + path);
      await says(page, WARNING);
      assert.equal(await page.getByRole("alert").getByRole("link").getAttribute("href"), "https://id.example.org");
    }
    await page.goto(`${base}/login`);
    await says(page, WARNING);
    await look(page, "opened by http");

    const plain = await person({ colorScheme, javaScriptEnabled: false });
    await plain.goto(`${base}/login`);
    await plain.getByLabel("Username or email").fill("ada");
    await plain.locator("#password").fill(PASSWORD);
    await plain.getByRole("button", { name: "Sign in" }).click();
    await says(plain, "Open this page over https");
    await says(plain, "where you can’t stay signed in, so nothing was done.");
    assert.equal(await plain.getByRole("link", { name: "Open https://id.example.org" }).count(), 1);

    await page.getByLabel("Username or email").fill("ada");
    await page.locator("#password").fill(PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
    await says(page, "Open this page over https");
    await look(page, "https required");
  }
}, EXPECTED);
