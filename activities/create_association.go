package activities

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

type createAssociationConfig struct {
	FromType   crm.ObjectName   `json:"from_type,omitzero" doc:"Type of the records to associate: that of the enrolled record, if left out, or one of those associated with it."`
	ToType     crm.ObjectName   `json:"to_type" doc:"Type of the records to look for." required:"true"`
	Match      associationMatch `json:"match" doc:"Properties that have to be equal." required:"true"`
	Label      label            `json:"label,omitzero" doc:"Label of the association."`
	CreateOnly bool             `json:"create_only" doc:"Only associate; if false, and no record matches, one is created with that value." default:"true"`
}

// associationMatch names the properties whose values have to be equal.
type associationMatch struct {
	Enrolled  crm.PropertyName `json:"enrolled_property" doc:"Property of the record to associate." required:"true"`
	Candidate crm.PropertyName `json:"candidate_property" doc:"Property of the records to look for." required:"true"`
}

// maxMatches is how many records are associated with one at once.
const maxMatches = 1000

var createAssociation = action.Define(action.Spec[createAssociationConfig]{
	ID:       "create_association",
	Category: action.CRM,
	Summary:  "Associate the record with others that match",
	Doc: `Associates the enrolled record with every record of another type whose property has the same value, as a contact with the companies
that are called as the contact says. Text compares without regard to case. What is associated already stays so and counts as unchanged. An
empty value matches nothing.

A value with more than 1,000 matches fails the action (` + "`too-many`" + `).

Unconfirmed, and so our design: all matches instead of the first, skipping when nothing matches, the bound, and the outputs.`,
	Example: `create_association: {to_type: company, match: {enrolled_property: company, candidate_property: name}, label: employer}`,
	Outputs: []action.Output{
		{Name: "associated_ids", Type: "json", Doc: "References of the records that are now associated, as in [company/7]; at most 100."},
		{Name: "created", Type: "string", Doc: "Reference of the record that was created, with create_only: false."},
	},
	Local:  true,
	Effect: action.Edits,
	Check: func(cfg createAssociationConfig, at schema.Pos, problems *schema.Diagnostics) {
		if cfg.FromType.Text == cfg.ToType.Text && cfg.Match.Enrolled.Text == cfg.Match.Candidate.Text && !cfg.CreateOnly {
			problems.Errorf(at, "wrong-value", "the record itself has the value: there is nothing to create")
		}
	},
	Run: func(ctx context.Context, env *action.Env, call plan.Call, cfg createAssociationConfig) (plan.Outcome, error) {
		target := crm.Target{}
		if cfg.FromType.Text != env.Record().Object {
			target.Associated = cfg.FromType
		}
		records, err := target.Resolve(ctx, env.Records, env.Catalog, env.Record())
		if err != nil {
			return plan.Outcome{}, err
		}
		made := association{env: env, call: call, config: cfg, Associated: []string{}}
		for _, record := range records {
			if err := made.match(ctx, record); err != nil {
				return plan.Outcome{}, failure(err)
			}
		}
		if !made.found {
			env.Note(plan.JournalSkipped, "no record matches")
			return plan.Outcome{}, nil
		}
		output, err := json.Marshal(made)
		return plan.Outcome{Output: output, Note: fmt.Sprintf("associated with %d", made.count)}, err
	},
})

// Properties returns the properties that have to be equal.
func (c createAssociationConfig) Properties() []crm.PropertyUse {
	candidate := crm.PropertyUse{Object: c.ToType.Text, Name: c.Match.Candidate.Text, Pos: c.Match.Candidate.Pos()}
	if !c.CreateOnly {
		candidate.Operator = crm.Writes
	}
	return []crm.PropertyUse{{Object: c.FromType.Text, Name: c.Match.Enrolled.Text, Pos: c.Match.Enrolled.Pos()}, candidate}
}

// association is what the action makes, and its output.
type association struct {
	env    *action.Env
	call   plan.Call
	config createAssociationConfig
	found  bool
	count  int

	Associated []string `json:"associated_ids"`
	Created    string   `json:"created,omitempty"`
}

// match associates a record with all that match it.
func (a *association) match(ctx context.Context, record crm.Record) error {
	value := record.Property(a.config.Match.Enrolled.Text)
	if value == "" {
		return nil
	}
	candidates, err := a.env.Records.Having(ctx, a.config.ToType.Text, a.config.Match.Candidate.Text, value, maxMatches+1)
	if err != nil {
		return err
	}
	if len(candidates) > maxMatches {
		return action.Permanent("too-many", "more than %d records of %s have that %s", maxMatches, a.config.ToType.Text, a.config.Match.Candidate.Text)
	}
	if len(candidates) == 0 && !a.config.CreateOnly {
		created, err := a.env.Records.Create(ctx, crm.Ref{Object: a.config.ToType.Text}, map[string]string{a.config.Match.Candidate.Text: value}, a.env.Now(), a.call.Key())
		if err != nil {
			return err
		}
		a.Created, candidates = created.Ref.String(), []crm.Ref{created.Ref}
	}
	known, err := a.env.Records.Associated(ctx, record.Ref, a.config.ToType.Text)
	if err != nil {
		return err
	}
	for _, candidate := range candidates {
		if candidate == record.Ref {
			continue
		}
		a.found = true
		if linked(known, candidate, a.config.Label.Text) {
			continue
		}
		if err := a.env.Records.Associate(ctx, record.Ref, candidate, a.config.Label.Text, false, a.env.Now()); err != nil {
			return err
		}
		if a.count++; len(a.Associated) < maxUpdated {
			a.Associated = append(a.Associated, candidate.String())
		}
	}
	return nil
}
