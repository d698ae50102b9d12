// A backend that verifies access tokens, sees revocations and role changes within a second, and manages users.
import { setTimeout as pause } from "node:timers/promises";
import express from "express";
import { verify } from "../verify/node-jose.mjs";

const { DOORWARD_URL, DOORWARD_API_KEY, PORT = "3000" } = process.env;
const refused = (status, code) => Object.assign(new Error(code), { status, code });

function request(method, path, body, patience = 5_000) {
  const headers = { authorization: `Bearer ${DOORWARD_API_KEY}`, "content-type": "application/json" };
  const signal = AbortSignal.timeout(patience);
  return fetch(DOORWARD_URL + path, { method, headers, body: body && JSON.stringify(body), signal });
}

// What the event feed keeps true. Without the feed nothing is known, and Doorward is asked about each token.
let [following, changes] = [false, 0];
// By id: the user, and the claims_version of the token that Doorward called active, "changed", or "revoked".
const logins = new Map();

function apply({ type, login, user }) {
  if (type === "login.ended") logins.set(login, { version: "revoked" });
  if (type === "claims.changed") {
    for (const known of logins.values()) if (known.user === user) known.version = "changed";
  }
}

async function follow() {
  for (let after = null; ; ) {
    try {
      // An answer is due every 5 seconds, so a lost connection is noticed within 8.
      const query = after === null ? "" : `?after=${after}&wait=5s`;
      const answer = await request("GET", `/api/admin/events${query}`, undefined, 8_000);
      if (answer.status === 410) after = null; // Events are missing: begin again.
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const { events, next } = await answer.json();
      if (logins.size > 100_000) logins.clear();
      if (events.length > 0 || !following) changes++;
      events.forEach(apply);
      if (!following) console.log(`follows changes from ${next}`);
      [after, following] = [next, true];
    } catch (error) {
      console.log(`does not follow changes: ${error.message}`);
      following = false;
      logins.clear();
      await pause(500);
    }
  }
}

/** What Doorward answers to the backend's key. Without an answer, the request is refused. */
async function ask(method, path, body) {
  const answer = await request(method, path, body).catch(() => ({ status: 503 }));
  const { status } = answer;
  if (status >= 500 || [401, 403, 429].includes(status)) throw refused(503, "unavailable"); // not the user's fault
  return { status, body: await answer.json() };
}

/** Refuses the token of a revoked login, and one with roles that have changed. */
async function check(token, { sid, sub: user, claims_version: version = 0 }) {
  const known = logins.get(sid);
  if (known?.version === version) return;
  if (known?.version === "revoked") throw refused(401, "token_revoked");
  if (version < known?.version) throw refused(401, "token_stale");
  const before = changes;
  const { body } = await ask("POST", "/api/introspect", { token });
  if (body.active !== true) throw refused(401, known?.version === "changed" ? "token_stale" : "invalid_token");
  if (following && changes === before) logins.set(sid, { user, version }); // else: the answer may be out of date
}

async function signedIn(request, _response, next) {
  const token = /^Bearer (\S+)$/i.exec(request.get("authorization") ?? "")?.[1];
  if (!token) throw refused(401, "unauthorized");
  request.user = await verify(token).catch(({ code }) => {
    // These errors are about the token. With any other, the keys could not be read.
    throw /^ERR_(JW[ST]_|JOSE_[AN]|JWKS_[NM])/.test(code) ? refused(401, "invalid_token") : refused(503, "unavailable");
  });
  await check(token, request.user);
  next();
}

function admin({ user }, _response, next) {
  if (!user.roles?.includes("admin")) throw refused(403, "not_an_admin");
  next();
}

const users = (method, path, fields) => async ({ params: { id = "" }, query, body }, response) => {
  if (id && !/^[0-9a-f-]{36}$/.test(id)) throw refused(404, "not_found");
  const answer = await ask(method, `/api/admin/users${path(id, query)}`, fields?.(body ?? {}));
  response.status(answer.status).json(answer.body);
};

const app = express();
app.get("/me", signedIn, ({ user }, response) => response.json({ id: user.sub, roles: user.roles ?? [] }));
app.use("/users", signedIn, admin, express.json());
app.get("/users", users("GET", (_, { search = "", after = "" }) => `?${new URLSearchParams({ search, after })}`));
app.post("/users", users("POST", () => "", ({ username, email }) => ({ username, email })));
app.put("/users/:id/roles", users("PATCH", (id) => `/${id}`, ({ roles }) => ({ roles })));
app.post("/users/:id/disable", users("POST", (id) => `/${id}/disable`));
app.use(({ status = 500, code = "failed" }, _request, response, _next) => {
  const challenge = code === "unauthorized" ? "Bearer" : 'Bearer error="invalid_token"';
  if (status === 401) response.set("www-authenticate", challenge);
  response.status(status).json({ code });
});
follow();
const server = app.listen(Number(PORT), "127.0.0.1", () => console.log(`listens on ${server.address().port}`));
