// An account on a Doorward server: it registers, signs in and out, keeps the tokens fresh, and sends them with
// requests. The tabs of a browser share one refresh.

import { apiError, loginIdOf, loginOf } from "./answers.js";
import { Listeners } from "./listeners.js";
import { Doorward, SignInEnded, home, noToken, socketUrl } from "./live.js";
import { Mutex, cookieStore, localStore, memoryStore, openChannel } from "./store.js";

/**
 * @typedef {import("./store.js").Login} Login
 * @typedef {import("./store.js").Store} Store
 * @typedef {import("./live.js").Access} Access
 * @typedef {import("./live.js").End} End
 * @typedef {import("./live.js").Options} LiveOptions
 *
 * @typedef {{ id: string, username: string, display_name: string, email?: string | null, email_verified?: boolean,
 *   [field: string]: any }} User
 * A user as the server shows it.
 *
 * @typedef {{ status: "signed_in", user: User } | { status: "verification_required", user: User }} Registration
 * What a registration led to. With `verification_required`, the server has sent a link to the address, and the user
 * signs in after following it.
 *
 * @typedef {object} ClientOptions
 * @property {string | URL} [url] The server's address, `https://HOST` or with a path. By default the server that this
 *   file is loaded from.
 * @property {"memory" | "local" | "cookie" | Store} [storage] Where the login is kept: `memory` (the default) until the
 *   page is left, `local` in the browser's localStorage, `cookie` in a cookie that no script can read (pages of the
 *   server's own origin only), or a store of yours.
 * @property {(string | URL)[]} [origins] Origins besides the server's and the page's to which `fetch` may send the token.
 * @property {typeof fetch} [fetch]
 * @property {import("./live.js").WebSocketClass} [WebSocket] For a platform without one, such as Node 20.
 *
 * @typedef {object} Events
 * @property {User | null} user The user who is signed in now; null after the login has ended or was left.
 * @property {End} ended The login was ended: elsewhere, by its age, or with the account. The user has to sign in again.
 * @property {Access} claims The user's roles or claims have changed.
 */

/** A request may take this long, in milliseconds. */
const TIMEOUT = 15_000;
/** Codes of a 401 after which a fresh token helps, or it turns out that the login has ended. */
const RENEWABLE = new Set(["token_expired", "token_stale", "token_revoked", "invalid_token"]);
/** Forgotten logins of which a late renewal in another tab is ignored. */
const MAX_FORGOTTEN = 100;
/** Close codes that mean that the login has ended. */
const LOGIN_ENDED = new Set([4441, 4442, 4443]);

export class DoorwardClient {
  #base;
  #store;
  #origins;
  #fetch;
  #WebSocket;
  #mutex;
  #channel;
  #cookie;
  /** @type {User | null} */
  #user = null;
  /** The id of the user's login; empty without a user. */
  #login = "";
  /** The ids of the logins that were forgotten last. @type {Set<string>} */
  #forgotten = new Set();
  /** The last token that was handed out, and one that was refused: neither counts as fresh. */
  #given = "";
  #refused = "";
  /** @type {Promise<Login> | null} */
  #renewing = null;
  #listeners = new Listeners();

  /** @param {ClientOptions} [options] */
  constructor({ url, storage = "memory", origins = [], fetch = globalThis.fetch, WebSocket } = {}) {
    this.#base = url === undefined ? home() : new URL(url);
    if (!this.#base.pathname.endsWith("/")) this.#base.pathname += "/";
    const page = globalThis.location?.origin;
    this.#origins = new Set([this.#base, ...origins].map((origin) => new URL(origin).origin));
    if (page && page !== "null") this.#origins.add(page);
    // A browser's `fetch` must not be called as a method.
    this.#fetch = (/** @type {Request} */ request) => fetch(request);
    this.#WebSocket = WebSocket;
    const name = `doorward ${this.#base.href}`;
    this.#cookie = storage === "cookie";
    this.#store =
      typeof storage === "object" ? storage
      : storage === "local" ? localStore(name)
      : this.#cookie ? cookieStore()
      : memoryStore();
    const shared = storage === "local" || this.#cookie;
    this.#mutex = new Mutex(shared ? name : undefined);
    this.#channel = shared ? openChannel(name, (update) => report(this.#follow(update))) : null;
  }

  /** The user, as far as is known without asking; see `restore`. @returns {User | null} */
  get user() {
    return this.#user;
  }

  /**
   * Calls `listener` for each event of this type, until the returned function is called.
   *
   * @template {keyof Events} T
   * @param {T} type
   * @param {(detail: Events[T]) => void} listener
   * @returns {() => void}
   */
  on(type, listener) {
    return this.#listeners.add(type, listener);
  }

  /**
   * Finds the login of an earlier visit, if the storage keeps one. Call it once when the page is loaded.
   *
   * @returns {Promise<User | null>}
   */
  async restore() {
    try {
      await this.token();
    } catch (error) {
      if (!(error instanceof SignInEnded)) throw error;
    }
    return this.#user;
  }

  /**
   * Creates an account, and signs it in unless the server wants its address to be verified first.
   *
   * @param {{ username: string, password: string, email?: string, [field: string]: unknown }} fields
   * @returns {Promise<Registration>} Rejects with an {@link ApiError}, for example `username_taken` or `weak_password`.
   */
  async register(fields) {
    const body = await this.#submit("api/register", fields);
    if (!body.access_token) return { status: "verification_required", user: body.user };
    return { status: "signed_in", user: await this.#begin(body) };
  }

  /**
   * @param {{ login: string, password: string, [field: string]: unknown }} fields `login` is the username or a verified
   *   address.
   * @returns {Promise<User>} Rejects with an {@link ApiError}, for example `invalid_credentials`.
   */
  async signIn(fields) {
    return this.#begin(await this.#submit("api/login", fields));
  }

  /**
   * Revokes the login on the server, closes its sockets, and forgets it here and in the other tabs. If the server cannot
   * be reached or does not confirm, it rejects and nothing is forgotten: try again, or call `forget`.
   */
  async signOut() {
    try {
      const { answer, token } = await this.#sendSigned(() => this.#request("api/logout", { method: "POST" }));
      if (!answer.ok) {
        const error = await apiError(answer);
        // Only this code says that the login was revoked already.
        if (error.code !== "token_revoked") throw error;
      }
      await this.#mutex.run(() => this.#drop(loginIdOf(token)));
    } catch (error) {
      // The refresh found that the login has ended, and has forgotten it.
      if (!(error instanceof SignInEnded)) throw error;
    }
  }

  /** Forgets the login here and in the other tabs. On the server it stays. */
  async forget() {
    await this.#mutex.run(async () => {
      const login = await this.#store.load();
      await this.#drop(loginIdOf(login?.access));
      this.#setUser(null);
    });
  }

  /**
   * An access token, renewed if it has expired or is about to. This is a token source for {@link Doorward} as well.
   *
   * @param {{ fresh?: boolean }} [request] With `fresh`, it is not one that was returned before.
   * @returns {Promise<string>} Rejects with {@link SignInEnded} if no user is signed in.
   */
  token = async ({ fresh = false } = {}) => {
    const old = fresh ? this.#given : "";
    let login = await this.#store.load();
    if (!login || !this.#usable(login, old)) login = await this.#renew(old);
    else this.#adopt(login);
    return (this.#given = login.access ?? "");
  };

  /**
   * `fetch` with the access token. If it is answered that the token has expired or is out of date, the request is
   * repeated once with a fresh one.
   *
   * @param {RequestInfo | URL} input An address of the server, of the page's origin, or of one in `origins`: the token
   *   is sent nowhere else.
   * @param {RequestInit} [init]
   * @returns {Promise<Response>}
   */
  async fetch(input, init) {
    const request = new Request(input, init);
    const { origin } = new URL(request.url);
    if (!this.#origins.has(origin)) {
      throw new TypeError(`the token is not sent to ${origin}: name it in the option \`origins\``);
    }
    /** @type {Response | undefined} */
    let refused;
    try {
      const { answer } = await this.#sendSigned(() => request.clone(), (answer) => (refused = answer));
      return answer;
    } catch (error) {
      if (refused && error instanceof SignInEnded) return refused;
      throw error;
    }
  }

  /**
   * Calls a route of the server's API: `await client.api("api/me")`.
   *
   * @param {string} path Relative to the server's address
   * @param {{ method?: string, body?: unknown, headers?: Record<string, string> }} [options] `body` is sent as JSON.
   * @returns {Promise<any>} The JSON of the answer, null if it has none. Rejects with an {@link ApiError}.
   */
  async api(path, { method = "GET", body, headers = {} } = {}) {
    const answer = await this.fetch(new URL(path.replace(/^\/+/, ""), this.#base), json(method, body, headers));
    if (!answer.ok) throw await apiError(answer);
    const text = await answer.text();
    return text ? JSON.parse(text) : null;
  }

  /**
   * A live connection with the client's tokens. Call its `connect`.
   *
   * @param {Partial<LiveOptions>} [options]
   * @returns {Doorward}
   */
  live(options = {}) {
    const more = this.#WebSocket ? { WebSocket: this.#WebSocket } : {};
    const live = new Doorward({ url: socketUrl(this.#base), token: this.token, ...more, ...options });
    // The login of the connection: not the client's if there was another sign-in since.
    let connected = "";
    live.on("state", ({ state }) => {
      if (state === "connecting") connected = "";
    });
    live.on("welcome", ({ login }) => (connected = login));
    live.on("claims", ({ roles, claims }) => {
      if (connected !== this.#login) return;
      // The token that was valid until now names the old ones.
      this.#refused = this.#given;
      this.#emit("claims", { roles, claims });
    });
    live.on("ended", (/** @type {End} */ end) => {
      const login = connected;
      if (login && LOGIN_ENDED.has(end.code)) report(this.#mutex.run(() => this.#drop(login, end)));
      // Whether the login has ended, or only this token is not accepted, turns out at the next use.
      else if (end.code === 4401 || LOGIN_ENDED.has(end.code)) this.#refused = this.#given;
    });
    return live;
  }

  /**
   * Sends what a form has; answers the JSON of the answer.
   *
   * @param {string} path
   * @param {Record<string, unknown>} fields
   * @returns {Promise<any>}
   */
  async #submit(path, fields) {
    const device = (await this.#store.load())?.device;
    const body = { ...fields, ...(this.#cookie ? { cookie: true } : {}), ...(device ? { device_token: device } : {}) };
    const answer = await this.#fetch(this.#request(path, json("POST", body)));
    if (!answer.ok) throw await apiError(answer);
    return answer.json();
  }

  /**
   * Keeps a new login.
   *
   * @param {any} body
   * @returns {Promise<User>}
   */
  #begin(body) {
    return this.#mutex.run(async () => {
      const device = (await this.#store.load())?.device;
      const login = { device, ...loginOf(body) };
      await this.#store.save(login);
      this.#channel?.post({ type: "signed_in", login });
      this.#login = loginIdOf(login.access);
      this.#setUser(body.user);
      return body.user;
    });
  }

  /**
   * Sends a request with an access token, and once more with a fresh one if the answer says that this helps.
   *
   * @param {() => Request} request
   * @param {(answer: Response) => void} [onRefusal] Called with the first answer if it says so.
   * @returns {Promise<{ answer: Response, token: string }>} Rejects with {@link SignInEnded} if no user is signed in, or
   *   the login has ended.
   */
  async #sendSigned(request, onRefusal) {
    const token = await this.token();
    const answer = await this.#fetch(authorized(request(), token));
    if (answer.status !== 401 || !(await isRenewable(answer))) return { answer, token };
    onRefusal?.(answer);
    this.#refused = token;
    const fresh = await this.token();
    return { answer: await this.#fetch(authorized(request(), fresh)), token: fresh };
  }

  /**
   * @param {Login} login
   * @param {string} old
   */
  #usable({ access = "", until = 0 }, old) {
    return access !== "" && access !== old && access !== this.#refused && Date.now() < until;
  }

  /**
   * A login with another token than `old`. However many ask, in however many tabs, one of them asks the server.
   *
   * @param {string} old
   * @returns {Promise<Login>}
   */
  #renew(old) {
    this.#renewing ??= this.#mutex
      .run(async () => {
        for (;;) {
          const login = await this.#store.load();
          if (login && this.#usable(login, old)) {
            this.#adopt(login);
            return login;
          }
          const next = await this.#exchange(login);
          // What was answered is about that login: another tab may have signed in, or renewed it, in the meantime.
          if (!isSame(await this.#store.load(), login)) continue;
          if (next instanceof SignInEnded) {
            // Without a login in the store, another user of the store has forgotten this client's.
            const id = loginIdOf(login?.access) || this.#login;
            await this.#drop(id, { code: 4401, reason: next.message });
            throw next;
          }
          await this.#store.save(next);
          // With a cookie, a login that was only forgotten can be used again.
          this.#forgotten.delete(loginIdOf(next.access));
          this.#channel?.post({ type: "renewed", login: next });
          this.#adopt(next);
          return next;
        }
      })
      .finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  /**
   * @param {Login | null} login
   * @returns {Promise<Login | SignInEnded>} Rejects if there is no answer, or one that says nothing about the login.
   */
  async #exchange(login) {
    if (!this.#cookie && !login?.refresh) return new SignInEnded("no user is signed in");
    const request = this.#cookie
      ? this.#request("api/token", { method: "POST", headers: { accept: "application/json" } })
      : this.#request("api/refresh", json("POST", { refresh_token: login?.refresh }));
    const answer = await this.#fetch(request);
    if (answer.ok) return { ...login, ...loginOf(await answer.json()) };
    const error = noToken(await apiError(answer));
    if (error instanceof SignInEnded) return error;
    throw error;
  }

  /**
   * Forgets a login here and in the other tabs, unless another one has replaced it. Only inside the mutex.
   *
   * @param {string} id
   * @param {End} [end] Why it has ended, if that is an event
   */
  async #drop(id, end) {
    this.#noteForgotten(id);
    const login = await this.#store.load();
    if (loginIdOf(login?.access) === id) {
      // The device stays known for the next sign-in.
      await this.#store.save(login?.device ? { device: login.device } : null);
      if (id) this.#channel?.post({ type: "forgotten", login: id });
    }
    if (this.#login !== id || this.#user === null) return;
    this.#setUser(null);
    if (end) this.#emit("ended", end);
  }

  /**
   * @param {string} path
   * @param {RequestInit} init
   */
  #request(path, init) {
    // Cookies belong to the server's own origin, where a browser sends them only if asked.
    const credentials = this.#cookie ? "same-origin" : "omit";
    const signal = AbortSignal.timeout(TIMEOUT);
    return new Request(new URL(path, this.#base), { credentials, signal, ...init });
  }

  /** Applies what another tab did. @param {import("./store.js").TabUpdate} update */
  async #follow(update) {
    if (update.type === "forgotten") {
      // With a cookie, each tab has an access token of its own. Other storages are shared.
      if (this.#cookie && loginIdOf((await this.#store.load())?.access) === update.login) await this.#store.save(null);
      this.#noteForgotten(update.login);
      if (this.#login === update.login) this.#setUser(null);
      return;
    }
    const { login } = update;
    // A renewal that comes late must not bring an older login back, or one that was signed out since.
    const id = loginIdOf(login.access);
    if (update.type === "renewed" && (this.#forgotten.has(id) || (this.#login && this.#login !== id))) return;
    if (this.#cookie) await this.#store.save(login);
    this.#adopt(login);
  }

  /** @param {string} id */
  #noteForgotten(id) {
    if (id) this.#forgotten.add(id);
    if (this.#forgotten.size > MAX_FORGOTTEN) this.#forgotten.delete([...this.#forgotten][0] ?? "");
  }

  /** Notes whose login is in use. @param {Login} login */
  #adopt(login) {
    this.#login = loginIdOf(login.access);
    if (login.user && login.user.id !== this.#user?.id) this.#setUser(login.user);
  }

  /** @param {User | null} user */
  #setUser(user) {
    if (user === null) this.#login = "";
    if (user === null && this.#user === null) return;
    this.#user = user;
    this.#emit("user", user);
  }

  /**
   * @template {keyof Events} T
   * @param {T} type
   * @param {Events[T]} detail
   */
  #emit(type, detail) {
    this.#listeners.call(type, detail);
  }
}

/**
 * @param {string} method
 * @param {unknown} body
 * @param {Record<string, string>} [headers]
 * @returns {RequestInit}
 */
function json(method, body, headers = {}) {
  const accept = { accept: "application/json", ...headers };
  if (body === undefined) return { method, headers: accept };
  return { method, headers: { "content-type": "application/json", ...accept }, body: JSON.stringify(body) };
}

/**
 * @param {Request} request
 * @param {string} token
 */
function authorized(request, token) {
  request.headers.set("authorization", `Bearer ${token}`);
  return request;
}

/** Whether a 401 means that a fresh token helps. A backend of yours may say so as RFC 6750 does. @param {Response} answer */
async function isRenewable(answer) {
  const { code } = await apiError(answer);
  if (code) return RENEWABLE.has(code);
  return /\berror="?invalid_token\b/.test(answer.headers.get("www-authenticate") ?? "");
}

/**
 * Whether two logins have the same tokens.
 *
 * @param {Login | null} one
 * @param {Login | null} other
 */
function isSame(one, other) {
  return one?.refresh === other?.refresh && one?.access === other?.access;
}

/**
 * Logs an error of work in the background, such as one of the application's store.
 *
 * @param {Promise<unknown>} work
 */
function report(work) {
  work.catch((error) => console.error("doorward:", error));
}
