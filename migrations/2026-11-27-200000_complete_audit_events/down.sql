ALTER TABLE audit_events DROP COLUMN request_id;
ALTER TABLE audit_events DROP COLUMN login_id;
ALTER TABLE audit_events DROP COLUMN actor_id;
