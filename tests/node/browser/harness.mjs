// What every scenario stands on: a headless Chromium, the running server, and a line to the test that started both.
// A message of the console that tells of an error, a breach of a page's Content-Security-Policy, or an exception on
// a page fails the scenario, wherever it happens.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";
import { PASSWORD, server } from "../server.mjs";

export { NEW_PASSWORD, PASSWORD, server } from "../server.mjs";

/** Where pages are: under the public URL's name, which the browser looks up at the test's server. */
export const base = process.env.DOORWARD_URL ?? "http://doorward.example";
/** Long enough for a busy machine; what takes this long has failed. */
const PATIENCE = 20_000;

/**
 * Runs one scenario. `person()` is a user with a browser profile of their own. Messages of the console that match
 * `expected` are no problem. `hosts` are further names that the browser looks up at an address.
 */
export async function scenario(play, expected = null, hosts = {}) {
  const problems = [];
  const ours = process.env.DOORWARD_ADDRESS;
  const known = Object.entries({ "doorward.example": ours, [new URL(base).hostname]: ours, ...hosts });
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      `--host-resolver-rules=${known.map(([name, address]) => `MAP ${name}:80 ${address}`).join()}`,
    ],
  });
  let tolerated = expected;
  const person = async (options = {}) => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce", ...options });
    context.setDefaultTimeout(PATIENCE);
    const refused = new Set();
    context.on("response", (response) => {
      // A form that was refused, a link that has expired: the browser tells the console of the page's own status.
      if (response.request().resourceType() === "document" && response.status() >= 400) refused.add(response.url());
    });
    context.on("console", (message) => {
      if (message.type() !== "error" && !/content.security.policy|trusted/i.test(message.text())) return;
      const { url } = message.location();
      if (message.text().startsWith("Failed to load resource") && refused.has(url)) return;
      if (tolerated?.test(message.text())) return;
      problems.push(`${url}: ${message.text()}`);
    });
    context.on("weberror", (error) => problems.push(`exception: ${error.error().stack}`));
    const page = await context.newPage();
    return page;
  };
  try {
    await play({
      person,
      /** While `act` runs, such messages of the console are no problem. */
      tolerate: async (pattern, act) => {
        tolerated = pattern;
        await act();
        tolerated = expected;
      },
    });
  } catch (error) {
    for (const context of browser.contexts()) {
      for (const page of context.pages()) {
        console.log(`on ${page.url()}: ${(await page.innerText("body").catch(() => "?")).replaceAll("\n", " | ")}`);
      }
    }
    problems.unshift(error.stack);
  }
  await browser.close();
  for (const problem of problems) console.log(problem);
  process.exit(problems.length === 0 ? 0 : 1);
}

export async function register(page, username, email = "") {
  await page.goto(`${base}/register`);
  await page.getByLabel("Username").fill(username);
  await page.getByLabel(/^Email/).fill(email);
  await page.locator("#password").fill(PASSWORD);
  await page.getByRole("button", { name: "Create account" }).click();
  await page.waitForURL("**/dashboard");
}

export async function signIn(page, username, password = PASSWORD) {
  await page.goto(`${base}/login`);
  await page.getByLabel("Username or email").fill(username);
  await page.locator("#password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** Waits until the dashboard's socket is open. */
export async function connected(page) {
  await page.locator("#live[data-state=open]").waitFor();
}

/** Waits until there are that many rows in a list of the dashboard. Its news are a second apart on the server's clock, which stands still. */
export async function rows(page, list, count) {
  for (let left = 60; ; left--) {
    await server("advance", { seconds: 1 });
    const there = page.waitForFunction(
      ([id, wanted]) => document.querySelectorAll(`#${id} > li, #${id}-list > li`).length === wanted,
      [list, count],
      { timeout: 500 },
    );
    try {
      return await there;
    } catch (error) {
      if (left === 0) throw error;
    }
  }
}

/** The whole page, once it shows these words. */
export async function says(page, words) {
  await page.getByText(words).first().waitFor();
}

let axe;

/** Fails on anything that axe finds, and on a page that is wider than its window. */
export async function check(page, name) {
  axe ??= await readFile(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
  // Inside the frame of a mail nothing runs; that page is its own.
  await page.evaluate(`${axe}; undefined`);
  const found = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { iframes: false });
    return violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map((node) => node.html).join(" ")}`);
  });
  assert.deepEqual(found, [], name);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(overflow, 0, `${name} is wider than its window`);
}
