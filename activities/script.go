package activities

import (
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/sandbox"
)

// scriptFailure sorts what ended a script: a 429 or 5xx that it stumbled over is tried again, every other failure of its own is
// for good (semantics §3.7).
func scriptFailure(err error, now time.Time) error {
	var failed *sandbox.Error
	if !errors.As(err, &failed) {
		return err
	}
	if failed.Status != 429 && (failed.Status < 500 || failed.Status > 599) {
		return action.Permanent(failed.Reason, "%s", failed.Message)
	}
	err = fmt.Errorf("the script stumbled over status %d: %s", failed.Status, failed.Message)
	if wait, asked := retryAfter(failed.After, now); asked {
		return action.RetryAfter(wait, err)
	}
	return err
}
