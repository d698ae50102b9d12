// The JavaScript client for Doorward: the package doorward-client, which the server serves as
// /static/doorward.js as well.
//
//   import { DoorwardClient } from "https://id.example.org/static/doorward.js";
//
//   const client = new DoorwardClient();
//   await client.signIn({ login: "alice", password });
//   const response = await client.fetch("https://id.example.org/api/me");
//   const live = client.live();
//   live.connect();
//
// See docs/CLIENT.md.

export { ApiError } from "./answers.js";
export { DoorwardClient } from "./client.js";
export { Doorward, RequestError, RetryLater, SignInEnded, browserToken } from "./live.js";
export { Rooms } from "./rooms.js";

/**
 * @typedef {import("./client.js").ClientOptions} ClientOptions
 * @typedef {import("./client.js").Events} ClientEvents
 * @typedef {import("./client.js").Registration} Registration
 * @typedef {import("./client.js").User} User
 * @typedef {import("./rooms.js").JoinOptions} JoinOptions
 * @typedef {import("./rooms.js").Left} Left
 * @typedef {import("./rooms.js").RoomTokenProvider} RoomTokenProvider
 * @typedef {import("./rooms.js").SendOptions} SendOptions
 * @typedef {import("./store.js").Login} Login
 * @typedef {import("./store.js").Store} Store
 * @typedef {import("./live.js").Access} Access
 * @typedef {import("./live.js").End} End
 * @typedef {import("./live.js").Message} Message
 * @typedef {import("./live.js").Options} Options
 * @typedef {import("./live.js").State} State
 * @typedef {import("./live.js").StateChange} StateChange
 * @typedef {import("./live.js").TokenRequest} TokenRequest
 * @typedef {import("./live.js").TokenSource} TokenSource
 */
