-- +goose Up
CREATE TABLE usage (
    month         TEXT COLLATE "C" NOT NULL, -- 2027-05, in the account's zone
    action        TEXT COLLATE "C" NOT NULL, -- WORKFLOW/ACTION
    executions    BIGINT NOT NULL DEFAULT 0,
    input_tokens  BIGINT NOT NULL DEFAULT 0,
    output_tokens BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (month, action)
);

-- +goose Down
DROP TABLE usage;
