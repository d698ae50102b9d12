export type State = "idle" | "connecting" | "open" | "waiting" | "ended";
export type Message = {
    type: string;
    id?: string | number;
    [field: string]: any;
};
export type StateChange = {
    state: State;
    /**
     * When `waiting`: the time of the next attempt, in milliseconds since the epoch.
     */
    retryAt?: number;
};
export type End = {
    /**
     * A close code of docs/PROTOCOL.md; 4401 if the token source reported that there is no sign-in.
     */
    code: number;
    /**
     * A sentence for people.
     */
    reason: string;
};
export type TokenRequest = {
    /**
     * Whether a new token is required, because the previous one has expired or is about to.
     */
    fresh: boolean;
};
export type TokenSource = (request: TokenRequest) => string | Promise<string>;
export type WebSocketClass = new (url: string, protocols: string[]) => object;
export type Access = {
    roles: string[];
    claims: Record<string, any>;
};
export type Options = {
    token: TokenSource;
    /**
     * The URL of the socket, `wss://HOST/ws`. By default on the server that this file is loaded from.
     */
    url?: string | URL;
    /**
     * For a platform without one, such as Node 20: that of the package `ws`.
     */
    WebSocket?: WebSocketClass;
    /**
     * Milliseconds before the first retry, 500 by default; each further retry doubles it.
     */
    minDelay?: number;
    /**
     * The longest delay in milliseconds, 30000 by default.
     */
    maxDelay?: number;
    /**
     * Returns a number from 0 to 1; for tests.
     */
    random?: () => number;
};
export type RequestOptions = {
    /**
     * Milliseconds to wait for the reply, including the time until the connection is open;
     * 10000 by default.
     */
    timeout?: number;
};
/** Thrown by a token source: the user is no longer signed in. */
export declare class SignInEnded extends Error {
    /** @param {string} [message] */
    constructor(message?: string);
}
/** Thrown by a token source: there is no token now, and a retry before `retryAfter` is useless. */
export declare class RetryLater extends Error {
    retryAfter: number;
    /**
     * @param {string} message
     * @param {number} retryAfter In milliseconds
     */
    constructor(message: string, retryAfter: number);
}
/** Why a request has no reply. */
export declare class RequestError extends Error {
    code: string;
    /**
     * @param {string} code The server's code (docs/PROTOCOL.md), or `timeout`, `closed`, `ended`, `full`
     * @param {string} message
     */
    constructor(code: string, message: string);
}
/**
 * A token source for pages of Doorward's own origin: it exchanges the browser's cookie for access tokens, and keeps
 * the last one in memory until shortly before it expires.
 *
 * @param {string | URL} [endpoint] By default on the server that this file is loaded from.
 * @returns {TokenSource}
 */
export declare function browserToken(endpoint?: string | URL): TokenSource;
/**
 * The base URL of the server that this file is loaded from, with or without a version in the path. Not part of the
 * API.
 */
export declare function home(): URL;
/**
 * The error of a refused refresh. Only the server's own code means that the login is no longer active: any other answer
 * may be a proxy's, and may be temporary. Not part of the API.
 *
 * @param {import("./answers.js").ApiError} error
 */
export declare function noToken({ status, code, message, retryAfter }: import("./answers.js").ApiError): RetryLater | SignInEnded;
/**
 * The URL of the socket of a server. Not part of the API.
 *
 * @param {URL} base With a slash at the end
 * @returns {URL}
 */
export declare function socketUrl(base: URL): URL;
/**
 * A live connection. Its events, for {@link Doorward#on}: `state` ({@link StateChange}), `ended` ({@link End}),
 * `message` (each {@link Message} of the server), and each message once more under its own type: `welcome`,
 * `claims` (the user's roles or claims have changed), `sessions` and so on.
 */
export declare class Doorward {
    #private;
    /** @param {Options} options */
    constructor({ token, url, WebSocket, minDelay, maxDelay, random, }: Options);
    /** @returns {State} */
    get state(): State;
    /** The last `welcome`: the user and the session. @returns {Message | null} */
    get session(): Message | null;
    /** The user's roles and claims, as of the last message that named them. @returns {Access} */
    get access(): Access;
    /**
     * Calls `listener` for each event of this type, until the returned function is called.
     *
     * @param {string} type
     * @param {(detail: any) => void} listener
     * @returns {() => void}
     */
    on(type: string, listener: (detail: any) => void): () => void;
    /** Opens the connection, or retries at once while `waiting`. After `ended`, it uses the new sign-in. */
    connect(): void;
    /** Closes the connection, until `connect` is called again. Requests without a reply fail. */
    close(): void;
    /**
     * Sends a request and waits for the reply. It is sent once the connection is open.
     *
     * @param {string} type
     * @param {Record<string, unknown>} [fields]
     * @param {RequestOptions} [options]
     * @returns {Promise<Message>} Rejects with a {@link RequestError}.
     */
    request(type: string, fields?: Record<string, unknown>, { timeout }?: RequestOptions): Promise<Message>;
}
