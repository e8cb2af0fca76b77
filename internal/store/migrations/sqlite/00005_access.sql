-- +goose Up
ALTER TABLE users ADD COLUMN roles TEXT NOT NULL DEFAULT '[]'; -- JSON list

CREATE TABLE api_keys (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT    NOT NULL UNIQUE, -- the part of a key that may be shown
    name       TEXT    NOT NULL UNIQUE,
    hash       TEXT    NOT NULL, -- SHA-256 of the key, in hexadecimal
    roles      TEXT    NOT NULL, -- JSON list
    user_id    TEXT    NOT NULL, -- '' = bound by nobody's access to properties
    created    BIGINT  NOT NULL,
    created_by TEXT    NOT NULL,
    revoked    BIGINT
);

CREATE TABLE audit (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    at        BIGINT  NOT NULL,
    actor     TEXT    NOT NULL,
    via       TEXT    NOT NULL, -- cli, api
    action    TEXT    NOT NULL,
    subject   TEXT    NOT NULL,
    was       TEXT    NOT NULL, -- JSON, '' = nothing
    became    TEXT    NOT NULL, -- JSON, '' = nothing
    failed    TEXT    NOT NULL  -- why it came to nothing, '' = it did not fail
);
CREATE INDEX audit_of_subject ON audit (subject, seq);

CREATE TABLE rejected_events (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    at       BIGINT  NOT NULL,
    origin   TEXT    NOT NULL UNIQUE, -- where it came from: a source and the place in it
    reason   TEXT    NOT NULL,
    detail   TEXT    NOT NULL,
    content  BLOB    NOT NULL -- as it came
);

-- +goose Down
DROP TABLE rejected_events;
DROP TABLE audit;
DROP TABLE api_keys;
ALTER TABLE users DROP COLUMN roles;
