package action

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// step is one attempt of one action.
type step struct {
	*Runtime
	kind     Kind
	env      *Env
	action   *prepared
	outcome  plan.Outcome
	waiting  []string // Temporal workflow ids of those who wait for what the step changed
	answered bool     // by the guard or the ledger: the action need not run
}

// done is what the ledger keeps of a step. Those who wait for what it changed stand there, so that an attempt which
// was cut between the change and the telling is made up for by the next one.
type done struct {
	plan.Outcome
	Waiting []string `json:"waiting,omitempty"`
}

// attempt runs the step. What only reads or edits our own store is one transaction; what reaches outside is
// framed by two, so that the ledger knows before and after. passed is how long ago the first attempt began.
func (s *step) attempt(ctx context.Context, passed time.Duration) (err error) {
	if s.action, err = s.prepare(ctx, s.kind, s.env.call); err != nil {
		return err
	}
	if s.spent(passed) {
		return Permanent("gave-up", "the first attempt began %s ago", passed.Round(time.Second))
	}
	switch {
	case len(s.action.folded) > 0:
		return s.fold(ctx)
	case s.kind.Effect == Reads || s.kind.Effect == Edits:
		return s.Store.Transact(ctx, func(books Transaction) error { return s.whole(ctx, books) })
	}
	if err := s.Store.Transact(ctx, func(books Transaction) error { return s.begin(ctx, books) }); err != nil {
		return err
	}
	s.env.books, s.env.Records = s.Store, s.Store
	if err := s.run(ctx); err != nil {
		return err
	}
	noted := len(s.env.notes)
	err = s.Store.Transact(ctx, func(books Transaction) error {
		s.env.notes = s.env.notes[:noted] // a transaction that is repeated notes its own
		if err := s.settle(ctx, books); err != nil {
			return err
		}
		return s.env.count(ctx, books)
	})
	if err == nil {
		s.env.used = plan.Usage{} // counted: what fails after this does not count it again
	}
	return err
}

// whole is a step in one transaction.
func (s *step) whole(ctx context.Context, books Transaction) error {
	if err := s.begin(ctx, books); err != nil {
		return err
	}
	if err := s.run(ctx); err != nil {
		return err
	}
	return s.settle(ctx, books)
}

// begin completes the environment, writes what the interpreter has to say, looks into the ledger and asks the guard.
// A transaction that is repeated begins anew.
func (s *step) begin(ctx context.Context, books Transaction) error {
	s.outcome, s.waiting, s.answered = plan.Outcome{}, nil, false
	if err := s.open(ctx, books); err != nil {
		return err
	}
	s.env.tx = books
	if err := books.WriteJournal(ctx, s.told()...); err != nil {
		return err
	}
	if s.kind.Effect != Reads {
		row, found, err := books.LedgerRow(ctx, s.env.key)
		if err != nil {
			return err
		}
		if found && (row.State == plan.LedgerDone || row.State == plan.LedgerWaiting) {
			var kept done
			if err := json.Unmarshal(row.Result, &kept); err != nil {
				return fmt.Errorf("decoding the outcome of %s: %w", s.env.key, err)
			}
			if row.State == plan.LedgerDone {
				s.outcome, s.waiting, s.answered = kept.Outcome, kept.Waiting, true
				return nil
			}
			s.env.waited = &kept.Outcome
		}
	}
	if answer, err := s.env.guard(ctx, s.kind); err != nil || answer != nil {
		if answer != nil {
			s.outcome, s.answered = *answer, true
		}
		return err
	}
	if s.env.waited != nil {
		return nil
	}
	if s.kind.Effect == Requests {
		if err := books.PutLedger(ctx, plan.LedgerRow{Key: s.env.key, State: plan.LedgerStarted, At: s.env.now}); err != nil {
			return err
		}
	}
	if s.kind.Effect == Requests || s.kind.Effect == Messages {
		return books.WriteJournal(ctx, s.env.entry(s.kind, plan.JournalStarted))
	}
	return nil
}

// told is what the interpreter did since the last call, for the journal.
func (s *step) told() []plan.Entry {
	entries := make([]plan.Entry, 0, len(s.env.call.Notes))
	for _, note := range s.env.call.Notes {
		entries = append(entries, note.Entry(s.env.call.Enrollment))
	}
	return entries
}

// open completes the environment from the books.
func (s *step) open(ctx context.Context, books Books) (err error) {
	env := s.env
	env.books, env.Records, env.rules, env.zone, env.notes, env.hold, env.waited = books, books, s.action.rules, nil, nil, "", nil
	if env.record, err = crm.ParseRef(env.call.Record()); err != nil {
		return Permanent("bad-enrollment", "%v", err)
	}
	if env.enrollment, err = books.Enrollment(ctx, env.call.Enrollment); err != nil {
		return err
	}
	if env.Catalog, err = books.Catalog(ctx); err != nil {
		return err
	}
	settings, err := s.Store.Account(ctx)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(settings, &env.Account); err != nil {
		return fmt.Errorf("reading the account's settings: %w", err)
	}
	ways, err := s.Provide(env.Account)
	env.Providers = ways
	env.Mail, env.HTTP, env.AI = stampedMail{ways.Mail, env.now}, stampedHTTP{ways.HTTP, env.now}, stampedAI{ways.AI, env.now}
	if s.Enroll != nil {
		env.Enroll = func(ctx context.Context, workflow string, force bool) (string, error) {
			return s.Enroll(ctx, EnrollRequest{Workflow: workflow, Record: env.record, Key: env.key, Force: force, Now: env.now})
		}
	}
	return err
}

// run asks the kind, unless guard or ledger have answered.
func (s *step) run(ctx context.Context) (err error) {
	if s.answered {
		return nil
	}
	if s.Simulated != nil {
		if err := s.Simulated.Fault(s.env.call); err != nil {
			return err
		}
	}
	s.outcome, err = s.kind.run(ctx, s.env, s.env.call, s.action.config)
	return err
}

// settle writes what came of the step. Where it stands comes first, so that the step does not find itself among those
// who wait.
func (s *step) settle(ctx context.Context, books Transaction) (err error) {
	s.env.books, s.env.Records = books, books
	if err := books.Stand(ctx, s.standing()); err != nil {
		return err
	}
	if s.env.settling != nil {
		if s.outcome, err = s.env.settling(ctx); err != nil {
			return err
		}
	}
	if s.kind.Effect != Reads && !s.outcome.Again && s.outcome.End == "" {
		if err := s.remember(ctx, books); err != nil {
			return err
		}
	}
	return books.WriteJournal(ctx, s.env.entries(s.kind, s.outcome)...)
}

// remember writes the step into the ledger.
func (s *step) remember(ctx context.Context, books Transaction) error {
	waiting, err := books.Waiting(ctx)
	if err != nil {
		return err
	}
	s.waiting = append(s.waiting, waiting...)
	kept := done{s.outcome, s.waiting}
	kept.Note = ""
	result, err := json.Marshal(kept)
	if err != nil {
		return fmt.Errorf("encoding the outcome of %s: %w", s.env.key, err)
	}
	state := plan.LedgerDone
	if s.outcome.Event != "" {
		state = plan.LedgerWaiting
	}
	return books.PutLedger(ctx, plan.LedgerRow{Key: s.env.key, State: state, At: s.env.call.Now, Result: result})
}

// wake tells those who wait for what the step changed.
func (s *step) wake(ctx context.Context) error {
	if s.Wake == nil || len(s.waiting) == 0 {
		return nil
	}
	slices.Sort(s.waiting)
	return s.Wake(ctx, slices.Compact(s.waiting))
}

func (s *step) standing() plan.Standing {
	call := s.env.call
	return plan.Standing{
		Enrollment: call.Enrollment, Node: call.Node, Kind: s.kind.ID, Plan: call.Plan,
		Arrived: call.Arrived, Until: s.outcome.Until, Awaits: s.outcome.Event, Hold: s.env.hold,
	}
}

// failed writes down that an attempt failed and when the next one comes. Failures for good are journalled by
// the interpreter's activity `failed`, which also knows of crashed workers.
func (s *step) failed(ctx context.Context, attempt int32, wait time.Duration, cause error) {
	if IsPermanent(cause) && len(s.env.notes) == 0 && s.env.used == (plan.Usage{}) {
		return
	}
	entries := s.env.noted(s.kind, fmt.Sprintf("/%d", attempt))
	s.outcome = plan.Outcome{}
	standing := s.standing()
	standing.LastError = cause.Error()
	if !IsPermanent(cause) && wait > 0 {
		entry := s.env.entry(s.kind, plan.JournalRetrying)
		entry.Phase = fmt.Sprintf("%s/%d", plan.JournalRetrying, attempt)
		entry.Detail = fmt.Sprintf("attempt %d: %v; next at %s", attempt, cause, s.env.now.Add(wait).UTC().Format(time.RFC3339))
		entries = append(entries, entry)
	}
	if err := s.Store.Transact(ctx, func(books Transaction) error {
		return errors.Join(books.WriteJournal(ctx, entries...), books.Stand(ctx, standing), s.env.count(ctx, books))
	}); err != nil {
		s.env.Log.Error("writing a failed attempt into the journal", "error", err, "attempt", attempt, "cause", cause)
	}
}
