package activities

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

type setMarketingContactStatusConfig struct {
	To     crm.Target `json:"to,omitzero" doc:"Contacts whose status changes; the enrolled record if left out."`
	Status string     `json:"status" doc:"New status." enum:"marketing,non_marketing" required:"true"`
}

// marketingStatus is the property that says whether a contact may get marketing mail.
const marketingStatus = "marketing_status"

var setMarketingContactStatus = action.Define(action.Spec[setMarketingContactStatusConfig]{
	ID:       "set_marketing_contact_status",
	Category: action.Marketing,
	Summary:  "Make contacts marketing contacts, or not",
	Doc: `Sets the property ` + "`marketing_status`" + `, which ` + "`send_email`" + ` respects. To ` + "`marketing`" + ` it is set at once, which may raise a bill. To
` + "`non_marketing`" + ` it is noted now and takes effect at midnight of the account's time zone, on the first of the next month or on the account's
` + "`renewal`" + ` (millrace.yaml), whichever comes first. It does so without the enrollment, whether or not a worker runs at that instant; a change
of the property that comes in between holds instead. Without a contact the action is skipped.

Unconfirmed, and so our design: the hour, what comes in between, skipping, and the outputs.`,
	Example: `set_marketing_contact_status: {status: non_marketing}`,
	Outputs: []action.Output{
		{Name: "effective_on", Type: "date", Doc: "Day from which the status holds."},
		{Name: "count", Type: "number", Doc: "How many contacts it changes."},
	},
	Local:  true,
	Effect: action.Edits,
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg setMarketingContactStatusConfig) (plan.Outcome, error) {
		records, err := cfg.To.Resolve(ctx, env.Records, env.Catalog, env.Record())
		if err != nil {
			return plan.Outcome{}, err
		}
		if len(records) == 0 {
			env.Note(plan.JournalSkipped, "no target record")
			return plan.Outcome{}, nil
		}
		zone, err := crm.LoadZone(env.Account.TimeZone)
		if err != nil {
			return plan.Outcome{}, err
		}
		day, set := crm.DateOf(env.Now(), zone), makeMarketing
		if cfg.Status == "non_marketing" {
			day, set = env.Account.NonMarketingFrom(day), makeNonMarketing
		}
		count := 0
		for _, record := range records {
			change := crm.Scheduled{Ref: record.Ref, Property: marketingStatus, Value: cfg.Status, Noted: env.Now(), Effective: day.In(zone), Source: call.Key()}
			changed, err := set(ctx, env.Records, record, change)
			if err != nil {
				return plan.Outcome{}, failure(err)
			}
			if changed {
				count++
			}
		}
		output, err := json.Marshal(map[string]any{"effective_on": day, "count": count})
		return plan.Outcome{Output: output, Note: fmt.Sprintf("%s from %s for %d", cfg.Status, day, count)}, err
	},
})

// makeMarketing sets the status, and forgets that it was to change.
func makeMarketing(ctx context.Context, records crm.Records, record crm.Record, change crm.Scheduled) (changed bool, err error) {
	if changed, err = records.Unschedule(ctx, record.Ref, change.Property); err != nil {
		return false, err
	}
	if record.Property(change.Property) == change.Value {
		return changed, nil
	}
	return true, records.Update(ctx, record.Ref, map[string]string{change.Property: change.Value}, change.Noted, change.Source)
}

// makeNonMarketing writes down that the status changes, unless it is that or becomes it no later.
func makeNonMarketing(ctx context.Context, records crm.Records, record crm.Record, change crm.Scheduled) (changed bool, err error) {
	known, found, err := records.Scheduled(ctx, record.Ref, change.Property)
	if err != nil || record.Property(change.Property) == change.Value || found && !known.Effective.After(change.Effective) {
		return false, err
	}
	return true, records.Schedule(ctx, change)
}

// Properties returns what the action writes, so that only records are named that have it.
func (c setMarketingContactStatusConfig) Properties() []crm.PropertyUse {
	return []crm.PropertyUse{{Object: c.To.Associated.Text, Name: marketingStatus, Operator: crm.Writes, Operands: []string{c.Status}}}
}
