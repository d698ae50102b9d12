// An app on another origin with forms of its own: the example of the manual.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { PASSWORD, base, says, scenario, server } from "./harness.mjs";

const example = await readFile(new URL("../../../examples/add/own-forms.html", import.meta.url), "utf8");
assert(example.includes('"https://id.example.org"'));
const html = example.replace("https://id.example.org", base);
const files = createServer((_, response) => {
  response.setHeader("content-type", "text/html; charset=utf-8");
  response.end(html);
});
await new Promise((listening) => files.listen(0, "127.0.0.1", listening));
// A wrong password, and a token that has expired.
const EXPECTED = /Failed to load resource/;

await scenario(
  async ({ person }) => {
    const page = await person();
    await page.goto("http://app.localhost/");
    const enter = async (button, password) => {
      await page.getByLabel("Username").fill("ada");
      await page.getByLabel("Password").fill(password);
      await page.getByRole("button", { name: button }).click();
    };
    await enter("Sign in", "wrong");
    await says(page, "The login or the password is wrong.");
    await enter("Create account", PASSWORD);
    await says(page, "Hello, ada");
    await page.locator("#status[data-state=open]").waitFor();
    await server("advance", { seconds: 1000 });
    await page.getByRole("button", { name: "Sign out" }).waitFor();
    await page.reload();
    await enter("Sign in", PASSWORD);
    await says(page, "Hello, ada");
    await page.locator("#status[data-state=open]").waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await says(page, "signed out");
    await page.getByRole("button", { name: "Sign in" }).waitFor();
  },
  EXPECTED,
  { "app.localhost": `127.0.0.1:${files.address().port}` },
);
