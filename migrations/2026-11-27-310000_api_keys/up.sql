-- Credentials of applications' backends. Of the secret only its SHA-256 is stored.
CREATE TABLE api_keys (
    id             TEXT      NOT NULL PRIMARY KEY,
    name           TEXT      NOT NULL,
    hash           TEXT      NOT NULL,
    -- The secret before the last rotation, which is good until then.
    previous_hash  TEXT,
    previous_until TIMESTAMP,
    -- Words with spaces between them.
    scopes         TEXT      NOT NULL,
    -- Networks with spaces between them; null is any address.
    addresses      TEXT,
    -- Who made it: operator:NAME, user:ID or api_key:ID.
    created_by     TEXT      NOT NULL,
    created_at     TIMESTAMP NOT NULL,
    expires_at     TIMESTAMP,
    rotated_at     TIMESTAMP,
    -- Written at most once a minute.
    last_used_at   TIMESTAMP,
    last_used_ip   TEXT,
    revoked_at     TIMESTAMP
);
