DROP TABLE audit_events;
DROP TABLE signing_keys;
DROP TABLE outbox;
DROP TABLE one_time_tokens;
DROP TABLE logins;
DROP TABLE users;
