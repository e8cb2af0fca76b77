package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// Lookup is what a provider of enrichment is asked. The key is its idempotency key: a lookup that is repeated is the same one.
type Lookup struct {
	Key    string
	At     time.Time      // business time of the call
	Object string         // contact or company
	By     map[string]any // properties by which the record is known, and their values
	Wanted []string       // properties that are asked for
}

// Enrichment knows more about records.
type Enrichment interface {
	// Enrich makes one call and returns what is known, by property; a property that is not there, or null, is not known. A
	// *Rejected error is an answer of another status than 2xx, a *Refused error says that the call certainly did not arrive,
	// ErrUnreadable that the answer is none. No error shows what was asked or answered, nor the key.
	Enrich(ctx context.Context, lookup Lookup) (map[string]any, error)
}

// HTTPEnrichment asks by POST {"object", "by", "wanted"}, which is answered by {"properties": {…}}.
type HTTPEnrichment struct {
	HTTP   HTTP
	URL    string
	APIKey func() (string, error) // "" = there is none
}

// Enrich makes one call.
func (e HTTPEnrichment) Enrich(ctx context.Context, lookup Lookup) (map[string]any, error) {
	key, err := e.APIKey()
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]any{"object": lookup.Object, "by": lookup.By, "wanted": lookup.Wanted})
	if err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}
	if key != "" {
		header.Set("Authorization", "Bearer "+key)
	}
	answer, err := e.HTTP.Do(ctx, Request{Key: lookup.Key, At: lookup.At, Method: http.MethodPost, URL: e.URL, Header: header, Body: body})
	switch {
	case err != nil:
		return nil, err
	case answer.Status < 200 || answer.Status > 299:
		return nil, &Rejected{Status: answer.Status, Header: answer.Header}
	case answer.Truncated:
		return nil, ErrUnreadable
	}
	var whole struct {
		Properties json.RawMessage `json:"properties"`
	}
	if json.Unmarshal(answer.Body, &whole) != nil {
		return nil, ErrUnreadable
	}
	return known(whole.Properties)
}

// known reads what is known, by property.
func known(text []byte) (properties map[string]any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&properties) != nil || properties == nil {
		return nil, ErrUnreadable
	}
	return properties, nil
}
