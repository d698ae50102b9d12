// A server-rendered app, the example of the manual: the browser has a cookie of the app's own and no token.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { api, login } from "../server.mjs";
import { PASSWORD, base, says, scenario, server } from "./harness.mjs";

const app = "http://app.localhost";
const { key } = await server("key", { scopes: "tokens:introspect tokens:revoke" });
const env = { ...process.env, DOORWARD_URL: base, DOORWARD_API_KEY: key, APP_URL: app, PORT: "0" };
const child = spawn(process.execPath, [process.argv[2]], { env, stdio: ["ignore", "pipe", "inherit"] });
process.on("exit", () => child.kill("SIGKILL"));
const { value: line } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
const [, port] = /listens on (\d+)/.exec(line);

// The app has no icon, and answers 503 while the server is away.
const EXPECTED = /Failed to load resource/;

await scenario(
  async ({ person }) => {
    const page = await person();
    const session = async () => (await page.context().cookies(app)).find(({ name }) => name === "session");
    const fill = async (label, button) => {
      await page.getByLabel(label).fill("ada");
      await page.locator("#password").fill(PASSWORD);
      await page.getByRole("button", { name: button }).click();
    };
    const home = async () => {
      await says(page, "Hello, ada");
      assert.equal(page.url(), `${app}/`);
    };

    await page.goto(`${app}/`);
    await page.getByRole("link", { name: "Sign in" }).click();
    const before = await session();
    await page.getByRole("link", { name: /^Create (an )?account$/ }).click();
    await fill("Username", "Create account");
    await home();
    const after = await session();
    assert.deepEqual([after.httpOnly, after.sameSite, after.path], [true, "Lax", "/"]);
    assert.notEqual(after.value, before.value);
    // An answer that the app did not ask for changes nothing.
    await page.goto(`${app}/returned?code=x&state=y&iss=${encodeURIComponent(base)}`);
    await home();
    assert.equal((await session()).value, after.value);
    // The id of before the sign-in is worth nothing, nor is another site's form.
    const stranger = await person();
    await stranger.context().addCookies([{ ...before, expires: -1 }]);
    await stranger.goto(`${app}/`);
    await stranger.getByRole("link", { name: "Sign in" }).waitFor();
    const { logins } = await api("GET", "logins", { token: (await login("ada")).access_token });
    assert(logins.some(({ kind, user_agent }) => kind === "token" && /Chrome/.test(user_agent)), "the device is the browser");

    // While the server is away, no user is let in; afterwards the session goes on.
    await server("stop");
    await page.reload();
    await says(page, "Try again later.");
    await server("start");
    await page.reload();
    await home();

    // A sign-out on another device ends the app's session at the next request.
    const phone = await login("ada");
    await api("DELETE", "logins?except=current", { token: phone.access_token });
    await page.reload();
    await page.getByRole("link", { name: "Sign in" }).click();
    await fill("Username or email", "Sign in");
    await home();

    // Signed out at both.
    const { value } = await session();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("main").getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("link", { name: "Sign in" }).waitFor();
    assert.equal(page.url(), `${app}/`);
    await page.context().addCookies([{ name: "session", value, url: app }]);
    await page.reload();
    await page.getByRole("link", { name: "Sign in" }).click();
    await page.getByLabel("Username or email").waitFor();
    const left = await api("GET", "logins", { token: phone.access_token });
    assert.deepEqual(left.logins.map(({ current }) => current), [true], "no login of the app or its browser is left");
  },
  EXPECTED,
  { "app.localhost": `127.0.0.1:${port}` },
);
