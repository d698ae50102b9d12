// An open dashboard outlives its token and the server's restart.

import assert from "node:assert/strict";
import { connected, register, rows, says, scenario, server } from "./harness.mjs";

await scenario(async ({ person, tolerate }) => {
  const page = await person();
  let sockets = 0;
  page.on("websocket", () => sockets++);
  await register(page, "ada");
  await connected(page);

  // The token's end comes near: the page fetches another and shows it on the same socket.
  const renewed = page.waitForRequest("**/api/token");
  await server("advance", { seconds: 14 * 60 + 5 });
  await (await renewed).response();
  // Its old end passes.
  await page.waitForFunction(() => document.querySelector("#live").dataset.state === "open");
  await server("advance", { seconds: 120 });
  await page.getByRole("button", { name: "Show secret message" }).click();
  await says(page, /^ada, /);
  assert.equal(sockets, 1);

  // The server stops, and comes back.
  await tolerate(/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|status of 503/, async () => {
    await server("stop");
    await says(page, "Reconnecting");
    await page.locator("#live-count", { hasText: /^in \d+ ?s/ }).waitFor();
    await server("start");
    await connected(page);
  });
  assert(sockets > 1);
  await page.getByRole("button", { name: "Show secret message" }).click();
  await page.locator("#secret:not([hidden])").waitFor();
  await rows(page, "connections", 1);

  // One button spares the wait.
  await tolerate(/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|status of 503/, async () => {
    await server("stop");
    await page.getByRole("button", { name: "Try now" }).waitFor();
    await server("start");
    // It may have come back by itself meanwhile.
    await page.getByRole("button", { name: "Try now" }).click({ timeout: 500 }).catch(() => {});
    await connected(page);
  });

  // A sign-in that ended while the server was away: no reconnecting to that.
  await tolerate(/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|status of 503/, async () => {
    await server("stop");
    await server("start", { revoke: "ada" });
    await page.getByRole("dialog").waitFor();
  });
  await says(page.getByRole("dialog"), "Your session has expired.");
});
