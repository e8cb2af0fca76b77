package enroll

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// Errors of a call that is to enroll a record.
var (
	ErrNoWebhook = errors.New("has no webhook")        // or is not published
	ErrNobody    = errors.New("finds no record")       // also when the call has no value to find it by
	ErrSeveral   = errors.New("finds several records") // and so none
)

// Webhook enrolls the record that a call from elsewhere is about in a workflow that has a webhook trigger. What the call
// says becomes an event of the record, stored when this returns; the id makes a repetition known as one. Errors:
// ErrNoWebhook, ErrNobody, ErrSeveral.
func (c *Client) Webhook(ctx context.Context, workflow, id string, payload map[string]any, now time.Time) (Delivered, error) {
	revision, found, err := c.Store.LatestRevision(ctx, workflow)
	if err != nil {
		return Delivered{}, err
	}
	if !found {
		return Delivered{}, fmt.Errorf("workflow %s %w", workflow, ErrNoWebhook)
	}
	triggers, err := revision.Plan.Rules.Triggers()
	if err != nil {
		return Delivered{}, err
	}
	if triggers.Webhook == nil {
		return Delivered{}, fmt.Errorf("workflow %s %w", workflow, ErrNoWebhook)
	}
	match := triggers.Webhook.Match
	value := crm.Text(payload[match])
	if value == "" {
		return Delivered{}, fmt.Errorf("a call without %s %w", match, ErrNobody)
	}
	source, err := json.Marshal(map[string]any{"property": match, "is": value})
	if err != nil {
		return Delivered{}, err
	}
	query := store.Query{Object: revision.Plan.Object, Now: now}
	if err := query.Filter.UnmarshalJSON(source); err != nil {
		return Delivered{}, err
	}
	refs, err := c.Store.Matching(ctx, query, "", 2)
	switch {
	case err != nil:
		return Delivered{}, err
	case len(refs) == 0:
		return Delivered{}, fmt.Errorf("a call with %s %q %w", match, value, ErrNobody)
	case len(refs) > 1:
		return Delivered{}, fmt.Errorf("a call with %s %q %w", match, value, ErrSeveral)
	}
	return c.Deliver(ctx, plan.Event{ID: id, Type: EventWebhook, Source: workflow, Record: refs[0].String(), Properties: payload}, now)
}
