// The server as a scenario reaches it: by its HTTP API, and by a line to the test that started both.

import assert from "node:assert/strict";
import { createInterface } from "node:readline";

export const PASSWORD = "correct horse battery staple 9";
export const NEW_PASSWORD = "another teapot sails vinegar";

export const url = `http://${process.env.DOORWARD_ADDRESS}`;

const replies = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Has the test do something: `mail`, `advance`, `disable`, `roles`, `key`, `stop`, `start`, and so on (`scenario.rs`). */
export async function server(what, fields = {}) {
  console.log(JSON.stringify({ do: what, ...fields }));
  const { value, done } = await replies.next();
  assert(!done, `the test has no answer to ${what}`);
  return JSON.parse(value);
}

/** A request to the HTTP API; its answer must be good. */
export async function api(method, path, { token, body } = {}) {
  const response = await fetch(`${url}/api/${path}`, {
    method,
    headers: {
      ...(body && { "content-type": "application/json" }),
      ...(token && { authorization: `Bearer ${token}` }),
    },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  assert(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return text && JSON.parse(text);
}

export const register = (username) => api("POST", "register", { body: { username, password: PASSWORD } });
export const login = (username) => api("POST", "login", { body: { login: username, password: PASSWORD } });
export const logout = (token) => api("POST", "logout", { token });
export const refresh = (refresh_token) => api("POST", "refresh", { body: { refresh_token } });
