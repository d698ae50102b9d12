// What a program would write with ws: a token is verified at the handshake, two requests are answered.
//
//   NODE_ENV=production node ws.mjs http://127.0.0.1:8080/.well-known/jwks.json

import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { secret, verifier } from "./shared.mjs";

const claimsOf = await verifier(process.argv[2]);
const http = createServer();
const sockets = new WebSocketServer({ noServer: true });

http.on("upgrade", (request, connection, head) => {
  let claims;
  try {
    claims = claimsOf(request.headers.authorization.slice("Bearer ".length));
  } catch {
    connection.end("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n");
    return;
  }
  sockets.handleUpgrade(request, connection, head, (socket) => serve(socket, claims));
});

function serve(socket, { sub, username }) {
  const send = (message) => socket.send(JSON.stringify(message));
  // A client that resets the connection is an error, and then a close.
  socket.on("error", () => {});
  socket.on("message", (data) => {
    const { type, id } = JSON.parse(data);
    if (type === "ping") send({ type: "pong", id });
    else if (type === "secret") send({ type, id, ...secret(username) });
  });
  send({ type: "welcome", user: { id: sub, username } });
}

http.listen(0, "127.0.0.1", () => console.log(http.address().port));
