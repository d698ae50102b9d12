// The client's rooms over a live connection that answers as each test says: `node rooms.mjs`.

import assert from "node:assert/strict";
import { mock } from "node:test";
import { Listeners } from "../../clients/js/listeners.js";
import { Rooms } from "../../clients/js/rooms.js";

/** A live connection: `asked` has its requests, each to be answered. */
class Live extends Listeners {
  state = "open";
  asked = [];

  on = this.add;

  request(type, payload) {
    return new Promise((answer, refuse) => {
      this.asked.push({ type, payload, answer, refuse: (code) => refuse(Object.assign(new Error(code), { code })) });
    });
  }

  next(type) {
    const request = this.asked.shift();
    assert.equal(request?.type, type);
    return request;
  }
}

/** Lets everything run that waits for no timer. */
const settle = () => new Promise(setImmediate);

async function start(...names) {
  const live = new Live();
  const rooms = new Rooms(live);
  const left = [];
  rooms.on("left", (detail) => left.push(detail));
  for (const room of names) {
    const joined = rooms.join(room);
    live.next("join").answer({ room });
    await joined;
  }
  assert.deepEqual(rooms.joined, names);
  return { live, rooms, left };
}

const names = (request) => request.payload.rooms.map(({ room }) => room);
const refused = (room, code) => ({ room, error: { code, detail: "no" } });
const LONGEST = 30_000;

async function a_room_that_is_refused_for_now_is_joined_again_later() {
  const { live, rooms, left } = await start("chat:a", "chat:b", "chat:c");
  live.call("welcome", {});
  let request = live.next("join");
  assert.deepEqual(names(request), ["chat:a", "chat:b", "chat:c"]);
  const error = { code: "too_many_requests", detail: "no" };
  request.answer({ rooms: [{ room: "chat:a" }, { room: "chat:b", error }, refused("chat:c", "forbidden")] });
  await settle();
  assert.deepEqual(left, [{ room: "chat:c", code: "forbidden", reason: "no", rejoin: "never" }]);
  for (let attempt = 0; attempt < 8; attempt++) {
    assert.equal(live.asked.length, 0, "it waits");
    mock.timers.tick(LONGEST);
    request = live.next("join");
    assert.deepEqual(names(request), ["chat:b"]);
    if (attempt % 2) request.refuse("unavailable");
    else request.answer({ rooms: [refused("chat:b", "room_full")] });
    await settle();
  }
  assert.equal(left.length, 1, "nobody is told of what is tried again");
  assert.deepEqual(rooms.joined, ["chat:a", "chat:b"]);
  // Nothing is asked for over a connection that is gone: the next one joins everything.
  live.state = "waiting";
  mock.timers.tick(LONGEST);
  assert.equal(live.asked.length, 0);
}

async function who_was_kicked_joins_again_and_who_was_banned_does_not() {
  const { live, rooms, left } = await start("chat:a", "chat:b");
  live.call("left", { room: "chat:a", code: "removed", reason: "kicked", rejoin: "backoff" });
  live.call("left", { room: "chat:b", code: "banned", reason: "banned", rejoin: "never" });
  // One that only the application has joined.
  live.call("left", { room: "order:7", code: "removed", reason: "kicked", rejoin: "backoff" });
  assert.deepEqual(left.map(({ room, rejoin }) => [room, rejoin]), [
    ["chat:a", "backoff"],
    ["chat:b", "never"],
    ["order:7", "never"],
  ]);
  assert.deepEqual(rooms.joined, ["chat:a"]);
  mock.timers.tick(LONGEST);
  const request = live.next("join");
  assert.deepEqual(names(request), ["chat:a"]);
  // It is left while the request is on its way.
  void rooms.leave("chat:a");
  request.answer({ rooms: [refused("chat:a", "unavailable")] });
  await settle();
  mock.timers.tick(LONGEST);
  live.next("leave");
  assert.equal(live.asked.length, 0);
}

async function the_last_of_joining_and_leaving_counts() {
  const { live, rooms, left } = await start();
  const [first, leaving, again] = [rooms.join("chat:a"), rooms.leave("chat:a"), rooms.join("chat:a")];
  live.next("join").answer({ room: "chat:a" });
  await first;
  assert.deepEqual(rooms.joined, [], "it was left since");
  const answer = { type: "left", room: "chat:a", code: "left" };
  live.call("left", answer);
  live.next("leave").answer(answer);
  live.next("join").answer({ room: "chat:a" });
  await Promise.all([leaving, again]);
  assert.deepEqual(rooms.joined, ["chat:a"]);
  assert.deepEqual(left, [], "who has asked for it is not told");
  const failing = rooms.join("chat:b");
  live.next("join").refuse("forbidden");
  await assert.rejects(failing, { code: "forbidden" });
  assert.deepEqual(rooms.joined, ["chat:a"]);
}

async function what_was_shown_is_shown_again_also_after_too_many_requests() {
  const { live, rooms } = await start("chat:a");
  const showing = rooms.show("chat:a", { typing: true });
  live.next("presence").answer({});
  await showing;
  live.call("welcome", {});
  live.next("join").answer({ rooms: [{ room: "chat:a" }] });
  await settle();
  live.next("presence").refuse("too_many_requests");
  await settle();
  mock.timers.tick(LONGEST);
  const { payload, answer } = live.next("presence");
  assert.deepEqual(payload, { room: "chat:a", set: { typing: true } });
  answer({});
}

/** Joins with a function that answers what is in `tokens`, in turn; what is an error is thrown. */
async function withTokens(live, rooms, room, tokens) {
  const provider = async (asked) => {
    assert.equal(asked, room);
    const token = tokens.shift();
    if (token instanceof Error) throw token;
    return token;
  };
  const joined = rooms.join(room, { token: provider });
  await settle();
  const request = live.next("join");
  request.answer({ room });
  await joined;
  return request.payload;
}

async function a_token_is_asked_for_at_each_join() {
  const { live, rooms, left } = await start("chat:a");
  const tokens = ["one", "two", new Error("no network"), "three"];
  assert.equal((await withTokens(live, rooms, "order:7", tokens)).token, "one");
  const joined = rooms.join("order:8", { token: "fixed" });
  const request = live.next("join");
  assert.equal(request.payload.token, "fixed");
  request.answer({ room: "order:8" });
  await joined;
  for (const token of ["two", "three"]) {
    live.call("welcome", {});
    await settle();
    // Those that need no new token do not wait for it.
    const others = live.next("join");
    assert.deepEqual(names(others), ["chat:a", "order:8"]);
    assert.equal(others.payload.rooms[1].token, "fixed");
    others.answer({ rooms: [{ room: "chat:a" }, { room: "order:8" }] });
    await settle();
    if (token === "three") {
      // There was none.
      mock.timers.tick(LONGEST);
      await settle();
    }
    const again = live.next("join");
    assert.deepEqual(again.payload.rooms.map(({ room, token }) => [room, token]), [["order:7", token]]);
    again.answer({ rooms: [{ room: "order:7" }] });
    await settle();
  }
  assert.deepEqual(left, []);
  assert.deepEqual([tokens.length, live.asked.length], [0, 0]);
}

async function a_token_that_does_not_come_holds_nothing_up() {
  const { live, rooms } = await start("chat:a");
  let asked = 0;
  const token = () => (asked++ === 1 ? new Promise(() => {}) : "good");
  const joined = rooms.join("order:7", { token });
  await settle();
  live.next("join").answer({ room: "order:7" });
  await joined;
  live.call("welcome", {});
  await settle();
  live.next("join").answer({ rooms: [{ room: "chat:a" }] });
  await settle();
  assert.equal(live.asked.length, 0);
  for (let wait = 0; wait < 2; wait++) {
    mock.timers.tick(LONGEST);
    await settle();
  }
  assert.deepEqual(names(live.next("join")), ["order:7"]);
}

async function a_newer_token_is_brought_before_the_last_one_expires() {
  const { live, rooms, left } = await start("club:a");
  await withTokens(live, rooms, "order:7", ["one", "two", Object.assign(new Error("no network"), { code: 23 }), "three", "four"]);
  live.call("expiring", { expires_at: "2027-01-01T00:00:00Z" });
  live.call("expiring", { room: "club:a", at: "2027-01-01T00:00:00Z" });
  await settle();
  assert.equal(live.asked.length, 0, "a membership, or the access token");
  const expiring = async () => {
    live.call("expiring", { room: "order:7", at: "2027-01-01T00:00:00Z" });
    await settle();
  };
  await expiring();
  const renewal = live.next("join");
  assert.deepEqual(renewal.payload, { room: "order:7", token: "two" });
  renewal.answer({ room: "order:7" });
  await settle();
  // There is none at first.
  await expiring();
  assert.equal(live.asked.length, 0);
  mock.timers.tick(LONGEST);
  await settle();
  let again = live.next("join");
  assert.equal(again.payload.rooms[0].token, "three");
  again.answer({ rooms: [{ room: "order:7" }] });
  await settle();
  // The server refuses it for good: the room ends with the token that it has.
  await expiring();
  live.next("join").refuse("bad_token");
  await settle();
  mock.timers.tick(LONGEST);
  await settle();
  assert.equal(live.asked.length, 0);
  assert.deepEqual([left, rooms.joined], [[], ["club:a", "order:7"]]);
}

async function who_left_for_want_of_a_token_joins_again_with_a_new_one() {
  const { live, rooms, left } = await start("chat:a");
  await withTokens(live, rooms, "order:7", ["one", "two", "three", "four"]);
  live.call("left", { room: "order:7", code: "revoked", reason: "revoked", rejoin: "new_token" });
  live.call("left", { room: "chat:a", code: "expired", reason: "expired", rejoin: "new_token" });
  assert.deepEqual(rooms.joined, ["order:7"], "without a function there is no new one");
  for (const code of ["token_expired", "bad_token"]) {
    mock.timers.tick(LONGEST);
    await settle();
    const again = live.next("join");
    assert.deepEqual(names(again), ["order:7"]);
    again.answer({ rooms: [refused("order:7", code)] });
    await settle();
  }
  assert.deepEqual(left.map(({ room, code, rejoin }) => [room, code, rejoin]), [
    ["order:7", "revoked", "new_token"],
    ["chat:a", "expired", "new_token"],
    ["order:7", "bad_token", "never"],
  ]);
  assert.deepEqual(rooms.joined, []);
}

async function a_room_that_is_left_while_its_token_is_fetched_is_not_joined() {
  const { live, rooms } = await start();
  const joining = rooms.join("order:7", { token: async () => "one" });
  const leaving = rooms.leave("order:7");
  await assert.rejects(joining, { code: "left" });
  live.next("leave").answer({});
  await leaving;
  assert.deepEqual([live.asked.length, rooms.joined], [0, []]);
  const failing = rooms.join("order:7", { token: () => Promise.reject(new TypeError("no network")) });
  await assert.rejects(failing, TypeError);
  assert.deepEqual([live.asked.length, rooms.joined], [0, []]);
}

async function tokens_that_are_too_long_together_come_in_several_requests() {
  const { live, rooms } = await start();
  for (let number = 0; number < 20; number++) {
    const room = `order:${number}`;
    await withTokens(live, rooms, room, ["x", "y".repeat(4000)]);
  }
  live.call("welcome", {});
  await settle();
  let joined = 0;
  while (live.asked.length) {
    const request = live.next("join");
    assert.ok(JSON.stringify(request.payload).length < 40_000);
    joined += names(request).length;
    request.answer({ rooms: names(request).map((room) => ({ room })) });
    await settle();
  }
  assert.equal(joined, 20);
}

mock.timers.enable({ apis: ["setTimeout"] });
for (const test of [
  a_room_that_is_refused_for_now_is_joined_again_later,
  who_was_kicked_joins_again_and_who_was_banned_does_not,
  the_last_of_joining_and_leaving_counts,
  what_was_shown_is_shown_again_also_after_too_many_requests,
  a_token_is_asked_for_at_each_join,
  a_token_that_does_not_come_holds_nothing_up,
  a_newer_token_is_brought_before_the_last_one_expires,
  who_left_for_want_of_a_token_joins_again_with_a_new_one,
  a_room_that_is_left_while_its_token_is_fetched_is_not_joined,
  tokens_that_are_too_long_together_come_in_several_requests,
]) {
  await test();
  console.log(`ok ${test.name}`);
}
