-- Who acted: the id of the user who was signed in, or the name of the operator's account on the machine.
ALTER TABLE audit_events ADD COLUMN actor_id TEXT;
-- The login that was used, begun or revoked, and the request as the log names it.
ALTER TABLE audit_events ADD COLUMN login_id TEXT;
ALTER TABLE audit_events ADD COLUMN request_id TEXT;
