-- +goose Up
ALTER TABLE records ADD COLUMN source TEXT NOT NULL DEFAULT ''; -- who created it
ALTER TABLE records ADD COLUMN merged_into TEXT COLLATE "C"; -- the record that it is a part of now
CREATE INDEX records_deleted ON records (deleted) WHERE deleted IS NOT NULL;
CREATE INDEX records_merged ON records (merged_into) WHERE merged_into IS NOT NULL;

-- Values of unique properties of records that are not deleted.
CREATE TABLE unique_values (
    object   TEXT COLLATE "C" NOT NULL,
    property TEXT COLLATE "C" NOT NULL,
    value    TEXT COLLATE "C" NOT NULL, -- crm.UniqueKey
    record   TEXT COLLATE "C" NOT NULL REFERENCES records (record),
    PRIMARY KEY (object, property, value)
);
CREATE INDEX unique_values_of_record ON unique_values (record);

-- How far the imports of files have come.
CREATE TABLE imports (
    hash     TEXT COLLATE "C" NOT NULL PRIMARY KEY, -- of the file and of what is to be done with it
    object   TEXT COLLATE "C" NOT NULL,
    file     TEXT   NOT NULL,
    rows     BIGINT NOT NULL, -- that are done
    created  BIGINT NOT NULL,
    updated  BIGINT NOT NULL,
    failed   BIGINT NOT NULL,
    errors   BIGINT NOT NULL, -- bytes of the file of errors
    started  BIGINT NOT NULL,
    finished BIGINT
);

-- +goose Down
DROP TABLE imports;
DROP TABLE unique_values;
DROP INDEX records_merged;
DROP INDEX records_deleted;
ALTER TABLE records DROP COLUMN merged_into;
ALTER TABLE records DROP COLUMN source;
