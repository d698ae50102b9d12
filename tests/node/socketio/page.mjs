// The page of an older application, from another origin than Doorward's, in a browser. It comes in by the client that
// it brings, and a page of an origin that is not allowed does not.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { says, scenario, signIn } from "../browser/harness.mjs";
import { api, logout, register } from "../server.mjs";

const FILES = {
  "/": ["text/html", new URL("page/index.html", import.meta.url)],
  "/socket.io.min.js": [
    "text/javascript",
    new URL("../node_modules/socket.io-client/dist/socket.io.min.js", import.meta.url),
  ],
};

const site = createServer(async (request, response) => {
  const [type, file] = FILES[new URL(request.url, "http://app.example").pathname] ?? [];
  response.writeHead(file ? 200 : 404, { "content-type": type ?? "text/plain" });
  response.end(file && (await readFile(file)));
});
await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
const address = `127.0.0.1:${site.address().port}`;

await scenario(
  async ({ person, tolerate }) => {
    // Another origin's page may not ask for a token: its application does.
    const { access_token: token } = await register("ann");
    const sessions = async () => (await api("GET", "sessions", { token })).sessions.map(({ id }) => id);
    const page = await person();
    await page.addInitScript((token) => localStorage.setItem("token", token), token);

    await page.goto("http://app.example/");
    await says(page, "Connected as ann");
    await page.locator("#transport", { hasText: "websocket" }).waitFor();
    for (let count = 1; count <= 3; count++) {
      await page.getByRole("button", { name: "Get secret message" }).click();
      await page.locator("#messages > li").nth(count - 1).waitFor();
    }
    const messages = await page.locator("#messages > li").allInnerTexts();
    assert.equal(messages.length, 3);
    for (const message of messages) assert.match(message, /^ann, .+ \[Secret Code: [A-Z0-9]{8}\]$/);

    // Its user sees the connection by its name.
    const dashboard = await person();
    await signIn(dashboard, "ann");
    await dashboard.locator("#connections-list > li", { hasText: "Socket.IO" }).waitFor();
    await dashboard.context().close();

    // By one way alone as well.
    for (const transport of ["polling", "websocket"]) {
      await page.goto(`http://app.example/?transport=${transport}`);
      await says(page, "Connected as ann");
      await page.getByRole("button", { name: "Get secret message" }).click();
      await page.locator("#messages > li").waitFor();
      assert.equal(await page.locator("#transport").innerText(), transport);
    }

    // A page of another origin, although it holds a valid token.
    const known = await sessions();
    await tolerate(/blocked by CORS policy|ERR_FAILED|status of 403|WebSocket connection to .* failed/, async () => {
      const intruder = await person();
      await intruder.addInitScript((token) => localStorage.setItem("token", token), token);
      for (const [transport, error] of [
        ["polling", "xhr poll error"],
        ["websocket", "websocket error"],
      ]) {
        await intruder.goto(`http://elsewhere.example/?transport=${transport}`);
        await says(intruder, `No connection: ${error}`);
        await intruder.getByRole("button", { name: "Get secret message" }).click();
        assert.equal(await intruder.locator("#messages > li").count(), 0);
      }
      for (const id of await sessions()) assert(known.includes(id), "the other page is signed in");
      await intruder.context().close();
    });

    // Signed out by the application. Its client says goodbye to a connection which the server has closed as well.
    await tolerate(/status of 400/, async () => {
      await logout(token);
      await says(page, "Disconnected: io server disconnect");
      await page.goto("http://app.example/");
      await page.getByText(/^No connection: .+ .+/).waitFor();
      await page.context().close();
    });
  },
  null,
  { "app.example": address, "elsewhere.example": address },
);
