package action

import (
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"go.temporal.io/sdk/temporal"
)

// permanent is a failure that no retry can mend.
type permanent struct {
	reason  string
	message string
}

func (e *permanent) Error() string { return e.reason + ": " + e.message }

// Permanent fails an action for good with a typed reason such as `no-address`. Every other error of
// a kind is retried (semantics §3.0.1).
func Permanent(reason, format string, args ...any) error {
	return &permanent{reason: reason, message: fmt.Sprintf(format, args...)}
}

// retryAfter is a failure whose other side said when to come back.
type retryAfter struct {
	after time.Duration
	err   error
}

func (e *retryAfter) Error() string { return e.err.Error() }
func (e *retryAfter) Unwrap() error { return e.err }

// RetryAfter fails an attempt and asks for the next one after the given time: a 429 with Retry-After.
func RetryAfter(after time.Duration, err error) error { return &retryAfter{after: after, err: err} }

const (
	firstRetry   = time.Minute
	longestRetry = 8 * time.Hour
	firstReturn  = time.Second
	lastReturn   = 10 * time.Second
)

// retryDelay is the gap after a failed attempt, counted from 1: a minute first, growing to at most
// eight hours (semantics §3.0.1). Our own store is asked sooner, and goes on being asked often: nobody has to be spared,
// and everybody waits for it.
func retryDelay(attempt int32, err error) time.Duration {
	if errors.Is(err, crm.ErrAway) {
		return min(firstReturn<<min(attempt-1, 8), lastReturn)
	}
	var asked *retryAfter
	if errors.As(err, &asked) {
		return min(max(asked.after, time.Second), longestRetry)
	}
	delay := firstRetry
	for ; attempt > 1 && delay < longestRetry; attempt-- {
		delay *= 2
	}
	return min(delay, longestRetry)
}

// reasonRetry is the type of application errors that will be tried again.
const reasonRetry = "retry"

// applicationError translates an error of a kind for Temporal. wait is the gap before the next
// attempt; 0 leaves it to the retry policy.
func applicationError(err error, wait time.Duration) error {
	var final *permanent
	if errors.As(err, &final) {
		return temporal.NewApplicationErrorWithOptions(final.message, final.reason, temporal.ApplicationErrorOptions{
			NonRetryable: true, Category: temporal.ApplicationErrorCategoryBenign,
		})
	}
	return temporal.NewApplicationErrorWithOptions(err.Error(), reasonRetry, temporal.ApplicationErrorOptions{
		NextRetryDelay: wait, Cause: err,
	})
}
