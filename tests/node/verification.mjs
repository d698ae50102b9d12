// The package with a server that wants a verified address before the first sign-in: `node verification.mjs`.

import assert from "node:assert/strict";
import { DoorwardClient } from "doorward-client";
import { PASSWORD, api, server, url } from "./server.mjs";

let kept = null;
const store = { load: () => structuredClone(kept), save: (login) => void (kept = structuredClone(login)) };
const client = new DoorwardClient({ url, storage: store });
const users = [];
client.on("user", (user) => users.push(user?.username ?? null));

const { status, user } = await client.register({ username: "ann", password: PASSWORD, email: "ann@example.org" });
assert.deepEqual([status, user.username, user.email_verified], ["verification_required", "ann", false]);
assert.deepEqual([client.user, kept, users], [null, null, []]);
assert.equal(await client.restore(), null);
const early = await client.signIn({ login: "ann", password: PASSWORD }).catch((error) => error);
assert.deepEqual([early.status, early.code], [403, "email_not_verified"]);

const { path } = await server("mail", { page: "verify-email" });
await api("POST", "verify-email", { body: { token: path.split("/").at(-1) } });
assert.equal((await client.signIn({ login: "ann", password: PASSWORD })).email_verified, true);
assert.deepEqual([client.user.username, users], ["ann", ["ann"]]);
process.exit(0);
