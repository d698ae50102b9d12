-- Changes of users and logins, for backends that follow them. A row is written with the change, without a number: a
-- transaction that began earlier may commit later. Numbers are given afterwards, to committed rows alone and by one
-- process at a time, so that a reader who has seen a number has seen all smaller ones.
CREATE TABLE events (
    id       TEXT      NOT NULL PRIMARY KEY,
    -- Without gaps; null until it is given.
    seq      BIGINT,
    -- The order of writing, by the database's own clock or count: the order in which numbers are given.
    written  BIGINT    NOT NULL,
    at       TIMESTAMP NOT NULL,
    kind     TEXT      NOT NULL,
    user_id  TEXT      NOT NULL,
    login_id TEXT,
    detail   TEXT
);
CREATE UNIQUE INDEX events_seq ON events (seq);
CREATE INDEX events_unnumbered ON events (written) WHERE seq IS NULL;
CREATE INDEX events_at ON events (at);
