package crm

import "context"

type causeKey struct{}

// WithCause says on behalf of what something is written: the key of a step, or CauseMerge. Stores keep it with what they
// note of the change, so that a chain of workflows that set each other off can be followed, and cut.
func WithCause(ctx context.Context, cause string) context.Context {
	return context.WithValue(ctx, causeKey{}, cause)
}

// CauseOf is what WithCause said, "" when a person or another program writes.
func CauseOf(ctx context.Context) string {
	cause, _ := ctx.Value(causeKey{}).(string)
	return cause
}

// CauseMerge is the cause of what a merge of two records writes: nobody is enrolled because of it (semantics §2.3).
const CauseMerge = "merge"
