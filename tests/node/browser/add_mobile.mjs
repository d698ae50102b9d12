// A phone app, the example of the manual: it opens our pages in a browser that is not its own, and the operating system
// opens it with a link that it claims.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { SignedOut, account } from "../../../examples/add/mobile.mjs";
import { api, login } from "../server.mjs";
import { PASSWORD, base, says, scenario, server } from "./harness.mjs";

// The operating system would open the app instead.
const opened = [];
const system = createServer((request, response) => {
  if (request.url.startsWith("/signed-in")) opened.push(`http://app.localhost${request.url}`);
  response.setHeader("content-type", "text/html");
  response.end("<!doctype html><title>App</title><link rel=icon href='data:,'><p>Opened the app");
});
await new Promise((listening) => system.listen(0, "127.0.0.1", listening));
const link = "http://app.localhost/signed-in";
// The OS keystore, as text.
let kept = null;
const keystore = {
  load: async () => JSON.parse(kept),
  save: async (value) => void (kept = JSON.stringify(value)),
  clear: async () => void (kept = null),
};
/** The app, as it is after each start. */
const start = () => account({ server: base, link, keystore });
const id = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));

await scenario(async ({ person }) => {
  const page = await person();
  const back = async () => {
    await says(page, "Opened the app");
    return opened.pop();
  };

  await assert.rejects(start().token(), SignedOut);
  await page.goto(await start().begin());
  await page.getByRole("link", { name: /^Create (an )?account$/ }).click();
  await page.getByLabel("Username").fill("ada");
  await page.locator("#password").fill(PASSWORD);
  await page.getByRole("button", { name: "Create account" }).click();
  const answer = await back();

  // An answer to another sign-in, or of another server, is not taken.
  for (const [name, value] of [["state", "x"], ["iss", "https://evil.example"]]) {
    const wrong = new URL(answer);
    wrong.searchParams.set(name, value);
    await assert.rejects(start().finish(wrong.href), /Not the answer/);
  }
  // The app was ended while the browser was open.
  let app = start();
  await app.finish(answer);
  const token = await app.token();
  assert.equal((await api("GET", "me", { token })).username, "ada");
  assert.equal(await app.token(), token);
  await assert.rejects(start().finish(answer), /Not the answer/);

  // Renewal: at the same time once, and after the next start with what is in the keystore.
  const [first, second] = await Promise.all([app.token({ fresh: true }), app.token({ fresh: true })]);
  assert(first === second && first !== token);
  app = start();
  const renewed = await app.token();
  assert.equal(id(renewed).sid, id(token).sid);
  // Without an answer, the next call sends the same refresh token.
  await server("stop");
  await assert.rejects(app.token({ fresh: true }), TypeError);
  await server("start");
  await api("GET", "me", { token: await app.token({ fresh: true }) });

  // The browser is still signed in: a second sign-in needs no password.
  await app.signOut();
  await assert.rejects(app.token(), SignedOut);
  assert.equal(kept, null);
  await page.goto(await app.begin());
  await page.getByRole("button", { name: "Continue as ada" }).click();
  await app.finish(await back());
  await app.token();

  // A sign-out elsewhere.
  const phone = await login("ada");
  await api("DELETE", "logins?except=current", { token: phone.access_token });
  await assert.rejects(app.token({ fresh: true }), SignedOut);
  assert.equal(kept, null);
}, null, { "app.localhost": `127.0.0.1:${system.address().port}` });
