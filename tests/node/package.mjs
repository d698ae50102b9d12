// The package as a program in Node uses it, installed from its tarball: `node package.mjs`, in the project.

import assert from "node:assert/strict";
import { ApiError, Doorward, DoorwardClient, Rooms, SignInEnded } from "doorward-client";
import WebSocket from "ws";
import { PASSWORD, api, login, register, server, url } from "./server.mjs";

const PATIENCE = 30_000;

const event = (source, type) =>
  new Promise((resolve) => {
    const off = source.on(type, (detail) => {
      off();
      resolve(detail);
    });
  });

/**
 * Counts the requests to a path, and answers some of them itself: with a response, or with what a function of the
 * request returns.
 */
function counting() {
  const counts = {};
  const answers = {};
  const wrapped = async (request) => {
    const { pathname } = new URL(request.url);
    counts[pathname] = (counts[pathname] ?? 0) + 1;
    const answer = answers[pathname]?.shift();
    return typeof answer === "function" ? answer(request) : (answer ?? fetch(request));
  };
  return { counts, answers, fetch: wrapped };
}

/** An answer that waits: `asked` resolves when it is asked for, and `give` lets it go. */
function held(answer) {
  let give, begin;
  const asked = new Promise((resolve) => (begin = resolve));
  const given = new Promise((resolve) => (give = resolve));
  const wait = async (request) => {
    begin();
    await given;
    return answer(request);
  };
  return { asked, give, wait };
}

const problem = (status, code, headers = {}) => () =>
  new Response(JSON.stringify({ status, code, detail: code }), {
    status,
    headers: { "content-type": "application/problem+json", ...headers },
  });

async function accounts() {
  const { counts, fetch } = counting();
  const client = new DoorwardClient({ url, WebSocket, fetch });
  const users = [];
  client.on("user", (user) => users.push(user?.username ?? null));
  assert.equal(await client.restore(), null);
  await assert.rejects(client.token(), SignInEnded);
  await assert.rejects(client.fetch(`${url}/api/me`), SignInEnded);

  const weak = await client.register({ username: "ann", password: "password1" }).catch((error) => error);
  assert(weak instanceof ApiError);
  assert.deepEqual([weak.status, weak.code, weak.problem.field], [422, "weak_password", "password"]);
  const { status, user: ann } = await client.register({ username: "ann", password: PASSWORD });
  assert.deepEqual([status, ann.username], ["signed_in", "ann"]);
  assert.equal(client.user.id, ann.id);
  assert.equal((await client.api("api/me")).username, "ann");
  assert.equal((await client.api("/api/me", { method: "PATCH", body: { display_name: "Ann" } })).display_name, "Ann");
  const missing = await client.api("api/nothing").catch((error) => error);
  assert.deepEqual([missing.status, missing.code], [404, "not_found"]);

  // A token that expired: one refresh, however many ask for it, and the requests are made again.
  await server("advance", { seconds: 16 * 60 });
  const answers = await Promise.all(Array.from({ length: 5 }, () => client.fetch(new URL("/api/me", url))));
  assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200, 200, 200]);
  assert.equal(counts["/api/refresh"], 1);
  // A body is sent again as well.
  await server("advance", { seconds: 16 * 60 });
  assert.equal((await client.api("api/me", { method: "PATCH", body: { display_name: "Ann A" } })).display_name, "Ann A");
  assert.equal(counts["/api/refresh"], 2);
  const [one, two] = [await client.token(), await client.token({ fresh: true })];
  assert.notEqual(one, two);

  await client.signOut();
  assert.equal((await fetch(new Request(`${url}/api/me`, { headers: { authorization: `Bearer ${two}` } }))).status, 401);
  await assert.rejects(client.token(), SignInEnded);
  const wrong = await client.signIn({ login: "ann", password: "wrong" }).catch((error) => error);
  assert.equal(wrong.code, "invalid_credentials");
  await client.signIn({ login: "ann", password: PASSWORD });
  assert.deepEqual(users, ["ann", null, "ann"]);
  return client;
}

/** What a server says that this one does not say here. */
async function refusals() {
  const { counts, answers, fetch } = counting();
  const client = new DoorwardClient({ url, WebSocket, fetch });
  await client.signIn({ login: "ann", password: PASSWORD });
  for (const code of ["token_stale", "token_expired"]) {
    const before = counts["/api/refresh"] ?? 0;
    answers["/api/me"] = [problem(401, code)()];
    assert.equal((await client.api("api/me")).username, "ann");
    assert.equal(counts["/api/refresh"], before + 1);
  }
  // Once, and not again and again.
  answers["/api/me"] = [problem(401, "token_stale")(), problem(401, "token_stale")()];
  const refused = await client.api("api/me").catch((error) => error);
  assert.deepEqual([refused.status, refused.code], [401, "token_stale"]);
  // A backend of the application's says it as RFC 6750 does; what it refuses otherwise is its own affair.
  const before = counts["/api/refresh"];
  answers["/api/me"] = [new Response("", { status: 401, headers: { "www-authenticate": 'Bearer error="invalid_token"' } })];
  assert.equal((await client.fetch(`${url}/api/me`)).status, 200);
  assert.equal(counts["/api/refresh"], before + 1);
  answers["/api/me"] = [problem(401, "no_licence")()];
  assert.equal((await client.fetch(`${url}/api/me`)).status, 401);
  assert.equal(counts["/api/refresh"], before + 1);
  // A server that is busy is no reason to forget the login.
  answers["/api/refresh"] = [problem(429, "too_many_requests", { "retry-after": "7" })()];
  const busy = await client.token({ fresh: true }).catch((error) => error);
  assert.deepEqual([busy.name, busy.retryAfter], ["RetryLater", 7000]);
  // Nor is a refusal that is not the server's: a proxy's own page, or another code.
  for (const other of [
    problem(503, "overloaded")(),
    new Response("<h1>401</h1>", { status: 401, headers: { "content-type": "text/html" } }),
    problem(401, "unauthorized")(),
    problem(403, "invalid_refresh_token")(),
    new Response("gone", { status: 410 }),
  ]) {
    answers["/api/refresh"] = [other];
    assert.equal((await client.token({ fresh: true }).catch((error) => error)).name, "RetryLater");
  }
  answers["/api/refresh"] = [() => Promise.reject(new TypeError("no network"))];
  assert.equal((await client.token({ fresh: true }).catch((error) => error)).name, "TypeError");
  assert.equal((await client.api("api/me")).username, "ann");
  await client.token({ fresh: true });
  // The token goes nowhere else.
  for (const other of ["http://evil.example/", `${url}.evil.example/`, "http://127.0.0.1:1/"]) {
    await assert.rejects(client.fetch(other), TypeError);
  }
  await client.signOut();
}

const statusWith = async (token) => (await fetch(`${url}/api/me`, { headers: { authorization: `Bearer ${token}` } })).status;

/** A sign-out that does not reach the login is none. */
async function signsOut() {
  const { counts, answers, fetch } = counting();
  const client = new DoorwardClient({ url, WebSocket, fetch });
  // The token is too old for the server, whatever the client thinks of it: a fresh one ends the login.
  for (const code of ["token_stale", "token_expired", "invalid_token"]) {
    await client.signIn({ login: "ann", password: PASSWORD });
    const token = await client.token();
    const before = counts["/api/refresh"] ?? 0;
    answers["/api/logout"] = [problem(401, code)()];
    await client.signOut();
    assert.equal(counts["/api/refresh"], before + 1, code);
    assert.equal(await statusWith(token), 401, code);
    assert.equal(client.user, null);
  }
  // Without a confirmation nothing is forgotten.
  await client.signIn({ login: "ann", password: PASSWORD });
  for (const refused of [
    [new Response("", { status: 401 })],
    [problem(401, "token_stale")(), problem(401, "token_stale")()],
    [problem(503, "overloaded")()],
    [() => Promise.reject(new TypeError("no network"))],
  ]) {
    answers["/api/logout"] = refused;
    await assert.rejects(client.signOut());
    assert.equal((await client.api("api/me")).username, "ann");
  }
  // A token that is stale, and a refresh that has to wait.
  answers["/api/logout"] = [problem(401, "token_stale")()];
  answers["/api/refresh"] = [problem(503, "overloaded")()];
  assert.equal((await client.signOut().catch((error) => error)).name, "RetryLater");
  assert.equal(client.user.username, "ann");
  // Revoked elsewhere already: that is what was wanted.
  const { access_token } = await login("ann");
  await api("DELETE", "logins?except=current", { token: access_token });
  await client.signOut();
  assert.equal(client.user, null);
}

/** What a refresh is answered concerns the login that it was for, and not one that came since. */
async function races() {
  for (const [outcome, answer] of [
    ["refused", problem(401, "invalid_refresh_token")],
    ["renewed", (request) => fetch(request)],
  ]) {
    // In one client.
    const { answers, fetch: counted } = counting();
    const client = new DoorwardClient({ url, fetch: counted });
    await client.signIn({ login: "ann", password: PASSWORD });
    await client.token();
    const one = held(answer);
    answers["/api/refresh"] = [one.wait];
    const renewal = client.token({ fresh: true }).catch((error) => error.name);
    await one.asked;
    const users = [];
    client.on("user", (user) => users.push(user?.username ?? null));
    const second = client.signIn({ login: "bob", password: PASSWORD });
    one.give();
    await Promise.all([renewal, second]);
    assert.equal(client.user.username, "bob", outcome);
    assert.equal((await client.api("api/me")).username, "bob", outcome);
    assert.equal(users.at(-1), "bob", outcome);

    // In two that share a store and know nothing of each other, as tabs without locks.
    let kept = null;
    const store = { load: () => structuredClone(kept), save: (login) => void (kept = structuredClone(login)) };
    const { answers: of, fetch: slow } = counting();
    const [left, right] = [new DoorwardClient({ url, storage: store, fetch: slow }), new DoorwardClient({ url, storage: store })];
    await left.signIn({ login: "ann", password: PASSWORD });
    await left.token();
    const two = held(answer);
    of["/api/refresh"] = [two.wait];
    const late = left.token({ fresh: true });
    await two.asked;
    await right.signIn({ login: "bob", password: PASSWORD });
    two.give();
    assert.equal(await late, await right.token(), outcome);
    assert.equal(left.user.username, "bob", outcome);
    assert.equal((await right.api("api/me")).username, "bob", outcome);
  }
}

/** A socket of a login that was left says nothing about the one that the client has now. */
async function olderSocket() {
  const client = new DoorwardClient({ url, WebSocket });
  await client.signIn({ login: "ann", password: PASSWORD });
  const old = await client.token();
  const door = client.live();
  const welcome = event(door, "welcome");
  door.connect();
  await welcome;
  await client.forget();
  await client.signIn({ login: "ann", password: PASSWORD });
  const ends = [];
  client.on("ended", ({ code }) => ends.push(code));
  const closed = event(door, "ended");
  await api("POST", "logout", { token: old });
  assert.equal((await closed).code, 4441);
  assert.equal((await client.api("api/me")).username, "ann");
  assert.equal(client.user.username, "ann");
  // The same object, opened again, belongs to the new login.
  const again = event(door, "welcome");
  door.connect();
  await again;
  const ended = event(client, "ended");
  await api("POST", "logout", { token: await client.token() });
  assert.equal((await ended).code, 4441);
  assert.deepEqual([client.user, ends], [null, [4441]]);
}

async function ends() {
  const client = new DoorwardClient({ url, WebSocket });
  await client.signIn({ login: "ann", password: PASSWORD });
  const { access_token } = await login("ann");
  const ended = event(client, "ended");
  await api("DELETE", "logins?except=current", { token: access_token });
  // The token is refused, then the refresh: the login has ended.
  assert.equal((await client.fetch(`${url}/api/me`)).status, 401);
  assert.equal((await ended).code, 4401);
  assert.equal(client.user, null);
  await assert.rejects(client.fetch(`${url}/api/me`), SignInEnded);
}

async function sockets(client) {
  const door = client.live({ minDelay: 10, maxDelay: 200 });
  assert(door instanceof Doorward);
  const welcome = event(door, "welcome");
  door.connect();
  assert.equal((await welcome).user.username, "ann");
  assert.match((await door.request("secret")).message, /^Ann A?|^ann/);
  assert(Array.isArray(door.access.roles));

  // The token is renewed on the open socket.
  const renewed = event(door, "authenticated");
  await server("advance", { seconds: 14 * 60 });
  await renewed;
  await server("advance", { seconds: 2 * 60 });
  assert.equal((await door.request("ping")).type, "pong");

  // Rooms are joined again after a restart, and only what is sent there arrives.
  const rooms = new Rooms(door);
  const joined = await rooms.join("chat:lobby", { presence: "full" });
  assert.deepEqual([joined.room, joined.can], ["chat:lobby", ["send", "presence"]]);
  const refused = await rooms.join("staff:room").catch((error) => error);
  assert.equal(refused.code, "forbidden");
  assert.deepEqual(rooms.joined, ["chat:lobby"]);
  const everything = [];
  door.on("message", (message) => everything.push(message));

  // It comes back after a restart.
  const again = new Promise((resolve) => {
    let waited = false;
    door.on("state", ({ state }) => {
      waited ||= state === "waiting";
      if (waited && state === "open") resolve();
    });
  });
  await server("stop");
  await server("start");
  await again;
  assert.equal((await door.request("ping")).type, "pong");
  assert.deepEqual((await door.request("rooms")).rooms, ["chat:lobby"]);

  const other = new DoorwardClient({ url, WebSocket });
  await other.signIn({ login: "bob", password: PASSWORD });
  const socket = other.live({ minDelay: 10 });
  socket.connect();
  const others = new Rooms(socket);
  await presence(rooms, others, client.user, other.user);
  const heard = event(rooms, "message");
  await others.send("chat:lobby", { text: "hello" }, { event: "say" });
  const { room, from, data, event: name } = await heard;
  assert.deepEqual([room, from.username, data, name], ["chat:lobby", "bob", { text: "hello" }, "say"]);
  assert.equal(everything.filter(({ type }) => type === "message").length, 1);
  const whispered = event(rooms, "message");
  await others.sendToUser(client.user.id, "psst");
  assert.equal((await whispered).data, "psst");
  await rooms.leave("chat:lobby");
  assert.deepEqual(rooms.joined, []);
  socket.close();

  // And stops when the login is revoked elsewhere.
  const ended = [event(client, "ended"), event(door, "ended")];
  const { access_token } = await login("ann");
  await api("DELETE", "logins?except=current", { token: access_token });
  for (const { code } of await Promise.all(ended)) assert.equal(code, 4441);
  assert.equal(client.user, null);
  assert.equal(door.state, "ended");
}

/** A list that is kept, across a reconnect too: `rooms` were joined before the server was started again. */
async function presence(rooms, others, user, other) {
  const until = async (expected) => {
    const seen = () => JSON.stringify(rooms.presence("chat:lobby").users);
    for (let tries = 0; seen() !== JSON.stringify(expected); tries++) {
      assert(tries < 200, seen());
      await server("advance", { seconds: 1 });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.equal(rooms.presence("chat:lobby").count, expected.length);
  };
  const first = { user: user.id, username: "ann" };
  const second = { user: other.id, username: "bob" };
  await until([first]);
  const told = event(rooms, "presence");
  await others.join("chat:lobby");
  await until([first, second]);
  assert.equal((await told).room, "chat:lobby");
  await others.show("chat:lobby", { typing: true });
  await until([first, { ...second, data: { typing: true } }]);
  await others.leave("chat:lobby");
  await until([first]);
  await others.join("chat:lobby");
  assert.deepEqual(others.presence("chat:lobby"), { room: "chat:lobby", count: 0, users: null });
}

/** The package in a store of the program's own: the next start goes on with the login. */
async function stores() {
  let kept = null;
  const store = { load: async () => structuredClone(kept), save: async (login) => void (kept = structuredClone(login)) };
  const first = new DoorwardClient({ url, storage: store });
  await first.signIn({ login: "ann", password: PASSWORD });
  assert.deepEqual(Object.keys(kept).sort(), ["access", "device", "refresh", "until", "user"]);
  const second = new DoorwardClient({ url, storage: store });
  assert.equal((await second.restore()).username, "ann");
  await second.token({ fresh: true });
  // Both use one login, in turns: what one of them has renewed, the other takes from the store.
  assert.equal(await first.token(), await second.token());
  await second.signOut();
  assert.deepEqual(Object.keys(kept), ["device"]);
  await assert.rejects(first.token(), SignInEnded);
}

function constructors() {
  assert.throws(() => new DoorwardClient(), /the server is unknown/);
  assert.throws(() => new Doorward({ token: () => "", WebSocket }), /the server is unknown/);
  if (!globalThis.WebSocket) assert.throws(() => new Doorward({ token: () => "", url: "ws://127.0.0.1/ws" }), /no WebSocket/);
  if (!globalThis.localStorage) assert.throws(() => new DoorwardClient({ url, storage: "local" }), /no localStorage/);
}

const late = setTimeout(() => {
  console.log("it takes too long");
  process.exit(1);
}, 4 * PATIENCE);
let failure = null;
try {
  constructors();
  const client = await accounts();
  await register("bob");
  await refusals();
  await sockets(client);
  await ends();
  await stores();
  await signsOut();
  await races();
  await olderSocket();
} catch (error) {
  failure = error;
}
clearTimeout(late);
if (failure) console.log(failure.stack);
process.exit(failure ? 1 : 0);
