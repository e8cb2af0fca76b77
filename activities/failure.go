package activities

import (
	"errors"
	"regexp"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/provider"
)

// quoted is how errors write the value that does not fit.
var quoted = regexp.MustCompile(`"(\\.|[^"\\])*"`)

// failure sorts an error: values that do not fit and refusals for good fail the action, everything else
// is tried again. Failures go into histories, where values of records have no place: the property and its rule do.
func failure(err error) error {
	if refused, ok := provider.AsRefused(err); ok && !refused.Temporary {
		return action.Permanent(refused.Reason, "%v", refused.Err)
	} else if ok && refused.After > 0 {
		return action.RetryAfter(refused.After, err)
	}
	for _, one := range []struct {
		is     error
		reason string
	}{{crm.ErrInvalid, "invalid-value"}, {crm.ErrTaken, "duplicate-value"}, {crm.ErrNotFound, "no-record"}, {crm.ErrDeleted, "no-record"}} {
		if errors.Is(err, one.is) {
			return action.Permanent(one.reason, "%s", quoted.ReplaceAllString(err.Error(), `"…"`))
		}
	}
	return err
}
