// What a program would write with Node's own socket.io: a token is verified at sign-in, one event is answered, and a
// message is sent to a room.
//
//   NODE_ENV=production node socketio.mjs http://127.0.0.1:8080/.well-known/jwks.json

import { createServer } from "node:http";
import { Server } from "socket.io";
import { message, secret, verifier } from "./shared.mjs";

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
  socket.on("join", ({ room }, reply) => {
    socket.join(room);
    reply({ room });
  });
  socket.on("send", ({ room, data }, reply) => {
    const sent = message({ sub, username }, room, data);
    io.to(room).emit("message", sent);
    reply({ message: sent.message });
  });
});

http.listen(0, "127.0.0.1", () => console.log(http.address().port));
