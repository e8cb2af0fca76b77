-- +goose Up
ALTER TABLE users ADD COLUMN roles TEXT NOT NULL DEFAULT '[]'; -- JSON list

CREATE TABLE api_keys (
    seq        BIGINT           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         TEXT COLLATE "C" NOT NULL UNIQUE, -- the part of a key that may be shown
    name       TEXT COLLATE "C" NOT NULL UNIQUE,
    hash       TEXT COLLATE "C" NOT NULL, -- SHA-256 of the key, in hexadecimal
    roles      TEXT             NOT NULL, -- JSON list
    user_id    TEXT COLLATE "C" NOT NULL, -- '' = bound by nobody's access to properties
    created    BIGINT           NOT NULL,
    created_by TEXT             NOT NULL,
    revoked    BIGINT
);

CREATE TABLE audit (
    seq       BIGINT           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        BIGINT           NOT NULL,
    actor     TEXT             NOT NULL,
    via       TEXT COLLATE "C" NOT NULL, -- cli, api
    action    TEXT COLLATE "C" NOT NULL,
    subject   TEXT COLLATE "C" NOT NULL,
    was       TEXT             NOT NULL, -- JSON, '' = nothing
    became    TEXT             NOT NULL, -- JSON, '' = nothing
    failed    TEXT             NOT NULL  -- why it came to nothing, '' = it did not fail
);
CREATE INDEX audit_of_subject ON audit (subject, seq);

CREATE TABLE rejected_events (
    seq      BIGINT           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       BIGINT           NOT NULL,
    origin   TEXT COLLATE "C" NOT NULL UNIQUE, -- where it came from: a source and the place in it
    reason   TEXT COLLATE "C" NOT NULL,
    detail   TEXT             NOT NULL,
    content  BYTEA            NOT NULL -- as it came
);

-- +goose Down
DROP TABLE rejected_events;
DROP TABLE audit;
DROP TABLE api_keys;
ALTER TABLE users DROP COLUMN roles;
