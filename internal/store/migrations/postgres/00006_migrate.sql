-- +goose Up
ALTER TABLE revisions ADD COLUMN migrate TEXT NOT NULL DEFAULT ''; -- JSON object: node → node, '' = none

CREATE TABLE jobs (
    id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workflow  TEXT COLLATE "C" NOT NULL,
    operation TEXT NOT NULL,
    argument  TEXT NOT NULL, -- the action to move to, or the reason to leave
    selection TEXT NOT NULL, -- whom, as the operator said it
    by_whom   TEXT NOT NULL,
    began     BIGINT NOT NULL
);

CREATE TABLE job_parts (
    job        BIGINT NOT NULL REFERENCES jobs (id),
    part       BIGINT NOT NULL, -- 1, 2, …
    enrollment TEXT COLLATE "C" NOT NULL,
    done       BIGINT, -- NULL = to do
    result     TEXT NOT NULL,
    detail     TEXT NOT NULL,
    PRIMARY KEY (job, part)
);
CREATE INDEX job_parts_to_do ON job_parts (job, part) WHERE done IS NULL;

-- +goose Down
DROP TABLE job_parts;
DROP TABLE jobs;
ALTER TABLE revisions DROP COLUMN migrate;
