// Compiled by `tsc --strict` against the package: what it promises in types.

import {
  ApiError,
  type ClientOptions,
  Doorward,
  DoorwardClient,
  type End,
  type Registration,
  RequestError,
  type RoomTokenProvider,
  Rooms,
  SignInEnded,
  type Store,
  type TokenSource,
  type User,
  browserToken,
} from "doorward-client";

const store: Store = { load: () => null, save: (login) => void login?.refresh };
const options: ClientOptions = { url: new URL("https://id.example.org"), storage: store, origins: ["https://api.example.org"] };
const client = new DoorwardClient(options);
client.on("user", (user) => user?.username.toUpperCase());
client.on("ended", ({ code, reason }: End) => code.toFixed() + reason.trim());
client.on("claims", ({ roles, claims }) => roles.join() + JSON.stringify(claims));
// @ts-expect-error There is no such event.
client.on("nothing", () => {});
// @ts-expect-error There is no such storage.
new DoorwardClient({ storage: "session" });
// @ts-expect-error A sign-in needs a password.
void client.signIn({ login: "alice" });

export async function use(): Promise<User | null> {
  const user: User | null = await client.restore();
  if (!user) await client.signIn({ login: "alice", password: "secret" });
  const registration: Registration = await client.register({ username: "alice", password: "secret" });
  if (registration.status === "verification_required") return Promise.reject(registration.user.email);
  registration.status satisfies "signed_in";
  const response: Response = await client.fetch("https://api.example.org/orders", { method: "POST", body: "{}" });
  const token: string = await client.token({ fresh: response.ok });
  const source: TokenSource = client.token;
  const door: Doorward = client.live({ minDelay: 100 });
  const off: () => void = door.on("welcome", ({ user }) => user);
  off();
  new Doorward({ token: source, url: `wss://id.example.org/ws?${token.length}` }).connect();
  new Doorward({ token: browserToken(), url: "wss://id.example.org/ws" }).close();
  const roles: string[] = door.access.roles;
  const rooms = new Rooms(door);
  rooms.on("left", ({ room, reason }) => room + reason);
  // @ts-expect-error There is no such event.
  rooms.on("nothing", () => {});
  await rooms.join("chat:lobby", { presence: "full" });
  await rooms.join("order:7", { token: "eyJ" });
  const provider: RoomTokenProvider = async (room) => (await fetch(`/room-token?room=${room}`)).text();
  await rooms.join("order:7", { token: provider });
  // @ts-expect-error A token is a text, or a function that gives one.
  await rooms.join("order:7", { token: 7 });
  rooms.on("presence", ({ users }) => users);
  const names: string[] = (rooms.presence("chat:lobby").users ?? []).map(({ username }) => username);
  await rooms.show("chat:lobby", { typing: true, names });
  await rooms.send("chat:lobby", { text: "hello" }, { event: "say" });
  try {
    await door.request("order", { item: "tea", roles }, { timeout: 100 });
  } catch (error) {
    if (error instanceof RequestError || error instanceof ApiError) return Promise.reject(error.code);
    if (error instanceof SignInEnded) await client.signOut();
  }
  return client.user;
}
