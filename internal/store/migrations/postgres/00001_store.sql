-- The tables of SQLite, with the same names. Times are microseconds since 1970 UTC; a record is named by its
-- reference, as in contact/51. Texts that are compared or ordered are so byte by byte, whatever the database's locale.
-- +goose Up
CREATE TABLE records (
    record     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    object     TEXT COLLATE "C" NOT NULL,
    id         TEXT COLLATE "C" NOT NULL,
    id_length  BIGINT           NOT NULL, -- in characters; orders ids that are numbers
    properties TEXT             NOT NULL, -- JSON object: property → canonical text
    created    BIGINT           NOT NULL,
    updated    BIGINT           NOT NULL,
    deleted    BIGINT,
    version    BIGINT           NOT NULL
);
CREATE INDEX records_listed ON records (object, id_length, id);

CREATE TABLE record_numbers (
    object TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    last   BIGINT           NOT NULL
);

CREATE TABLE property_versions (
    seq      BIGINT           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    record   TEXT COLLATE "C" NOT NULL REFERENCES records (record),
    property TEXT COLLATE "C" NOT NULL,
    value    TEXT             NOT NULL, -- '' = cleared
    at       BIGINT           NOT NULL,
    source   TEXT             NOT NULL
);
CREATE INDEX property_versions_of_record ON property_versions (record, property, at);

CREATE TABLE associations (
    seq          BIGINT           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    record       TEXT COLLATE "C" NOT NULL REFERENCES records (record),
    other        TEXT COLLATE "C" NOT NULL REFERENCES records (record),
    other_object TEXT COLLATE "C" NOT NULL,
    labels       TEXT             NOT NULL, -- JSON list
    is_primary   BOOLEAN          NOT NULL,
    created      BIGINT           NOT NULL,
    UNIQUE (record, other)
);
CREATE INDEX associations_of_record ON associations (record, other_object);
CREATE INDEX associations_of_other ON associations (other);

CREATE TABLE lists (
    list TEXT COLLATE "C" NOT NULL PRIMARY KEY
);

CREATE TABLE list_members (
    list   TEXT COLLATE "C" NOT NULL REFERENCES lists (list),
    record TEXT COLLATE "C" NOT NULL REFERENCES records (record),
    added  BIGINT           NOT NULL,
    PRIMARY KEY (list, record)
);
CREATE INDEX list_members_of_record ON list_members (record);

CREATE TABLE subscriptions (
    record       TEXT COLLATE "C" NOT NULL REFERENCES records (record),
    subscription TEXT COLLATE "C" NOT NULL,
    state        TEXT COLLATE "C" NOT NULL,
    at           BIGINT           NOT NULL,
    PRIMARY KEY (record, subscription)
);

CREATE TABLE users (
    id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    place   BIGINT           NOT NULL, -- in the order of the workspace
    name    TEXT             NOT NULL,
    email   TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C" NOT NULL, -- email in lower case
    active  BOOLEAN          NOT NULL,
    team    TEXT COLLATE "C" NOT NULL, -- the primary one
    teams   TEXT             NOT NULL  -- JSON list of the extra ones
);
CREATE INDEX users_by_address ON users (address);

CREATE TABLE team_members (
    team       TEXT COLLATE "C" NOT NULL,
    user_id    TEXT COLLATE "C" NOT NULL, -- '' marks a team that is declared, whoever is in it
    is_primary BOOLEAN          NOT NULL,
    PRIMARY KEY (team, user_id)
);

CREATE TABLE events (
    seq        BIGINT           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    record     TEXT COLLATE "C" NOT NULL,
    event_id   TEXT COLLATE "C" NOT NULL,
    type       TEXT COLLATE "C" NOT NULL,
    at         BIGINT           NOT NULL,
    source     TEXT             NOT NULL,
    properties TEXT             NOT NULL, -- JSON object
    UNIQUE (record, event_id)
);
CREATE INDEX events_of_record ON events (record, type, at);

CREATE TABLE blobs (
    hash    TEXT COLLATE "C" NOT NULL PRIMARY KEY, -- SHA-256 of content, in hexadecimal
    content BYTEA            NOT NULL
);

CREATE TABLE assets (
    seq       BIGINT           GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- the last row of a path is the current version
    path      TEXT COLLATE "C" NOT NULL,
    hash      TEXT COLLATE "C" REFERENCES blobs (hash), -- NULL = removed
    published BIGINT           NOT NULL
);
CREATE INDEX assets_of_path ON assets (path, seq);

CREATE TABLE settings (
    name    TEXT COLLATE "C" NOT NULL PRIMARY KEY, -- account, catalog
    hash    TEXT COLLATE "C" NOT NULL,
    content TEXT             NOT NULL -- JSON
);

CREATE TABLE workflows (
    workflow TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    mode     TEXT COLLATE "C" NOT NULL -- of its switch
);

CREATE TABLE revisions (
    workflow     TEXT COLLATE "C" NOT NULL REFERENCES workflows (workflow),
    number       BIGINT           NOT NULL,
    hash         TEXT COLLATE "C" NOT NULL, -- of the plan
    plan         TEXT             NOT NULL, -- JSON
    source       TEXT             NOT NULL,
    in_flight    TEXT COLLATE "C" NOT NULL,
    published    BIGINT           NOT NULL,
    published_by TEXT COLLATE "C" NOT NULL,
    switched_on  BOOLEAN          NOT NULL,
    PRIMARY KEY (workflow, number)
);
CREATE INDEX revisions_by_hash ON revisions (hash);

CREATE TABLE ledger (
    key    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    state  TEXT COLLATE "C" NOT NULL,
    at     BIGINT           NOT NULL,
    result TEXT             NOT NULL -- JSON, '' = none
);

CREATE TABLE journal (
    seq        BIGINT           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    enrollment TEXT COLLATE "C" NOT NULL,
    key        TEXT COLLATE "C" NOT NULL,
    phase      TEXT COLLATE "C" NOT NULL,
    at         BIGINT           NOT NULL,
    node       TEXT COLLATE "C" NOT NULL,
    kind       TEXT COLLATE "C" NOT NULL,
    event      TEXT COLLATE "C" NOT NULL,
    port       TEXT COLLATE "C" NOT NULL,
    detail     TEXT             NOT NULL,
    UNIQUE (key, phase)
);
CREATE INDEX journal_of_enrollment ON journal (enrollment, seq);
CREATE INDEX journal_by_age ON journal (at);

CREATE TABLE enrollments (
    seq          BIGINT           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           TEXT COLLATE "C" NOT NULL UNIQUE,
    workflow     TEXT COLLATE "C" NOT NULL,
    record       TEXT COLLATE "C" NOT NULL,
    number       BIGINT           NOT NULL, -- 0 = refused
    workflow_id  TEXT COLLATE "C" NOT NULL,
    first_run    TEXT COLLATE "C" NOT NULL,
    trigger_name TEXT COLLATE "C" NOT NULL,
    event        TEXT             NOT NULL, -- JSON, '' = none
    revision     BIGINT           NOT NULL,
    started      BIGINT           NOT NULL,
    closed       BIGINT,
    exit         TEXT COLLATE "C" NOT NULL,
    exit_node    TEXT COLLATE "C" NOT NULL,
    detail       TEXT             NOT NULL,
    node         TEXT COLLATE "C" NOT NULL,
    kind         TEXT COLLATE "C" NOT NULL,
    arrived      BIGINT,
    until        BIGINT,
    awaits       TEXT COLLATE "C" NOT NULL,
    last_error   TEXT             NOT NULL,
    plan         TEXT COLLATE "C" NOT NULL,
    UNIQUE (workflow_id, first_run)
);
CREATE UNIQUE INDEX enrollments_numbered ON enrollments (workflow, record, number) WHERE number > 0;
CREATE INDEX enrollments_of_workflow ON enrollments (workflow, seq);
CREATE INDEX enrollments_of_record ON enrollments (record, seq);
CREATE INDEX enrollments_open ON enrollments (workflow, seq) WHERE closed IS NULL;
CREATE INDEX enrollments_standing ON enrollments (workflow, node, seq) WHERE closed IS NULL;

CREATE TABLE outbox (
    seq       BIGINT           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key       TEXT COLLATE "C" NOT NULL UNIQUE,
    at        BIGINT           NOT NULL,
    node      TEXT COLLATE "C" NOT NULL,
    channel   TEXT COLLATE "C" NOT NULL,
    sender    TEXT             NOT NULL,
    recipient TEXT             NOT NULL,
    subject   TEXT             NOT NULL,
    body      TEXT             NOT NULL
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
