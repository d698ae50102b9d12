// What both servers share: access tokens of Doorward (Ed25519, verified by the published keys), its reply `secret`, and the
// fields of its messages.

import { createPublicKey, randomInt, randomUUID, verify } from "node:crypto";

const SENTENCES = [
  "every door you open today was closed yesterday.",
  "small steps, taken daily, cross whole countries.",
  "courage is knocking twice.",
  "begin before you feel ready; ready catches up.",
];
const ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/** A function that returns the claims of a valid token, and throws for any other. */
export async function verifier(jwks) {
  const { keys } = await (await fetch(jwks)).json();
  const publicKeys = new Map(keys.map((key) => [key.kid, createPublicKey({ key, format: "jwk" })]));
  return (token) => {
    const [header, payload, signature] = token.split(".").map((part) => Buffer.from(part, "base64url"));
    const { alg, typ, kid } = JSON.parse(header);
    if (alg !== "EdDSA" || typ !== "at+jwt") throw new Error("another kind of token");
    const signed = token.slice(0, token.lastIndexOf("."));
    if (!verify(null, Buffer.from(signed), publicKeys.get(kid), signature)) throw new Error("a forged token");
    const claims = JSON.parse(payload);
    if (!(claims.exp > Date.now() / 1000)) throw new Error("an expired token");
    return claims;
  };
}

function code() {
  let code = "";
  for (let place = 0; place < 8; place++) code += ALPHABET[randomInt(ALPHABET.length)];
  return code;
}

export function secret(username) {
  return { message: `${username}, ${SENTENCES[randomInt(SENTENCES.length)]}`, code: code() };
}

/** A message to a room, as its readers are told it. */
export function message({ sub, username }, room, data) {
  return { room, message: randomUUID(), at: new Date().toISOString(), from: { user: sub, username }, data };
}
