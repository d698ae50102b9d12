// An app on another origin with forms of its own: the example of the manual.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { api, login } from "../server.mjs";
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
    const sockets = [];
    page.on("websocket", (socket) => sockets.push(socket));
    // Registered, signed in, and connected.
    await enter("Create account", PASSWORD);
    await says(page, "Hello, ada");
    await page.locator("#status[data-state=open]").waitFor();
    assert.equal(await page.innerText("#roles"), "Roles:");

    // The token is renewed on the open socket.
    const isExtended = ({ payload }) => JSON.parse(payload).type === "authenticated";
    const [renewed] = await Promise.all([
      page.waitForResponse((response) => response.url() === `${base}/api/refresh`),
      sockets[0].waitForEvent("framereceived", isExtended),
      server("advance", { seconds: 850 }),
    ]);
    assert.equal(renewed.status(), 200);
    // Past the end of the first token.
    await server("advance", { seconds: 100 });
    await page.locator("#status[data-state=open]").waitFor();

    // A change of roles shows at once, on the same socket.
    await server("roles", { username: "ada", roles: "editor" });
    await says(page, "Roles: editor");
    assert.deepEqual([sockets.length, sockets[0].isClosed()], [1, false]);

    // A new page signs in. It signs out although its token is one of before the change.
    await page.reload();
    await enter("Sign in", PASSWORD);
    await says(page, "Hello, ada");
    await says(page, "Roles: editor");
    await server("roles", { username: "ada", roles: "author" });
    await says(page, "Roles: author");
    await page.getByRole("button", { name: "Sign out" }).click();
    await says(page, "signed out");
    await page.getByRole("button", { name: "Sign in" }).waitFor();

    // A sign-out on another device ends the login here, and closes its socket.
    await enter("Sign in", PASSWORD);
    await page.locator("#status[data-state=open]").waitFor();
    const socket = sockets.at(-1);
    assert(!socket.isClosed());
    const phone = await login("ada");
    await api("DELETE", "logins?except=current", { token: phone.access_token });
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    await page.locator("#status[data-state=ended]").waitFor();
    if (!socket.isClosed()) await socket.waitForEvent("close");
    await says(page, "signed out");
  },
  EXPECTED,
  { "app.localhost": `127.0.0.1:${files.address().port}` },
);
