// The listeners of an object that has events.

export class Listeners {
  /** @type {Map<string, Set<(detail: any) => void>>} */
  #byType = new Map();

  /**
   * Adds a listener, until the returned function is called.
   *
   * @param {string} type
   * @param {(detail: any) => void} listener
   * @returns {() => void}
   */
  add(type, listener) {
    const listeners = this.#byType.get(type) ?? new Set();
    this.#byType.set(type, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /**
   * @param {string} type
   * @param {unknown} detail
   */
  call(type, detail) {
    for (const listener of this.#byType.get(type) ?? []) {
      try {
        listener(detail);
      } catch (error) {
        // Reports a listener's error as its own, without affecting the caller.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
