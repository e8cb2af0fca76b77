-- Times are microseconds since 1970 UTC; a record is named by its reference, as in contact/51.
-- +goose Up
CREATE TABLE records (
    record     TEXT   NOT NULL PRIMARY KEY,
    object     TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    id_length  BIGINT NOT NULL, -- in characters; orders ids that are numbers
    properties TEXT   NOT NULL, -- JSON object: property → canonical text
    created    BIGINT NOT NULL,
    updated    BIGINT NOT NULL,
    deleted    BIGINT,
    version    BIGINT NOT NULL
);
CREATE INDEX records_listed ON records (object, id_length, id);

CREATE TABLE record_numbers (
    object TEXT   NOT NULL PRIMARY KEY,
    last   BIGINT NOT NULL
);

CREATE TABLE property_versions (
    seq      INTEGER NOT NULL PRIMARY KEY,
    record   TEXT    NOT NULL REFERENCES records (record),
    property TEXT    NOT NULL,
    value    TEXT    NOT NULL, -- '' = cleared
    at       BIGINT  NOT NULL,
    source   TEXT    NOT NULL
);
CREATE INDEX property_versions_of_record ON property_versions (record, property, at);

CREATE TABLE associations (
    seq          INTEGER NOT NULL PRIMARY KEY,
    record       TEXT    NOT NULL REFERENCES records (record),
    other        TEXT    NOT NULL REFERENCES records (record),
    other_object TEXT    NOT NULL,
    labels       TEXT    NOT NULL, -- JSON list
    is_primary   BOOLEAN NOT NULL,
    created      BIGINT  NOT NULL,
    UNIQUE (record, other)
);
CREATE INDEX associations_of_record ON associations (record, other_object);
CREATE INDEX associations_of_other ON associations (other);

CREATE TABLE lists (
    list TEXT NOT NULL PRIMARY KEY
);

CREATE TABLE list_members (
    list   TEXT   NOT NULL REFERENCES lists (list),
    record TEXT   NOT NULL REFERENCES records (record),
    added  BIGINT NOT NULL,
    PRIMARY KEY (list, record)
);
CREATE INDEX list_members_of_record ON list_members (record);

CREATE TABLE subscriptions (
    record       TEXT   NOT NULL REFERENCES records (record),
    subscription TEXT   NOT NULL,
    state        TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    PRIMARY KEY (record, subscription)
);

CREATE TABLE users (
    id       TEXT    NOT NULL PRIMARY KEY,
    place    BIGINT  NOT NULL, -- in the order of the workspace
    name     TEXT    NOT NULL,
    email    TEXT    NOT NULL,
    address  TEXT    NOT NULL, -- email in lower case
    active   BOOLEAN NOT NULL,
    team     TEXT    NOT NULL, -- the primary one
    teams    TEXT    NOT NULL  -- JSON list of the extra ones
);
CREATE INDEX users_by_address ON users (address);

CREATE TABLE team_members (
    team       TEXT    NOT NULL,
    user_id    TEXT    NOT NULL, -- '' marks a team that is declared, whoever is in it
    is_primary BOOLEAN NOT NULL,
    PRIMARY KEY (team, user_id)
);

CREATE TABLE events (
    seq        INTEGER NOT NULL PRIMARY KEY,
    record     TEXT    NOT NULL,
    event_id   TEXT    NOT NULL,
    type       TEXT    NOT NULL,
    at         BIGINT  NOT NULL,
    source     TEXT    NOT NULL,
    properties TEXT    NOT NULL, -- JSON object
    UNIQUE (record, event_id)
);
CREATE INDEX events_of_record ON events (record, type, at);

CREATE TABLE blobs (
    hash    TEXT NOT NULL PRIMARY KEY, -- SHA-256 of content, in hexadecimal
    content BLOB NOT NULL
);

CREATE TABLE assets (
    seq       INTEGER NOT NULL PRIMARY KEY, -- the last row of a path is the current version
    path      TEXT    NOT NULL,
    hash      TEXT    REFERENCES blobs (hash), -- NULL = removed
    published BIGINT  NOT NULL
);
CREATE INDEX assets_of_path ON assets (path, seq);

CREATE TABLE settings (
    name    TEXT NOT NULL PRIMARY KEY, -- account, catalog
    hash    TEXT NOT NULL,
    content TEXT NOT NULL -- JSON
);

CREATE TABLE workflows (
    workflow TEXT NOT NULL PRIMARY KEY,
    mode     TEXT NOT NULL -- of its switch
);

CREATE TABLE revisions (
    workflow     TEXT    NOT NULL REFERENCES workflows (workflow),
    number       BIGINT  NOT NULL,
    hash         TEXT    NOT NULL, -- of the plan
    plan         TEXT    NOT NULL, -- JSON
    source       TEXT    NOT NULL,
    in_flight    TEXT    NOT NULL,
    published    BIGINT  NOT NULL,
    published_by TEXT    NOT NULL,
    switched_on  BOOLEAN NOT NULL,
    PRIMARY KEY (workflow, number)
);
CREATE INDEX revisions_by_hash ON revisions (hash);

CREATE TABLE ledger (
    key    TEXT   NOT NULL PRIMARY KEY,
    state  TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    result TEXT   NOT NULL -- JSON, '' = none
);

CREATE TABLE journal (
    seq        INTEGER NOT NULL PRIMARY KEY,
    enrollment TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    phase      TEXT    NOT NULL,
    at         BIGINT  NOT NULL,
    node       TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    event      TEXT    NOT NULL,
    port       TEXT    NOT NULL,
    detail     TEXT    NOT NULL,
    UNIQUE (key, phase)
);
CREATE INDEX journal_of_enrollment ON journal (enrollment, seq);
CREATE INDEX journal_by_age ON journal (at);

CREATE TABLE enrollments (
    seq          INTEGER NOT NULL PRIMARY KEY,
    id           TEXT    NOT NULL UNIQUE,
    workflow     TEXT    NOT NULL,
    record       TEXT    NOT NULL,
    number       BIGINT  NOT NULL, -- 0 = refused
    workflow_id  TEXT    NOT NULL,
    first_run    TEXT    NOT NULL,
    trigger_name TEXT    NOT NULL,
    event        TEXT    NOT NULL, -- JSON, '' = none
    revision     BIGINT  NOT NULL,
    started      BIGINT  NOT NULL,
    closed       BIGINT,
    exit         TEXT    NOT NULL,
    exit_node    TEXT    NOT NULL,
    detail       TEXT    NOT NULL,
    node         TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    arrived      BIGINT,
    until        BIGINT,
    awaits       TEXT    NOT NULL,
    last_error   TEXT    NOT NULL,
    plan         TEXT    NOT NULL,
    UNIQUE (workflow_id, first_run)
);
CREATE UNIQUE INDEX enrollments_numbered ON enrollments (workflow, record, number) WHERE number > 0;
CREATE INDEX enrollments_of_workflow ON enrollments (workflow, seq);
CREATE INDEX enrollments_of_record ON enrollments (record, seq);
CREATE INDEX enrollments_open ON enrollments (workflow, seq) WHERE closed IS NULL;
CREATE INDEX enrollments_standing ON enrollments (workflow, node, seq) WHERE closed IS NULL;

CREATE TABLE outbox (
    seq       INTEGER NOT NULL PRIMARY KEY,
    key       TEXT    NOT NULL UNIQUE,
    at        BIGINT  NOT NULL,
    node      TEXT    NOT NULL,
    channel   TEXT    NOT NULL,
    sender    TEXT    NOT NULL,
    recipient TEXT    NOT NULL,
    subject   TEXT    NOT NULL,
    body      TEXT    NOT NULL
);
CREATE INDEX outbox_by_age ON outbox (at, seq);

-- +goose Down
DROP TABLE outbox;
DROP TABLE enrollments;
DROP TABLE journal;
DROP TABLE ledger;
DROP TABLE revisions;
DROP TABLE workflows;
DROP TABLE settings;
DROP TABLE assets;
DROP TABLE blobs;
DROP TABLE events;
DROP TABLE team_members;
DROP TABLE users;
DROP TABLE subscriptions;
DROP TABLE list_members;
DROP TABLE lists;
DROP TABLE associations;
DROP TABLE property_versions;
DROP TABLE record_numbers;
DROP TABLE records;
