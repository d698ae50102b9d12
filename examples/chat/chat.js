// A chat over Doorward's rooms. Three public rooms and who is in them, direct messages, and notices that someone is typing;
// nothing is kept on the server, so a page shows what was sent while it was there.

import { ApiError, DoorwardClient, RequestError, Rooms } from "/static/doorward.js";
import { element, entries, find, row, showSide, thereText, typingText } from "./view.js";

/** Messages that a page keeps of each conversation. */
const KEPT = 500;
/** A notice is sent no more often, in milliseconds, and is shown for a little longer. */
const TYPING_PACE = 3000;
const TYPING_SHOWN = 5000;

const client = new DoorwardClient({ storage: "cookie" });
/** The connection of the user who is signed in. */
let door = null;
let rooms = null;
/** By the name of a room, or a user's id. */
const conversations = new Map();
let current = null;
/** Who is typing in the current room: timers by name. */
const typing = new Map();
let typingSent = 0;
let keys = 0;
let wasOpen = false;

// Signing in and out

const problem = (text) => {
  find("sign-in-problem").textContent = text;
  find("sign-in-problem").hidden = !text;
};

function showWelcome(text = "") {
  stop();
  find("chat").hidden = true;
  find("welcome").hidden = false;
  document.title = "Chat";
  problem(text);
}

find("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.currentTarget;
  const { login, password } = form.elements;
  const isNew = event.submitter?.value === "register";
  form.setAttribute("aria-busy", "true");
  problem("");
  try {
    if (isNew) await client.register({ username: login.value, password: password.value });
    else await client.signIn({ login: login.value, password: password.value });
    form.reset();
    await start();
  } catch (error) {
    problem(error instanceof ApiError ? sentence(error) : "The server cannot be reached. Try again in a moment.");
  } finally {
    form.removeAttribute("aria-busy");
  }
});

/** What a form shows: the faults of its fields, or what the server says of the whole. */
function sentence(error) {
  const faults = error.problem?.errors;
  return faults?.length ? faults.map(({ detail }) => detail).join(" ") : error.message;
}

find("sign-out").addEventListener("click", async () => {
  try {
    await client.signOut();
    showWelcome();
  } catch {
    showConnection("You could not be signed out: the server cannot be reached.");
  }
});

client.on("ended", ({ reason }) => showWelcome(`You are signed out: ${reason}.`));
client.on("user", (user) => {
  // Another tab has signed in or out.
  if (!user) showWelcome();
  else if (!door) void start();
});

// The connection

async function start() {
  if (door) return;
  door = client.live();
  rooms = new Rooms(door);
  find("me").textContent = client.user.username;
  find("welcome").hidden = true;
  find("chat").hidden = false;
  door.on("state", connectionChanged);
  door.on("claims", draw);
  rooms.on("message", receive);
  rooms.on("left", left);
  rooms.on("presence", ({ room }) => {
    if (room === current?.id) drawTopic();
  });
  door.connect();
  await joinRooms();
}

function stop() {
  door?.close();
  door = rooms = current = null;
  wasOpen = false;
  conversations.clear();
  forgetTyping();
}

async function joinRooms() {
  const mine = door;
  try {
    const list = await mine.request("chat_rooms", {}, { timeout: 60_000 });
    for (const { name, title, topic } of list.rooms) {
      await rooms.join(`chat:${name}`, { presence: "full" });
      const typingRoom = `typing:${name}`;
      await rooms.join(typingRoom);
      add({ id: `chat:${name}`, kind: "room", title, topic, typingRoom });
    }
    select(current ?? conversations.values().next().value);
  } catch (error) {
    // Signed out meanwhile, or the server was away for a minute.
    if (door === mine) showConnection(`The rooms could not be joined: ${error.message}. Reload the page to try again.`);
  }
}

let countdown;

function connectionChanged({ state, retryAt }) {
  clearInterval(countdown);
  find("try-now").hidden = state !== "waiting";
  if (state === "open") {
    showConnection("");
    if (wasOpen) for (const conversation of conversations.values()) note(conversation, "You were offline: messages of that time are missing.");
    wasOpen = true;
  } else if (state === "connecting") {
    showConnection(wasOpen ? "Reconnecting…" : "Connecting…");
  } else if (state === "waiting") {
    const show = () => {
      const seconds = Math.max(1, Math.ceil((retryAt - Date.now()) / 1000));
      showConnection(navigator.onLine ? `Offline. Trying again in ${seconds} s.` : "This device is offline.");
    };
    show();
    countdown = setInterval(show, 1000);
  }
}

function showConnection(text) {
  find("connection").hidden = !text;
  if (find("connection-text").textContent !== text) find("connection-text").textContent = text;
}

find("try-now").addEventListener("click", () => door?.connect());

// Conversations

function add(conversation) {
  const known = conversations.get(conversation.id);
  if (known) return known;
  const added = { messages: [], unread: 0, draft: "", ...conversation };
  conversations.set(added.id, added);
  return added;
}

/** The conversation with one user. */
function direct(person) {
  return add({ id: person.id, kind: "user", title: person.name, topic: "Only the two of you read this", person });
}

function select(conversation) {
  if (!conversation) return;
  if (current) current.draft = find("text").value;
  current = conversation;
  current.unread = 0;
  forgetTyping();
  find("text").value = current.draft;
  grow();
  find("title").textContent = current.kind === "room" ? `# ${current.title}` : current.title;
  drawTopic();
  showSide(false);
  draw();
  scrollDown();
}

/** What the conversation is about, and who is in the room. */
function drawTopic() {
  const there = current.kind === "room" ? thereText(rooms.presence(current.id)) : "";
  find("topic").textContent = there ? `${current.topic} · ${there}` : current.topic;
}

/** Everything, anew. */
function draw() {
  drawLists();
  if (!current) return;
  const follow = isAtEnd();
  const rows = current.messages.map((message, at) => row(message, current.messages[at - 1], actions()));
  if (rows.length === 0) {
    const hint = current.kind === "room" ? "You see what is written from now on." : "Nothing yet. Say something nice.";
    rows.push(element("li", { class: "note" }, element("span", {}, hint)));
  }
  // A live region announces what is added, not a whole conversation that was opened.
  find("scroll").setAttribute("aria-live", "off");
  find("log").replaceChildren(...rows);
  requestAnimationFrame(() => find("scroll").setAttribute("aria-live", "polite"));
  if (follow) scrollDown();
}

function drawLists() {
  const all = [...conversations.values()];
  const people = all.filter(({ kind }) => kind === "user");
  entries(find("rooms"), all.filter(({ kind }) => kind === "room"), current, select);
  entries(find("people"), people, current, select);
  find("people-hint").hidden = people.length > 0;
  const unread = all.reduce((sum, conversation) => sum + conversation.unread, 0);
  find("elsewhere").hidden = unread === 0;
  document.title = unread ? `(${unread}) Chat` : "Chat";
}

function actions() {
  const isModerator = current.kind === "room" && door.access.roles.includes("moderator");
  return {
    onName: (person) => {
      select(direct(person));
      find("text").focus();
    },
    onRetry: (message) => void deliver(current, message),
    onRemove: isModerator ? (message) => void remove(current, message) : undefined,
    onBan: isModerator ? (person) => void ban(current, person) : undefined,
  };
}

/** Adds a message, and its row if the conversation is open. */
function show(conversation, message) {
  const { messages } = conversation;
  messages.push(message);
  if (messages.length > KEPT) messages.splice(0, messages.length - KEPT);
  if (conversation !== current || document.hidden) conversation.unread += message.mine || message.note ? 0 : 1;
  if (conversation === current) {
    const follow = isAtEnd() || message.mine;
    if (messages.length === 1 || messages.length === KEPT) draw();
    else find("log").append(row(message, messages.at(-2), actions()));
    if (follow) scrollDown();
    else find("newest").hidden = false;
  }
  drawLists();
}

function note(conversation, text) {
  if (conversation.messages.length && !conversation.messages.at(-1).note) show(conversation, { note: text, at: new Date() });
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden || !current) return;
  current.unread = 0;
  drawLists();
});

// What comes

function receive({ room, message, at, from, event, key, data }) {
  if (room.startsWith("typing:")) {
    if (current?.typingRoom === room && from.user) isTyping(from.username);
    return;
  }
  if (from.app === "chat" && event === "removed") return removed(conversations.get(room), data.message);
  if (from.app === "chat" && event === "banned") return banned(conversations.get(room), data);
  // Others may send anything: only texts are shown.
  if (!from.user || typeof data?.text !== "string") return;
  const author = { id: from.user, name: from.username };
  const conversation = room.startsWith("user:") ? direct(author) : conversations.get(room);
  if (!conversation) return;
  if (conversation === current) isTyping(from.username, false);
  // Its author has sent it again, and it had arrived before.
  if (key && conversation.messages.some((known) => known.key === key && known.author?.id === author.id)) return;
  const mine = from.user === client.user.id;
  show(conversation, { id: message, author, at: new Date(at), text: data.text.slice(0, 2000), mine, key });
}

function left({ room, reason, rejoin }) {
  const conversation = conversations.get(room);
  if (!conversation) return;
  const comesBack = rejoin === "backoff";
  if (!comesBack) conversation.problem = reason;
  const text = comesBack ? `One moment: ${reason}.` : `You are no longer in this room: ${reason}.`;
  show(conversation, { note: text, at: new Date() });
  if (conversation === current) drawTopic();
}

function removed(conversation, id) {
  const message = conversation?.messages.find((known) => known.id === id);
  if (!message) return;
  message.removed = true;
  message.text = "";
  draw();
}

async function remove(conversation, message) {
  try {
    await door.request("remove_message", { room: conversation.id, message: message.id });
  } catch (error) {
    note(conversation, `The message could not be removed: ${error.message}.`);
  }
}

function banned(conversation, { user, by }) {
  const name = conversation?.messages.find(({ author }) => author?.id === user)?.author.name;
  if (conversation) show(conversation, { note: `${by} has banned ${name ?? "someone"} for an hour.`, at: new Date() });
}

async function ban(conversation, { id, name }) {
  if (!confirm(`Ban ${name} from ${conversation.title} for an hour?`)) return;
  try {
    await door.request("ban", { room: conversation.id, user: id });
  } catch (error) {
    note(conversation, `${name} could not be banned: ${error.message}.`);
  }
}

// What is sent

find("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = find("text").value.trim();
  if (!text || !current) return;
  find("text").value = "";
  typingSent = 0;
  grow();
  const author = { id: client.user.id, name: client.user.username };
  const message = { author, at: new Date(), text, mine: true, state: "sending", key: `${Date.now()}-${keys++}` };
  show(current, message);
  void deliver(current, message);
});

async function deliver(conversation, message) {
  const { id, kind } = conversation;
  message.state = "sending";
  if (conversation === current) draw();
  try {
    const data = { text: message.text };
    const options = { key: message.key };
    const sent = await (kind === "room" ? rooms.send(id, data, options) : rooms.sendToUser(id, data, options));
    message.state = "sent";
    message.id = sent.message;
  } catch (error) {
    message.state = "failed";
    message.problem = explain(error);
    message.isNews = true;
  }
  if (conversation === current) draw();
}

const PROBLEMS = {
  too_many_requests: "you write faster than this room allows.",
  too_large: "it is too long.",
  forbidden: "you may not write here.",
  banned: "you are banned from this room.",
  closed: "the connection was lost.",
  timeout: "the server does not answer.",
};

const explain = (error) => (error instanceof RequestError && PROBLEMS[error.code]) || `${error.message}.`;

find("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  find("composer").requestSubmit();
});

find("text").addEventListener("input", () => {
  grow();
  if (!current?.typingRoom || door?.state !== "open" || !find("text").value.trim()) return;
  if (Date.now() - typingSent < TYPING_PACE) return;
  typingSent = Date.now();
  // It is worth nothing later: what goes wrong is no matter.
  rooms.send(current.typingRoom, true).catch(() => {});
});

/** The field is as high as its text, up to a bound that the style sheet sets. */
function grow() {
  const field = find("text");
  field.style.setProperty("height", "auto");
  field.style.setProperty("height", `${field.scrollHeight + 2}px`);
}

// Who is typing

function isTyping(name, still = true) {
  clearTimeout(typing.get(name));
  if (still) typing.set(name, setTimeout(() => isTyping(name, false), TYPING_SHOWN));
  else typing.delete(name);
  find("typing").textContent = typingText([...typing.keys()]);
}

function forgetTyping() {
  for (const timer of typing.values()) clearTimeout(timer);
  typing.clear();
  typingSent = 0;
  find("typing").textContent = "";
}

// Scrolling, and the list on a phone

const isAtEnd = () => {
  const { scrollHeight, scrollTop, clientHeight } = find("scroll");
  return scrollHeight - scrollTop - clientHeight < 80;
};

function scrollDown() {
  find("scroll").scrollTop = find("scroll").scrollHeight;
  find("newest").hidden = true;
}

find("newest").addEventListener("click", scrollDown);
find("scroll").addEventListener("scroll", () => {
  if (isAtEnd()) find("newest").hidden = true;
});
find("open-side").addEventListener("click", () => showSide(true));
const closeSide = () => {
  if (!document.body.hasAttribute("data-side")) return;
  showSide(false);
  find("open-side").focus();
};
find("close-side").addEventListener("click", closeSide);
// What is beside the list.
find("conversation").addEventListener("pointerdown", (event) => {
  if (!document.body.hasAttribute("data-side")) return;
  event.preventDefault();
  closeSide();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeSide();
});

// The beginning

try {
  if (await client.restore()) await start();
  else showWelcome();
} catch {
  showWelcome("The server cannot be reached. Try again in a moment.");
}
