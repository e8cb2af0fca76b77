package worker

import (
	"context"
	"errors"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/enroll"
)

// enrolling lets kinds enroll records in other workflows. A refusal is for good.
func enrolling(people *enroll.Client) action.Enroll {
	return func(ctx context.Context, request action.EnrollRequest) (string, error) {
		enrollment, err := people.Once(ctx, enroll.Step(request))
		var refused *enroll.Refused
		if errors.As(err, &refused) {
			err = action.Permanent(refused.Reason, "%s", refused.Detail)
		}
		return enrollment, err
	}
}
