// A server-rendered app: it exchanges the code on the server, and the browser has the app's own cookie.
import { createHash, randomBytes } from "node:crypto";
import express from "express";

const { DOORWARD_URL: server, DOORWARD_API_KEY: key, APP_URL: home, PORT = "3000" } = process.env;
const options = { httpOnly: true, sameSite: "lax", secure: home.startsWith("https:"), path: "/" };
const sessions = new Map(); // In memory: use your framework's store, which deletes old ones, too.
const random = () => randomBytes(32).toString("base64url");
const escaped = (text) => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

async function post(path, body, more) {
  const headers = { "content-type": "application/json", ...more };
  const response = await fetch(server + path, { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response;
}
// The key has the scopes tokens:introspect and tokens:revoke. Introspection does not use a refresh token up.
const ask = (path, { token }) => post(path, { token }, { authorization: `Bearer ${key}` });
function find(request) {
  const id = /(?:^|; )session=([\w-]+)/.exec(request.get("cookie") ?? "")?.[1];
  return { id, session: sessions.get(id) ?? {} };
}
function begin(session, request, response) {
  sessions.delete(find(request).id); // A new id, which a thief of the old one does not know (session fixation).
  const id = random();
  sessions.set(id, session);
  response.cookie("session", id, options);
}

const app = express();
app.get("/", async (request, response) => {
  const { session } = find(request);
  const user = session.token && (await (await ask("/api/introspect", session)).json());
  if (!user?.active) return response.send("<a href=/sign-in>Sign in</a>");
  response.send(`Hello, ${escaped(user.username)} <form method=post action=/sign-out><button>Sign out</button></form>`);
});
app.get("/sign-in", (request, response) => {
  const [verifier, state] = [random(), random()];
  begin({ verifier, state }, request, response);
  const code_challenge = createHash("sha256").update(verifier).digest("base64url");
  const query = { return_to: `${home}/returned`, state, code_challenge, code_challenge_method: "S256" };
  response.redirect(303, `${server}/login?${new URLSearchParams(query)}`);
});
app.get("/returned", async (request, response) => {
  const { verifier: code_verifier, state } = find(request).session;
  const { code, iss, ...answer } = request.query;
  if (!state || answer.state !== state || iss !== server) return response.redirect(303, "/"); // not our sign-in
  const grant = { grant_type: "authorization_code", code, code_verifier, redirect_uri: `${home}/returned` };
  const tokens = await (await post("/api/token", grant, { "user-agent": request.get("user-agent") ?? "" })).json();
  begin({ token: tokens.refresh_token }, request, response);
  response.redirect(303, "/");
});
app.post("/sign-out", async (request, response) => {
  const { id, session } = find(request);
  if (session.token) await ask("/api/revoke", session); // the app's login
  sessions.delete(id);
  response.redirect(303, `${server}/logout?return_to=${encodeURIComponent(`${home}/`)}`); // the browser's
});
app.use((_error, _request, response, _next) => response.status(503).send("Try again later."));
const listener = app.listen(Number(PORT), "127.0.0.1", () => console.log(`listens on ${listener.address().port}`));
