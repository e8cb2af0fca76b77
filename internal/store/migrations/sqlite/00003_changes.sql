-- +goose Up
-- What happened to records, until the router has decided what follows from it; written by whoever writes the rest, in
-- the same transaction. A number is never given twice.
CREATE TABLE changes (
    seq    INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    record TEXT    NOT NULL, -- '' = a publication
    what   TEXT    NOT NULL,
    name   TEXT    NOT NULL, -- of the event, list, object type, subscription or workflow
    detail TEXT    NOT NULL, -- JSON object: property → new value; or an event's id, the other record, an exit
    at     BIGINT, -- business time, where whoever wrote had one
    cause  TEXT    NOT NULL  -- key of the step that did it
);

-- Which records a filter matches that enrolls or re-enrolls, and when the answer has to be looked at again.
CREATE TABLE matches (
    workflow TEXT NOT NULL,
    filter   TEXT NOT NULL, -- digest of its source
    record   TEXT NOT NULL,
    matching BOOLEAN NOT NULL,
    look     BIGINT, -- NULL = only when something changes
    PRIMARY KEY (workflow, filter, record)
);
CREATE INDEX matches_of_record ON matches (record);
CREATE INDEX matches_to_look_at ON matches (look) WHERE look IS NOT NULL;

-- What was decided and is to be carried out at Temporal. Enrollments stay when they are done: admission asks what enrolled
-- the record.
CREATE TABLE intents (
    seq          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    act          TEXT NOT NULL,
    workflow     TEXT NOT NULL,
    record       TEXT NOT NULL,
    trigger_name TEXT NOT NULL, -- what enrolls; unique by workflow and record
    way          TEXT NOT NULL,
    enrollment   TEXT NOT NULL, -- that is to leave or to wake
    event        TEXT NOT NULL, -- JSON, '' = none
    reason       TEXT NOT NULL,
    detail       TEXT NOT NULL,
    depth        BIGINT NOT NULL, -- of the chain of workflows that set each other off
    bulk         BOOLEAN NOT NULL, -- gives way to others
    at           BIGINT NOT NULL,
    due          BIGINT NOT NULL, -- when it is tried next
    tries        BIGINT NOT NULL,
    error        TEXT NOT NULL,
    done         BIGINT
);
CREATE UNIQUE INDEX intents_to_enroll ON intents (workflow, record, trigger_name) WHERE act = 'enroll';
CREATE INDEX intents_open ON intents (bulk, seq) WHERE done IS NULL;

-- Who alone does something that one at a time does.
CREATE TABLE leases (
    name   TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    until  BIGINT NOT NULL
);

ALTER TABLE enrollments ADD COLUMN depth BIGINT NOT NULL DEFAULT 0;
ALTER TABLE enrollments ADD COLUMN converted BIGINT; -- when the goal was met, inside or afterwards
CREATE INDEX enrollments_converted ON enrollments (workflow) WHERE converted IS NOT NULL;
ALTER TABLE workflows ADD COLUMN live_since BIGINT NOT NULL DEFAULT 0; -- changes before this one enroll nobody

-- +goose Down
ALTER TABLE workflows DROP COLUMN live_since;
DROP INDEX enrollments_converted;
ALTER TABLE enrollments DROP COLUMN converted;
ALTER TABLE enrollments DROP COLUMN depth;
DROP TABLE leases;
DROP TABLE intents;
DROP TABLE matches;
DROP TABLE changes;
