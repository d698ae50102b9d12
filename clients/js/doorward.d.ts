export { ApiError } from "./answers.js";
export { DoorwardClient } from "./client.js";
export { Doorward, RequestError, RetryLater, SignInEnded, browserToken } from "./live.js";
export { Rooms } from "./rooms.js";
export type ClientOptions = import("./client.js").ClientOptions;
export type ClientEvents = import("./client.js").Events;
export type Registration = import("./client.js").Registration;
export type User = import("./client.js").User;
export type JoinOptions = import("./rooms.js").JoinOptions;
export type Left = import("./rooms.js").Left;
export type RoomTokenProvider = import("./rooms.js").RoomTokenProvider;
export type SendOptions = import("./rooms.js").SendOptions;
export type Login = import("./store.js").Login;
export type Store = import("./store.js").Store;
export type Access = import("./live.js").Access;
export type End = import("./live.js").End;
export type Message = import("./live.js").Message;
export type Options = import("./live.js").Options;
export type State = import("./live.js").State;
export type StateChange = import("./live.js").StateChange;
export type TokenRequest = import("./live.js").TokenRequest;
export type TokenSource = import("./live.js").TokenSource;
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
