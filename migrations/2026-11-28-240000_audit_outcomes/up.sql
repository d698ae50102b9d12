-- How it ended: 'succeeded', 'failed' or 'refused', and why, as a stable word. Rows of before tell of what was done.
ALTER TABLE audit_events ADD COLUMN outcome TEXT NOT NULL DEFAULT 'succeeded';
ALTER TABLE audit_events ADD COLUMN reason TEXT;
-- Failures that are alike share a row for a minute: how many there were, and when the last one was.
ALTER TABLE audit_events ADD COLUMN count INTEGER NOT NULL DEFAULT 1;
ALTER TABLE audit_events ADD COLUMN last_at TIMESTAMP;
