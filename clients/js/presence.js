// Who is in a room, as the server tells: a list that is asked for once, and kept by the changes that follow.
//
// docs/ROOMS.md explains presence.

/**
 * @typedef {import("./live.js").Message} Message
 *
 * @typedef {object} PresentUser
 * @property {string} user The user's id
 * @property {string} username
 * @property {any} [data] What one of the user's sessions has set last
 * @property {{ session: string, data?: any }[]} [sessions] What each of them has set, if the kind shows sessions
 *
 * @typedef {object} Presence
 * @property {string} room
 * @property {number} count How many users are there.
 * @property {PresentUser[] | null} users Who they are. `null` while that is not known, with more than 1,000 users, and if
 *   the kind or the client only counts.
 *
 * @typedef {(after?: string) => Promise<Message>} AskForPage
 */

/** Users of a room beyond which the server tells their number alone. */
const LARGE = 1000;

/** Codes after which the list may be asked for again. */
const TEMPORARY = new Set(["timeout", "full", "unavailable", "too_many_requests"]);

/** The list of one room. */
export class PresenceList {
  #room;
  #ask;
  #isFull;
  #changed;
  #count = 0;
  /** @type {Map<string, PresentUser> | null} */
  #users = null;
  /** The number of the last change that is in the list; none before there is a list. @type {number | null} */
  #v = null;
  /** The kind, or this client, only counts. */
  #isCounting = false;
  /** Changes that came while the list was asked for. @type {Message[] | null} */
  #waiting = null;
  /** The number of the request whose answer counts. */
  #era = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {string} room
   * @param {AskForPage} ask Asks for the users after this one.
   * @param {boolean} isFull Whether it is told which users there are.
   * @param {() => void} changed Is called after each change.
   */
  constructor(room, ask, isFull, changed) {
    this.#room = room;
    this.#ask = ask;
    this.#isFull = isFull;
    this.#changed = changed;
  }

  /** @returns {Presence} */
  get state() {
    return { room: this.#room, count: this.#count, users: this.#users && [...this.#users.values()] };
  }

  /** The connection is another one: its numbers mean nothing any more. The list stays until there is a new one. */
  restart() {
    this.stop();
    this.#v = null;
  }

  /** Ends what it waits for. */
  stop() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#era++;
    this.#waiting = null;
  }

  /** Asks for the list. */
  async load() {
    if (this.#waiting) return;
    this.stop();
    const era = this.#era;
    const waiting = (this.#waiting = /** @type {Message[]} */ ([]));
    /** @type {Map<string, PresentUser> | null} */
    let users = new Map();
    let v = null;
    let page;
    try {
      do {
        page = await this.#ask(page?.next);
        if (era !== this.#era) return;
        v ??= page.v;
        this.#isCounting = !this.#isFull || !page.users;
        if (this.#isCounting || page.count > LARGE) users = null;
        for (const user of page.users ?? []) users?.set(user.user, user);
      } while (page.next && users);
    } catch (error) {
      if (era !== this.#era) return;
      this.#waiting = null;
      if (TEMPORARY.has(/** @type {any} */ (error).code)) this.#loadLater();
      return;
    }
    this.#waiting = null;
    [this.#v, this.#users, this.#count] = [v, users, page.count];
    for (const change of waiting) this.#apply(change);
    this.#changed();
  }

  /** @param {Message} change A message `presence_changed` */
  receive(change) {
    if (this.#waiting) this.#waiting.push(change);
    else if (this.#apply(change)) this.#changed();
  }

  /** Whether there is anything new. @param {Message} change */
  #apply({ v, count, came, went, changed }) {
    // What came before the list is in it; before the first one, there is nothing to keep.
    if (this.#v === null || v <= this.#v) return false;
    this.#count = count;
    if (this.#isCounting) {
      this.#v = v;
    } else if (count > LARGE) {
      [this.#users, this.#v] = [null, v];
    } else if (came && this.#users && v === this.#v + 1) {
      this.#v = v;
      for (const user of [...came, ...changed]) this.#users.set(user.user, user);
      for (const user of went) this.#users.delete(user);
    } else {
      this.#loadLater();
    }
    return true;
  }

  /** After a while, so that not all clients of a room ask at once. */
  #loadLater() {
    this.#timer ??= setTimeout(() => void this.load(), 100 + Math.random() * 900);
  }
}
