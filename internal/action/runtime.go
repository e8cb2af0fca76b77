package action

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
	"go.temporal.io/sdk/activity"
)

// heartbeatEvery is the gap between heartbeats of a normal activity; the interpreter gives up on a
// worker after four of them.
const heartbeatEvery = 2 * time.Second

// Runtime is what the kinds of one worker run in.
type Runtime struct {
	Store   Store
	Provide func(account crm.Account) (Providers, error) // the ways out that an account has configured
	Log     *slog.Logger
	// Simulated replaces what a simulation has to; nil in production.
	Simulated *Simulated

	actions sync.Map // plan hash and node → *prepared
}

// Simulated is what differs in a simulation.
type Simulated struct {
	Clock  func() time.Time                               // the skipped time
	Before func(ctx context.Context, now time.Time) error // runs before each attempt: what happens meanwhile
	Fault  func(call plan.Call) error                     // fails attempts on purpose
	Seed   int64                                          // other draws in random splits
}

// prepared is an action of a published plan, ready to run.
type prepared struct {
	config any
	rules  *rules
}

// Registry is where activities are registered: a Temporal worker or a test environment.
type Registry interface {
	RegisterActivityWithOptions(function any, options activity.RegisterOptions)
}

// Register registers every kind under its id and its earlier ids. Each runs in the same wrapper: guard,
// ledger, Run, journal.
func (rt *Runtime) Register(registry Registry, kinds []Kind) {
	for _, kind := range kinds {
		execute := func(ctx context.Context, call plan.Call) (plan.Outcome, error) {
			return rt.execute(ctx, kind, call)
		}
		for _, name := range append([]string{kind.ID}, kind.Aliases...) {
			registry.RegisterActivityWithOptions(execute, activity.RegisterOptions{Name: name})
		}
	}
}

// execute is one attempt of one call.
func (rt *Runtime) execute(ctx context.Context, kind Kind, call plan.Call) (plan.Outcome, error) {
	info := activity.GetInfo(ctx)
	env := &Env{store: rt.Store, call: call, now: call.Now, Log: rt.Log.With("enrollment", call.Enrollment, "node", call.Node)}
	if !info.IsLocalActivity {
		env.now = call.Now.Add(max(0, info.StartedTime.Sub(info.ScheduledTime)))
		var stop func()
		ctx, stop = attend(ctx)
		defer stop()
	}
	if rt.Simulated != nil {
		env.now, env.seed = rt.Simulated.Clock(), rt.Simulated.Seed
		if err := rt.Simulated.Before(ctx, env.now); err != nil {
			return plan.Outcome{}, err
		}
	}
	outcome, err := rt.step(ctx, env, kind)
	if err == nil {
		outcome.Note = ""
		return outcome, nil
	}
	var wait time.Duration
	if !info.IsLocalActivity {
		wait = retryDelay(info.Attempt, err)
	}
	rt.failed(ctx, env, kind, info.Attempt, wait, err)
	return plan.Outcome{}, applicationError(err, wait)
}

// attend heartbeats until stop is called. The context it returns outlives a cancellation: an attempt that
// has begun finishes, and Temporal starts no other (design §5, "Guard").
func attend(ctx context.Context) (context.Context, func()) {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	if deadline, bounded := ctx.Deadline(); bounded {
		running, cancel = context.WithDeadline(context.WithoutCancel(ctx), deadline)
	}
	ticker := time.NewTicker(heartbeatEvery)
	go func() {
		for {
			select {
			case <-running.Done():
				return
			case <-ticker.C:
				activity.RecordHeartbeat(ctx)
			}
		}
	}()
	activity.RecordHeartbeat(ctx)
	return running, func() { ticker.Stop(); cancel() }
}

// step runs one attempt. What only reads or edits our own store is one transaction; what reaches outside is
// framed by two, so that the ledger knows before and after.
func (rt *Runtime) step(ctx context.Context, env *Env, kind Kind) (outcome plan.Outcome, err error) {
	action, err := rt.prepare(ctx, kind, env.call)
	if err != nil {
		return plan.Outcome{}, err
	}
	env.rules = action.rules
	answered := false
	begin := func(books Books) error {
		if err := rt.open(ctx, env, books); err != nil {
			return err
		}
		outcome, answered, err = rt.begin(ctx, env, kind)
		return err
	}
	run := func() error {
		if answered {
			return nil
		}
		if rt.Simulated != nil {
			if err := rt.Simulated.Fault(env.call); err != nil {
				return err
			}
		}
		outcome, err = kind.run(ctx, env, env.call, action.config)
		return err
	}
	settle := func(books Books) error {
		env.books, env.Records = books, books
		return rt.settle(ctx, env, kind, outcome)
	}
	if kind.Effect == Reads || kind.Effect == Edits {
		return outcome, rt.Store.Transact(ctx, func(books Books) error {
			if err := begin(books); err != nil {
				return err
			}
			if err := run(); err != nil {
				return err
			}
			return settle(books)
		})
	}
	if err := rt.Store.Transact(ctx, begin); err != nil {
		return outcome, err
	}
	env.books, env.Records = rt.Store, rt.Store
	if err := run(); err != nil {
		return outcome, err
	}
	return outcome, rt.Store.Transact(ctx, settle)
}

// prepare finds the config of a node by plan hash and decodes it once.
func (rt *Runtime) prepare(ctx context.Context, kind Kind, call plan.Call) (*prepared, error) {
	key := call.Plan + "/" + call.Node
	if found, ok := rt.actions.Load(key); ok {
		return found.(*prepared), nil
	}
	published, err := rt.Store.PlanByHash(ctx, call.Plan)
	if err != nil {
		return nil, err
	}
	node, found := published.Nodes[call.Node]
	if !found {
		return nil, Permanent("no-action", "plan %s has no action %q", call.Plan, call.Node)
	}
	source, problems := schema.Parse(call.Node+".json", node.Config)
	var config any
	if !problems.HasErrors() {
		config, problems = kind.Decode(source)
	}
	if problems.HasErrors() {
		return nil, Permanent("bad-config", "%s", problems[0].Message)
	}
	rules, err := readRules(published)
	if err != nil {
		return nil, Permanent("bad-rules", "%v", err)
	}
	ready := &prepared{config: config, rules: rules}
	rt.actions.Store(key, ready)
	return ready, nil
}

// open completes the environment from the books.
func (rt *Runtime) open(ctx context.Context, env *Env, books Books) (err error) {
	env.books, env.Records = books, books
	if env.record, err = crm.ParseRef(env.call.Record()); err != nil {
		return Permanent("bad-enrollment", "%v", err)
	}
	if env.enrollment, err = books.Enrollment(ctx, env.call.Enrollment); err != nil {
		return err
	}
	if env.Catalog, err = books.Catalog(ctx); err != nil {
		return err
	}
	settings, err := rt.Store.Account(ctx)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(settings, &env.Account); err != nil {
		return fmt.Errorf("reading the account's settings: %w", err)
	}
	ways, err := rt.Provide(env.Account)
	env.Providers = Providers{Mail: stampedMail{ways.Mail, env.now}, HTTP: stampedHTTP{ways.HTTP, env.now}, Secret: ways.Secret}
	return err
}

// begin writes what the interpreter has to say, asks the guard and looks into the ledger. answered means that
// the action need not run.
func (rt *Runtime) begin(ctx context.Context, env *Env, kind Kind) (outcome plan.Outcome, answered bool, err error) {
	entries := make([]plan.Entry, 0, len(env.call.Notes))
	for _, note := range env.call.Notes {
		entries = append(entries, note.Entry(env.call.Enrollment))
	}
	if err := env.books.WriteJournal(ctx, entries...); err != nil {
		return outcome, false, err
	}
	if kind.Effect != Reads {
		row, found, err := env.books.LedgerRow(ctx, env.call.Key())
		if err != nil {
			return outcome, false, err
		}
		if found && row.State == plan.LedgerDone {
			return outcome, true, json.Unmarshal(row.Result, &outcome)
		}
	}
	if answer, err := rt.guard(ctx, env, kind); err != nil || answer != nil {
		if answer != nil {
			outcome = *answer
		}
		return outcome, answer != nil, err
	}
	if kind.Effect == Requests {
		err = env.books.PutLedger(ctx, plan.LedgerRow{Key: env.call.Key(), State: plan.LedgerStarted, At: env.now})
	}
	if kind.Effect == Requests || kind.Effect == Messages {
		err = errors.Join(err, env.books.WriteJournal(ctx, env.entry(kind, plan.JournalStarted)))
	}
	return outcome, false, err
}

// settle writes what came of the call.
func (rt *Runtime) settle(ctx context.Context, env *Env, kind Kind, outcome plan.Outcome) error {
	if kind.Effect != Reads && !outcome.Again && outcome.End == "" {
		stored := outcome
		stored.Note = ""
		result, err := json.Marshal(stored)
		if err != nil {
			return fmt.Errorf("encoding the outcome of %s: %w", env.call.Key(), err)
		}
		if err := env.books.PutLedger(ctx, plan.LedgerRow{Key: env.call.Key(), State: plan.LedgerDone, At: env.now, Result: result}); err != nil {
			return err
		}
	}
	standing := plan.Standing{
		Enrollment: env.call.Enrollment, Node: env.call.Node, Kind: kind.ID, Plan: env.call.Plan,
		Arrived: env.call.Arrived, Until: outcome.Until, Awaits: outcome.Event,
	}
	return errors.Join(env.books.WriteJournal(ctx, env.entries(kind, outcome)...), env.books.Stand(ctx, standing))
}

// failed writes down that an attempt failed and when the next one comes. Failures for good are journalled by
// the interpreter's activity `failed`, which also knows of crashed workers.
func (rt *Runtime) failed(ctx context.Context, env *Env, kind Kind, attempt int32, wait time.Duration, cause error) {
	if IsPermanent(cause) && len(env.notes) == 0 {
		return
	}
	entries := env.noted(kind, fmt.Sprintf("/%d", attempt))
	standing := plan.Standing{
		Enrollment: env.call.Enrollment, Node: env.call.Node, Kind: kind.ID, Plan: env.call.Plan, Arrived: env.call.Arrived, LastError: cause.Error(),
	}
	if !IsPermanent(cause) && wait > 0 {
		entry := env.entry(kind, plan.JournalRetrying)
		entry.Phase = fmt.Sprintf("%s/%d", plan.JournalRetrying, attempt)
		entry.Detail = fmt.Sprintf("attempt %d: %v; next at %s", attempt, cause, env.now.Add(wait).UTC().Format(time.RFC3339))
		entries = append(entries, entry)
	}
	if err := rt.Store.Transact(ctx, func(books Books) error {
		return errors.Join(books.WriteJournal(ctx, entries...), books.Stand(ctx, standing))
	}); err != nil {
		env.Log.Error("writing a failed attempt into the journal", "error", err, "attempt", attempt, "cause", cause)
	}
}
