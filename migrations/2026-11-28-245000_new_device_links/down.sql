ALTER TABLE one_time_tokens DROP COLUMN login_id;
ALTER TABLE outbox DROP COLUMN login_id;
