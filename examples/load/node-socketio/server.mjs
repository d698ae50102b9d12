// What a program would write with Node's own socket.io: a token is verified at sign-in, one event is answered.
//
// The tokens are Doorward's, the same that its own sockets come in with: Ed25519, verified by the published keys.
//
//   NODE_ENV=production node server.mjs http://127.0.0.1:8080/.well-known/jwks.json

import { createPublicKey, randomInt, verify } from "node:crypto";
import { createServer } from "node:http";
import { Server } from "socket.io";

const SENTENCES = [
  "every door you open today was closed yesterday.",
  "small steps, taken daily, cross whole countries.",
  "courage is knocking twice.",
  "begin before you feel ready; ready catches up.",
];
const ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

const { keys } = await (await fetch(process.argv[2])).json();
const publicKeys = new Map(keys.map((key) => [key.kid, createPublicKey({ key, format: "jwk" })]));

/** The claims of a token that is good. */
function claimsOf(token) {
  const [header, payload, signature] = token.split(".").map((part) => Buffer.from(part, "base64url"));
  const { alg, typ, kid } = JSON.parse(header);
  if (alg !== "EdDSA" || typ !== "at+jwt") throw new Error("another kind of token");
  const signed = token.slice(0, token.lastIndexOf("."));
  if (!verify(null, Buffer.from(signed), publicKeys.get(kid), signature)) throw new Error("a forged token");
  const claims = JSON.parse(payload);
  if (!(claims.exp > Date.now() / 1000)) throw new Error("an expired token");
  return claims;
}

function code() {
  let code = "";
  for (let place = 0; place < 8; place++) code += ALPHABET[randomInt(ALPHABET.length)];
  return code;
}

const http = createServer();
const io = new Server(http);

io.use((socket, next) => {
  try {
    socket.data.user = claimsOf(socket.handshake.auth.token);
    next();
  } catch {
    next(new Error("invalid_token"));
  }
});

io.on("connection", (socket) => {
  const { sub, username } = socket.data.user;
  socket.emit("welcome", { user: { id: sub, username } });
  socket.on("secret", (_request, reply) => {
    reply({ message: `${username}, ${SENTENCES[randomInt(SENTENCES.length)]}`, code: code() });
  });
});

http.listen(0, "127.0.0.1", () => console.log(http.address().port));
