import { Doorward } from "./live.js";
export type Login = import("./store.js").Login;
export type Store = import("./store.js").Store;
export type Access = import("./live.js").Access;
export type End = import("./live.js").End;
export type LiveOptions = import("./live.js").Options;
export type User = {
    id: string;
    username: string;
    display_name: string;
    email?: string | null;
    email_verified?: boolean;
    [field: string]: any;
};
export type Registration = {
    status: "signed_in";
    user: User;
} | {
    status: "verification_required";
    user: User;
};
export type ClientOptions = {
    /**
     * The server's address, `https://HOST` or with a path. By default the server that this
     * file is loaded from.
     */
    url?: string | URL;
    /**
     * Where the login is kept: `memory` (the default) until the
     * page is left, `local` in the browser's localStorage, `cookie` in a cookie that no script can read (pages of the
     * server's own origin only), or a store of yours.
     */
    storage?: "memory" | "local" | "cookie" | Store;
    /**
     * Origins besides the server's and the page's to which `fetch` may send the token.
     */
    origins?: (string | URL)[];
    fetch?: typeof fetch;
    /**
     * For a platform without one, such as Node 20.
     */
    WebSocket?: import("./live.js").WebSocketClass;
};
export type Events = {
    /**
     * The user who is signed in now; null after the login has ended or was left.
     */
    user: User | null;
    /**
     * The login was ended: elsewhere, by its age, or with the account. The user has to sign in again.
     */
    ended: End;
    /**
     * The user's roles or claims have changed.
     */
    claims: Access;
};
export declare class DoorwardClient {
    #private;
    /** @param {ClientOptions} [options] */
    constructor({ url, storage, origins, fetch, WebSocket }?: ClientOptions);
    /** The user, as far as is known without asking; see `restore`. @returns {User | null} */
    get user(): User | null;
    /**
     * Calls `listener` for each event of this type, until the returned function is called.
     *
     * @template {keyof Events} T
     * @param {T} type
     * @param {(detail: Events[T]) => void} listener
     * @returns {() => void}
     */
    on<T extends keyof Events>(type: T, listener: (detail: Events[T]) => void): () => void;
    /**
     * Finds the login of an earlier visit, if the storage keeps one. Call it once when the page is loaded.
     *
     * @returns {Promise<User | null>}
     */
    restore(): Promise<User | null>;
    /**
     * Creates an account, and signs it in unless the server wants its address to be verified first.
     *
     * @param {{ username: string, password: string, email?: string, [field: string]: unknown }} fields
     * @returns {Promise<Registration>} Rejects with an {@link ApiError}, for example `username_taken` or `weak_password`.
     */
    register(fields: {
        username: string;
        password: string;
        email?: string;
        [field: string]: unknown;
    }): Promise<Registration>;
    /**
     * @param {{ login: string, password: string, [field: string]: unknown }} fields `login` is the username or a verified
     *   address.
     * @returns {Promise<User>} Rejects with an {@link ApiError}, for example `invalid_credentials`.
     */
    signIn(fields: {
        login: string;
        password: string;
        [field: string]: unknown;
    }): Promise<User>;
    /**
     * Revokes the login on the server, closes its sockets, and forgets it here and in the other tabs. If the server cannot
     * be reached or does not confirm, it rejects and nothing is forgotten: try again, or call `forget`.
     */
    signOut(): Promise<void>;
    /** Forgets the login here and in the other tabs. On the server it stays. */
    forget(): Promise<void>;
    /**
     * An access token, renewed if it has expired or is about to. This is a token source for {@link Doorward} as well.
     *
     * @param {{ fresh?: boolean }} [request] With `fresh`, it is not one that was returned before.
     * @returns {Promise<string>} Rejects with {@link SignInEnded} if no user is signed in.
     */
    token: ({ fresh }?: {
        fresh?: boolean;
    }) => Promise<string>;
    /**
     * `fetch` with the access token. If it is answered that the token has expired or is out of date, the request is
     * repeated once with a fresh one.
     *
     * @param {RequestInfo | URL} input An address of the server, of the page's origin, or of one in `origins`: the token
     *   is sent nowhere else.
     * @param {RequestInit} [init]
     * @returns {Promise<Response>}
     */
    fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
    /**
     * Calls a route of the server's API: `await client.api("api/me")`.
     *
     * @param {string} path Relative to the server's address
     * @param {{ method?: string, body?: unknown, headers?: Record<string, string> }} [options] `body` is sent as JSON.
     * @returns {Promise<any>} The JSON of the answer, null if it has none. Rejects with an {@link ApiError}.
     */
    api(path: string, { method, body, headers }?: {
        method?: string;
        body?: unknown;
        headers?: Record<string, string>;
    }): Promise<any>;
    /**
     * A live connection with the client's tokens. Call its `connect`.
     *
     * @param {Partial<LiveOptions>} [options]
     * @returns {Doorward}
     */
    live(options?: Partial<LiveOptions>): Doorward;
}
