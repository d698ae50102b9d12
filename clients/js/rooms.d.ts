export type Doorward = import("./live.js").Doorward;
export type Message = import("./live.js").Message;
export type Presence = import("./presence.js").Presence;
export type JoinOptions = {
    /**
     * What to be told of who is in the room: nothing, how many, or everything.
     */
    presence?: "none" | "count" | "full";
    /**
     * A room token of the application's backend. A function is called for each join,
     * also after a reconnect, and when the last token is about to expire.
     */
    token?: string | RoomTokenProvider;
};
export type RoomTokenProvider = (room: string) => string | null | undefined | Promise<string | null | undefined>;
export type Left = {
    room: string;
    /**
     * Why: `policy` if the user's roles do not allow the room any more, or the code of an error when
     * it was joined again.
     */
    code: string;
    /**
     * A sentence for people.
     */
    reason: string;
    /**
     * With `backoff`, the room is joined again after a moment; with
     * `new_token` too if `token` is a function.
     */
    rejoin: "never" | "new_token" | "backoff";
};
export type SendOptions = {
    /**
     * A name for what is sent, of 1 to 64 characters.
     */
    event?: string;
    /**
     * A text that comes with the message, of 1 to 64 characters.
     */
    key?: string;
};
/**
 * Rooms over one live connection. Its events, for {@link Rooms#on}: `message` ({@link Message}), `left` ({@link Left}),
 * `presence` ({@link Presence}).
 */
export declare class Rooms {
    #private;
    /** @param {Doorward} live */
    constructor(live: Doorward);
    /** The rooms that are joined, and joined again after a reconnect. @returns {string[]} */
    get joined(): string[];
    /**
     * Calls `listener` for each event of this type, until the returned function is called.
     *
     * @param {"message" | "left" | "presence"} type
     * @param {(detail: any) => void} listener
     * @returns {() => void}
     */
    on(type: "message" | "left" | "presence", listener: (detail: any) => void): () => void;
    /**
     * Joins a room, and again after each reconnect.
     *
     * @param {string} room
     * @param {JoinOptions} [options]
     * @returns {Promise<Message>} The reply `joined`. Rejects with a `RequestError`; with the code `left` if the room was left
     *   before there was a token.
     */
    join(room: string, { presence, token }?: JoinOptions): Promise<Message>;
    /**
     * Who is in a room that was joined with `presence`. After each change, the event `presence` brings the same.
     *
     * @param {string} room
     * @returns {Presence}
     */
    presence(room: string): Presence;
    /**
     * Shows something to the others in a room that was joined, such as `{ typing: true }`, and again after each reconnect;
     * `null` takes it back.
     *
     * @param {string} room
     * @param {unknown} data Anything that takes up to 1 KiB as JSON
     * @returns {Promise<Message>} The reply `presence`. Rejects with a `RequestError`.
     */
    show(room: string, data: unknown): Promise<Message>;
    /**
     * Leaves a room.
     *
     * @param {string} room
     * @returns {Promise<Message>} The reply `left`. Rejects with a `RequestError`.
     */
    leave(room: string): Promise<Message>;
    /**
     * Sends a message to a room.
     *
     * @param {string} room
     * @param {unknown} data Anything that JSON can write
     * @param {SendOptions} [options]
     * @returns {Promise<Message>} The reply `sent`. Rejects with a `RequestError`.
     */
    send(room: string, data: unknown, { event, key }?: SendOptions): Promise<Message>;
    /**
     * Sends a message to a user: to all of the user's sessions, except this one.
     *
     * @param {string} user The user's id
     * @param {unknown} data Anything that JSON can write
     * @param {SendOptions} [options]
     * @returns {Promise<Message>} The reply `sent`. Rejects with a `RequestError`.
     */
    sendToUser(user: string, data: unknown, { event, key }?: SendOptions): Promise<Message>;
}
