DROP TABLE access_changes;
DROP INDEX users_with_roles;
ALTER TABLE users DROP COLUMN claims_version;
ALTER TABLE users DROP COLUMN claims;
ALTER TABLE users DROP COLUMN roles;
