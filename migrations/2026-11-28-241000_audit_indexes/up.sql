-- Apart from the new columns: those need the table for themselves, and these take long.
CREATE INDEX audit_events_action ON audit_events (action, id);
CREATE INDEX audit_events_ip ON audit_events (ip, id) WHERE ip IS NOT NULL;
-- Queries name the same condition, so that what succeeded costs no entry.
CREATE INDEX audit_events_failures ON audit_events (id) WHERE outcome <> 'succeeded';
