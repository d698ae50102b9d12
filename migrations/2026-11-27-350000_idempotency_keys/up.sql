-- Requests of the server API that brought an Idempotency-Key, and how they were answered.
CREATE TABLE idempotency_keys (
    -- SHA-256 of who sent the key, and of the key.
    id         TEXT      NOT NULL PRIMARY KEY,
    -- SHA-256 of the method, the address and the body.
    request    TEXT      NOT NULL,
    -- Encrypted: only a client that has the key can read it. None while the request runs.
    answer     TEXT,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);
