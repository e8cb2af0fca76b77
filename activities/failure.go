package activities

import (
	"errors"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/provider"
)

// failure sorts an error: values that do not fit and refusals for good fail the action, everything else
// is tried again.
func failure(err error) error {
	if refused, ok := provider.AsRefused(err); ok && !refused.Temporary {
		return action.Permanent(refused.Reason, "%v", refused.Err)
	}
	if errors.Is(err, crm.ErrInvalid) {
		return action.Permanent("invalid-value", "%v", err)
	}
	return err
}
