package worker

import (
	"context"
	"errors"
	"time"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
)

// enrolling lets kinds enroll records in other workflows. A refusal is for good.
func enrolling(people *enroll.Client) action.Enroll {
	return func(ctx context.Context, workflow string, record crm.Ref, key string, now time.Time) (string, error) {
		enrollment, err := people.Once(ctx, workflow, record, key, now)
		var refused *enroll.Refused
		if errors.As(err, &refused) {
			err = action.Permanent(refused.Reason, "%s", refused.Detail)
		}
		return enrollment, err
	}
}
