// A page on another origin signs a user in and opens a socket, with tokens alone. A page of a third origin can do none
// of it.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { PASSWORD, base, register, scenario } from "./harness.mjs";

const app = "http://app.example";
const third = "http://evil.example";

// Both pages, empty: what they do is in the scenario.
const pages = createServer((_, response) => {
  response.setHeader("content-type", "text/html");
  response.end("<!doctype html><title>app</title><link rel=icon href='data:,'>");
});
await new Promise((resolve) => pages.listen(0, "127.0.0.1", resolve));
const address = `127.0.0.1:${pages.address().port}`;

/** Gives a page `globalThis.ask`, which answers what a script could read, or why it could not. */
async function open(page, origin) {
  await page.goto(`${origin}/`);
  await page.evaluate((base) => {
    globalThis.ask = async (method, path, { token, body, ...more } = {}) => {
      const headers = {
        ...(body && { "content-type": "application/json" }),
        ...(token && { authorization: `Bearer ${token}` }),
      };
      try {
        const response = await fetch(base + path, { method, headers, body: body && JSON.stringify(body), ...more });
        const text = await response.text();
        const id = response.headers.get("x-request-id");
        return { status: response.status, id, body: text && JSON.parse(text) };
      } catch (error) {
        return { refused: error.name };
      }
    };
  }, base);
  return (method, path, options) =>
    page.evaluate((args) => globalThis.ask(...args), [method, path, options]);
}

/** Opens a socket with the client that the server serves; answers how that ended. */
const live = (page, token) =>
  page.evaluate(
    async ([base, token]) => {
      const { Doorward } = await import(`${base}/static/doorward.js`);
      const door = new Doorward({ url: `${base.replace("http", "ws")}/ws`, token: () => token });
      const ended = new Promise((resolve) => door.on("ended", resolve));
      door.connect();
      const secret = door.request("secret").catch((error) => ({ error: error.code }));
      const first = await Promise.race([secret, ended]);
      door.close();
      return first;
    },
    [base, token],
  );

await scenario(
  async ({ person }) => {
    const page = await person();
    const ask = await open(page, app);
    const ann = { username: "ann", password: PASSWORD };
    const registered = await ask("POST", "/api/register", { body: ann });
    assert.equal(registered.status, 201);
    assert.match(registered.id, /^[0-9a-f-]{36}$/);
    const signedIn = await ask("POST", "/api/login", { body: { login: "ann", password: PASSWORD } });
    assert.equal(signedIn.status, 200);
    const refreshed = await ask("POST", "/api/refresh", { body: { refresh_token: signedIn.body.refresh_token } });
    assert.equal(refreshed.status, 200);
    const token = refreshed.body.access_token;
    assert.equal((await ask("GET", "/api/me", { token })).body.username, "ann");
    const renamed = await ask("PATCH", "/api/me", { token, body: { display_name: "Ann" } });
    assert.equal(renamed.body.display_name, "Ann");

    // Errors are read as well.
    const wrong = await ask("POST", "/api/login", { body: { login: "ann", password: "wrong" } });
    assert.deepEqual([wrong.status, wrong.body.code], [401, "invalid_credentials"]);
    const nowhere = await ask("GET", "/api/nothing", { token });
    assert.deepEqual([nowhere.status, nowhere.body.code], [404, "not_found"]);
    const method = await ask("DELETE", "/api/login", { token });
    assert.deepEqual([method.status, method.body.code], [405, "method_not_allowed"]);

    assert.match((await live(page, token)).message, /^ann, /);

    // The user has a cookie of the server as well, which no page of another origin can use.
    const own = await page.context().newPage();
    await register(own, "bob");
    assert.equal((await page.context().cookies(base)).length, 2);
    for (const credentials of ["include", "same-origin"]) {
      const refused = { refused: "TypeError" };
      const granted = await ask("POST", "/api/token", { credentials });
      if (credentials === "include") assert.deepEqual(granted, refused);
      else assert.deepEqual([granted.status, granted.body.code], [403, "cross_site"]);
      const body = { login: "ann", password: PASSWORD, cookie: true };
      const answer = await ask("POST", "/api/login", { credentials, body });
      if (credentials === "include") assert.deepEqual(answer, refused);
      else assert.deepEqual([answer.status, answer.body.code], [403, "cross_site"]);
    }
    assert.deepEqual(await ask("GET", "/api/me", { token, credentials: "include" }), { refused: "TypeError" });
    assert.deepEqual(await ask("GET", "/dashboard", { credentials: "include" }), { refused: "TypeError" });
    await own.goto(`${base}/dashboard`);
    await own.getByText("Hello, bob").waitFor();

    assert.equal((await ask("POST", "/api/logout", { token })).status, 204);
    assert.equal((await ask("GET", "/api/me", { token })).body.code, "token_revoked");

    const other = await person();
    const steal = await open(other, third);
    const [mine] = [registered.body.access_token];
    for (const [verb, path, options] of [
      ["POST", "/api/register", { body: { username: "eve", password: PASSWORD } }],
      ["POST", "/api/login", { body: { login: "ann", password: PASSWORD } }],
      ["POST", "/api/refresh", { body: { refresh_token: registered.body.refresh_token } }],
      ["GET", "/api/me", { token: mine }],
      ["PATCH", "/api/me", { token: mine, body: { display_name: "Eve" } }],
      ["DELETE", "/api/logins", { token: mine }],
      ["GET", "/api/nothing", {}],
      ["POST", "/api/token", {}],
    ]) {
      assert.deepEqual(await steal(verb, path, options), { refused: "TypeError" }, path);
    }
    assert.equal((await live(other, mine)).code, 4403);
    assert.equal((await steal("GET", "/.well-known/jwks.json")).body.keys.length, 1);

    // Nothing that it tried had an effect.
    const after = await person();
    const check = await open(after, app);
    const me = await check("GET", "/api/me", { token: mine });
    assert.deepEqual([me.status, me.body.display_name], [200, "Ann"]);
    const eve = await check("POST", "/api/login", { body: { login: "eve", password: PASSWORD } });
    assert.equal(eve.body.code, "invalid_credentials");
  },
  /CORS|Failed to load resource|WebSocket|4403/,
  { "app.example": address, "evil.example": address },
);
