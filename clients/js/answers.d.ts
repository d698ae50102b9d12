export type Login = import("./store.js").Login;
/**
 * @typedef {import("./store.js").Login} Login
 */
/** The server's refusal of a request (RFC 9457). */
export declare class ApiError extends Error {
    status: number;
    /** A stable code of docs/HTTP.md; empty if the answer is not the server's own. @type {string} */
    code: string;
    problem: Record<string, any>;
    retryAfter: number;
    /**
     * @param {number} status The HTTP status
     * @param {Record<string, any>} problem The body
     * @param {number} retryAfter In milliseconds; 0 if the server does not say
     */
    constructor(status: number, problem: Record<string, any>, retryAfter: number);
}
/** Reads a refusal. Leaves the body unread for others. @param {Response} answer */
export declare function apiError(answer: Response): Promise<ApiError>;
/**
 * What an answer with tokens says.
 *
 * @param {any} body
 * @returns {Login}
 */
export declare function loginOf(body: any): Login;
/**
 * The id of the login that an access token belongs to; it stays when the token is renewed. Empty without a token.
 *
 * @param {string} [token]
 * @returns {string}
 */
export declare function loginIdOf(token?: string): string;
