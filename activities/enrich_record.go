package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
	"github.com/millrace/millrace/internal/schema"
)

type enrichRecordConfig struct {
	By        []crm.PropertyName `json:"by" doc:"Properties by which the provider knows the record. No other leaves." required:"true" min:"1"`
	Wanted    []crm.PropertyName `json:"properties" doc:"Properties to fill. No other is written." required:"true" min:"1"`
	Overwrite bool               `json:"overwrite" doc:"Replace values that are there."`
	On        crm.Target         `json:"on,omitzero" doc:"Contacts or companies to complete; the enrolled record if left out."`
}

const (
	maxEnriched   = 10               // associated records
	enrichingTime = 10 * time.Minute // that many calls of 30 seconds, and what lies around them
)

// enriched are the record types of the kind.
var enriched = []string{"contact", "company"}

var enrichRecord = action.Define(action.Spec[enrichRecordConfig]{
	ID:       "enrich_record",
	Category: action.AI,
	Summary:  "Fill properties with what a provider knows",
	Doc: `Asks the service at ` + "`providers.enrichment`" + ` in millrace.yaml, by POST and with the key as ` + "`Authorization: Bearer`" + `:
` + "`{\"object\": \"contact\", \"by\": {\"email\": \"ada@example.com\"}, \"wanted\": [\"job_title\"]}`" + `. It answers ` + "`{\"properties\": {\"job_title\": \"Engineer\"}}`" + `; a small server of one's own can stand
before any vendor. Of associated records the first 10 are completed, by a call each.

What it does not know stays as it is, and so does what has a value, unless ` + "`overwrite`" + ` is on; nothing is ever emptied. Values that do not fit their property are left
out, with a word in the history, and properties that nobody asked for are ignored. What is written, and that the call is done, is one transaction:
a call that was cut is made again under the same ` + "`Idempotency-Key`" + `, and one answer is written.

429, 5xx, timeouts (30 seconds) and failed connections are tried again for three days, with ` + "`Retry-After`" + `. All other answers fail the action (` + "`http-402`" + `, when
its credits are used up), and so do an answer that cannot be read or has more than 64 KiB (` + "`bad-answer`" + `), a record without any of the values that it is known
by (` + "`no-identifier`" + `), a property that cannot be written (` + "`invalid-value`" + `), a value that another record has alone (` + "`duplicate-value`" + `) and a workspace without a
provider (` + "`no-provider`" + `). Without a record the action is skipped. Each visit counts as one execution in the month, as for [ask_ai](#ask_ai), and more than ` + "`ai.executions`" + ` fail (` + "`monthly-limit`" + `).

A simulation asks nobody, and nothing is known unless its events say so ([` + "`answer`" + `](commands.md#millrace-simulate)).

HubSpot has data of its own and so no provider to name. Unconfirmed, and so our design: the failures, ` + "`by`" + ` and ` + "`properties`" + `, values that do not fit, the number of associated records, and the outputs.`,
	Example: `enrich_record: {by: [domain], properties: [industry, employees], on: {associated: company, primary: true}}`,
	Objects: enriched,
	Outputs: []action.Output{
		{Name: "properties", Type: "json", Doc: "Names of the properties that were written, as in [industry]."},
		{Name: "updated_ids", Type: "json", Doc: "References of the records that were changed, as in [company/7]."},
	},
	Channel: "enrichment",
	Effect:  action.Requests,
	Attempt: enrichingTime,
	Check: func(cfg enrichRecordConfig, _ schema.Pos, problems *schema.Diagnostics) {
		if on := cfg.On.Associated; !on.IsZero() && !slices.Contains(enriched, on.Text) {
			problems.Errorf(on.Pos(), "wrong-object", "enrich_record completes a contact or a company, not a %s", on)
		}
		checkTwice(cfg.Wanted, problems)
	},
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg enrichRecordConfig) (plan.Outcome, error) {
		if missing := cfg.Lacks(env.Account); missing != "" {
			return plan.Outcome{}, action.Permanent("no-provider", "%s in millrace.yaml", missing)
		}
		lookups, err := cfg.lookups(ctx, env, call)
		if err != nil || len(lookups) == 0 {
			return plan.Outcome{}, failure(err)
		}
		if err := env.Execute(ctx); err != nil {
			return plan.Outcome{}, err
		}
		known := map[crm.Ref]map[string]string{}
		for _, one := range lookups {
			answer, err := env.Enrichment.Enrich(ctx, one.Lookup)
			if err != nil {
				return plan.Outcome{}, unanswered(err, env.Now())
			}
			known[one.record] = fitting(env, one.Lookup, answer)
		}
		env.Settle(func(ctx context.Context) (plan.Outcome, error) { return cfg.write(ctx, env, known, call.Key()) })
		return plan.Outcome{}, nil
	},
})

// Lacks tells what the settings of the workspace lack for the action, "" when that is nothing.
func (enrichRecordConfig) Lacks(account crm.Account) string {
	if account.Providers.Enrichment == nil {
		return "there is no provider: name its url under providers.enrichment"
	}
	return ""
}

// Properties returns the properties that leave and those that are written.
func (c enrichRecordConfig) Properties() []crm.PropertyUse {
	var uses []crm.PropertyUse
	for _, name := range c.By {
		uses = append(uses, crm.PropertyUse{Object: c.On.Associated.Text, Name: name.Text, Pos: name.Pos()})
	}
	for _, name := range c.Wanted {
		uses = append(uses, crm.PropertyUse{Object: c.On.Associated.Text, Name: name.Text, Operator: crm.Writes, Pos: name.Pos()})
	}
	return uses
}

// lookup is what is asked of a record.
type lookup struct {
	provider.Lookup
	record crm.Ref
}

// lookups are what to ask, of one record each.
func (c enrichRecordConfig) lookups(ctx context.Context, env *action.Env, call plan.Call) ([]lookup, error) {
	records, err := c.On.Resolve(ctx, env.Records, env.Catalog, env.Record())
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		env.Note(plan.JournalSkipped, "no target record")
		return nil, nil
	}
	if left := len(records) - maxEnriched; left > 0 {
		env.Warn("left out %d records: %d are completed at most", left, maxEnriched)
		records = records[:maxEnriched]
	}
	object := c.On.Object(env.Record().Object)
	wanted := make([]string, len(c.Wanted))
	for i, name := range c.Wanted {
		if err := writable(env.Catalog, object, name.Text); err != nil {
			return nil, err
		}
		wanted[i] = name.Text
	}
	var asked []lookup
	for _, record := range records {
		by := map[string]any{}
		for _, name := range c.By {
			if value := record.Property(name.Text); value != "" {
				by[name.Text] = env.Catalog.Typed(object, name.Text, value)
			}
		}
		if len(by) == 0 {
			env.Warn("%s has none of the values that it is known by", record.Ref)
			continue
		}
		one := provider.Lookup{Key: call.Key() + "/" + record.Ref.String(), At: env.Now(), Object: object, By: by, Wanted: wanted}
		asked = append(asked, lookup{one, record.Ref})
	}
	if len(asked) == 0 {
		return nil, action.Permanent("no-identifier", "there is no record with a value that it is known by")
	}
	return asked, nil
}

// fitting are the values of an answer that were asked for and that fit their properties, in canonical form.
func fitting(env *action.Env, asked provider.Lookup, answer map[string]any) map[string]string {
	values := map[string]string{}
	for _, name := range asked.Wanted {
		value, err := env.Catalog.Canonical(asked.Object, name, answer[name])
		switch {
		case err != nil:
			env.Warn("left out: %s", quoted.ReplaceAllString(err.Error(), `"…"`))
		case value != "":
			values[name] = value
		}
	}
	return values
}

// write fills the properties of the records that are still there, as they are now.
func (c enrichRecordConfig) write(ctx context.Context, env *action.Env, known map[crm.Ref]map[string]string, source string) (plan.Outcome, error) {
	updated, written := []string{}, map[string]bool{}
	for _, ref := range slices.SortedFunc(maps.Keys(known), func(a, b crm.Ref) int { return strings.Compare(a.String(), b.String()) }) {
		record, err := env.Records.Get(ctx, ref)
		if errors.Is(err, crm.ErrNotFound) || errors.Is(err, crm.ErrDeleted) {
			env.Warn("%s is gone", ref)
			continue
		}
		if err != nil {
			return plan.Outcome{}, err
		}
		values := maps.Clone(known[ref])
		maps.DeleteFunc(values, func(name, value string) bool {
			there := record.Properties[name]
			return there == value || there != "" && !c.Overwrite
		})
		if len(values) == 0 {
			continue
		}
		if err := env.Records.Update(ctx, ref, values, env.Now(), source); err != nil {
			return plan.Outcome{}, failure(err)
		}
		updated = append(updated, ref.String())
		for name := range values {
			written[name] = true
		}
	}
	names := slices.AppendSeq([]string{}, maps.Keys(written))
	slices.Sort(names)
	output, err := json.Marshal(map[string][]string{"properties": names, "updated_ids": updated})
	return plan.Outcome{Output: output, Note: fmt.Sprintf("filled %d properties of %d records", len(names), len(updated))}, err
}
