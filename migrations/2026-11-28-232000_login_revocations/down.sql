/* /* */
DROP TRIGGER users_inserted;
DROP TRIGGER users_renamed;
DROP TRIGGER users_deleted;
DROP TRIGGER users_disabled;
DROP TRIGGER logins_deleted;
DROP TRIGGER logins_renamed;
DROP TRIGGER logins_revoked_now;
DROP TRIGGER logins_inserted;
-- */
/* /* */ SELECT ' -- */
DROP FUNCTION doorward_login_revoked, doorward_user_ended, doorward_truncated, doorward_changed CASCADE;
-- ';
DROP INDEX logins_revoked_at;
DROP TABLE login_revocations;
