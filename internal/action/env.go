package action

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider"
	"github.com/millrace/millrace/internal/sandbox"
)

// Ledger remembers outside effects by idempotency key.
type Ledger interface {
	LedgerRow(ctx context.Context, key string) (plan.LedgerRow, bool, error)
	PutLedger(ctx context.Context, row plan.LedgerRow) error
}

// Journal is the stored list of what every enrollment did and where it stands.
type Journal interface {
	WriteJournal(ctx context.Context, entries ...plan.Entry) error
	Stand(ctx context.Context, standing plan.Standing) error
	Enrollment(ctx context.Context, id string) (plan.Enrollment, error)
}

// Books is what one step reads and writes: records, ledger and journal, all in one transaction.
type Books interface {
	crm.Records
	Ledger
	Journal
	// Switch returns how a workflow's switch stands.
	Switch(ctx context.Context, workflow string) (plan.Switch, error)
	// Usage returns what AI actions have used in a month.
	Usage(ctx context.Context, month string) ([]plan.Usage, error)
}

// Transaction is the books within one transaction.
type Transaction interface {
	Books
	// Waiting returns the Temporal workflow ids of those who wait for what the transaction brought about: a change
	// of a property that they follow, an event.
	Waiting(ctx context.Context) ([]string, error)
	// Queue lets an enrollment enter the first action when it is its turn, and else gives it a place, or keeps it at
	// the one it has.
	Queue(ctx context.Context, who plan.Queueing) (plan.Place, error)
	// AddUsage adds to what an action has used in a month, and returns how often it ran in it.
	AddUsage(ctx context.Context, more plan.Usage) (executions int64, err error)
}

// Store is where the books are kept.
type Store interface {
	Books // each call its own transaction
	// Transact runs step in one transaction, which is rolled back when step fails.
	Transact(ctx context.Context, step func(books Transaction) error) error
	// PlanByHash returns a published plan with configs and rules.
	PlanByHash(ctx context.Context, hash string) (*plan.Plan, error)
	// Asset returns the newest version of a workspace file.
	Asset(ctx context.Context, path string) (content []byte, found bool, err error)
	// Account returns the workspace's settings: crm.Account as JSON.
	Account(ctx context.Context) (json.RawMessage, error)
}

// Providers are the ways out of the house that an account has configured.
type Providers struct {
	Mail provider.Mail
	HTTP provider.HTTP
	AI   provider.Models
	// Enrichment is nil when the account names none.
	Enrichment provider.Enrichment
	// Ads returns an account of an advertising network by its name. The error is a *provider.Refused when there is none.
	Ads func(account string) (provider.Ads, error)
	// Secret resolves secret://NAME.
	Secret func(name string) (string, error)
}

// Enroll enrolls a record in another workflow and returns the enrollment's id. With the same key it happens once, and is
// answered the same. A refusal is a permanent error.
type Enroll func(ctx context.Context, request EnrollRequest) (enrollment string, err error)

// EnrollRequest is what a step asks of Enroll.
type EnrollRequest struct {
	Workflow string
	Record   crm.Ref
	Key      string // idempotency key of the step
	Force    bool   // also who was there before, though the workflow admits nobody twice
	Now      time.Time
}

// Scripts runs a script, as sandbox.Run does.
type Scripts func(ctx context.Context, script sandbox.Script) (result json.RawMessage, lines []string, err error)

// Env is what one call of one action may touch.
type Env struct {
	Providers
	Records crm.Records
	Account crm.Account
	Catalog *crm.Catalog
	Log     *slog.Logger
	// Enroll enrolls the record in another workflow, once for each visit, and returns the enrollment's id. With force it
	// does so although it was there before and the workflow admits nobody twice. A refusal is a permanent error. It is nil
	// in a simulation of one journey.
	Enroll func(ctx context.Context, workflow string, force bool) (enrollment string, err error)
	// Script runs a script that nobody vouches for.
	Script Scripts

	store      Store
	books      Books       // the transaction of this step, or the store itself
	tx         Transaction // in which the guard is asked; nil = it is only foreseen what it would say
	call       plan.Call
	key        string // idempotency key of this step
	rules      *rules
	record     crm.Ref
	enrollment plan.Enrollment
	hold       string         // what keeps the enrollment from this action, as plan.HoldPause
	zone       *time.Location // nil = not asked for yet
	now        time.Time
	seed       int64
	notes      []note
	used       plan.Usage    // tokens of this attempt, which are counted when it ends
	waited     *plan.Outcome // of this step, which waits for the event that completes it
	settling   func(ctx context.Context) (plan.Outcome, error)
}

// Now is the business time of this attempt: the workflow's clock when the action was asked plus, after
// retries, the time since. Nothing else tells a kind the time (design §5).
func (e *Env) Now() time.Time { return e.now }

// Seed varies random draws between simulations; it is 0 in production.
func (e *Env) Seed() int64 { return e.seed }

// Record is the enrolled record.
func (e *Env) Record() crm.Ref { return e.record }

// Enrolled is when the record entered the workflow.
func (e *Env) Enrolled() time.Time { return e.enrollment.Started }

// Zone is where wall-clock times of this workflow are read: the workflow's zone, else the account's.
// A token such as {{ contact.time_zone }} takes the record's and falls back to the account's when it
// has none or an unknown one.
func (e *Env) Zone(ctx context.Context) (zone *time.Location, err error) {
	if e.zone == nil {
		e.zone, err = e.findZone(ctx)
	}
	return e.zone, err
}

func (e *Env) findZone(ctx context.Context) (*time.Location, error) {
	account, err := crm.LoadZone(e.Account.TimeZone)
	if err != nil || e.rules.timeZone == "" {
		return account, err
	}
	template, err := crm.ParseTemplate(e.rules.timeZone)
	if err != nil {
		return nil, Permanent("time-zone", "time zone %q: %v", e.rules.timeZone, err)
	}
	name, _, err := template.Render(ctx, e.scope())
	if err != nil {
		return nil, err
	}
	if name == "" {
		return account, nil
	}
	zone, err := crm.LoadZone(name)
	if err != nil {
		e.Warn("time zone %q is not known: used %s", name, account)
		return account, nil
	}
	return zone, nil
}

// Render fills a template's tokens; those that are empty and have no default are noted in the journal.
func (e *Env) Render(ctx context.Context, template crm.Template) (string, error) {
	scope, err := e.local(ctx)
	if err != nil {
		return "", err
	}
	text, warnings, err := template.Render(ctx, scope)
	return text, e.rendered(warnings, err)
}

// RenderHTML fills a template whose result is HTML: values are escaped.
func (e *Env) RenderHTML(ctx context.Context, template crm.Template) (string, error) {
	scope, err := e.local(ctx)
	if err != nil {
		return "", err
	}
	text, warnings, err := template.RenderHTML(ctx, scope)
	return text, e.rendered(warnings, err)
}

// Value resolves a literal or a token; a single token keeps its type.
func (e *Env) Value(ctx context.Context, value crm.Value) (any, error) {
	scope, err := e.local(ctx)
	if err != nil {
		return nil, err
	}
	result, warnings, err := value.Resolve(ctx, scope)
	return result, e.rendered(warnings, err)
}

// Formula computes a formula.
func (e *Env) Formula(ctx context.Context, formula crm.Formula) (any, error) {
	scope, err := e.local(ctx)
	if err != nil {
		return nil, err
	}
	result, warnings, err := formula.Resolve(ctx, scope)
	return result, e.rendered(warnings, err)
}

// Apply resolves values and applies a function to them.
func (e *Env) Apply(ctx context.Context, function crm.Function, values []crm.Value) (any, error) {
	scope, err := e.local(ctx)
	if err != nil {
		return nil, err
	}
	result, warnings, err := function.Resolve(ctx, scope, values...)
	return result, e.rendered(warnings, err)
}

func (e *Env) rendered(warnings []crm.Warning, err error) error {
	for _, warning := range warnings {
		e.Warn("%s", warning)
	}
	return err
}

// Match evaluates a filter on the enrolled record. Unknown is not a match.
func (e *Env) Match(ctx context.Context, filter crm.Filter) (bool, error) {
	return e.MatchRecord(ctx, filter, e.record)
}

// MatchRecord evaluates a filter on any record. Unknown is not a match.
func (e *Env) MatchRecord(ctx context.Context, filter crm.Filter, record crm.Ref) (bool, error) {
	zone, err := e.Zone(ctx)
	if err != nil {
		return false, err
	}
	truth, err := filter.Match(ctx, crm.FilterEnv{Records: e.Records, Ref: record, Now: e.now, Zone: zone, Catalog: e.Catalog})
	return truth == crm.Yes, err
}

// MatchEvent evaluates a filter on the properties of an event.
func (e *Env) MatchEvent(ctx context.Context, filter crm.Filter, event crm.Event) (bool, error) {
	zone, err := e.Zone(ctx)
	if err != nil {
		return false, err
	}
	truth, err := filter.Match(ctx, crm.FilterEnv{Records: e.Records, Ref: e.record, Event: &event, Now: e.now, Zone: zone, Catalog: e.Catalog})
	return truth == crm.Yes, err
}

// Asset reads a workspace file as it is now.
func (e *Env) Asset(ctx context.Context, path string) ([]byte, bool, error) {
	return e.store.Asset(ctx, path)
}

// SentAt tells when an earlier action of this enrollment last did its effect, for waits whose events
// answer it, and under which key.
func (e *Env) SentAt(ctx context.Context, node string) (at time.Time, key string, found bool, err error) {
	source := plan.Call{Enrollment: e.call.Enrollment, Node: node, Visit: e.call.Visits[node]}
	row, found, err := e.books.LedgerRow(ctx, source.Key())
	return row.At, source.Key(), found && row.State == plan.LedgerDone, err
}

// Waited returns the outcome by which this step, when it did its effect, began to wait for an event that completes it.
// The effect is not to be repeated then.
func (e *Env) Waited() (outcome plan.Outcome, waits bool) {
	if e.waited == nil {
		return plan.Outcome{}, false
	}
	return *e.waited, true
}

// Settle is for kinds that reach outside and keep what comes of it in our own store: write runs in the transaction that
// settles the call, after Run, and its outcome is that of the step. What it writes and that the call is done are there together
// or not at all. It may run more than once, of which one counts, and asks Records anew.
func (e *Env) Settle(write func(ctx context.Context) (plan.Outcome, error)) { e.settling = write }

// Warn puts a line into the journal beside the step's result.
func (e *Env) Warn(format string, args ...any) { e.Note(plan.JournalWarning, format, args...) }

// Note puts an event of the given journal type beside the step's result.
func (e *Env) Note(event, format string, args ...any) {
	e.notes = append(e.notes, note{event: event, detail: fmt.Sprintf(format, args...)})
}

type note struct{ event, detail string }

// local is the scope in which dates and times are those of the workflow's zone.
func (e *Env) local(ctx context.Context) (crm.Scope, error) {
	scope := e.scope()
	var err error
	scope.Zone, err = e.Zone(ctx)
	return scope, err
}

func (e *Env) scope() crm.Scope {
	return crm.Scope{
		Records: e.Records, Ref: e.record, Catalog: e.Catalog, Account: e.Account,
		Now: e.now, Outputs: e.call.Outputs, Event: e.enrollment.Event.Values(),
	}
}
