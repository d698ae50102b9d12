// What every scenario of `socket.io-client` stands on: clients that keep what happens to them in its order.

import assert from "node:assert/strict";
import { io } from "socket.io-client";
import { url } from "../server.mjs";

/** How the client comes in: `polling`, `websocket`, or `upgrade` from the one to the other, which is its default. */
const transport = process.argv[2];
const transports = transport === "upgrade" ? {} : { transports: [transport] };

/** Long enough for a busy machine; what takes this long has failed. */
const PATIENCE = 30_000;

/** Runs one scenario; the process ends with it. */
export async function scenario(play) {
  let failure = null;
  try {
    await play();
  } catch (error) {
    failure = error;
  }
  if (failure) console.log(failure.stack);
  process.exit(failure ? 1 : 0);
}

/** Fails when it takes too long. */
export function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited too long for ${what()}`)), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** One Socket.IO client on a connection of its own. */
export class Client {
  #arrived = [];
  #wake = () => {};

  constructor(token, path = "/") {
    this.socket = io(`${url}${path}`, {
      // Asked for again at each connection, as applications do whose tokens change.
      auth: (give) => give({ token: this.token }),
      forceNew: true,
      reconnectionDelay: 20,
      reconnectionDelayMax: 200,
      timeout: PATIENCE,
      ...transports,
    });
    this.token = token;
    this.socket.on("connect", () => this.#keep("connect", { sid: this.socket.id }));
    this.socket.on("connect_error", (error) => this.#keep("connect_error", error));
    this.socket.on("disconnect", (reason) => this.#keep("disconnect", reason));
    this.socket.onAny((event, ...args) => this.#keep(event, ...args));
  }

  /** One that is in, and was greeted. */
  static async in({ access_token }) {
    const client = new Client(access_token);
    await client.greeted();
    return client;
  }

  #keep(event, ...args) {
    this.#arrived.push([event, ...args]);
    this.#wake();
  }

  /** The next event, with its arguments. */
  async #next(wanted) {
    while (this.#arrived.length === 0) {
      const news = new Promise((resolve) => (this.#wake = resolve));
      await within(news, () => `${wanted}, ${this.socket.connected ? "connected" : "not connected"}`);
    }
    return this.#arrived.shift();
  }

  /** The argument of the next event, which must have this name. */
  async expect(event) {
    const [name, ...args] = await this.#next(event);
    assert.equal(name, event, `${name} came instead of ${event}: ${args[0]?.stack ?? JSON.stringify(args)}`);
    assert(args.length <= 1, `${event} has one argument: ${JSON.stringify(args)}`);
    return args[0];
  }

  /** What everybody is told who comes in; answers the `welcome`. */
  async greeted() {
    const { sid } = await this.expect("connect");
    const welcome = await this.expect("welcome");
    assert.equal(welcome.session, sid);
    const { message } = await this.expect("server_response");
    assert.equal(message, `Connected as ${welcome.user.username}`);
    return welcome;
  }

  /** Passes over what comes until the connection is lost for a while. Answers what came before. */
  async lost() {
    const before = [];
    for (;;) {
      const [name, ...args] = await this.#next("the loss");
      if (name === "disconnect") {
        // Which of the two depends on what the client was about.
        assert.match(args[0], /^transport (close|error)$/);
        assert(this.socket.active, "it means to come back");
        return before;
      }
      before.push([name, ...args]);
    }
  }

  /** Passes over attempts that reached no server. */
  async tried() {
    for (;;) {
      const happened = await this.#next("an attempt");
      const [name, argument] = happened;
      if (name === "connect_error" && !argument.data) continue;
      this.#arrived.unshift(happened);
      return;
    }
  }

  /** Asks with an acknowledgement. */
  ask(event, ...args) {
    return within(this.socket.emitWithAck(event, ...args), () => `the acknowledgement of ${event}`);
  }

  /** Asks for an event of this name, which must be the next. */
  async answer(event, reply, ...args) {
    this.socket.emit(event, ...args);
    return this.expect(reply);
  }

  /** Is it still in, and did nothing else come? */
  async lives() {
    assert.deepEqual(await this.answer("ping", "pong"), {});
  }

  /** The server ends it, for good. */
  async ends(code, reconnect) {
    const goodbye = await this.expect("goodbye");
    assert.deepEqual([goodbye.code, goodbye.reconnect], [code, reconnect]);
    assert.equal(typeof goodbye.reason, "string");
    assert.equal(await this.expect("disconnect"), "io server disconnect");
    assert(!this.socket.active, "it does not come back by itself");
    return goodbye;
  }

  /** The server does not let it in, and it does not try again. */
  async refused(code, reconnect, error) {
    const { message, data } = await this.expect("connect_error");
    assert.match(message, /^\w.* .*\w/, "a sentence");
    assert.deepEqual([data.code, data.reconnect, data.error], [code, reconnect, error]);
    assert.equal(typeof data.reason, "string");
    assert(!this.socket.active, "it does not come back by itself");
  }

  /** Waits until it travels as this scenario means it to. */
  async travels() {
    const { engine } = this.socket.io;
    if (transport === "upgrade" && engine.transport.name !== "websocket") {
      const upgraded = new Promise((resolve) => engine.once("upgrade", resolve));
      await within(upgraded, () => "the upgrade");
    }
    assert.equal(engine.transport.name, transport === "upgrade" ? "websocket" : transport);
  }
}
