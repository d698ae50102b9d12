-- The login that an email tells of, and that its link revokes.
ALTER TABLE outbox ADD COLUMN login_id TEXT;
ALTER TABLE one_time_tokens ADD COLUMN login_id TEXT;
