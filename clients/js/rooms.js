// Rooms over a live connection: it joins them again after each reconnect, and hands out what is sent there.
//
//   const rooms = new Rooms(live);
//   rooms.on("message", ({ room, from, data }) => show(room, from.username, data));
//   rooms.on("left", ({ room, reason }) => close(room, reason));
//   await rooms.join("chat:lobby");
//   await rooms.send("chat:lobby", { text: "hello" });
//
//   rooms.on("presence", ({ room, count, users }) => showUsers(room, count, users));
//   await rooms.join("chat:lobby", { presence: "full" });
//
//   await rooms.join("order:17", { token: () => fetchRoomToken("order:17") });
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
 * @property {string | RoomTokenProvider} [token] A room token of the application's backend. A function is called for each join,
 *   also after a reconnect, and when the last token is about to expire.
 *
 * @callback RoomTokenProvider
 * @param {string} room
 * @returns {string | null | undefined | Promise<string | null | undefined>} None joins without a token. If it throws, the
 *   first join rejects with that, and a later one is tried again after a moment.
 *
 * @typedef {object} Left
 * @property {string} room
 * @property {string} code Why: `policy` if the user's roles do not allow the room any more, or the code of an error when
 *   it was joined again.
 * @property {string} reason A sentence for people.
 * @property {"never" | "new_token" | "backoff"} rejoin With `backoff`, the room is joined again after a moment; with
 *   `new_token` too if `token` is a function.
 *
 * @typedef {object} SendOptions
 * @property {string} [event] A name for what is sent, of 1 to 64 characters.
 * @property {string} [key] A text that comes with the message, of 1 to 64 characters.
 */

/** Rooms in one request, and characters of their tokens: a server takes 64 KiB in one message, unless it is set otherwise. */
const AT_ONCE = 100;
const TOKENS_AT_ONCE = 32_768;

/** Codes with which a request can be made again later. A room may be full of the sessions of a lost connection. */
const TEMPORARY = new Set(["timeout", "full", "unavailable", "too_many_requests", "room_full"]);

/** How long to wait before rooms are joined again, in milliseconds: at first, and at most. */
const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;

/** How long a function may take to bring a token, in milliseconds. */
const TOKEN_PATIENCE = 10_000;

/** Users in one answer about who is there. */
const PAGE = 500;

/**
 * Rooms over one live connection. Its events, for {@link Rooms#on}: `message` ({@link Message}), `left` ({@link Left}),
 * `presence` ({@link Presence}).
 */
export class Rooms {
  /** The rooms, and with which options they are joined again. @type {Map<string, JoinOptions>} */
  #joined = new Map();
  /** @type {Map<string, PresenceList>} */
  #lists = new Map();
  /** What is shown to the others. @type {Map<string, unknown>} */
  #shown = new Map();
  /** The last request for each room whose reply is awaited. @type {Map<string, object>} */
  #joining = new Map();
  /** Rooms to be joined again a little later. @type {Set<string>} */
  #waiting = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #attempts = 0;
  #listeners = new Listeners();
  #live;

  /** @param {Doorward} live */
  constructor(live) {
    this.#live = live;
    live.on("message", (message) => {
      if (message.type === "message") this.#listeners.call("message", message);
    });
    live.on("left", (/** @type {Message} */ { room, code, reason, rejoin }) => {
      // The answer to `leave` has the same type.
      if (code !== "left") this.#left({ room, code, reason, rejoin });
    });
    live.on("expiring", ({ room }) => {
      // Without a room, it is the access token that expires.
      if (room) void this.#renew(room);
    });
    live.on("presence_changed", (change) => this.#lists.get(change.room)?.receive(change));
    live.on("welcome", () => this.#welcomed());
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
   * @returns {Promise<Message>} The reply `joined`. Rejects with a `RequestError`; with the code `left` if the room was left
   *   before there was a token.
   */
  async join(room, { presence = "none", token } = {}) {
    const request = {};
    this.#joining.set(room, request);
    const isLast = () => this.#joining.get(room) === request;
    let reply;
    try {
      const text = typeof token === "function" ? await token(room) : token;
      if (!isLast()) throw Object.assign(new Error("the room was left"), { code: "left" });
      reply = await this.#live.request("join", { room, presence, token: text ?? undefined });
    } catch (error) {
      if (isLast()) this.#joining.delete(room);
      throw error;
    }
    // It was left since, or another request decides.
    if (!isLast()) return reply;
    this.#joining.delete(room);
    this.#joined.set(room, { presence, token });
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
    return this.#live.request("presence", { room, set: data ?? null });
  }

  /**
   * Leaves a room.
   *
   * @param {string} room
   * @returns {Promise<Message>} The reply `left`. Rejects with a `RequestError`.
   */
  leave(room) {
    this.#forget(room);
    return this.#live.request("leave", { room });
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
    return this.#live.request("send", { room, event, key, data });
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
    return this.#live.request("send", { user, event, key, data });
  }

  /**
   * @param {string} room
   * @param {boolean} isFull
   */
  #watch(room, isFull) {
    const ask = (/** @type {string | undefined} */ after) =>
      this.#live.request("presence", { room, after, limit: isFull ? PAGE : 1 });
    const changed = () => this.#listeners.call("presence", this.presence(room));
    const list = new PresenceList(room, ask, isFull, changed);
    this.#lists.set(room, list);
    void list.load();
  }

  /** @param {string} room */
  #restore(room) {
    void this.#lists.get(room)?.load();
    const data = this.#shown.get(room);
    if (data == null) return;
    this.#live.request("presence", { room, set: data }).catch(({ code }) => {
      // With many rooms there are too many at once. Any other refusal was there before.
      if (code === "too_many_requests") setTimeout(() => this.#showAgain(room, data), delayOf(1));
    });
  }

  /**
   * @param {string} room
   * @param {unknown} data
   */
  #showAgain(room, data) {
    if (this.#shown.get(room) === data && this.#live.state === "open") this.#restore(room);
  }

  /** @param {string} room */
  #forget(room) {
    this.#joining.delete(room);
    this.#waiting.delete(room);
    this.#shown.delete(room);
    this.#lists.get(room)?.stop();
    this.#lists.delete(room);
    return this.#joined.delete(room);
  }

  /** A connection has begun. */
  #welcomed() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting.clear();
    this.#attempts = 0;
    for (const list of this.#lists.values()) list.restart();
    void this.#joinAgain([...this.#joined.keys()]);
  }

  /** @param {string[]} all */
  async #joinAgain(all) {
    let isComplete = true;
    const later = (/** @type {string} */ room) => {
      isComplete = !this.#joinLater(room) && isComplete;
    };
    /** @type {Map<string, string>} */
    const tokens = new Map();
    const asked = all.filter((room) => {
      const token = this.#joined.get(room)?.token;
      if (typeof token === "string") tokens.set(room, token);
      return typeof token === "function";
    });
    // Those that need no new token do not wait for those that do.
    const fetching = this.#fetchTokens(asked, tokens, later);
    let isConnected = await this.#joinParts(all.filter((room) => !asked.includes(room)), tokens, later);
    await fetching;
    isConnected = isConnected && (await this.#joinParts(asked, tokens, later));
    if (isConnected && isComplete) this.#attempts = 0;
  }

  /**
   * Joins rooms with the tokens that there are for them. False if the connection was lost: the next one joins them.
   *
   * @param {string[]} all
   * @param {Map<string, string>} tokens
   * @param {(room: string) => void} later
   */
  async #joinParts(all, tokens, later) {
    for (const part of parts(all, tokens)) {
      // Without those that were left meanwhile, and those for which there is no token.
      const names = part.filter((room) => this.#joined.has(room) && !this.#waiting.has(room));
      if (!names.length) continue;
      const rooms = names.map((room) => {
        return { room, presence: this.#joined.get(room)?.presence, token: tokens.get(room) };
      });
      try {
        const reply = await this.#live.request("join", { rooms });
        for (const { room, error } of reply.rooms) {
          if (!error) this.#restore(room);
          else if (this.#isTemporary(room, error.code)) later(room);
          else if (this.#joined.has(room)) {
            const rejoin = error.code === "token_expired" ? "new_token" : "never";
            this.#left({ room, code: error.code, reason: error.detail, rejoin });
          }
        }
      } catch (error) {
        if (!TEMPORARY.has(/** @type {any} */ (error).code)) return false;
        for (const room of names) later(room);
      }
    }
    return true;
  }

  /**
   * Whether a join that was refused is tried again later. Of a token that has expired there may be a newer one.
   *
   * @param {string} room
   * @param {string} code
   */
  #isTemporary(room, code) {
    const hasProvider = typeof this.#joined.get(room)?.token === "function";
    return TEMPORARY.has(code) || (code === "token_expired" && hasProvider);
  }

  /**
   * Adds a token for each of these rooms, which have a function for it. Where that fails, the room is joined later.
   *
   * @param {string[]} rooms
   * @param {Map<string, string>} tokens
   * @param {(room: string) => void} later
   */
  async #fetchTokens(rooms, tokens, later) {
    const ask = async (/** @type {string} */ room) => {
      const token = this.#joined.get(room)?.token;
      if (typeof token !== "function") return;
      try {
        const text = await within(TOKEN_PATIENCE, token(room));
        if (text != null) tokens.set(room, text);
      } catch {
        later(room);
      }
    };
    await Promise.all(rooms.map(ask));
  }

  /** A token expires soon: brings a newer one. @param {string} room */
  async #renew(room) {
    const options = this.#joined.get(room);
    if (typeof options?.token !== "function") return;
    // It may be left meanwhile, or joined otherwise.
    const isSame = () => this.#joined.get(room) === options;
    let token;
    try {
      token = await within(TOKEN_PATIENCE, options.token(room));
    } catch {
      if (isSame()) this.#joinLater(room);
      return;
    }
    if (token == null || !isSame()) return;
    try {
      await this.#live.request("join", { room, token });
    } catch (error) {
      // What the server refuses for good ends with the token that the session has.
      if (this.#isTemporary(room, /** @type {any} */ (error).code) && isSame()) this.#joinLater(room);
    }
  }

  /**
   * After a growing, random delay, so that not all clients come at once. Whether there is anything to join.
   *
   * @param {string} room
   */
  #joinLater(room) {
    if (!this.#joined.has(room)) return false;
    this.#waiting.add(room);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const rooms = [...this.#waiting];
      this.#waiting.clear();
      if (this.#live.state === "open") void this.#joinAgain(rooms);
    }, delayOf(this.#attempts++));
    return true;
  }

  /** @param {Left} left */
  #left(left) {
    const hasProvider = typeof this.#joined.get(left.room)?.token === "function";
    const joinsAgain = left.rejoin === "backoff" || (left.rejoin === "new_token" && hasProvider);
    if (!joinsAgain || !this.#joinLater(left.room)) {
      this.#forget(left.room);
      // What only the application has joined is not joined again from here.
      if (left.rejoin === "backoff") left.rejoin = "never";
    }
    this.#listeners.call("left", left);
  }
}

/**
 * Rooms that fit into one request each.
 *
 * @param {string[]} rooms
 * @param {Map<string, string>} tokens
 */
function* parts(rooms, tokens) {
  /** @type {string[]} */
  let part = [];
  let size = 0;
  for (const room of rooms) {
    const length = tokens.get(room)?.length ?? 0;
    if (part.length === AT_ONCE || (part.length && size + length > TOKENS_AT_ONCE)) {
      yield part;
      [part, size] = [[], 0];
    }
    part.push(room);
    size += length;
  }
  if (part.length) yield part;
}

/** @param {number} attempts */
function delayOf(attempts) {
  return Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** attempts) * (0.5 + Math.random() / 2);
}

/**
 * What a promise brings, if that does not take too long.
 *
 * @template T
 * @param {number} patience In milliseconds
 * @param {T | Promise<T>} promise
 * @returns {Promise<T>}
 */
function within(patience, promise) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("it takes too long")), patience);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
