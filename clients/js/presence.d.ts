export type Message = import("./live.js").Message;
export type PresentUser = {
    /**
     * The user's id
     */
    user: string;
    username: string;
    /**
     * What one of the user's sessions has set last
     */
    data?: any;
    /**
     * What each of them has set, if the kind shows sessions
     */
    sessions?: {
        session: string;
        data?: any;
    }[];
};
export type Presence = {
    room: string;
    /**
     * How many users are there.
     */
    count: number;
    /**
     * Who they are. `null` while that is not known, with more than 1,000 users, and if
     * the kind or the client only counts.
     */
    users: PresentUser[] | null;
};
export type AskForPage = (after?: string) => Promise<Message>;
/** The list of one room. */
export declare class PresenceList {
    #private;
    /**
     * @param {string} room
     * @param {AskForPage} ask Asks for the users after this one.
     * @param {boolean} isFull Whether it is told which users there are.
     * @param {() => void} changed Is called after each change.
     */
    constructor(room: string, ask: AskForPage, isFull: boolean, changed: () => void);
    /** @returns {Presence} */
    get state(): Presence;
    /** The connection is another one: its numbers mean nothing any more. The list stays until there is a new one. */
    restart(): void;
    /** Ends what it waits for. */
    stop(): void;
    /** Asks for the list. */
    load(): Promise<void>;
    /** @param {Message} change A message `presence_changed` */
    receive(change: Message): void;
}
