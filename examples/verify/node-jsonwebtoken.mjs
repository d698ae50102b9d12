// Verifies access tokens in Node, with jsonwebtoken 9: tokens.algorithm must be ES256 or RS256.
import { createPublicKey } from "node:crypto";
import jwt from "jsonwebtoken";

const issuer = process.env.DOORWARD_URL; // public_url
let [keys, read] = [[], 0];

/** The claims of a valid token; rejects for any other. */
export async function verify(token) {
  const header = jwt.decode(token, { complete: true })?.header ?? {};
  const age = Date.now() - read;
  if (age > 300_000 || (age > 10_000 && !keys.some(({ kid }) => kid === header.kid))) {
    const answer = await fetch(`${issuer}/.well-known/jwks.json`, { signal: AbortSignal.timeout(5_000) });
    if (!answer.ok) throw new Error(`cannot read the keys: HTTP ${answer.status}`);
    ({ keys } = await answer.json());
    read = Date.now();
  }
  const key = keys.find(({ kid }) => kid === header.kid);
  if (!key || header.typ !== "at+jwt") throw new Error("not an access token");
  const options = { algorithms: [key.alg], audience: "doorward", issuer }; // tokens.audience
  const claims = jwt.verify(token, createPublicKey({ key, format: "jwk" }), options);
  if (!claims.exp || !claims.sub) throw new Error("a claim is missing");
  return claims;
}
