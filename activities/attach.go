package activities

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// attach creates a record for people that is about the enrolled one, and leaves its reference under the object's name.
func attach(ctx context.Context, env *action.Env, call plan.Call, object string, values map[string]string, copies ...copiedAssociation) (plan.Outcome, error) {
	created, err := env.Records.Create(ctx, crm.Ref{Object: object}, values, env.Now(), call.Key())
	if err != nil {
		return plan.Outcome{}, failure(err)
	}
	if err := env.Records.Associate(ctx, created.Ref, env.Record(), "", false, env.Now()); err != nil {
		return plan.Outcome{}, failure(err)
	}
	if err := copyAssociations(ctx, env, created.Ref, copies); err != nil {
		return plan.Outcome{}, failure(err)
	}
	output, err := json.Marshal(map[string]crm.Ref{object: created.Ref})
	return plan.Outcome{Output: output, Note: created.Ref.String()}, err
}

// copiedAssociation says with which records that the enrolled one is associated with a new one is associated too.
type copiedAssociation struct {
	Type  crm.ObjectName `json:"type" doc:"Type of the associated records." required:"true"`
	Label label          `json:"label,omitzero" doc:"Only those whose association has this label."`
}

// copyAssociations associates a record with those that the enrolled one is associated with, under the same labels.
func copyAssociations(ctx context.Context, env *action.Env, ref crm.Ref, copies []copiedAssociation) error {
	for _, one := range copies {
		found, err := env.Records.Associated(ctx, env.Record(), one.Type.Text)
		if err != nil {
			return err
		}
		for _, association := range found {
			if association.Ref == ref || one.Label.Text != "" && !slices.Contains(association.Labels, one.Label.Text) {
				continue
			}
			for _, label := range append([]string{""}, association.Labels...) {
				if err := env.Records.Associate(ctx, ref, association.Ref, label, association.Primary, env.Now()); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
