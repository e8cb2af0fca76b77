package action

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
)

// reasonUnknown is the reason of a send that was cut in the middle.
const reasonUnknown = "unknown"

// IsUnknown tells whether an error of Once means that nobody can say whether the effect happened.
func IsUnknown(err error) bool {
	var final *permanent
	return errors.As(err, &final) && final.reason == reasonUnknown
}

// IsPermanent tells whether no retry can mend err.
func IsPermanent(err error) bool {
	var final *permanent
	return errors.As(err, &final)
}

// Once runs an effect on one recipient at most once for ever, under the idempotency key that it hands to
// effect (design §6, "no message to a person twice"):
//
//   - nil: it happened, now or in an earlier attempt;
//   - a permanent error: refused for good, now or earlier, or unknown (see IsUnknown) because an attempt
//     was cut in the middle of it;
//   - any other error: it certainly did not happen, and may be tried again.
func (e *Env) Once(ctx context.Context, recipient string, effect func(ctx context.Context, key string) error) error {
	key := e.key + "/" + digest(recipient)
	var row plan.LedgerRow
	var found bool
	// Asking and claiming are one: of two attempts that run at once, the second finds the first one's row.
	if err := e.store.Transact(ctx, func(books Transaction) (err error) {
		if row, found, err = books.LedgerRow(ctx, key); err != nil || found && row.State != plan.LedgerRefused {
			return err
		}
		return books.PutLedger(ctx, plan.LedgerRow{Key: key, State: plan.LedgerStarted, At: e.now})
	}); err != nil {
		return err
	}
	switch {
	case found && row.State == plan.LedgerDone:
		return nil
	case found && row.State == plan.LedgerFailed:
		var rejected rejection
		return errors.Join(json.Unmarshal(row.Result, &rejected), Permanent(rejected.Reason, "%s", rejected.Message))
	case found && (row.State == plan.LedgerStarted || row.State == plan.LedgerUnknown):
		return e.cut(ctx, key)
	}
	sent := effect(ctx, key)
	if sent == nil {
		return e.put(ctx, key, plan.LedgerDone, rejection{})
	}
	refused, clean := provider.AsRefused(sent)
	switch {
	case !clean:
		e.Log.Warn("a send was cut in the middle", "key", key, "error", sent)
		return e.cut(ctx, key)
	case refused.Temporary:
		return errors.Join(sent, e.put(ctx, key, plan.LedgerRefused, rejection{refused.Reason, refused.Err.Error()}))
	default:
		if err := e.put(ctx, key, plan.LedgerFailed, rejection{refused.Reason, refused.Err.Error()}); err != nil {
			return err
		}
		return Permanent(refused.Reason, "%v", refused.Err)
	}
}

// digest stands for a recipient in a key: keys come into errors and headers, addresses do not.
func digest(recipient string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(recipient)))[:16]
}

// rejection is what the ledger keeps of a refusal. It names no recipient: errors reach Temporal's histories,
// which hold ids only (design §6).
type rejection struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// cut writes down that nobody can say what became of an effect.
func (e *Env) cut(ctx context.Context, key string) error {
	if err := e.put(ctx, key, plan.LedgerUnknown, rejection{}); err != nil {
		return err
	}
	return Permanent(reasonUnknown, "the send was cut in the middle: nobody can say whether it left, so it is not repeated")
}

func (e *Env) put(ctx context.Context, key, state string, why rejection) error {
	row := plan.LedgerRow{Key: key, State: state, At: e.now}
	if why.Reason != "" {
		result, err := json.Marshal(why)
		if err != nil {
			return fmt.Errorf("encoding why %s was refused: %w", key, err)
		}
		row.Result = result
	}
	return e.store.PutLedger(ctx, row)
}
