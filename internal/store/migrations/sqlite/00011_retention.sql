-- +goose Up
ALTER TABLE enrollments ADD COLUMN thinned BOOLEAN NOT NULL DEFAULT FALSE; -- what it was about is gone, that it was stays
CREATE INDEX enrollments_to_thin ON enrollments (closed, seq) WHERE closed IS NOT NULL AND NOT thinned;
CREATE INDEX enrollments_thinned ON enrollments (closed, seq) WHERE thinned;
CREATE INDEX intents_done ON intents (done, seq) WHERE done IS NOT NULL;

-- +goose Down
DROP INDEX intents_done;
DROP INDEX enrollments_thinned;
DROP INDEX enrollments_to_thin;
ALTER TABLE enrollments DROP COLUMN thinned;
