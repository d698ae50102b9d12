// Makes the recording of the README: two browsers of one user, of which one signs the other out. An animated SVG with
// WebP frames, which Chromium makes too, so that no other tool is needed.
//
//     node tests/node/recording.mjs target/release/doorward docs/images/sign-out.svg

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { chromium } from "playwright-core";

const PASSWORD = "plum tree in march rain";
/** Of one window, in CSS pixels. */
const WINDOW = { width: 560, height: 600 };
const PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1";
const LAPTOP = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

const [binary, output] = process.argv.slice(2).map((path) => resolve(path));
if (!binary || !output) throw new Error("usage: node recording.mjs BINARY OUTPUT.svg");

const dir = await mkdtemp(join(tmpdir(), "recording-"));
const port = await freePort();
const base = `http://localhost:${port}`;
const settings = [`public_url=${base}`, `http.listen=127.0.0.1:${port}`, "tcp.listen=off", "pages.secret_card=false"];
const server = spawn(binary, settings.flatMap((setting) => ["--set", setting]), { cwd: dir, stdio: "ignore" });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
try {
  await untilReady();
  await writeFile(output, animation(await record()));
} finally {
  await browser.close();
  server.kill();
  await rm(dir, { recursive: true });
}

async function record() {
  const [laptop, phone] = [await open(LAPTOP), await open(PHONE)];
  const frames = [];
  /** A picture of both windows, for so many seconds. */
  const shoot = async (seconds, caption) => frames.push({ seconds, image: await compose(laptop, phone, caption) });

  await shoot(1.6, "One user, two devices");
  await register(laptop);
  await signIn(phone);
  await laptop.locator("#devices-list > li").nth(1).waitFor();
  for (const page of [laptop, phone]) await page.locator("#devices-list").scrollIntoViewIfNeeded();
  await laptop.locator("#devices-list").evaluate((list) => list.scrollIntoView({ block: "center" }));
  await phone.locator("#devices-list").evaluate((list) => list.scrollIntoView({ block: "center" }));
  await shoot(2.4, "Both are signed in, and both have a live connection");
  const button = laptop.locator("#devices-list > li").nth(1).getByRole("button");
  await button.hover();
  await pointAt(laptop, button);
  await shoot(1.8, "The laptop signs the phone out …");
  await button.click();
  await phone.getByRole("dialog").waitFor();
  await connected(laptop);
  await laptop.locator("#devices-list").evaluate((list) => list.scrollIntoView({ block: "center" }));
  await shoot(4.2, "… and the phone’s connection closes at once");
  return frames;
}

async function open(userAgent) {
  const context = await browser.newContext({ userAgent, viewport: WINDOW, reducedMotion: "reduce", colorScheme: "light", locale: "en" });
  const page = await context.newPage();
  await page.goto(`${base}/login`);
  return page;
}

async function register(page) {
  await page.goto(`${base}/register`);
  await page.locator("#username").fill("ada");
  await page.locator("#password").fill(PASSWORD);
  await page.locator("main form button[type=submit]").click();
  await connected(page);
}

async function signIn(page) {
  await page.locator("#login").fill("ada");
  await page.locator("#password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await connected(page);
}

async function connected(page) {
  await page.waitForURL("**/dashboard**");
  await page.locator("#live[data-state=open]").waitFor();
}

/** Draws a pointer, which screenshots lack. */
async function pointAt(page, locator) {
  const box = await locator.boundingBox();
  await page.evaluate(({ x, y }) => {
    const make = (name, attributes) => {
      const element = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      return element;
    };
    const pointer = make("svg", { viewBox: "0 0 24 24" });
    pointer.append(make("path", { d: "M5 2v17l4.5-4.2 3 6.8 3-1.3-3-6.7H19z", fill: "#111", stroke: "#fff", "stroke-width": "1.5" }));
    Object.assign(pointer.style, { position: "fixed", left: `${x}px`, top: `${y}px`, width: "28px", zIndex: "9" });
    document.body.append(pointer);
  }, { x: box.x + box.width * 0.6, y: box.y + box.height * 0.55 });
}

/** Both windows side by side, below a caption, as WebP. */
async function compose(laptop, phone, caption) {
  const shots = [await laptop.screenshot(), await phone.screenshot()].map((shot) => shot.toString("base64"));
  const page = await browser.newPage();
  const image = await page.evaluate(draw, { shots, caption, size: WINDOW });
  await page.close();
  return image;
}

async function draw({ shots, caption, size }) {
  const [gap, top] = [24, 64];
  const canvas = document.createElement("canvas");
  canvas.width = 2 * size.width + 3 * gap;
  canvas.height = size.height + top + gap;
  const context = canvas.getContext("2d");
  context.fillStyle = "#e9e2d4";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "#23211d";
  context.font = "600 24px system-ui, sans-serif";
  context.textAlign = "center";
  context.fillText(caption, canvas.width / 2, 42);
  for (const [at, shot] of shots.entries()) {
    const picture = new Image();
    picture.src = `data:image/png;base64,${shot}`;
    await picture.decode();
    const left = gap + at * (size.width + gap);
    context.save();
    context.beginPath();
    context.roundRect(left, top, size.width, size.height, 12);
    context.clip();
    context.drawImage(picture, left, top);
    context.restore();
  }
  return { url: canvas.toDataURL("image/webp", 0.86), width: canvas.width, height: canvas.height };
}

/** Shows each frame for its time, again and again; readers who want no motion see the last. */
function animation(frames) {
  const total = frames.reduce((sum, { seconds }) => sum + seconds, 0);
  const { width, height } = frames[0].image;
  let at = 0;
  const rules = frames.map(({ seconds }, index) => {
    const [from, to] = [at, at + seconds].map((time) => ((time / total) * 100).toFixed(2));
    at += seconds;
    const last = index === frames.length - 1;
    return `@keyframes f${index}{0%,100%{opacity:${last ? 1 : 0}}${from}%{opacity:1}${to}%{opacity:${last ? 1 : 0}}}` +
      `.f${index}{animation:f${index} ${total.toFixed(1)}s step-end infinite}`;
  });
  const still = "@media (prefers-reduced-motion:reduce){image{animation:none}image:not(:last-child){opacity:0}}";
  const images = frames.map(
    ({ image }, index) => `<image class="f${index}" width="${width}" height="${height}" href="${image.url}"/>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img">
<title>Two browsers of one user. The first signs the second out, and the second shows at once that it is signed out.</title>
<style>${rules.join("")}${still}</style>
${images.join("\n")}
</svg>
`;
}

async function untilReady() {
  for (let left = 100; left > 0; left--) {
    const response = await fetch(`${base}/readyz`).catch(() => null);
    if (response?.ok) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error("the server did not start");
}

function freePort() {
  return new Promise((done) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}
