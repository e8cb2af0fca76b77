-- Jobs that enroll. Whom one is about lies among the intents, under the trigger `bulk NUMBER`.
-- +goose Up
CREATE TABLE bulks (
    job      BIGINT  NOT NULL PRIMARY KEY REFERENCES jobs (id),
    filter   TEXT    NOT NULL, -- JSON: whom it looks for; '' = they were named
    cursor   TEXT COLLATE "C" NOT NULL, -- id of the last record that was looked at
    found    BOOLEAN NOT NULL, -- all of them are known
    people   BIGINT  NOT NULL,
    begun    BIGINT  NOT NULL,
    refused  BIGINT  NOT NULL, -- before anything was begun
    rate     DOUBLE PRECISION NOT NULL, -- at most so many in a second
    next     BIGINT  NOT NULL, -- before that instant nobody else begins
    stopped  BIGINT,
    finished BIGINT
);
CREATE INDEX bulks_open ON bulks (job) WHERE stopped IS NULL AND finished IS NULL;

ALTER TABLE intents ADD COLUMN job BIGINT NOT NULL DEFAULT 0; -- 0 = of none
DROP INDEX intents_open;
CREATE INDEX intents_open ON intents (bulk, job, seq) WHERE done IS NULL;
CREATE INDEX intents_in_trouble ON intents (job, record) WHERE job > 0 AND error <> '';
CREATE INDEX enrollments_in_bulk ON enrollments (workflow, trigger_name, number, record) WHERE trigger_name LIKE 'bulk %';

-- +goose Down
DROP INDEX enrollments_in_bulk;
DROP INDEX intents_in_trouble;
DROP INDEX intents_open;
CREATE INDEX intents_open ON intents (bulk, seq) WHERE done IS NULL;
ALTER TABLE intents DROP COLUMN job;
DROP TABLE bulks;
