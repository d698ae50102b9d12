// What the page shows: rows of messages, and the lists at the side. It knows nothing of the connection.

const find = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** Messages of one author within this time, in milliseconds, have one heading. */
const TOGETHER = 5 * 60_000;

/** An element with its text and properties. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/** The same colour for a user in every window. */
function hue(/** @type {string} */ id) {
  // FNV-1a: ids that differ in one place have different colours.
  let hash = 0x811c9dc5;
  for (const character of id) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193) >>> 0;
  return (hash >>> 8) % 360;
}

function avatar(/** @type {{ id: string, name: string }} */ { id, name }) {
  const circle = element("span", { class: "avatar", "aria-hidden": "true" }, [...name][0]?.toUpperCase() ?? "?");
  circle.style.setProperty("--hue", String(hue(id)));
  return circle;
}

function clock(/** @type {Date} */ at) {
  const text = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return element("time", { datetime: at.toISOString(), title: at.toLocaleString() }, text);
}

/**
 * A row of the log.
 *
 * @param {any} message `{ author, at, text, mine, state, removed }`, or `{ note, at }`
 * @param {any} before The one above it
 * @param {{ onName: Function, onRetry: Function, onRemove?: Function, onBan?: Function }} actions
 */
export function row(message, before, { onName, onRetry, onRemove, onBan }) {
  if (message.note) return element("li", { class: "note" }, element("span", {}, message.note));
  const follows =
    before?.author?.id === message.author.id && message.at.getTime() - before.at.getTime() < TOGETHER;
  const item = element("li", { class: `message${message.mine ? " mine" : ""}${follows ? " follows" : ""}` });
  if (!follows) {
    const name = message.mine
      ? element("span", { class: "name" }, "You")
      : element("button", { class: "name", type: "button", onclick: () => onName(message.author) }, message.author.name);
    item.append(avatar(message.author), element("p", { class: "heading" }, name, " ", clock(message.at)));
  }
  if (message.removed) {
    item.append(element("p", { class: "text removed" }, "A moderator has removed this message."));
    return item;
  }
  item.append(element("p", { class: "text", dir: "auto" }, message.text));
  if (message.state === "sending") item.classList.add("sending");
  if (message.state === "failed") {
    const retry = element("button", { type: "button", onclick: () => onRetry(message) }, "Try again");
    // Announced once, and not each time that the row is made.
    const role = message.isNews ? "alert" : undefined;
    message.isNews = false;
    item.append(element("p", { class: "failed", role }, `Not sent: ${message.problem} `, retry));
  }
  if (onRemove && message.id && !message.mine) {
    const label = `Remove the message of ${message.author.name}: ${message.text.slice(0, 40)}`;
    const ban = `Ban ${message.author.name} from this room for an hour`;
    item.append(
      element(
        "span",
        { class: "moderate" },
        element("button", { type: "button", "aria-label": label, onclick: () => onRemove(message) }, "Remove"),
        element("button", { type: "button", "aria-label": ban, title: ban, onclick: () => onBan(message.author) }, "Ban"),
      ),
    );
  }
  return item;
}

/** The entries of a list at the side. */
export function entries(list, conversations, current, onSelect) {
  const items = conversations.map((conversation) => {
    const { kind, title, unread, person, problem } = conversation;
    const name = element("span", { class: "label" }, title);
    const button = element("button", { type: "button", onclick: () => onSelect(conversation) });
    if (conversation === current) button.setAttribute("aria-current", "true");
    button.append(kind === "room" ? element("span", { class: "hash", "aria-hidden": "true" }, "#") : avatar(person), name);
    if (problem) button.append(element("span", { class: "muted" }, "left"));
    if (unread) {
      const words = element("span", { class: "hidden-visually" }, unread === 1 ? " new message" : " new messages");
      button.append(element("span", { class: "badge" }, String(Math.min(unread, 99)), words));
    }
    return element("li", {}, button);
  });
  list.replaceChildren(...items);
}

/** Who is typing, as a sentence. */
export function typingText(/** @type {string[]} */ names) {
  if (names.length === 0) return "";
  if (names.length > 2) return "Several people are typing…";
  return `${names.join(" and ")} ${names.length === 1 ? "is" : "are"} typing…`;
}

/** Who is in a room: by name, or how many if they are many. */
export function thereText(/** @type {{ count: number, users: { username: string }[] | null }} */ { count, users }) {
  if (count === 0) return "";
  if (!users || count > 5) return `${count} people are here`;
  return `Here: ${users.map(({ username }) => username).sort().join(", ")}`;
}

/** The list at the side, on a phone. */
export function showSide(/** @type {boolean} */ open) {
  document.body.toggleAttribute("data-side", open);
  find("open-side").setAttribute("aria-expanded", String(open));
  if (open) find("close-side").focus();
}

export { find };
