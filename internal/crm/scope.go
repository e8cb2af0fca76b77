package crm

import (
	"context"
	"encoding/json"
	"time"
)

// OwnerProperty is the property that points to the user who owns a record; `owner` is its other name.
const OwnerProperty = "hubspot_owner_id"

// Scope is what the tokens of a template can name (language §2). It looks things up when a token asks.
type Scope struct {
	Records Records
	Ref     Ref // the enrolled record
	Catalog *Catalog
	Account Account
	Now     time.Time
	Outputs map[string]json.RawMessage // by action id
	Event   map[string]any             // properties of the event that enrolled the record
}

func (s Scope) lookup(ctx context.Context, path []string) (any, error) { return nil, nil }
