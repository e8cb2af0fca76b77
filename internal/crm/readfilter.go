package crm

import (
	"encoding/json"
	"fmt"

	"github.com/millrace/millrace/internal/schema"
)

// ReadFilter reads a filter from its JSON form, as published plans keep it; no text is no filter.
func ReadFilter(text json.RawMessage) (*Filter, error) {
	if len(text) == 0 || string(text) == "null" {
		return nil, nil
	}
	node, problems := schema.Parse("filter.json", text)
	var filter Filter
	if !problems.HasErrors() {
		filter.UnmarshalNode(node, &problems)
	}
	if problems.HasErrors() {
		return nil, fmt.Errorf("filter does not read: %s", problems[0].Message)
	}
	return &filter, nil
}
