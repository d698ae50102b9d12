// Rooms over a live connection: it joins them again after each reconnect, and hands out what is sent there.
//
//   const rooms = new Rooms(door);
//   rooms.on("message", ({ room, from, data }) => show(room, from.username, data));
//   rooms.on("left", ({ room, reason }) => close(room, reason));
//   await rooms.join("chat:lobby");
//   await rooms.send("chat:lobby", { text: "hello" });
//
//   rooms.on("presence", ({ room, count, users }) => showUsers(room, count, users));
//   await rooms.join("chat:lobby", { presence: "full" });
//
// docs/ROOMS.md explains rooms.

import { Listeners } from "./listeners.js";
import { PresenceList } from "./presence.js";

/**
 * @typedef {import("./live.js").Doorward} Doorward
 * @typedef {import("./live.js").Message} Message
 * @typedef {import("./presence.js").Presence} Presence
 *
 * @typedef {object} JoinOptions
 * @property {"none" | "count" | "full"} [presence] What to be told of who is in the room: nothing, how many, or everything.
 *
 * @typedef {object} Left
 * @property {string} room
 * @property {string} code Why: `policy` if the user's roles do not allow the room any more, or the code of an error when
 *   it was joined again.
 * @property {string} reason A sentence for people.
 *
 * @typedef {object} SendOptions
 * @property {string} [event] A name for what is sent, of 1 to 64 characters.
 * @property {string} [key] A text that comes with the message, of 1 to 64 characters.
 */

/** Rooms in one request. */
const AT_ONCE = 100;

/** Codes with which a room may be joined again later. */
const TEMPORARY = new Set(["timeout", "closed", "full", "ended", "unavailable", "too_many_requests"]);

/** Users in one answer about who is there. */
const PAGE = 500;

/**
 * Rooms over one live connection. Its events, for {@link Rooms#on}: `message` ({@link Message}), `left` ({@link Left}),
 * `presence` ({@link Presence}).
 */
export class Rooms {
  /** The rooms, and what the client wants to be told of who is there. @type {Map<string, "none" | "count" | "full">} */
  #joined = new Map();
  /** @type {Map<string, PresenceList>} */
  #lists = new Map();
  /** What is shown to the others. @type {Map<string, unknown>} */
  #shown = new Map();
  #listeners = new Listeners();
  #door;

  /** @param {Doorward} door */
  constructor(door) {
    this.#door = door;
    door.on("message", (message) => {
      if (message.type === "message") this.#listeners.call("message", message);
    });
    door.on("left", (/** @type {Message} */ { room, code, reason }) => {
      // The answer to `leave` has the same type.
      if (code !== "left") this.#left({ room, code, reason });
    });
    door.on("presence_changed", (change) => this.#lists.get(change.room)?.hear(change));
    door.on("welcome", () => void this.#joinAgain([...this.#joined]));
  }

  /** The rooms that are joined, and joined again after a reconnect. @returns {string[]} */
  get joined() {
    return [...this.#joined.keys()];
  }

  /**
   * Calls `listener` for each event of this type, until the returned function is called.
   *
   * @param {"message" | "left" | "presence"} type
   * @param {(detail: any) => void} listener
   * @returns {() => void}
   */
  on(type, listener) {
    return this.#listeners.add(type, listener);
  }

  /**
   * Joins a room, and again after each reconnect.
   *
   * @param {string} room
   * @param {JoinOptions} [options]
   * @returns {Promise<Message>} The reply `joined`. Rejects with a `RequestError`.
   */
  async join(room, { presence = "none" } = {}) {
    const reply = await this.#door.request("join", { room, presence });
    this.#joined.set(room, presence);
    this.#lists.get(room)?.stop();
    this.#lists.delete(room);
    if (presence !== "none") this.#watch(room, presence === "full");
    return reply;
  }

  /**
   * Who is in a room that was joined with `presence`. After each change, the event `presence` brings the same.
   *
   * @param {string} room
   * @returns {Presence}
   */
  presence(room) {
    return this.#lists.get(room)?.state ?? { room, count: 0, users: null };
  }

  /**
   * Shows something to the others in a room that was joined, such as `{ typing: true }`, and again after each reconnect;
   * `null` takes it back.
   *
   * @param {string} room
   * @param {unknown} data Anything that takes up to 1 KiB as JSON
   * @returns {Promise<Message>} The reply `presence`. Rejects with a `RequestError`.
   */
  show(room, data) {
    if (this.#joined.has(room)) this.#shown.set(room, data ?? null);
    return this.#door.request("presence", { room, set: data ?? null });
  }

  /**
   * Leaves a room.
   *
   * @param {string} room
   * @returns {Promise<Message>} The reply `left`. Rejects with a `RequestError`.
   */
  leave(room) {
    this.#forget(room);
    return this.#door.request("leave", { room });
  }

  /**
   * Sends a message to a room.
   *
   * @param {string} room
   * @param {unknown} data Anything that JSON can write
   * @param {SendOptions} [options]
   * @returns {Promise<Message>} The reply `sent`. Rejects with a `RequestError`.
   */
  send(room, data, { event, key } = {}) {
    return this.#door.request("send", { room, event, key, data });
  }

  /**
   * Sends a message to a user: to all of the user's sessions, except this one.
   *
   * @param {string} user The user's id
   * @param {unknown} data Anything that JSON can write
   * @param {SendOptions} [options]
   * @returns {Promise<Message>} The reply `sent`. Rejects with a `RequestError`.
   */
  sendToUser(user, data, { event, key } = {}) {
    return this.#door.request("send", { user, event, key, data });
  }

  /**
   * @param {string} room
   * @param {boolean} isFull
   */
  #watch(room, isFull) {
    const ask = (/** @type {string | undefined} */ after) =>
      this.#door.request("presence", { room, after, limit: isFull ? PAGE : 1 });
    const changed = () => this.#listeners.call("presence", this.presence(room));
    const list = new PresenceList(room, ask, isFull, changed);
    this.#lists.set(room, list);
    void list.load();
  }

  /** @param {string} room */
  #restore(room) {
    void this.#lists.get(room)?.load();
    const data = this.#shown.get(room);
    // Where that is refused, it was before.
    if (data != null) this.#door.request("presence", { room, set: data }).catch(() => {});
  }

  /** @param {string} room */
  #forget(room) {
    this.#shown.delete(room);
    this.#lists.get(room)?.stop();
    this.#lists.delete(room);
    return this.#joined.delete(room);
  }

  /** @param {[string, "none" | "count" | "full"][]} all */
  async #joinAgain(all) {
    for (const list of this.#lists.values()) list.restart();
    for (let at = 0; at < all.length; at += AT_ONCE) {
      const rooms = all.slice(at, at + AT_ONCE).map(([room, presence]) => ({ room, presence }));
      try {
        const reply = await this.#door.request("join", { rooms });
        for (const { room, error } of reply.rooms) {
          if (error && !TEMPORARY.has(error.code)) this.#left({ room, code: error.code, reason: error.detail });
          if (!error) this.#restore(room);
        }
      } catch {
        // The connection was lost again: the next one joins them.
        return;
      }
    }
  }

  /** @param {Left} left */
  #left(left) {
    if (this.#forget(left.room)) this.#listeners.call("left", left);
  }
}
