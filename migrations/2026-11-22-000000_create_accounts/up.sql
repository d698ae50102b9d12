-- One folder for SQLite and PostgreSQL: ids are TEXT made by the application (UUIDv7), timestamps are
-- bound from Rust (UTC, microseconds), and nothing here is particular to either database.

CREATE TABLE users (
    id                TEXT      NOT NULL PRIMARY KEY,
    username          TEXT      NOT NULL UNIQUE,
    display_name      TEXT      NOT NULL,
    email             TEXT,
    email_verified_at TIMESTAMP,
    password_hash     TEXT      NOT NULL,
    role              TEXT      NOT NULL DEFAULT 'user',
    disabled_at       TIMESTAMP,
    created_at        TIMESTAMP NOT NULL,
    updated_at        TIMESTAMP NOT NULL
);
-- An address belongs to whoever proved it: many may claim one, one may hold it.
CREATE UNIQUE INDEX users_email_held ON users (email) WHERE email_verified_at IS NOT NULL;
CREATE INDEX users_email_claimed ON users (email);

-- No foreign key to users: an ended login outlives its user by one token lifetime, so that a node that
-- starts meanwhile still knows that its access tokens are revoked.
CREATE TABLE logins (
    id             TEXT      NOT NULL PRIMARY KEY,
    user_id        TEXT      NOT NULL,
    kind           TEXT      NOT NULL,
    refresh_hash   TEXT,
    previous_hash  TEXT,
    rotated_at     TIMESTAMP,
    user_agent     TEXT,
    ip             TEXT,
    created_at     TIMESTAMP NOT NULL,
    last_seen_at   TIMESTAMP NOT NULL,
    expires_at     TIMESTAMP NOT NULL,
    revoked_at     TIMESTAMP,
    revoked_reason TEXT
);
CREATE INDEX logins_user_id ON logins (user_id);
-- What each node asks for every second: the revoked ones that may still have good access tokens.
CREATE INDEX logins_revoked ON logins (last_seen_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX logins_expires_at ON logins (expires_at);

CREATE TABLE one_time_tokens (
    hash       TEXT      NOT NULL PRIMARY KEY,
    purpose    TEXT      NOT NULL,
    user_id    TEXT      NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    email      TEXT      NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    used_at    TIMESTAMP
);
CREATE INDEX one_time_tokens_user_id ON one_time_tokens (user_id);
CREATE INDEX one_time_tokens_expires_at ON one_time_tokens (expires_at);

-- The intent of a mail, never its link: the token is minted when the mail is sent.
CREATE TABLE outbox (
    id              TEXT      NOT NULL PRIMARY KEY,
    kind            TEXT      NOT NULL,
    user_id         TEXT      NOT NULL,
    address         TEXT      NOT NULL,
    attempts        INTEGER   NOT NULL DEFAULT 0,
    next_attempt_at TIMESTAMP NOT NULL,
    created_at      TIMESTAMP NOT NULL,
    sent_at         TIMESTAMP
);
CREATE INDEX outbox_due ON outbox (next_attempt_at) WHERE sent_at IS NULL;
CREATE INDEX outbox_address ON outbox (address, created_at);

CREATE TABLE signing_keys (
    kid        TEXT      NOT NULL PRIMARY KEY,
    algorithm  TEXT      NOT NULL,
    key        TEXT      NOT NULL,
    created_at TIMESTAMP NOT NULL,
    retired_at TIMESTAMP
);

CREATE TABLE audit_events (
    id      TEXT      NOT NULL PRIMARY KEY,
    at      TIMESTAMP NOT NULL,
    actor   TEXT,
    action  TEXT      NOT NULL,
    subject TEXT,
    ip      TEXT,
    detail  TEXT
);
CREATE INDEX audit_events_at ON audit_events (at);
