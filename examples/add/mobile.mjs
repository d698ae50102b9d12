// Signs a phone app in with Doorward's pages in the system browser. The code comes back to a link that the app claims.
import { createHash, randomBytes } from "node:crypto";
export class SignedOut extends Error {}

/** `link` is a link of the app. `keystore` keeps one object in the OS keystore: load(), save(object), clear(). */
export function account({ server, link, keystore }) {
  let access, renewing; // the access token is in memory only
  async function forget(reason) {
    access = undefined;
    await keystore.clear();
    return reason;
  }
  async function post(path, body, more) {
    const headers = { "content-type": "application/json", ...more };
    const response = await fetch(server + path, { method: "POST", headers, body: JSON.stringify(body) });
    const problem = response.ok ? null : await response.json().catch(() => ({ detail: "Try again." }));
    // Nothing else is the end: a proxy may answer 401 too.
    if (["invalid_refresh_token", "token_revoked"].includes(problem?.code)) throw await forget(new SignedOut());
    if (problem) throw new Error(problem.detail);
    return response.status === 204 ? null : response.json();
  }
  async function keep({ access_token, expires_in, refresh_token }) {
    await keystore.save({ refresh_token });
    access = { token: access_token, until: Date.now() + (expires_in - 30) * 1000 };
    return access_token;
  }

  async function renew() {
    const { refresh_token } = (await keystore.load()) ?? {};
    if (!refresh_token) throw new SignedOut();
    return keep(await post("/api/refresh", { refresh_token })); // Without an answer, the next call sends it again.
  }

  return {
    /** The address to open in the system browser. The secret is stored, as the OS may end the app meanwhile. */
    async begin() {
      const [verifier, state] = [1, 2].map(() => randomBytes(32).toString("base64url"));
      await keystore.save({ ...(await keystore.load()), verifier, state });
      const code_challenge = createHash("sha256").update(verifier).digest("base64url");
      const query = { return_to: link, state, code_challenge, code_challenge_method: "S256" };
      return `${server}/login?${new URLSearchParams(query)}`;
    },
    async finish(address) {
      const { verifier: code_verifier, state } = (await keystore.load()) ?? {};
      const { code, iss, ...answer } = Object.fromEntries(new URL(address).searchParams);
      if (!state || answer.state !== state || iss !== server) throw new Error("Not the answer to our sign-in.");
      const grant = { grant_type: "authorization_code", code, code_verifier, redirect_uri: link };
      await keep(await post("/api/token", grant));
    },
    /** An access token. Calls at the same time share one renewal. */
    async token({ fresh = false } = {}) {
      if (!fresh && Date.now() < access?.until) return access.token;
      return (renewing ??= renew().finally(() => (renewing = undefined)));
    },
    async signOut() {
      await post("/api/logout", {}, { authorization: `Bearer ${await this.token({ fresh: true })}` });
      await forget();
    },
  };
}
