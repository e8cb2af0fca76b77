-- What an address wants to get outlives the records that have it; the table subscriptions tells it for each record.
-- +goose Up
CREATE TABLE consents (
    address      TEXT COLLATE "C" NOT NULL,
    channel      TEXT COLLATE "C" NOT NULL,
    subscription TEXT COLLATE "C" NOT NULL,
    state        TEXT COLLATE "C" NOT NULL,
    legal_basis  TEXT COLLATE "C" NOT NULL,
    explanation  TEXT COLLATE "C" NOT NULL,
    at           BIGINT NOT NULL,
    PRIMARY KEY (address, channel, subscription)
);
INSERT INTO consents (address, channel, subscription, state, legal_basis, explanation, at)
SELECT address, 'email', subscription, MAX(state), '', '', MAX(at)
FROM (SELECT LOWER(r.properties::jsonb ->> 'email') COLLATE "C" AS address, s.subscription, s.state, s.at FROM subscriptions s JOIN records r ON r.record = s.record) AS of_records
WHERE address IS NOT NULL AND state <> ''
GROUP BY address, subscription;

-- +goose Down
DROP TABLE consents;
