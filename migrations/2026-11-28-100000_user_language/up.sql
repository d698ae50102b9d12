-- The language in which a user wants pages and emails: a tag such as 'de'. None: that of the browser, or the server's.
ALTER TABLE users ADD COLUMN language TEXT;
