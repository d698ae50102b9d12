-- What a user did to others is found when the account is deleted.
CREATE INDEX audit_events_actor_id ON audit_events (actor_id);
