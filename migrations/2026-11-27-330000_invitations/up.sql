-- Invitations to register: each is good for one account.
CREATE TABLE invitations (
    id         TEXT      NOT NULL PRIMARY KEY,
    -- SHA-256 of the link's token. None until an invitation by email is sent: its token is made then.
    hash       TEXT      UNIQUE,
    -- The only address that may register with it.
    email      TEXT,
    -- A JSON array of the roles that the new user gets.
    roles      TEXT      NOT NULL,
    -- The id of the user who invited, or the name of the operator's account on the machine.
    invited_by TEXT,
    expires_at TIMESTAMP NOT NULL,
    used_at    TIMESTAMP,
    -- The user who registered with it.
    user_id    TEXT,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX invitations_email ON invitations (email);
CREATE INDEX invitations_expires_at ON invitations (expires_at);
CREATE INDEX invitations_user_id ON invitations (user_id);
