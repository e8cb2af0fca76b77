-- +goose Up
ALTER TABLE revisions ADD COLUMN migrate TEXT NOT NULL DEFAULT ''; -- JSON object: node → node, '' = none

-- +goose Down
ALTER TABLE revisions DROP COLUMN migrate;
