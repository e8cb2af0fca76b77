-- +goose Up
ALTER TABLE users ADD COLUMN away TEXT NOT NULL DEFAULT ''; -- JSON list of absences

CREATE TABLE rotations (
    counter TEXT NOT NULL PRIMARY KEY, -- WORKFLOW/ACTION
    state   TEXT NOT NULL              -- JSON: how often each user was chosen
);

-- +goose Down
DROP TABLE rotations;
ALTER TABLE users DROP COLUMN away;
