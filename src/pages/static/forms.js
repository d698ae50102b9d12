// Shows and hides passwords, rates a new one, and submits a form once, however often its button is clicked.
// The forms work without it.

import { hasText, text, textWithLink } from "./texts.js";

const base = document.body.dataset.base ?? "";

for (const input of document.querySelectorAll('input[type="password"]')) {
  addEye(/** @type {HTMLInputElement} */ (input));
}
for (const input of document.querySelectorAll("input[data-meter]")) {
  addMeter(/** @type {HTMLInputElement} */ (input));
}

/** After this many milliseconds without a response, a form may be submitted again. */
const RESPONSE_TIME = 10_000;

/** @type {Map<HTMLFormElement, { button: HTMLElement | null, timer: ReturnType<typeof setTimeout> }>} */
const sent = new Map();

document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || !(event.target instanceof HTMLFormElement)) return;
  const form = event.target;
  if (sent.has(form)) return event.preventDefault();
  const button = event.submitter ?? form.querySelector("button[type=submit]");
  // Not `disabled`, which would remove the focus.
  button?.setAttribute("aria-disabled", "true");
  const timer = setTimeout(() => release(form), RESPONSE_TIME);
  sent.set(form, { button: /** @type {HTMLElement | null} */ (button), timer });
});

// After going back from the next page, the form can be used again.
addEventListener("pageshow", () => [...sent.keys()].forEach(release));

/** @param {HTMLFormElement} form */
function release(form) {
  const was = sent.get(form);
  clearTimeout(was?.timer);
  was?.button?.removeAttribute("aria-disabled");
  sent.delete(form);
}

const publicUrl = document.body.dataset.publicUrl ?? "";
if (publicUrl.startsWith("https:") && location.protocol === "http:") {
  const link = document.createElement("a");
  link.href = publicUrl;
  link.textContent = publicUrl;
  const warning = make("p", "alert");
  warning.setAttribute("role", "alert");
  warning.append(...textWithLink("js-wrong-address", link, { origin: location.origin }));
  document.querySelector("main")?.prepend(warning);
}

/** @param {HTMLInputElement} input */
function addEye(input) {
  const label = input.labels?.[0]?.textContent?.trim() ?? "";
  const box = make("div", "with-eye");
  const eye = make("button", "eye");
  eye.type = "button";
  const focused = document.activeElement === input;
  input.replaceWith(box);
  box.append(input, eye);
  // Moving the input removed its focus.
  if (focused) input.focus();
  const show = (/** @type {boolean} */ shown) => {
    input.type = shown ? "text" : "password";
    eye.textContent = text(shown ? "js-hide" : "js-show");
    eye.setAttribute("aria-label", text(shown ? "js-hide-field" : "js-show-field", { field: label }));
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
