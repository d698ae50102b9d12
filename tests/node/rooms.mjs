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

mock.timers.enable({ apis: ["setTimeout"] });
for (const test of [
  a_room_that_is_refused_for_now_is_joined_again_later,
  who_was_kicked_joins_again_and_who_was_banned_does_not,
  the_last_of_joining_and_leaving_counts,
  what_was_shown_is_shown_again_also_after_too_many_requests,
]) {
  await test();
  console.log(`ok ${test.name}`);
}
