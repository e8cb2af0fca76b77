-- +goose Up
ALTER TABLE workflows ADD COLUMN turns_to TEXT NOT NULL DEFAULT ''; -- mode that the switch turns to by itself, '' = none
ALTER TABLE workflows ADD COLUMN turns BIGINT; -- when
ALTER TABLE enrollments ADD COLUMN hold TEXT NOT NULL DEFAULT ''; -- what keeps it from its action
CREATE INDEX enrollments_held ON enrollments (workflow, hold, seq) WHERE closed IS NULL AND hold <> '';

-- The queue before the first action of a workflow with a rate.
CREATE TABLE places (
    workflow   TEXT   NOT NULL,
    number     BIGINT NOT NULL, -- in the order of arrival
    enrollment TEXT   NOT NULL UNIQUE,
    pace       TEXT   NOT NULL, -- the rate that this was computed by
    due        BIGINT NOT NULL, -- when its turn is expected
    entry      BIGINT,          -- the how manieth to enter; NULL = waits
    entered    BIGINT,
    PRIMARY KEY (workflow, number)
);
CREATE UNIQUE INDEX places_entered ON places (workflow, entry) WHERE entry IS NOT NULL;
CREATE INDEX places_waiting ON places (workflow, number) WHERE entry IS NULL;

-- +goose Down
DROP TABLE places;
DROP INDEX enrollments_held;
ALTER TABLE enrollments DROP COLUMN hold;
ALTER TABLE workflows DROP COLUMN turns;
ALTER TABLE workflows DROP COLUMN turns_to;
