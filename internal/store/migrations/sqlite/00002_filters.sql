-- What filters over many records look up.
-- +goose Up
CREATE TABLE property_indexes (
    seq      INTEGER NOT NULL PRIMARY KEY,
    object   TEXT    NOT NULL,
    property TEXT    NOT NULL,
    type     TEXT    NOT NULL, -- for which the keys were made; '' = no longer indexed
    UNIQUE (object, property)
);

CREATE TABLE property_keys ( -- of records that are not deleted; see crm.Property.Keys
    property BIGINT NOT NULL, -- seq of property_indexes
    key      TEXT   NOT NULL,
    record   TEXT   NOT NULL,
    PRIMARY KEY (property, key, record)
) WITHOUT ROWID;

CREATE INDEX records_live ON records (object, id_length, id, record) WHERE deleted IS NULL;
CREATE INDEX events_of_type ON events (type, at, record);
CREATE INDEX subscriptions_in_state ON subscriptions (subscription, state, record);

-- +goose Down
DROP INDEX subscriptions_in_state;
DROP INDEX events_of_type;
DROP INDEX records_live;
DROP TABLE property_keys;
DROP TABLE property_indexes;
