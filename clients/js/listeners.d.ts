export declare class Listeners {
    #private;
    /**
     * Adds a listener, until the returned function is called.
     *
     * @param {string} type
     * @param {(detail: any) => void} listener
     * @returns {() => void}
     */
    add(type: string, listener: (detail: any) => void): () => void;
    /**
     * @param {string} type
     * @param {unknown} detail
     */
    call(type: string, detail: unknown): void;
}
