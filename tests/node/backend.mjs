// The example backends of the manual. The arguments are the command that starts one.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { PASSWORD, api, login, logout, refresh, register, server, url } from "./server.mjs";

const PATIENCE = 20_000;
const [command, ...args] = process.argv.slice(2);

/** Waits for a condition: asks until the answer is not false. */
async function until(what, ask) {
  for (const deadline = Date.now() + PATIENCE; ; await pause(20)) {
    const answer = await ask();
    if (answer) return answer;
    assert(Date.now() < deadline, `${what}: not in time`);
  }
}

/** A backend as a process of its own, once it listens and follows changes. */
async function start(key) {
  const env = { ...process.env, DOORWARD_URL: url, DOORWARD_API_KEY: key, PORT: "0" };
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  process.on("exit", () => child.kill("SIGKILL"));
  const lines = [];
  for (const output of [child.stdout, child.stderr]) {
    createInterface({ input: output }).on("line", (line) => {
      lines.push(line);
      console.log(`backend: ${line}`);
    });
  }
  const said = (pattern, from = 0) =>
    until(`it says ${pattern}`, () => {
      assert.equal(child.exitCode, null, "the backend has ended");
      return lines.slice(from).map((line) => pattern.exec(line)).find(Boolean);
    });
  const [, port] = await said(/(?:listens on |running on http:\/\/127\.0\.0\.1:)(\d+)/);
  await said(/^follows changes from \d+/);
  const ask = async (token, method = "GET", path = "/me", body = undefined) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { ...(token && { authorization: `Bearer ${token}` }), "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
    const said = await answer.json().catch(() => ({}));
    const challenge = answer.headers.get("www-authenticate");
    return { status: answer.status, body: said, code: said.code ?? said.detail, challenge };
  };
  return { ask, said, lines: () => lines.length, stop: () => child.kill("SIGKILL") };
}

const id = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url")).sub;
const login_id = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url")).sid;
const signOutElsewhere = (token, other) => api("DELETE", `logins/${login_id(token)}`, { token: other });

const scopes = "events:read tokens:introspect users:read users:write users:end roles:write";
const { key } = await server("key", { scopes });
let backend = await start(key);
/** Waits until a token is refused with a status, and answers how. */
const refused = (token, status, path = "/me") =>
  until(`a token is refused with ${status}`, async () => {
    const answer = await backend.ask(token, "GET", path);
    return answer.status !== 200 && assert.equal(answer.status, status, JSON.stringify(answer)) === undefined && answer;
  });
const accepted = async (token) => {
  const answer = await backend.ask(token);
  assert.equal(answer.status, 200, JSON.stringify(answer));
  return answer.body;
};
/** The same, and the backend remembers the login: all events until now have arrived, so none arrives meanwhile. */
const known = async (token) => {
  const { access_token } = await login("marker");
  await logout(access_token);
  await until("the events have arrived", async () => (await backend.ask(access_token)).code === "token_revoked");
  return accepted(token);
};
const assertRefused = async (token, status) => assert.equal((await backend.ask(token)).status, status);

// What is not a token of this server.
await register("marker");
const ann = await register("ann");
const none = await backend.ask(null);
assert.deepEqual([none.status, none.challenge], [401, "Bearer"]);
const [head, payload, signature] = ann.access_token.split(".");
const plain = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url");
const forged = [`${plain}.${payload}.`, `${head}.${payload}.${signature.split("").reverse().join("")}`];
for (const wrong of ["x", ann.refresh_token, ...forged]) {
  const answer = await backend.ask(wrong);
  assert.deepEqual([answer.status, answer.code, answer.challenge], [401, "invalid_token", 'Bearer error="invalid_token"']);
}

// A login that is revoked on another device, after it was used here and before.
const phone = await login("ann");
const unused = await login("ann");
assert.deepEqual(await known(ann.access_token), { id: id(ann.access_token), roles: [] });
await signOutElsewhere(ann.access_token, phone.access_token);
assert.equal((await refused(ann.access_token, 401)).code, "token_revoked");
await signOutElsewhere(unused.access_token, phone.access_token);
await assertRefused(unused.access_token, 401);
await known(phone.access_token);

// Roles: the old token is refused, a renewed one has the new roles.
assert.equal((await backend.ask(phone.access_token, "GET", "/users")).status, 403);
await server("roles", { username: "ann", roles: "admin" });
assert.equal((await refused(phone.access_token, 401)).code, "token_stale");
let admin = await refresh(phone.refresh_token);
assert.deepEqual((await accepted(admin.access_token)).roles, ["admin"]);

// An administrator manages users.
const manage = async (status, method, path, body) => {
  const answer = await backend.ask(admin.access_token, method, path, body);
  assert.equal(answer.status, status, JSON.stringify(answer));
  return answer.body;
};
const bob = await manage(201, "POST", "/users", { username: "bob", email: "bob@example.org" });
assert.equal(bob.email, "bob@example.org");
assert.equal((await manage(409, "POST", "/users", { username: "bob" })).code, "username_taken");
const carl = await register("carl");
await known(carl.access_token);
assert.equal((await backend.ask(carl.access_token, "GET", "/users")).status, 403);
const of = (user, what) => `/users/${user}/${what}`;
await manage(200, "PUT", of(carl.user.id, "roles"), { roles: ["editor", "writer"] });
assert.equal((await refused(carl.access_token, 401)).code, "token_stale");
const promoted = await refresh(carl.refresh_token);
assert.deepEqual((await accepted(promoted.access_token)).roles, ["editor", "writer"]);
assert.equal((await backend.ask(carl.access_token)).code, "token_stale");
// A token of after a change is accepted before the event has arrived, and afterwards.
await known(promoted.access_token);
await manage(200, "PUT", of(carl.user.id, "roles"), { roles: ["writer"] });
const middle = await refresh(promoted.refresh_token);
await accepted(middle.access_token);
// The role that manages users is given by an operator: this backend's key grants less than that role.
await server("roles", { username: "carl", roles: "admin" });
const early = await refresh(middle.refresh_token);
await accepted(early.access_token);
await known(early.access_token);
assert.equal((await backend.ask(early.access_token, "GET", "/users")).status, 200);
await server("roles", { username: "carl", roles: "writer" });
assert.equal((await refused(early.access_token, 401, "/users")).code, "token_stale");
const demoted = await refresh(early.refresh_token);
assert.equal((await backend.ask(demoted.access_token, "GET", "/users")).status, 403);
await known(demoted.access_token);
await manage(200, "POST", of(carl.user.id, "disable"));
assert.equal((await refused(demoted.access_token, 401)).code, "token_revoked");
const { users } = await manage(200, "GET", "/users?search=car");
assert.deepEqual(users.map(({ username, disabled_at }) => [username, disabled_at !== null]), [["carl", true]]);
for (const wrong of ["..", "%2e%2e", "x", "..%2f..%2fkeys"]) {
  const { status } = await backend.ask(admin.access_token, "PUT", of(wrong, "roles"), { roles: ["admin"] });
  assert(status === 404 || status === 422, `${wrong}: ${status}`);
}
await manage(422, "PUT", of(bob.id, "roles"), { roles: ["not a role"] });

// Without the server there is no answer, and no permission. Afterwards it goes on where it was.
const dora = await register("dora");
await accepted(dora.access_token);
let line = backend.lines();
await server("stop");
await backend.said(/^does not follow changes/, line);
await assertRefused(admin.access_token, 503);
await server("start", { revoke: "dora" });
await backend.said(/^follows changes/, line);
await accepted(admin.access_token);
await assertRefused(dora.access_token, 401);
const second = await login("ann");
await known(second.access_token);
await logout(second.access_token);
assert.equal((await refused(second.access_token, 401)).code, "token_revoked");

// After a backup was restored, its events begin again (410), and what they do not tell is not missed.
const emil = await register("emil");
await accepted(emil.access_token);
line = backend.lines();
await server("stop");
await server("start", { revoke: "emil", lose_events: true });
await backend.said(/^does not follow changes.*410/, line);
await backend.said(/^follows changes/, line);
await assertRefused(emil.access_token, 401);
const third = await login("ann");
await known(third.access_token);
await logout(third.access_token);
assert.equal((await refused(third.access_token, 401)).code, "token_revoked");

// A backend that starts again knows what happened before.
backend.stop();
backend = await start(key);
for (const { access_token } of [ann, unused, second, third]) await assertRefused(access_token, 401);
await accepted(admin.access_token);

// Its key is revoked.
await server("revoke_key", { id: key.split("_")[1] });
await refused(admin.access_token, 503);
await backend.said(/^does not follow changes/);
process.exit(0);
