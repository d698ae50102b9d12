// The live part of the account page: connections and devices as they change, the end of the sign-in, and, if the page
// has it, the secret message.

import { Doorward, browserToken } from "./live.js";
import { hasText, language, text, textWithLink } from "./texts.js";

const base = document.body.dataset.base ?? "";
const token = browserToken(`${base}/api/token`);
const live = new Doorward({ token });

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

// Confirmations appear once, not again on reload.
const here = new URL(location.href);
for (const once of ["done", "change"]) here.searchParams.delete(once);
if (here.href !== location.href) history.replaceState(null, "", here);

showTimes(document);
setInterval(() => showTimes(document), 30_000);

/* The state of the connection */

const WORDS = {
  idle: text("dashboard-js-idle"),
  connecting: text("dashboard-js-connecting"),
  open: text("dashboard-js-open"),
  waiting: text("dashboard-js-waiting"),
  ended: text("dashboard-js-ended"),
};

const SOON = new Intl.RelativeTimeFormat(language, { style: "narrow" });

/** @type {ReturnType<typeof setInterval> | undefined} */
let countdown;

live.on("state", (/** @type {import("./live.js").StateChange} */ { state, retryAt }) => {
  clearInterval(countdown);
  const status = byId("live");
  // An attempt after a failed one still counts as reconnecting: the words change only with the result.
  const words = state === "connecting" && status.dataset.state === "waiting" ? WORDS.waiting : WORDS[state];
  if (byId("live-words").textContent !== words) byId("live-words").textContent = words;
  if (words !== WORDS.waiting || state === "waiting") status.dataset.state = state;
  byId("live-count").textContent = "";
  byId("live-now").hidden = state !== "waiting";
  const button = /** @type {HTMLButtonElement | null} */ (document.getElementById("secret-button"));
  if (button) button.disabled = state === "ended" || state === "idle";
  if (state === "waiting" && retryAt) {
    const tick = () => {
      const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
      byId("live-count").textContent = SOON.format(seconds, "second");
    };
    tick();
    countdown = setInterval(tick, 500);
  }
});

byId("live-now").addEventListener("click", () => live.connect());

/* The end */

live.on("ended", (/** @type {import("./live.js").End} */ { code, reason }) => {
  if (code === 4403) return sayOpenedElsewhere();
  const known = `dashboard-js-ended-${code}`;
  byId("ended-reason").textContent = text(hasText(known) ? known : "dashboard-js-ended-other", { reason, code });
  document.title = document.title.replace(/^.* – /, `${WORDS.ended} – `);
  const dialog = /** @type {HTMLDialogElement} */ (byId("ended"));
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.showModal();
});

// The sign-in is valid, and so is the rest of the page.
function sayOpenedElsewhere() {
  byId("live").dataset.state = "off";
  byId("live-words").textContent = WORDS.idle;
  const link = document.createElement("a");
  link.href = link.textContent = document.body.dataset.publicUrl ?? "";
  const alert = document.createElement("p");
  alert.className = "alert";
  alert.setAttribute("role", "alert");
  const words = document.createElement("span");
  words.append(...textWithLink("dashboard-js-elsewhere", link, { origin: location.origin }));
  alert.append(words);
  document.querySelector(".hello")?.after(alert);
}

// A form that signs out also closes the connection; without this, a dialog would flash up before the next page.
// `forms.js` sends this event when a form is about to be sent, not when the server turned out to be away.
document.addEventListener("leaving", () => live.close());

/* The secret message */

document.getElementById("secret-button")?.addEventListener("click", async () => {
  const show = (/** @type {string} */ message, /** @type {string} */ code) => {
    byId("secret-message").textContent = message;
    byId("secret-code").textContent = code;
    byId("secret").hidden = false;
  };
  try {
    const { message, code } = await live.request("secret");
    show(message, code);
  } catch (error) {
    if (live.state !== "ended") show(text("dashboard-js-secret-failed"), "");
    console.info("no secret message", error);
  }
});

/* Connections and devices */

/** @typedef {{ id: string, login: string, carrier: string, address: string, since: string }} SessionInfo */
/** @typedef {{ id: string, device_client: string | null, device_system: string | null, ip?: string, created_at: string, last_seen_at: string, current: boolean, device_kind: string }} Login */

const TRANSPORTS = /** @type {Record<string, string>} */ ({ websocket: "WebSocket", socketio: "Socket.IO", tcp: "TCP" });

/**
 * How many entries of a list are shown. The server renders further pages.
 *
 * @param {string} list
 */
const shownOf = (list) => Number(byId(list).dataset.shown);

/** @param {string} list */
const isFirstPage = (list) => byId(list).dataset.page === "1";

/**
 * Shows how many there are, and the link to all of them if only the first are shown.
 *
 * @param {string} name
 * @param {number} total
 */
function count(name, total) {
  byId(`${name}-count`).textContent = String(total);
  const list = byId(`${name}-list`);
  const more = byId(`${name}-more`);
  more.hidden = "whole" in list.dataset || total <= shownOf(list.id);
  /** @type {HTMLElement} */ (more.querySelector("[data-slot=total]")).textContent = String(total);
}

/** @type {Login[]} */
let logins = [];
/** @type {SessionInfo[]} */
let sessions = [];

live.on("welcome", () => void live.request("watch_sessions").catch(() => {}));

/** Changes come in bursts, and the last one may end this page's own sign-in. In milliseconds. */
const PAUSE = 200;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let pause;

live.on("sessions", (/** @type {{ sessions: SessionInfo[] }} */ update) => {
  sessions = update.sessions;
  showConnections();
  // A connection may belong to a new device, or have been the last of one that was signed out.
  clearTimeout(pause);
  pause = setTimeout(loadLogins, PAUSE);
});

let wanted = 0;

async function loadLogins() {
  if (live.state !== "open") return;
  const mine = ++wanted;
  try {
    const response = await fetch(`${base}/api/logins`, {
      headers: { authorization: `Bearer ${await token({ fresh: false })}` },
    });
    // Of two concurrent requests the later one counts.
    if (!response.ok || mine !== wanted) return;
    ({ logins } = await response.json());
    count("devices", logins.length);
    byId("others").hidden = logins.length < 2;
    showDevices();
    showConnections();
  } catch (error) {
    console.info("no list of devices", error);
  }
}

function showConnections() {
  count("connections", sessions.length);
  // This page is no app that a user has connected.
  byId("no-connections").hidden = sessions.some((session) => session.id !== live.session?.session);
  showOnline();
  // Until the devices are known, the server's rows have the better names.
  if (!isFirstPage("connections-list") || logins.length === 0) return;
  const rows = sessions.slice(0, shownOf("connections-list")).map((session) => {
    return fill("connection-row", {
      device: deviceName(logins.find((login) => login.id === session.login)),
      carrier: TRANSPORTS[session.carrier] ?? session.carrier,
      address: session.address,
      since: session.since,
      current: session.id === live.session?.session,
      icon: session.carrier in TRANSPORTS ? session.carrier : "websocket",
    });
  });
  byId("connections-list").replaceChildren(...rows);
}

/**
 * What a device is called in the language of the page, as the server does it in `device_name.rs`.
 *
 * @param {Login | undefined} login
 */
function deviceName(login) {
  const system = login?.device_system ?? "";
  let client = login?.device_client ?? "";
  const words = `device-client-${client.toLowerCase().replaceAll(" ", "-")}`;
  if (hasText(words)) client = text(words);
  if (client && system) return text("device-name", { client, system });
  return client || text(system ? "device-name-system" : "device-name-unknown", { system });
}

/** A device with a live connection is active now, whenever it was last seen. */
function showOnline() {
  const online = new Set(sessions.map((session) => session.login));
  for (const row of byId("devices-list").querySelectorAll("[data-id]")) {
    const isOnline = online.has(/** @type {HTMLElement} */ (row).dataset.id ?? "");
    /** @type {HTMLElement} */ (row.querySelector("[data-slot=online]")).hidden = !isOnline;
    /** @type {HTMLElement} */ (row.querySelector("[data-slot=away]")).hidden = isOnline;
  }
}

function showDevices() {
  if (!isFirstPage("devices-list")) return;
  const list = byId("devices-list");
  // This device first.
  const all = [...logins].sort((one, other) => Number(other.current) - Number(one.current));
  const shown = all.slice(0, shownOf(list.id));
  // Keeps the focus on the same button.
  const focused = document.activeElement?.closest("#devices-list [data-id]")?.getAttribute("data-id");
  list.replaceChildren(
    ...shown.map((login) => {
      const row = fill("device-row", {
        device: deviceName(login),
        address: login.ip ?? "",
        "last-seen": login.last_seen_at,
        since: login.created_at,
        current: login.current,
        icon: login.device_kind,
      });
      row.classList.toggle("current", login.current);
      row.dataset.id = login.id;
      /** @type {HTMLInputElement} */ (row.querySelector("input[name=login]")).value = login.id;
      return row;
    }),
  );
  showOnline();
  if (focused) {
    /** @type {HTMLElement | null} */ (list.querySelector(`[data-id="${CSS.escape(focused)}"] button`))?.focus();
  }
}

/**
 * Makes a row from its template. Texts and times are filled in; a boolean shows or hides its element; `icon` is the
 * name of a symbol of the page. Slots without a value stay as they are.
 *
 * @param {string} id
 * @param {Record<string, string | boolean>} values
 */
function fill(id, values) {
  const template = /** @type {HTMLTemplateElement} */ (byId(id));
  const row = /** @type {HTMLElement} */ (
    /** @type {HTMLElement} */ (template.content.firstElementChild).cloneNode(true)
  );
  for (const slot of row.querySelectorAll("[data-slot]")) {
    const element = /** @type {HTMLElement} */ (slot);
    const value = values[element.dataset.slot ?? ""];
    if (value === undefined) continue;
    if (typeof value === "boolean") element.hidden = !value;
    else if (element instanceof HTMLTimeElement) element.dateTime = value;
    else element.textContent = value;
  }
  row.querySelector("[data-icon]")?.setAttribute("href", `#i-${values.icon}`);
  showTimes(row);
  return row;
}

/* Times in the reader's time zone and language */

/** @param {ParentNode} within */
function showTimes(within) {
  const exact = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  const rough = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  for (const time of within.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const seconds = Math.min(0, (at.getTime() - Date.now()) / 1000);
    const words =
      seconds > -60 ? text("dashboard-js-just-now")
      : seconds > -3600 ? rough.format(Math.ceil(seconds / 60), "minute")
      : seconds > -86_400 ? rough.format(Math.ceil(seconds / 3600), "hour")
      : seconds > -30 * 86_400 ? rough.format(Math.ceil(seconds / 86_400), "day")
      : exact.format(at);
    if (time.textContent !== words) time.textContent = words;
    time.title = exact.format(at);
  }
}

live.connect();
