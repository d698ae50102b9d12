// What a program would write with Node's own socket.io: a token is verified at sign-in, one event is answered.
//
//   NODE_ENV=production node socketio.mjs http://127.0.0.1:8080/.well-known/jwks.json

import { createServer } from "node:http";
import { Server } from "socket.io";
import { secret, verifier } from "./shared.mjs";

const claimsOf = await verifier(process.argv[2]);
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
  socket.on("secret", (_request, reply) => reply(secret(username)));
});

http.listen(0, "127.0.0.1", () => console.log(http.address().port));
