// Shows and hides passwords, rates a new one, submits a form once, however often its button is clicked, and keeps what
// was typed while the server cannot be reached. The forms work without it.

import { hasText, text, textWithLink } from "./texts.js";

const base = document.body.dataset.base ?? "";

for (const input of document.querySelectorAll('input[type="password"]')) {
  addEye(/** @type {HTMLInputElement} */ (input));
}
for (const input of document.querySelectorAll("input[data-meter]")) {
  addMeter(/** @type {HTMLInputElement} */ (input));
}

/* Sending */

/** After this many milliseconds without a response, a form may be submitted again. */
const RESPONSE_TIME = 10_000;

/** How long the server may take to say that it is there, in milliseconds. */
const AWAY_AFTER = 5_000;

/** @type {Map<HTMLFormElement, { button: HTMLElement | null, timer: ReturnType<typeof setTimeout> }>} */
const sent = new Map();

document.addEventListener("submit", async (event) => {
  if (event.defaultPrevented || !(event.target instanceof HTMLFormElement)) return;
  const form = event.target;
  // A navigation that fails would lose what was typed: asks first whether the server is there.
  event.preventDefault();
  if (sent.has(form)) return;
  const button = /** @type {HTMLElement | null} */ (event.submitter ?? form.querySelector("button[type=submit]"));
  // Not `disabled`, which would remove the focus.
  button?.setAttribute("aria-disabled", "true");
  button?.setAttribute("data-busy", "");
  sent.set(form, { button, timer: setTimeout(() => release(form), AWAY_AFTER + RESPONSE_TIME) });
  if (!(await isThere())) {
    release(form);
    return sayAway(form);
  }
  form.querySelector(".alert.away")?.remove();
  if (form.hasAttribute("data-stays")) {
    // The response is a file to save, and the page stays.
    form.submit();
    return release(form);
  }
  form.dispatchEvent(new CustomEvent("leaving", { bubbles: true }));
  form.submit();
});

async function isThere() {
  try {
    // Any response will do: it is the form's own that may refuse, and say why.
    await fetch(`${base}/healthz`, { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(AWAY_AFTER) });
    return true;
  } catch {
    return false;
  }
}

/** @param {HTMLFormElement} form */
function sayAway(form) {
  // A form of one button has no room for it.
  if (form.closest(".row, .pane-head, .top")) return sayBanner("js-away");
  form.querySelector(".alert.away")?.remove();
  const alert = make("p", "alert away");
  alert.setAttribute("role", "alert");
  const words = document.createElement("span");
  words.textContent = text("js-away");
  alert.append(icon("away"), words);
  form.prepend(alert);
}

// After going back from the next page, the form can be used again.
addEventListener("pageshow", () => [...sent.keys()].forEach(release));

/** @param {HTMLFormElement} form */
function release(form) {
  const was = sent.get(form);
  clearTimeout(was?.timer);
  was?.button?.removeAttribute("aria-disabled");
  was?.button?.removeAttribute("data-busy");
  sent.delete(form);
}

/* The browser is offline */

/** @param {string} key that of a text; none hides the banner */
function sayBanner(key) {
  const banner = document.getElementById("offline");
  if (!banner) return;
  banner.hidden = key === "";
  // Filled when it appears, so that it is announced.
  /** @type {HTMLElement} */ (banner.lastElementChild).textContent = key && text(key);
}

const sayOffline = () => sayBanner(navigator.onLine ? "" : "js-offline");
addEventListener("online", sayOffline);
addEventListener("offline", sayOffline);
sayOffline();

/* The wrong address */

const publicUrl = document.body.dataset.publicUrl ?? "";
if (publicUrl.startsWith("https:") && location.protocol === "http:") {
  const link = document.createElement("a");
  link.href = publicUrl;
  link.textContent = publicUrl;
  const warning = make("p", "alert");
  warning.setAttribute("role", "alert");
  const words = document.createElement("span");
  words.append(...textWithLink("js-wrong-address", link, { origin: location.origin }));
  warning.append(icon("alert"), words);
  document.querySelector("main")?.prepend(warning);
}

/* Passwords */

/** @param {HTMLInputElement} input */
function addEye(input) {
  const label = input.labels?.[0]?.textContent?.trim() ?? "";
  const box = make("div", "with-eye");
  const eye = make("button", "eye");
  eye.type = "button";
  const picture = icon("eye");
  eye.append(picture);
  eye.setAttribute("aria-label", text("js-show-field", { field: label }));
  const focused = document.activeElement === input;
  input.replaceWith(box);
  box.append(input, eye);
  // Moving the input removed its focus.
  if (focused) input.focus();
  const show = (/** @type {boolean} */ shown) => {
    input.type = shown ? "text" : "password";
    picture.firstElementChild?.setAttribute("href", shown ? "#i-eye-off" : "#i-eye");
    eye.setAttribute("aria-pressed", String(shown));
  };
  show(false);
  eye.addEventListener("click", () => {
    show(input.type === "password");
    input.focus();
  });
  // Hidden again before the form is submitted, so that the browser saves it as a password and it is not left
  // readable.
  input.form?.addEventListener("submit", () => show(false));
}

const PAUSE = 250;

/** @param {HTMLInputElement} input */
function addMeter(input) {
  const meter = make("div", "meter");
  meter.setAttribute("aria-hidden", "true");
  meter.append(...Array.from({ length: 4 }, () => document.createElement("i")));
  const judgement = make("p", "judgement");
  judgement.setAttribute("role", "status");
  meter.hidden = true;
  const hint = input.closest(".field")?.querySelector(".hint");
  (input.closest(".with-eye") ?? input).after(meter, judgement);

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {AbortController | undefined} */
  let asking;
  const say = (/** @type {number} */ score, /** @type {string} */ words) => {
    meter.dataset.score = String(score);
    judgement.textContent = words;
    // The rating replaces the hint.
    meter.hidden = words === "";
    if (hint instanceof HTMLElement) hint.hidden = words !== "";
  };
  const ask = async () => {
    asking = new AbortController();
    const { signal } = asking;
    const about = (/** @type {string} */ name) => {
      const other = input.form?.elements.namedItem(name);
      return other instanceof HTMLInputElement ? other.value : "";
    };
    try {
      const response = await fetch(`${base}/api/password-strength`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ password: input.value, username: about("username"), email: about("email") }),
        signal,
      });
      // If the server is busy, it rates the password when the form is submitted.
      if (!response.ok) return say(0, "");
      const rating = await response.json();
      const { score, ok } = rating;
      const words = ok ? text(score === 4 ? "js-strength-strong" : "js-strength-good") : weakness(input, rating);
      // A refused password never looks good, and an input never looks empty.
      say(ok ? score : Math.min(Math.max(score, 1), 2), words);
    } catch {
      if (!signal.aborted) say(0, "");
    }
  };
  const changed = () => {
    clearTimeout(timer);
    asking?.abort();
    if (input.value === "") return say(0, "");
    timer = setTimeout(ask, PAUSE);
  };
  input.addEventListener("input", changed);
  for (const name of ["username", "email"]) {
    const other = input.form?.elements.namedItem(name);
    if (other instanceof HTMLInputElement) other.addEventListener("change", changed);
  }
}

/**
 * Why a password would not be accepted, and what would help.
 *
 * @param {HTMLInputElement} input
 * @param {{ reason?: string, suggestion_codes?: string[] }} rating
 */
function weakness(input, { reason = "weak", suggestion_codes = [] }) {
  const key = (/** @type {string} */ word) => word.replaceAll("_", "-");
  const about = `rating-${key(reason)}`;
  const first = text(hasText(about) ? about : "rating-weak", { min: input.minLength, max: input.maxLength });
  const others = suggestion_codes.map((code) => `rating-suggest-${key(code)}`).filter(hasText);
  return [first, ...others.map((code) => text(code))].join(" ");
}

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {string} className
 */
function make(tag, className) {
  const element = document.createElement(tag);
  element.className = className;
  return element;
}

/**
 * An icon of the page's symbols.
 *
 * @param {string} name
 */
function icon(name) {
  const SVG = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}
