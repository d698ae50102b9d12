// Rooms over a live connection: it joins them again after each reconnect, and hands out what is sent there.
//
//   const rooms = new Rooms(door);
//   rooms.on("message", ({ room, from, data }) => show(room, from.username, data));
//   rooms.on("left", ({ room, reason }) => close(room, reason));
//   await rooms.join("chat:lobby");
//   await rooms.send("chat:lobby", { text: "hello" });
//
// docs/ROOMS.md explains rooms.

import { Listeners } from "./listeners.js";

/**
 * @typedef {import("./live.js").Doorward} Doorward
 * @typedef {import("./live.js").Message} Message
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

/** Rooms over one live connection. Its events, for {@link Rooms#on}: `message` ({@link Message}), `left` ({@link Left}). */
export class Rooms {
  /** @type {Set<string>} */
  #joined = new Set();
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
    door.on("welcome", () => void this.#joinAgain([...this.#joined]));
  }

  /** The rooms that are joined, and joined again after a reconnect. @returns {string[]} */
  get joined() {
    return [...this.#joined];
  }

  /**
   * Calls `listener` for each event of this type, until the returned function is called.
   *
   * @param {"message" | "left"} type
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
   * @returns {Promise<Message>} The reply `joined`. Rejects with a `RequestError`.
   */
  async join(room) {
    const reply = await this.#door.request("join", { room });
    this.#joined.add(room);
    return reply;
  }

  /**
   * Leaves a room.
   *
   * @param {string} room
   * @returns {Promise<Message>} The reply `left`. Rejects with a `RequestError`.
   */
  leave(room) {
    this.#joined.delete(room);
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

  /** @param {string[]} all */
  async #joinAgain(all) {
    for (let at = 0; at < all.length; at += AT_ONCE) {
      const rooms = all.slice(at, at + AT_ONCE).map((room) => ({ room }));
      try {
        const reply = await this.#door.request("join", { rooms });
        for (const { room, error } of reply.rooms) {
          if (error && !TEMPORARY.has(error.code)) this.#left({ room, code: error.code, reason: error.detail });
        }
      } catch {
        // The connection was lost again: the next one joins them.
        return;
      }
    }
  }

  /** @param {Left} left */
  #left(left) {
    if (this.#joined.delete(left.room)) this.#listeners.call("left", left);
  }
}
