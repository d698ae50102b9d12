// An app on another origin, the example of the manual: it sends its users to our pages and gets them back, signed in.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { PASSWORD, base, check, says, scenario, server } from "./harness.mjs";

const example = await readFile(new URL("../../../examples/add/hosted-pages.html", import.meta.url), "utf8");
assert(example.includes('"https://id.example.org"'));
const html = example.replace("https://id.example.org", base);
const files = createServer((request, response) => {
  response.setHeader("content-type", "text/html; charset=utf-8");
  response.end(request.url.startsWith("/app") ? html : "<title>Other</title>");
});
await new Promise((listening) => files.listen(0, "127.0.0.1", listening));
const address = `127.0.0.1:${files.address().port}`;
// Browsers treat names below localhost as secure, and show `crypto.subtle` only to secure pages.
const app = "http://app.localhost";
const hosts = { "app.localhost": address, "other.localhost": address };

async function fill(page, name) {
  await page.getByLabel(name === "ada" ? "Username" : "Username or email").fill(name);
  await page.locator("#password").fill(PASSWORD);
}

/** The app, signed in and connected, without a trace of the code. */
async function atHome(page, name) {
  await says(page, `Hello, ${name}`);
  await page.locator("#status[data-state=open]").waitFor();
  assert.equal(page.url(), `${app}/app`);
}

await scenario(
  async ({ person }) => {
    const page = await person();
    const sockets = [];
    page.on("websocket", (socket) => sockets.push(socket));
    await page.goto(`${app}/app`);
    await page.getByRole("button", { name: "Sign in" }).click();
    await says(page, `To continue to ${app}`);
    await check(page, "sign in for an app");
    await page.getByRole("link", { name: /^Create (an )?account$/ }).click();
    await says(page, `To continue to ${app}`);
    await fill(page, "ada");
    await page.getByRole("button", { name: "Create account" }).click();
    await atHome(page, "ada");

    // Its tokens were in memory only; the browser is still signed in at the server.
    await page.reload();
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: /^Continue to / }).waitFor();
    await check(page, "continue to an app");
    await page.getByRole("button", { name: "Continue as ada" }).click();
    await atHome(page, "ada");

    // A link cannot sign anyone in silently, and leads to no other site.
    const other = await page.context().newPage();
    await other.goto(`${base}/login?return_to=${encodeURIComponent("http://other.localhost/")}`);
    await other.waitForURL(`${base}/dashboard`);

    // A sign-in on another device revokes the app's login there: its socket closes at once.
    await other.getByRole("button", { name: "Sign out other devices" }).click();
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("button", { name: "Continue as ada" }).click();
    await atHome(page, "ada");

    // With a token of before a change, too.
    const isChange = ({ payload }) => JSON.parse(payload).type === "claims";
    const change = { username: "ada", roles: "editor" };
    await Promise.all([sockets.at(-1).waitForEvent("framereceived", isChange), server("roles", change)]);
    await page.getByRole("button", { name: "Sign out" }).click();
    await says(page, `You’ll then go back to ${app}`);
    await check(page, "sign out for an app");
    await page.getByRole("main").getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    assert.equal(page.url(), `${app}/app`);
    await page.getByRole("button", { name: "Sign in" }).click();
    await fill(page, "wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    await says(page, "Wrong username, email or password.");
    await page.getByLabel("Username or email").fill("ada");
    await page.locator("#password").fill(PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
    await atHome(page, "ada");
    await server("advance", { seconds: 800 });

    // Our pages need no script for this; what the app does with its code is its own matter.
    const plain = await person({ javaScriptEnabled: false });
    const challenge = { code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", code_challenge_method: "S256" };
    const query = new URLSearchParams({ return_to: `${app}/other?tab=1`, state: "a b", ...challenge });
    await plain.goto(`${base}/login?${query}`);
    await plain.getByLabel("Username or email").fill("ada");
    await plain.locator("#password").fill(PASSWORD);
    await plain.getByRole("button", { name: "Sign in" }).click();
    await plain.waitForURL(/^http:\/\/app\.localhost\/other\?tab=1&code=[\w-]{43}&state=a\+b&iss=/);
    await plain.goto(`${base}/login?${query}`);
    await plain.getByRole("button", { name: "Continue as ada" }).click();
    await plain.waitForURL(/^http:\/\/app\.localhost\/other\?tab=1&code=/);
  },
  null,
  hosts,
);
