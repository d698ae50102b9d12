-- Codes that bring a sign-in on our pages back to an app on another origin (RFC 6749 section 4.1). Kept for an hour
-- after they expire, so that a code that is used twice is recognized.
CREATE TABLE authorization_codes (
    hash           TEXT      NOT NULL PRIMARY KEY,
    user_id        TEXT      NOT NULL,
    -- The browser's login: a code dies with it.
    login_id       TEXT      NOT NULL,
    redirect_uri   TEXT      NOT NULL,
    -- The app's origin.
    client         TEXT      NOT NULL,
    -- SHA-256 in base64url of a secret that the asking page keeps (RFC 7636).
    code_challenge TEXT      NOT NULL,
    expires_at     TIMESTAMP NOT NULL,
    used_at        TIMESTAMP,
    -- The login that was made for the code: it is revoked if the code is used again.
    app_login_id   TEXT
);
CREATE INDEX authorization_codes_user_id ON authorization_codes (user_id);
CREATE INDEX authorization_codes_expires_at ON authorization_codes (expires_at);
