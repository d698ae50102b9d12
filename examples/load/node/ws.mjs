// What a program would write with ws: a token is verified at the handshake, two requests are answered, and a message is
// sent to all other sockets.
//
//   NODE_ENV=production node ws.mjs http://127.0.0.1:8080/.well-known/jwks.json

import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { message, secret, verifier } from "./shared.mjs";

const claimsOf = await verifier(process.argv[2]);
const http = createServer();
const sockets = new WebSocketServer({ noServer: true, clientTracking: true });

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
    const request = JSON.parse(data);
    const { type, id } = request;
    if (type === "ping") send({ type: "pong", id });
    else if (type === "secret") send({ type, id, ...secret(username) });
    else if (type === "send") {
      const sent = message({ sub, username }, request.room, request.data);
      const text = JSON.stringify({ type: "message", ...sent });
      for (const other of sockets.clients) if (other !== socket) other.send(text);
      send({ type: "sent", id, message: sent.message });
    }
  });
  send({ type: "welcome", user: { id: sub, username } });
}

http.listen(0, "127.0.0.1", () => console.log(http.address().port));
