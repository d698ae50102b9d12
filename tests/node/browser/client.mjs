// `doorward.js` as an application uses it.

import assert from "node:assert/strict";
import { PASSWORD, base, scenario, server } from "./harness.mjs";

await scenario(async ({ person }) => {
  const page = await person();
  const answer = await page.request.post(`${base.replace("doorward.example", process.env.DOORWARD_ADDRESS)}/api/register`, {
    data: { username: "ada", password: PASSWORD },
  });
  const tokens = await answer.json();
  await page.goto(`${base}/static/icon.svg`);
  await page.goto(`${base}/login`);

  /** Runs on the page with the module's exports; what it answers comes back. */
  const run = (act, argument) =>
    page.evaluate(
      async ([name, argument]) => {
        const client = await import("/static/doorward.js");
        const waitFor = (door, state) =>
          new Promise((resolve) => {
            const off = door.on("state", (change) => {
              if (change.state !== state) return;
              off();
              resolve(change);
            });
          });
        return globalThis.__scenarios[name](client, argument, { waitFor });
      },
      [act, argument],
    );

  await page.evaluate(() => {
    globalThis.__scenarios = {
      async talks({ Doorward, RequestError }, { access_token }, { waitFor }) {
        const door = new Doorward({ token: () => access_token });
        const seen = [];
        door.on("message", (message) => seen.push(message.type));
        await door.request("ping").catch((error) => seen.push(error.code));
        door.connect();
        // Asked before it is open: it waits.
        const early = door.request("secret");
        await waitFor(door, "open");
        const [secret, pong] = await Promise.all([early, door.request("ping")]);
        const unknown = await door.request("nothing").catch((error) => error);
        const off = door.on("pong", () => seen.push("heard"));
        await door.request("ping");
        off();
        await door.request("ping");
        const { user } = door.session;
        door.close();
        const late = await door.request("ping").catch((error) => error.code);
        return {
          seen,
          secret: secret.message,
          pong: pong.type,
          unknown: [unknown instanceof RequestError, unknown.code],
          user: user.username,
          late,
          state: door.state,
        };
      },
      async ends({ Doorward, SignInEnded }, { bad }) {
        const end = (options) =>
          new Promise((resolve) => {
            const door = new Doorward(options);
            door.on("ended", (detail) => resolve({ ...detail, state: door.state }));
            door.connect();
            // Nothing that was asked is forgotten.
            door.request("ping").catch((error) => (door.failed = error.code));
          });
        return [
          await end({ token: () => bad }),
          await end({
            token: () => {
              throw new SignInEnded("nobody");
            },
          }),
          await end({ token: () => "no token may have a space" }),
        ];
      },
      async backs_off({ Doorward }, _, { waitFor }) {
        const delays = [];
        // The clock stands still, so that a busy machine changes nothing.
        const { now } = Date;
        const stopped = now();
        Date.now = () => stopped;
        const door = new Doorward({
          token: () => Promise.reject(new Error("away")),
          minDelay: 8,
          maxDelay: 40,
          random: () => 1,
        });
        for (let i = 0; i < 5; i++) {
          const waiting = waitFor(door, "waiting");
          if (i === 0) door.connect();
          const { retryAt } = await waiting;
          delays.push(retryAt - stopped);
        }
        door.close();
        Date.now = now;
        return delays;
      },
      async waits_as_asked({ Doorward, RetryLater, browserToken }, _, { waitFor }) {
        const { now } = Date;
        const stopped = now();
        Date.now = () => stopped;
        const { fetch } = globalThis;
        const delays = [];
        // A 401 without the server's code is a proxy's, and no end of the sign-in.
        for (const [token, status] of [[() => Promise.reject(new RetryLater("busy", 9000))], [browserToken(), 429], [browserToken(), 401]]) {
          globalThis.fetch = async () => new Response("", { status, headers: { "retry-after": "7" } });
          const door = new Doorward({ token, minDelay: 8, random: () => 1 });
          const waiting = waitFor(door, "waiting");
          door.connect();
          delays.push((await waiting).retryAt - stopped);
          door.close();
        }
        globalThis.fetch = fetch;
        Date.now = now;
        return delays;
      },
      async times_out({ Doorward }) {
        // It never opens, and a request that waits for that must not wait for ever.
        const door = new Doorward({ token: () => new Promise(() => {}) });
        door.connect();
        const code = await door.request("ping", {}, { timeout: 10 }).catch((error) => error.code);
        door.close();
        return code;
      },
      async stale({ Doorward }, { fresh, stale }, { waitFor }) {
        const asked = [];
        const door = new Doorward({
          token: (request) => {
            asked.push(request.fresh);
            return request.fresh ? fresh : stale;
          },
          minDelay: 1,
        });
        const open = waitFor(door, "open");
        door.connect();
        await open;
        door.close();
        return asked;
      },
    };
  });

  const talked = await run("talks", tokens);
  assert.deepEqual(talked.seen, ["closed", "welcome", "secret", "pong", "error", "pong", "heard", "pong"]);
  assert.match(talked.secret, /^ada, /);
  assert.deepEqual(
    [talked.pong, talked.unknown, talked.user, talked.late, talked.state],
    ["pong", [true, "unknown_type"], "ada", "closed", "idle"],
  );

  const ends = await run("ends", { bad: `${tokens.access_token}x` });
  assert.deepEqual(
    ends.map(({ code, state }) => [code, state]),
    [
      [4401, "ended"],
      [4401, "ended"],
      [4400, "ended"],
    ],
  );
  assert.equal(ends[1].reason, "nobody");

  assert.deepEqual(await run("backs_off"), [8, 16, 32, 40, 40]);

  // And no sooner than the server asks for.
  assert.deepEqual(await run("waits_as_asked"), [9008, 7008, 7008]);

  assert.equal(await run("times_out"), "timeout");

  // A token that has expired is no end: a fresh one is asked for.
  await server("advance", { seconds: 16 * 60 });
  const refreshed = await page.request.post(
    `${base.replace("doorward.example", process.env.DOORWARD_ADDRESS)}/api/refresh`,
    { data: { refresh_token: tokens.refresh_token } },
  );
  const { access_token: fresh } = await refreshed.json();
  assert.deepEqual(await run("stale", { fresh, stale: tokens.access_token }), [false, true]);
});
