-- Keys that do not hold all of a text (crm.KeyLimit): what a text contains, they cannot say.
-- +goose Up
CREATE INDEX property_keys_long ON property_keys (property, record) WHERE octet_length(key) > 300;

-- +goose Down
DROP INDEX property_keys_long;
