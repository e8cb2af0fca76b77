-- +goose Up
CREATE TABLE usage (
    month         TEXT NOT NULL, -- 2027-05, in the account's zone
    action        TEXT NOT NULL, -- WORKFLOW/ACTION
    executions    INTEGER NOT NULL DEFAULT 0,
    input_tokens  INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (month, action)
);

-- +goose Down
DROP TABLE usage;
