-- What filters over many records look up.
-- +goose Up
CREATE TABLE property_indexes (
    seq      BIGINT           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    object   TEXT COLLATE "C" NOT NULL,
    property TEXT COLLATE "C" NOT NULL,
    type     TEXT COLLATE "C" NOT NULL, -- for which the keys were made; '' = no longer indexed
    UNIQUE (object, property)
);

CREATE TABLE property_keys ( -- of records that are not deleted; see crm.Property.Keys
    property BIGINT           NOT NULL, -- seq of property_indexes
    key      TEXT COLLATE "C" NOT NULL,
    record   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (property, key, record)
);

CREATE INDEX records_live ON records (object, id_length, id, record) WHERE deleted IS NULL;
CREATE INDEX events_of_type ON events (type, at, record);
CREATE INDEX subscriptions_in_state ON subscriptions (subscription, state, record);

-- +goose Down
DROP INDEX subscriptions_in_state;
DROP INDEX events_of_type;
DROP INDEX records_live;
DROP TABLE property_keys;
DROP TABLE property_indexes;
