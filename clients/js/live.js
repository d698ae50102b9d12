// A live connection to Doorward that manages itself: it signs in, renews its token in-band, reconnects after
// a random and growing delay, and stops when the sign-in has ended. No dependencies, no build.
//
//   const live = new Doorward({ url: "wss://id.example.org/ws", token: browserToken() });
//   live.on("state", ({ state }) => console.log(state));
//   live.on("ended", ({ reason }) => location.assign("/login"));
//   live.connect();
//   const { message } = await live.request("secret");
//
// The protocol: docs/PROTOCOL.md. This client: docs/CLIENT.md.

import { apiError } from "./answers.js";
import { Listeners } from "./listeners.js";

/**
 * @typedef {"idle" | "connecting" | "open" | "waiting" | "ended"} State
 * `idle` before `connect` and after `close`; `waiting` between two attempts; `ended` once the client needs a new
 * sign-in to go on.
 *
 * @typedef {{ type: string, id?: string | number, [field: string]: any }} Message
 * A message from the server; its fields depend on `type`.
 *
 * @typedef {object} StateChange
 * @property {State} state
 * @property {number} [retryAt] When `waiting`: the time of the next attempt, in milliseconds since the epoch.
 *
 * @typedef {object} End
 * @property {number} code A close code of docs/PROTOCOL.md; 4401 if the token source reported that there is no sign-in.
 * @property {string} reason A sentence for people.
 *
 * @typedef {object} TokenRequest
 * @property {boolean} fresh Whether a new token is required, because the previous one has expired or is about to.
 *
 * @typedef {(request: TokenRequest) => string | Promise<string>} TokenSource
 * Returns an access token. It throws {@link SignInEnded} if there is no sign-in any more. After any other error it is
 * called again later; after a {@link RetryLater}, not earlier than that says.
 *
 * @typedef {new (url: string, protocols: string[]) => object} WebSocketClass
 *
 * @typedef {object} Access
 * @property {string[]} roles
 * @property {Record<string, any>} claims
 *
 * @typedef {object} Options
 * @property {TokenSource} token
 * @property {string | URL} [url] The URL of the socket, `wss://HOST/ws`. By default on the server that this file is loaded from.
 * @property {WebSocketClass} [WebSocket] For a platform without one, such as Node 20: that of the package `ws`.
 * @property {number} [minDelay] Milliseconds before the first retry, 500 by default; each further retry doubles it.
 * @property {number} [maxDelay] The longest delay in milliseconds, 30000 by default.
 * @property {() => number} [random] Returns a number from 0 to 1; for tests.
 *
 * @typedef {object} RequestOptions
 * @property {number} [timeout] Milliseconds to wait for the reply, including the time until the connection is open;
 *   10000 by default.
 */

const SUBPROTOCOL = "doorward.v1";
const HANDSHAKE_TIMEOUT = 15_000;
const PROBE_TIMEOUT = 5_000;
/** A connection that lasted this long, in milliseconds, resets the delay. */
const STEADY = 10_000;
/** Requests that may wait for the connection to open. */
const MAX_QUEUE = 100;

/** Codes of a 401 that mean that a login is no longer active: of `/api/refresh`, and of `/api/token`. */
const LOGIN_INACTIVE = new Set(["invalid_refresh_token", "not_signed_in"]);

/** How to reconnect after a close without a `goodbye`. @type {Record<number, "never" | "new_token">} */
const WITHOUT_GOODBYE = {
  1002: "never",
  1007: "never",
  1009: "never",
  4400: "never",
  4401: "never",
  4403: "never",
  4440: "new_token",
  4441: "never",
  4442: "never",
  4443: "never",
};

/** Thrown by a token source: the user is no longer signed in. */
export class SignInEnded extends Error {
  /** @param {string} [message] */
  constructor(message = "signed out") {
    super(message);
    this.name = "SignInEnded";
  }
}

/** Thrown by a token source: there is no token now, and a retry before `retryAfter` is useless. */
export class RetryLater extends Error {
  /**
   * @param {string} message
   * @param {number} retryAfter In milliseconds
   */
  constructor(message, retryAfter) {
    super(message);
    this.name = "RetryLater";
    this.retryAfter = retryAfter;
  }
}

/** Why a request has no reply. */
export class RequestError extends Error {
  /**
   * @param {string} code The server's code (docs/PROTOCOL.md), or `timeout`, `closed`, `ended`, `full`
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.name = "RequestError";
    this.code = code;
  }
}

/**
 * A token source for pages of Doorward's own origin: it exchanges the browser's cookie for access tokens, and keeps
 * the last one in memory until shortly before it expires.
 *
 * @param {string | URL} [endpoint] By default on the server that this file is loaded from.
 * @returns {TokenSource}
 */
export function browserToken(endpoint = new URL("api/token", home())) {
  let token = "";
  let until = 0;
  return async ({ fresh }) => {
    if (!fresh && Date.now() < until) return token;
    const response = await fetch(endpoint, { method: "POST", headers: { accept: "application/json" } });
    if (!response.ok) throw noToken(await apiError(response));
    const body = await response.json();
    token = body.access_token;
    // Half a minute before it expires, or halfway if it is valid for less than a minute.
    until = Date.now() + Math.max(body.expires_in * 500, body.expires_in * 1000 - 30_000);
    return token;
  };
}

/**
 * The base URL of the server that this file is loaded from, with or without a version in the path. Not part of the
 * API.
 */
export function home() {
  const url = new URL(import.meta.url);
  const path = /^(.*\/)static\/(?:[^/]+\/)?[^/]*$/.exec(url.pathname);
  if (!path || !url.protocol.startsWith("http")) {
    throw new TypeError("the server is unknown, because it did not serve this file: name it in the option `url`");
  }
  return new URL(path[1], url);
}

/**
 * The error of a refused refresh. Only the server's own code means that the login is no longer active: any other answer
 * may be a proxy's, and may be temporary. Not part of the API.
 *
 * @param {import("./answers.js").ApiError} error
 */
export function noToken({ status, code, message, retryAfter }) {
  if (status === 401 && LOGIN_INACTIVE.has(code)) return new SignInEnded(message);
  return new RetryLater(`no token: ${message}`, retryAfter);
}

/**
 * The shortest time in milliseconds before the token source may be called again.
 *
 * @param {unknown} error
 */
function retryAfterOf(error) {
  return error instanceof RetryLater ? error.retryAfter : 0;
}

/**
 * The URL of the socket of a server. Not part of the API.
 *
 * @param {URL} base With a slash at the end
 * @returns {URL}
 */
export function socketUrl(base) {
  const url = new URL("ws", base);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url;
}

/**
 * A live connection. Its events, for {@link Doorward#on}: `state` ({@link StateChange}), `ended` ({@link End}),
 * `message` (each {@link Message} of the server), and each message once more under its own type: `welcome`,
 * `claims` (the user's roles or claims have changed), `sessions` and so on.
 */
export class Doorward {
  /** @type {State} */
  #state = "idle";
  /** @type {Message | null} */
  #welcome = null;
  /** @type {Access} */
  #access = { roles: [], claims: {} };
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {{ code: number, reason: string, reconnect: string } | null} */
  #goodbye = null;
  #attempts = 0;
  #openedAt = 0;
  #lastMessageAt = 0;
  #needsFresh = false;
  #nextId = 1;
  /** Counts connections, so that events of an older one are ignored. */
  #era = 0;
  /** @type {Map<string | number, { resolve: (reply: Message) => void, reject: (error: Error) => void }>} */
  #pending = new Map();
  /** @type {Set<{ send: () => void, reject: (error: Error) => void }>} */
  #queue = new Set();
  #listeners = new Listeners();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #watchdog;
  #url;
  #token;
  #WebSocket;
  #minDelay;
  #maxDelay;
  #random;

  /** @param {Options} options */
  constructor({
    token,
    url = socketUrl(home()),
    WebSocket = globalThis.WebSocket,
    minDelay = 500,
    maxDelay = 30_000,
    random = Math.random,
  }) {
    if (!WebSocket) {
      throw new TypeError("this platform has no WebSocket: pass that of the package `ws` as the option `WebSocket`");
    }
    this.#token = token;
    this.#WebSocket = WebSocket;
    this.#url = new URL(url);
    this.#minDelay = minDelay;
    this.#maxDelay = maxDelay;
    this.#random = random;
  }

  /** @returns {State} */
  get state() {
    return this.#state;
  }

  /** The last `welcome`: the user and the session. @returns {Message | null} */
  get session() {
    return this.#welcome;
  }

  /** The user's roles and claims, as of the last message that named them. @returns {Access} */
  get access() {
    return this.#access;
  }

  /**
   * Calls `listener` for each event of this type, until the returned function is called.
   *
   * @param {string} type
   * @param {(detail: any) => void} listener
   * @returns {() => void}
   */
  on(type, listener) {
    return this.#listeners.add(type, listener);
  }

  /** Opens the connection, or retries at once while `waiting`. After `ended`, it uses the new sign-in. */
  connect() {
    if (this.#state === "connecting" || this.#state === "open") return;
    if (this.#state !== "waiting") this.#attempts = 0;
    this.#listen(true);
    this.#open();
  }

  /** Closes the connection, until `connect` is called again. Requests without a reply fail. */
  close() {
    this.#listen(false);
    this.#drop(new RequestError("closed", "the connection was closed"), true);
    this.#setState("idle");
  }

  /**
   * Sends a request and waits for the reply. It is sent once the connection is open.
   *
   * @param {string} type
   * @param {Record<string, unknown>} [fields]
   * @param {RequestOptions} [options]
   * @returns {Promise<Message>} Rejects with a {@link RequestError}.
   */
  request(type, fields = {}, { timeout = 10_000 } = {}) {
    return new Promise((resolve, reject) => {
      if (this.#state === "ended" || this.#state === "idle") {
        reject(new RequestError(this.#state === "idle" ? "closed" : "ended", "there is no connection"));
        return;
      }
      if (this.#queue.size >= MAX_QUEUE) {
        reject(new RequestError("full", "too many requests wait for the connection"));
        return;
      }
      const id = this.#nextId++;
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        this.#queue.delete(waiting);
        reject(new RequestError("timeout", `no reply within ${timeout} ms`));
      }, timeout);
      const fail = (/** @type {Error} */ error) => {
        clearTimeout(timer);
        reject(error);
      };
      const waiting = {
        send: () => {
          this.#pending.set(id, {
            resolve: (reply) => {
              clearTimeout(timer);
              resolve(reply);
            },
            reject: fail,
          });
          this.#socket?.send(JSON.stringify({ ...fields, type, id }));
        },
        reject: fail,
      };
      if (this.#state === "open") waiting.send();
      else this.#queue.add(waiting);
    });
  }

  async #open() {
    clearTimeout(this.#timer);
    const era = ++this.#era;
    this.#goodbye = null;
    this.#setState("connecting");
    let token;
    try {
      token = await this.#token({ fresh: this.#needsFresh });
    } catch (error) {
      if (era !== this.#era) return;
      if (error instanceof SignInEnded) this.#end(4401, error.message);
      else this.#retry(retryAfterOf(error));
      return;
    }
    if (era !== this.#era) return;
    this.#needsFresh = false;
    /** @type {WebSocket} */
    let socket;
    try {
      socket = /** @type {WebSocket} */ (new this.#WebSocket(this.#url.href, [SUBPROTOCOL, `bearer.${token}`]));
    } catch (error) {
      // The URL or the token is invalid for every browser, so a later attempt cannot succeed.
      this.#end(4400, String(error));
      return;
    }
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#lost(era, 1006, ""), HANDSHAKE_TIMEOUT);
    socket.onmessage = (event) => era === this.#era && this.#receive(event.data);
    socket.onclose = (event) => this.#lost(era, event.code, event.reason);
    // What went wrong is in the close that follows. Without a listener, the package `ws` would throw.
    socket.onerror = () => {};
  }

  /** @param {unknown} data */
  #receive(data) {
    this.#lastMessageAt = Date.now();
    if (typeof data !== "string") return;
    /** @type {Message} */
    const message = JSON.parse(data);
    const waiting = message.id === undefined ? undefined : this.#pending.get(message.id);
    if (waiting && message.id !== undefined) {
      this.#pending.delete(message.id);
      if (message.type === "error") waiting.reject(new RequestError(message.code, message.detail));
      else waiting.resolve(message);
    }
    if (Array.isArray(message.roles)) {
      this.#access = { roles: message.roles, claims: message.claims ?? {} };
    }
    switch (message.type) {
      case "welcome":
        this.#welcomed(message);
        break;
      case "expiring":
        // Without a time, it is the right to a room that expires.
        if (message.expires_at) void this.#renew(this.#era, Date.parse(message.expires_at));
        break;
      case "goodbye":
        this.#goodbye = { code: message.code, reason: message.reason, reconnect: message.reconnect };
        break;
    }
    this.#listeners.call("message", message);
    // A room's message has the name of the event that all messages are.
    if (message.type !== "message") this.#listeners.call(message.type, message);
    // After the listeners, as rooms are joined again before anything is sent there.
    if (message.type === "welcome") this.#flush();
  }

  /** @param {Message} message */
  #welcomed(message) {
    clearTimeout(this.#timer);
    this.#welcome = message;
    this.#openedAt = Date.now();
    this.#watch(message.heartbeat_s * 1000);
    this.#setState("open");
  }

  /** Sends what waited for the connection. */
  #flush() {
    for (const waiting of this.#queue) waiting.send();
    this.#queue.clear();
  }

  /**
   * The server pings a silent client below the level of scripts. So after two heartbeats without a message the client
   * sends a ping of its own: the connection may have been lost without notice.
   *
   * @param {number} heartbeat In milliseconds
   */
  #watch(heartbeat) {
    clearTimeout(this.#watchdog);
    const era = this.#era;
    this.#watchdog = setTimeout(async () => {
      if (Date.now() - this.#lastMessageAt >= 2 * heartbeat) await this.#probe();
      if (era === this.#era && this.#state === "open") this.#watch(heartbeat);
    }, 2 * heartbeat);
  }

  async #probe() {
    const era = this.#era;
    try {
      await this.request("ping", {}, { timeout: PROBE_TIMEOUT });
    } catch (error) {
      if (error instanceof RequestError && error.code === "timeout") this.#lost(era, 1006, "");
    }
  }

  /**
   * Sends a new token before the old one expires. Failed attempts are repeated until the server closes the
   * connection; the next connection then gets a new token.
   *
   * @param {number} era
   * @param {number} expiresAt
   */
  async #renew(era, expiresAt) {
    for (let attempt = 0; era === this.#era && (attempt === 0 || Date.now() < expiresAt); attempt++) {
      try {
        const token = await this.#token({ fresh: true });
        if (era === this.#era) await this.request("auth", { token });
        return;
      } catch (error) {
        if (era !== this.#era) return;
        if (error instanceof SignInEnded) {
          this.#end(4401, error.message);
          return;
        }
        const delay = retryAfterOf(error) + this.#delay(attempt);
        await new Promise((resolve) => setTimeout(resolve, delay));
      }
    }
  }

  /**
   * @param {number} era
   * @param {number} code
   * @param {string} reason
   */
  #lost(era, code, reason) {
    if (era !== this.#era) return;
    const goodbye = this.#goodbye ?? { code, reason, reconnect: WITHOUT_GOODBYE[code] ?? "backoff" };
    if (Date.now() - this.#openedAt >= STEADY && this.#state === "open") this.#attempts = 0;
    if (goodbye.reconnect === "never") {
      this.#end(goodbye.code, goodbye.reason);
      return;
    }
    this.#needsFresh = goodbye.reconnect === "new_token";
    this.#retry();
  }

  /** @param {number} [atLeast] The delay that the server requested, in milliseconds */
  #retry(atLeast = 0) {
    // Requests that were sent may or may not have been processed: only the caller knows whether to repeat
    // them.
    this.#drop(new RequestError("closed", "the connection was lost"), false);
    // Added to the server's delay, so that clients that were told the same do not reconnect together.
    const delay = atLeast + this.#delay(this.#attempts++);
    this.#timer = setTimeout(() => this.#open(), delay);
    this.#setState("waiting", Date.now() + delay);
  }

  /** Doubles, and is random by half: clients that were disconnected together must not reconnect together. @param {number} n */
  #delay(n) {
    const delay = Math.min(this.#maxDelay, this.#minDelay * 2 ** Math.min(n, 30));
    return delay * (0.5 + this.#random() / 2);
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #end(code, reason) {
    this.#listen(false);
    this.#drop(new RequestError("ended", reason), true);
    this.#setState("ended");
    this.#listeners.call("ended", { code, reason });
  }

  /**
   * Closes the socket, and rejects its open requests.
   *
   * @param {Error} error
   * @param {boolean} queueToo
   */
  #drop(error, queueToo) {
    clearTimeout(this.#timer);
    clearTimeout(this.#watchdog);
    this.#era++;
    if (this.#socket) {
      this.#socket.onmessage = this.#socket.onclose = null;
      this.#socket.close();
      this.#socket = null;
    }
    const failed = [...this.#pending.values(), ...(queueToo ? this.#queue : [])];
    this.#pending.clear();
    if (queueToo) this.#queue.clear();
    for (const { reject } of failed) reject(error);
  }

  /** Reconnects when the network is back or the page is visible again. */
  #awake = () => {
    if (typeof document !== "undefined" && document.visibilityState === "hidden") return;
    if (this.#state === "waiting") this.#open();
    else if (this.#state === "open") void this.#probe();
  };

  /** @param {boolean} on */
  #listen(on) {
    if (typeof document === "undefined") return;
    const change = on ? "addEventListener" : "removeEventListener";
    globalThis[change]("online", this.#awake);
    globalThis[change]("pageshow", this.#awake);
    document[change]("visibilitychange", this.#awake);
  }

  /**
   * @param {State} state
   * @param {number} [retryAt]
   */
  #setState(state, retryAt) {
    this.#state = state;
    this.#listeners.call("state", retryAt === undefined ? { state } : { state, retryAt });
  }
}
