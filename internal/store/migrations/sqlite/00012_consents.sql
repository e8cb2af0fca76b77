-- What an address wants to get outlives the records that have it; the table subscriptions tells it for each record.
-- +goose Up
CREATE TABLE consents (
    address      TEXT NOT NULL,
    channel      TEXT NOT NULL,
    subscription TEXT NOT NULL,
    state        TEXT NOT NULL,
    legal_basis  TEXT NOT NULL,
    explanation  TEXT NOT NULL,
    at           BIGINT NOT NULL,
    PRIMARY KEY (address, channel, subscription)
);
INSERT INTO consents (address, channel, subscription, state, legal_basis, explanation, at)
SELECT address, 'email', subscription, MAX(state), '', '', MAX(at)
FROM (SELECT LOWER(json_extract(r.properties, '$.email')) AS address, s.subscription, s.state, s.at FROM subscriptions s JOIN records r ON r.record = s.record) AS of_records
WHERE address IS NOT NULL AND state <> ''
GROUP BY address, subscription;

-- +goose Down
DROP TABLE consents;
