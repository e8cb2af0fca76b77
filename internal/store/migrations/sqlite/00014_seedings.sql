-- +goose Up
-- Keys that do not hold all of a text (crm.KeyLimit): what a text contains, they cannot say.
CREATE INDEX property_keys_long ON property_keys (property, record) WHERE octet_length(key) > 300;

-- Filters that are asked about every record before they are live; matches has what they said so far.
CREATE TABLE seedings (
    workflow TEXT NOT NULL,
    filter   TEXT NOT NULL,
    basis    TEXT NOT NULL, -- digest of catalog and time zone
    mark     BIGINT NOT NULL, -- changes up to this one are in the answers
    after_id TEXT NOT NULL, -- the last record that was asked about
    done     BOOLEAN NOT NULL, -- every record was
    PRIMARY KEY (workflow, filter)
);

-- Records of which something was decided while there are seedings, with their last change.
CREATE TABLE touched (
    record TEXT NOT NULL PRIMARY KEY,
    seq    BIGINT NOT NULL
);

-- +goose Down
DROP TABLE touched;
DROP TABLE seedings;
DROP INDEX property_keys_long;
