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

// Webhook is a call from elsewhere to a workflow that has a webhook trigger, as an event of the record that it is about
// (semantics §2.2): once it is stored, the router enrolls the record. The id makes a repetition of the call known as one; it
// counts in this workflow only, since the same call may go to several. Errors: ErrNoWebhook, ErrNobody, ErrSeveral.
func (c *Client) Webhook(ctx context.Context, workflow, id string, payload map[string]any, now time.Time) (plan.Event, error) {
	revision, found, err := c.Store.LatestRevision(ctx, workflow)
	if err != nil {
		return plan.Event{}, err
	}
	var triggers plan.Triggers
	if found {
		if triggers, err = revision.Plan.Rules.Triggers(); err != nil {
			return plan.Event{}, err
		}
	}
	if triggers.Webhook == nil {
		return plan.Event{}, fmt.Errorf("workflow %s %w", workflow, ErrNoWebhook)
	}
	match := triggers.Webhook.Match
	value := crm.Text(payload[match])
	if value == "" {
		return plan.Event{}, fmt.Errorf("a call without %s %w", match, ErrNobody)
	}
	source, err := json.Marshal(map[string]any{"property": match, "is": value})
	if err != nil {
		return plan.Event{}, err
	}
	query := store.Query{Object: revision.Plan.Object, Now: now}
	if err := query.Filter.UnmarshalJSON(source); err != nil {
		return plan.Event{}, err
	}
	refs, err := c.Store.Matching(ctx, query, "", 2)
	switch {
	case err != nil:
		return plan.Event{}, err
	case len(refs) == 0:
		return plan.Event{}, fmt.Errorf("a call with %s %q %w", match, value, ErrNobody)
	case len(refs) > 1:
		return plan.Event{}, fmt.Errorf("a call with %s %q %w", match, value, ErrSeveral)
	}
	if id != "" {
		id = EventWebhook + "/" + workflow + "/" + id
	}
	return plan.Event{ID: id, Type: EventWebhook, At: now, Source: workflow, Record: refs[0].String(), Properties: payload}, nil
}
