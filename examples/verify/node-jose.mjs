// Verifies access tokens in Node and Deno, with jose 6.
import { createRemoteJWKSet, jwtVerify } from "jose";

const issuer = process.env.DOORWARD_URL; // public_url
const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`), { cacheMaxAge: 300_000 });

/** The claims of a valid token; rejects for any other. */
export async function verify(token) {
  const { payload } = await jwtVerify(token, keys, {
    algorithms: ["EdDSA", "ES256", "RS256"],
    audience: "doorward", // tokens.audience
    issuer,
    requiredClaims: ["exp", "sub", "sid"],
    typ: "at+jwt",
  });
  return payload;
}
