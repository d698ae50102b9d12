// What the server's answers say: the login of an answer with tokens, and the code of a refusal.

/**
 * @typedef {import("./store.js").Login} Login
 */

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
    this.code = typeof problem.code === "string" ? problem.code : "";
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

/** Reads a refusal. Leaves the body unread for others. @param {Response} answer */
export async function apiError(answer) {
  const problem = await answer.clone().json().catch(() => null);
  const seconds = Number(answer.headers.get("retry-after"));
  return new ApiError(answer.status, problem ?? {}, seconds > 0 ? seconds * 1000 : 0);
}

/**
 * What an answer with tokens says.
 *
 * @param {any} body
 * @returns {Login}
 */
export function loginOf(body) {
  // Half a minute before it expires, or halfway if it is valid for less than a minute.
  const life = Math.max(body.expires_in * 500, body.expires_in * 1000 - 30_000);
  /** @type {Login} */
  const login = { user: body.user, access: body.access_token, until: Date.now() + life };
  if (body.refresh_token) login.refresh = body.refresh_token;
  if (body.device_token) login.device = body.device_token;
  return login;
}

/**
 * The id of the login that an access token belongs to; it stays when the token is renewed. Empty without a token.
 *
 * @param {string} [token]
 * @returns {string}
 */
export function loginIdOf(token = "") {
  try {
    return JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).sid ?? "";
  } catch {
    return "";
  }
}
