-- +goose Up
ALTER TABLE events ADD COLUMN told_by TEXT NOT NULL DEFAULT ''; -- who sent it, '' = Millrace itself
ALTER TABLE rejected_events ADD COLUMN header TEXT NOT NULL DEFAULT '{}'; -- JSON: its content type, and attributes of a CloudEvent
ALTER TABLE rejected_events ADD COLUMN sent BIGINT; -- when it was sent again and taken
ALTER TABLE rejected_events ADD COLUMN events TEXT NOT NULL DEFAULT '[]'; -- JSON: the events that it became then, as in contact/51 ID
CREATE INDEX audit_of_age ON audit (at, seq);
CREATE INDEX rejected_events_of_age ON rejected_events (at, seq);

-- +goose Down
DROP INDEX rejected_events_of_age;
DROP INDEX audit_of_age;
ALTER TABLE rejected_events DROP COLUMN events;
ALTER TABLE rejected_events DROP COLUMN sent;
ALTER TABLE rejected_events DROP COLUMN header;
ALTER TABLE events DROP COLUMN told_by;
