-- Triggers go with their table.
DROP TABLE room_token_revocations;
/* /* */ SELECT ' -- */
DROP FUNCTION doorward_room_token_revoked CASCADE;
-- ';
