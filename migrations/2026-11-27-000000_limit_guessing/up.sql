-- Wrong passwords, counted before they are checked. One row for each account, known device or login that had
-- some lately, and a fixed number of rows for names without an account: see accounts/guessing.rs.
CREATE TABLE failed_attempts (
    slot          TEXT      NOT NULL PRIMARY KEY,
    -- What is counted there. Names without an account share slots: the newest one has it.
    subject       TEXT      NOT NULL,
    user_id       TEXT,
    failures      INTEGER   NOT NULL,
    failed_at     TIMESTAMP NOT NULL,
    blocked_until TIMESTAMP
);
CREATE INDEX failed_attempts_user_id ON failed_attempts (user_id);
CREATE INDEX failed_attempts_failed_at ON failed_attempts (failed_at);

-- Requests that leave no row of their own, by hour and address.
CREATE TABLE request_counts (
    id      TEXT      NOT NULL PRIMARY KEY,
    hour    TIMESTAMP NOT NULL,
    action  TEXT      NOT NULL,
    address TEXT      NOT NULL,
    count   INTEGER   NOT NULL
);
CREATE INDEX request_counts_hour ON request_counts (hour);

-- Links for a new password that belong to an address, not to an account: several accounts may claim an address
-- that none has verified, and the owner of the mailbox chooses among them.
CREATE TABLE address_links (
    hash       TEXT      NOT NULL PRIMARY KEY,
    email      TEXT      NOT NULL,
    -- When it was asked for.
    created_at TIMESTAMP NOT NULL,
    -- Ids of users whose logins were all revoked since then: it does not lead to them any more.
    not_for    TEXT      NOT NULL DEFAULT '',
    expires_at TIMESTAMP NOT NULL,
    used_at    TIMESTAMP
);
CREATE INDEX address_links_email ON address_links (email);
CREATE INDEX address_links_expires_at ON address_links (expires_at);

-- Whose mailbox it is, whatever tag follows a `+`, as a keyed hash, and who asked: emails are limited by both, also
-- once their account is gone.
ALTER TABLE outbox ADD COLUMN recipient TEXT;
ALTER TABLE outbox ADD COLUMN client TEXT;
CREATE INDEX outbox_recipient ON outbox (recipient, created_at);
CREATE INDEX outbox_client ON outbox (client, created_at);
CREATE INDEX outbox_user_id ON outbox (user_id, created_at);

-- Since when an account that registered itself has not been used again, nor verified an address.
ALTER TABLE users ADD COLUMN unused_since TIMESTAMP;
-- When all logins were last revoked: what was sent to an address before does not lead to the account any more.
ALTER TABLE users ADD COLUMN links_ended_at TIMESTAMP;
-- Until when a replaced address is not given a way back: an operator has set the account right.
ALTER TABLE users ADD COLUMN undo_closed_until TIMESTAMP;
CREATE INDEX users_unused_since ON users (unused_since) WHERE unused_since IS NOT NULL;
