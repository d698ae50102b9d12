// The package doorward-client, from its tarball, in an app on another origin, in several tabs; and what the server
// serves of it, on the server's own origin.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { PASSWORD, base, scenario, server } from "./harness.mjs";

// The first origin counts as secure, so its tabs have Web Locks; the second has none.
const [app, plain] = ["http://app.localhost", "http://app.example"];
const files = process.env.CLIENT_PACKAGE;

const pages = createServer(async (request, response) => {
  const name = /^\/doorward-client\/(\w+\.js)$/.exec(request.url)?.[1];
  response.setHeader("content-type", name ? "text/javascript" : "text/html");
  response.setHeader("content-security-policy", `default-src 'none'; img-src data:; script-src 'self' ${base}; connect-src ${base} ${base.replace("http", "ws")}`);
  response.end(name ? await readFile(join(files, name)) : "<!doctype html><title>app</title><link rel=icon href='data:,'>");
});
await new Promise((resolve) => pages.listen(0, "127.0.0.1", resolve));
const address = `127.0.0.1:${pages.address().port}`;

/** Opens a tab with a client, as `globalThis.client`, and what it tells, as `globalThis.told`. */
async function tab(context, origin, module, options) {
  const page = await context.newPage();
  await page.goto(origin);
  await page.evaluate(
    async ([module, options]) => {
      const { DoorwardClient } = await import(module);
      const client = new DoorwardClient(options);
      const told = [];
      client.on("user", (user) => told.push(user ? `in ${user.username}` : "out"));
      client.on("ended", ({ code }) => told.push(`ended ${code}`));
      client.on("claims", ({ roles }) => told.push(`roles ${roles}`));
      Object.assign(globalThis, { client, told });
    },
    [module, options],
  );
  return page;
}

const me = (page) => page.evaluate(async (base) => (await client.fetch(`${base}/api/me`)).status, base);
const restored = (page) => page.evaluate(async () => (await client.restore())?.username ?? null);
const told = (page) => page.evaluate(() => told);
const until = (page, word) => page.waitForFunction((word) => told.includes(word), word);

/** The requests to a path of all tabs. */
function count(context, path) {
  const seen = [];
  context.on("request", (request) => {
    if (request.method() !== "OPTIONS" && new URL(request.url()).pathname === path) seen.push(request);
  });
  return seen;
}

async function tabs(person, origin, name) {
  const context = (await person()).context();
  const refreshes = count(context, "/api/refresh");
  const open = () => tab(context, origin, "/doorward-client/doorward.js", { url: base, storage: "local" });
  const [one, two] = [await open(), await open()];
  assert.equal(await one.evaluate(() => Boolean(navigator.locks)), origin === app);
  assert.equal(await restored(one), null);
  await one.evaluate(([username, password]) => client.register({ username, password }), [name, PASSWORD]);
  await until(two, `in ${name}`);
  assert.deepEqual([await me(one), await me(two)], [200, 200]);
  assert.equal(refreshes.length, 0);
  // Both find at the same time that the token has expired.
  await server("advance", { seconds: 16 * 60 });
  assert.deepEqual(await Promise.all([me(one), me(two)]), [200, 200]);
  if (origin === app) assert.equal(refreshes.length, 1);
  assert.deepEqual([await me(one), await me(two)], [200, 200]);
  // A new tab goes on with the login.
  const three = await open();
  assert.equal(await restored(three), name);
  await live(three, name);
  const login = await one.evaluate(() => JSON.parse(Object.values(localStorage).find((value) => value.includes("dwr_"))));
  await two.evaluate(() => client.signOut());
  for (const page of [one, three]) await until(page, "out");
  // What another tab had renewed before arrives late, and the next message after it.
  const before = (await told(one)).length;
  await three.evaluate(([name, login]) => {
    const channel = new BroadcastChannel(name);
    channel.postMessage({ type: "renewed", login });
    channel.postMessage({ type: "signed_in", login: { ...login, access: "x.e30.x", user: { id: "0", username: "next" } } });
  }, [`doorward ${base}/`, login]);
  await until(one, "in next");
  assert.deepEqual((await told(one)).slice(before), ["in next"]);
  assert.equal(await restored(one), null);
  assert.equal(await one.evaluate(() => Object.values(localStorage).join().includes("dwr_")), false);
}

/** A socket whose token is renewed. */
async function live(page, name) {
  const seen = await page.evaluate(async () => {
    const door = client.live();
    const welcome = new Promise((resolve) => door.on("welcome", resolve));
    door.on("authenticated", () => told.push("renewed"));
    door.connect();
    return [(await welcome).user.username, (await door.request("ping")).type];
  });
  assert.deepEqual(seen, [name, "pong"]);
  await server("advance", { seconds: 14 * 60 });
  await until(page, "renewed");
}

/** On the server's own origin the login is a cookie that no script can read. */
async function cookies(person) {
  const context = (await person()).context();
  const open = () => tab(context, `${base}/login`, "/static/doorward.js", { storage: "cookie" });
  const [one, two] = [await open(), await open()];
  await one.evaluate((password) => client.register({ username: "cid", password }), PASSWORD);
  await until(two, "in cid");
  assert.deepEqual([await me(one), await me(two)], [200, 200]);
  const readable = await one.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length]);
  assert.deepEqual(readable, ["", 0, 0]);
  const tokens = count(context, "/api/token");
  await server("advance", { seconds: 16 * 60 });
  assert.deepEqual([await me(one), await me(two)], [200, 200]);
  assert.equal(tokens.length, 1);
  const three = await open();
  assert.equal(await restored(three), "cid");
  await three.evaluate(() => client.signOut());
  for (const page of [one, two]) await until(page, "out");
  assert.equal(await restored(await open()), null);
}

/** In memory: nothing is left behind, and tabs have logins of their own. */
async function memory(person) {
  const page = await tab((await person()).context(), app, `${base}/static/doorward.js`, {});
  await page.evaluate((password) => client.register({ username: "mia", password }), PASSWORD);
  assert.equal(await me(page), 200);
  assert.equal(await page.evaluate(() => localStorage.length), 0);
  const refused = await page.evaluate(() => client.fetch("http://evil.example/").catch((error) => error.name));
  assert.equal(refused, "TypeError");
  await server("disable", { username: "mia" });
  assert.equal(await me(page), 401);
  assert.deepEqual(await told(page), ["in mia", "out", "ended 4401"]);
}

await scenario(
  async ({ person }) => {
    // What the server serves is the package.
    for (const name of ["answers.js", "client.js", "doorward.js", "listeners.js", "live.js", "presence.js", "rooms.js", "store.js"]) {
      const served = await fetch(`http://${process.env.DOORWARD_ADDRESS}/static/${name}`);
      assert.equal(await served.text(), await readFile(join(files, name), "utf8"), name);
    }
    await tabs(person, app, "ann");
    await tabs(person, plain, "bob");
    await cookies(person);
    await memory(person);
  },
  /Failed to load resource/,
  { [new URL(app).hostname]: address, [new URL(plain).hostname]: address },
);
