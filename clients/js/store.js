// Where a login is kept, and how the tabs of a browser agree about it.

/**
 * @typedef {object} Login
 * @property {import("./client.js").User} [user]
 * @property {string} [access] The access token.
 * @property {number} [until] When it is to be renewed, in milliseconds since the epoch.
 * @property {string} [refresh] The refresh token.
 * @property {string} [device] The device token; it stays after a sign-out.
 *
 * @typedef {object} Store
 * @property {() => Login | null | Promise<Login | null>} load
 * @property {(login: Login | null) => void | Promise<void>} save
 *
 * @typedef {{ type: "signed_in" | "renewed", login: Login } | { type: "forgotten", login: string }} TabUpdate
 * What a tab did, for the others. A login that is forgotten is named by its id.
 */

/** How long a tab waits for another one that renews, in milliseconds. It may be frozen. */
const PATIENCE = 20_000;

/** @returns {Store} */
export function memoryStore() {
  /** @type {Login | null} */
  let kept = null;
  return { load: () => kept, save: (login) => void (kept = login) };
}

/** The browser keeps the login in a cookie; only the access token is here. @returns {Store} */
export function cookieStore() {
  return memoryStore();
}

/**
 * @param {string} key
 * @returns {Store}
 */
export function localStore(key) {
  const storage = globalThis.localStorage;
  if (!storage) throw new TypeError("this platform has no localStorage: choose another storage");
  return {
    load() {
      try {
        const kept = JSON.parse(storage.getItem(key) ?? "null");
        return typeof kept === "object" ? kept : null;
      } catch {
        // Not written by this code.
        return null;
      }
    },
    save(login) {
      if (login) storage.setItem(key, JSON.stringify(login));
      else storage.removeItem(key);
    },
  };
}

/**
 * Lets one piece of work run at a time: of this object, and with a name also of all tabs of this origin, where the
 * browser has Web Locks. Without them two tabs may refresh with the same token, which the server allows.
 */
export class Mutex {
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();
  #name;

  /** @param {string} [name] */
  constructor(name) {
    this.#name = name;
  }

  /**
   * @template T
   * @param {() => T | Promise<T>} work
   * @returns {Promise<T>}
   */
  run(work) {
    const result = this.#last.then(() => this.#across(work));
    this.#last = result.catch(() => {});
    return result;
  }

  /**
   * @template T
   * @param {() => T | Promise<T>} work
   * @returns {Promise<T>}
   */
  async #across(work) {
    const locks = globalThis.navigator?.locks;
    if (!this.#name || !locks) return work();
    let began = false;
    try {
      return await locks.request(this.#name, { signal: AbortSignal.timeout(PATIENCE) }, () => {
        began = true;
        return work();
      });
    } catch (error) {
      if (began) throw error;
      // A tab does not come to an end, or the browser refuses locks to this page.
      return work();
    }
  }
}

/**
 * @param {string} name
 * @param {(update: TabUpdate) => void} onUpdate
 * @returns {{ post: (update: TabUpdate) => void } | null}
 */
export function openChannel(name, onUpdate) {
  if (typeof BroadcastChannel === "undefined") return null;
  const channel = new BroadcastChannel(name);
  channel.onmessage = (event) => onUpdate(event.data);
  // In Node it would keep the process from ending.
  /** @type {any} */ (channel).unref?.();
  return { post: (update) => channel.postMessage(update) };
}
