-- A change of a property that takes effect later; whoever comes first after that instant makes it.
-- +goose Up
CREATE TABLE scheduled_changes (
    record    TEXT NOT NULL,
    property  TEXT NOT NULL,
    value     TEXT NOT NULL,
    noted     BIGINT NOT NULL,
    effective BIGINT NOT NULL,
    source    TEXT NOT NULL,
    PRIMARY KEY (record, property)
);
CREATE INDEX scheduled_changes_effective ON scheduled_changes (effective, record, property);

-- Audiences that were made here at advertising networks. An id of '' is one that maker makes until a time.
CREATE TABLE audiences (
    account TEXT NOT NULL,
    name    TEXT NOT NULL,
    id      TEXT NOT NULL,
    maker   TEXT NOT NULL,
    until   BIGINT NOT NULL,
    PRIMARY KEY (account, name)
);

-- +goose Down
DROP TABLE audiences;
DROP TABLE scheduled_changes;
