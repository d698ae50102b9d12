CREATE INDEX audit_events_subject ON audit_events (subject, id);
