export type Login = {
    user?: import("./client.js").User;
    /**
     * The access token.
     */
    access?: string;
    /**
     * When it is to be renewed, in milliseconds since the epoch.
     */
    until?: number;
    /**
     * The refresh token.
     */
    refresh?: string;
    /**
     * The device token; it stays after a sign-out.
     */
    device?: string;
};
export type Store = {
    load: () => Login | null | Promise<Login | null>;
    save: (login: Login | null) => void | Promise<void>;
};
export type TabUpdate = {
    type: "signed_in" | "renewed";
    login: Login;
} | {
    type: "forgotten";
    login: string;
};
/** @returns {Store} */
export declare function memoryStore(): Store;
/** The browser keeps the login in a cookie; only the access token is here. @returns {Store} */
export declare function cookieStore(): Store;
/**
 * @param {string} key
 * @returns {Store}
 */
export declare function localStore(key: string): Store;
/**
 * Lets one piece of work run at a time: of this object, and with a name also of all tabs of this origin, where the
 * browser has Web Locks. Without them two tabs may refresh with the same token, which the server allows.
 */
export declare class Mutex {
    #private;
    /** @param {string} [name] */
    constructor(name?: string);
    /**
     * @template T
     * @param {() => T | Promise<T>} work
     * @returns {Promise<T>}
     */
    run<T>(work: () => T | Promise<T>): Promise<T>;
}
/**
 * @param {string} name
 * @param {(update: TabUpdate) => void} onUpdate
 * @returns {{ post: (update: TabUpdate) => void } | null}
 */
export declare function openChannel(name: string, onUpdate: (update: TabUpdate) => void): {
    post: (update: TabUpdate) => void;
} | null;
