-- What usernames that look alike have in common, where it is not the name itself: names in ASCII have none, nor have
-- names that were let in beside one that they look like. It is computed by the application, also for rows that are
-- here already: see domain/confusable.rs and accounts/stored_forms.rs.
ALTER TABLE users ADD COLUMN username_skeleton TEXT;
CREATE UNIQUE INDEX users_username_skeleton ON users (COALESCE(username_skeleton, username));
