-- The language of the page that asked for an email, such as 'de'. For a reader whose account has no language.
ALTER TABLE outbox ADD COLUMN language TEXT;
