// An account on a Doorward server: it registers, signs in and out, keeps the tokens fresh, and sends them with
// requests. The tabs of a browser share one refresh.

import { Listeners } from "./listeners.js";
import { Doorward, RetryLater, SignInEnded, home, socketUrl } from "./live.js";
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
/** Close codes that mean that the login has ended. */
const LOGIN_ENDED = new Set([4441, 4442, 4443]);

/** The server's refusal of a request (RFC 9457). */
export class ApiError extends Error {
  /**
   * @param {number} status The HTTP status
   * @param {Record<string, any>} problem The body
   * @param {number} retryAfter In milliseconds; 0 if the server does not say
   */
  constructor(status, problem, retryAfter) {
    super(problem.detail ?? problem.title ?? `HTTP ${status}`);
    this.name = "ApiError";
    this.status = status;
    /** A stable code of docs/HTTP.md; empty if the answer is not the server's own. @type {string} */
    this.code = problem.code ?? "";
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

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
    this.#channel = shared ? openChannel(name, (news) => this.#hear(news)) : null;
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
   * Creates an account and signs it in.
   *
   * @param {{ username: string, password: string, email?: string, [field: string]: unknown }} fields
   * @returns {Promise<User>} Rejects with an {@link ApiError}, for example `username_taken` or `weak_password`.
   */
  register(fields) {
    return this.#enter("api/register", fields);
  }

  /**
   * @param {{ login: string, password: string, [field: string]: unknown }} fields `login` is the username or a verified
   *   address.
   * @returns {Promise<User>} Rejects with an {@link ApiError}, for example `invalid_credentials`.
   */
  signIn(fields) {
    return this.#enter("api/login", fields);
  }

  /**
   * Ends the login on the server, with its sockets, and forgets it here and in the other tabs. If the server cannot be
   * reached, it rejects and nothing is forgotten: try again, or call `forget`.
   */
  async signOut() {
    try {
      const token = await this.token();
      const answer = await this.#send("api/logout", { method: "POST", headers: { authorization: `Bearer ${token}` } });
      // 401: it had ended already.
      if (!answer.ok && answer.status !== 401) throw await apiError(answer);
    } catch (error) {
      if (!(error instanceof SignInEnded)) throw error;
    }
    await this.forget();
  }

  /** Forgets the login here and in the other tabs. On the server it stays. */
  async forget() {
    await this.#mutex.run(async () => {
      const device = (await this.#store.load())?.device;
      await this.#store.save(device ? { device } : null);
    });
    this.#channel?.post({ type: "forgotten" });
    this.#setUser(null);
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
    if (login.user && login.user.id !== this.#user?.id) this.#setUser(login.user);
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
    const token = await this.token();
    const answer = await this.#fetch(authorized(request.clone(), token));
    if (answer.status !== 401 || !(await isRenewable(answer))) return answer;
    this.#refused = token;
    try {
      return await this.#fetch(authorized(request, await this.token()));
    } catch (error) {
      if (error instanceof SignInEnded) return answer;
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
    const door = new Doorward({ url: socketUrl(this.#base), token: this.token, ...more, ...options });
    door.on("claims", ({ roles, claims }) => {
      // The token that was valid until now names the old ones.
      this.#refused = this.#given;
      this.#emit("claims", { roles, claims });
    });
    door.on("ended", (/** @type {End} */ end) => {
      if (LOGIN_ENDED.has(end.code)) void this.#ended(end);
      // Whether the login has ended, or only this token is not accepted, turns out at the next use.
      else if (end.code === 4401) this.#refused = this.#given;
    });
    return door;
  }

  /**
   * @param {string} path
   * @param {Record<string, unknown>} fields
   * @returns {Promise<User>}
   */
  async #enter(path, fields) {
    const device = (await this.#store.load())?.device;
    const body = { ...fields, ...(this.#cookie ? { cookie: true } : {}), ...(device ? { device_token: device } : {}) };
    const answer = await this.#send(path, json("POST", body));
    if (!answer.ok) throw await apiError(answer);
    const login = { device, ...loginOf(await answer.json()) };
    await this.#mutex.run(() => this.#store.save(login));
    this.#channel?.post({ type: "renewed", login });
    this.#setUser(/** @type {User} */ (login.user));
    return /** @type {User} */ (login.user);
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
        const login = await this.#store.load();
        if (login && this.#usable(login, old)) return login;
        const next = await this.#exchange(login);
        await this.#store.save(next);
        this.#channel?.post({ type: "renewed", login: next });
        return next;
      })
      .catch(async (error) => {
        if (error instanceof SignInEnded && this.#user) await this.#ended({ code: 4401, reason: error.message });
        throw error;
      })
      .finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  /**
   * @param {Login | null} login
   * @returns {Promise<Login>}
   */
  async #exchange(login) {
    if (!this.#cookie && !login?.refresh) throw new SignInEnded("no user is signed in");
    const answer = this.#cookie
      ? await this.#send("api/token", { method: "POST", headers: { accept: "application/json" } })
      : await this.#send("api/refresh", json("POST", { refresh_token: login?.refresh }));
    if (answer.ok) return { ...login, ...loginOf(await answer.json()) };
    const error = await apiError(answer);
    if (answer.status === 401) {
      // The device stays known for the next sign-in.
      await this.#store.save(login?.device ? { device: login.device } : null);
      throw new SignInEnded(error.message);
    }
    throw new RetryLater(`no token: ${error.message}`, error.retryAfter);
  }

  /**
   * @param {string} path
   * @param {RequestInit} init
   */
  #send(path, init) {
    // Cookies belong to the server's own origin, where a browser sends them only if asked.
    const credentials = this.#cookie ? "same-origin" : "omit";
    const signal = AbortSignal.timeout(TIMEOUT);
    return this.#fetch(new Request(new URL(path, this.#base), { credentials, signal, ...init }));
  }

  /** @param {End} end */
  async #ended(end) {
    if (!this.#user) return;
    await this.forget();
    this.#emit("ended", end);
  }

  /** What another tab says. @param {import("./store.js").News} news */
  #hear(news) {
    if (news.type === "renewed") {
      // Other storages have it already.
      if (this.#cookie) void this.#store.save(news.login);
      if (news.login.user?.id !== this.#user?.id) this.#setUser(news.login.user ?? null);
    } else {
      if (this.#cookie) void this.#store.save(null);
      this.#setUser(null);
    }
  }

  /** @param {User | null} user */
  #setUser(user) {
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
  const problem = await answer.clone().json().catch(() => null);
  if (typeof problem?.code === "string") return RENEWABLE.has(problem.code);
  return /\berror="?invalid_token\b/.test(answer.headers.get("www-authenticate") ?? "");
}

/** @param {Response} answer */
async function apiError(answer) {
  const problem = await answer.json().catch(() => ({}));
  const seconds = Number(answer.headers.get("retry-after"));
  return new ApiError(answer.status, problem ?? {}, seconds > 0 ? seconds * 1000 : 0);
}

/**
 * What an answer with tokens says.
 *
 * @param {any} body
 * @returns {Login}
 */
function loginOf(body) {
  // Half a minute before it expires, or halfway if it is valid for less than a minute.
  const life = Math.max(body.expires_in * 500, body.expires_in * 1000 - 30_000);
  /** @type {Login} */
  const login = { user: body.user, access: body.access_token, until: Date.now() + life };
  if (body.refresh_token) login.refresh = body.refresh_token;
  if (body.device_token) login.device = body.device_token;
  return login;
}
