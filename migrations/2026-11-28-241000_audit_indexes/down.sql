DROP INDEX audit_events_failures;
DROP INDEX audit_events_ip;
DROP INDEX audit_events_action;
