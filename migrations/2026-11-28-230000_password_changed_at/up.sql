-- When the user's password was last set or changed. None: before this column, in another system, or never.
ALTER TABLE users ADD COLUMN password_changed_at TIMESTAMP;
