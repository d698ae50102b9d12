-- Triggers go with their tables.
DROP TABLE room_members;
DROP TABLE room_bans;
DROP TABLE room_changes;
/* /* */ SELECT ' -- */
DROP FUNCTION doorward_room_right_changed, doorward_room_rights_truncated CASCADE;
-- ';
