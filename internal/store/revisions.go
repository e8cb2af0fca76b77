package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// Overview is a published workflow at a glance.
type Overview struct {
	Workflow  string    `json:"workflow"`
	Switch    string    `json:"switch"`           // its mode
	Then      string    `json:"then,omitempty"`   // the mode that it turns to by itself
	Turning   time.Time `json:"turning,omitzero"` // when
	Revision  int       `json:"revision"`         // the newest
	Published time.Time `json:"published"`
}

// At is the mode of the workflow's switch at an instant.
func (o Overview) At(now time.Time) string {
	return plan.Switch{Mode: o.Switch, Then: o.Then, Turning: o.Turning}.At(now)
}

// addRevision adds a revision unless the newest one has the same plan.
func (tx *Tx) addRevision(ctx context.Context, revision plan.Revision) (_ plan.Revision, isNew bool, err error) {
	if revision.Plan == nil || revision.Plan.Workflow == "" || revision.Plan.Hash == "" {
		return plan.Revision{}, false, fmt.Errorf("%w: a definition needs a plan with a workflow and a hash", crm.ErrInvalid)
	}
	compiled := *revision.Plan
	revision.Plan, revision.Workflow = &compiled, compiled.Workflow
	if err := checkNames(revision.Workflow, revision.Plan.Hash); err != nil {
		return plan.Revision{}, false, err
	}
	latest, found, err := tx.LatestRevision(ctx, revision.Workflow)
	if err != nil {
		return plan.Revision{}, false, err
	}
	if found && latest.Plan.Hash == compiled.Hash {
		return latest, false, nil
	}
	revision.Number = latest.Number + 1
	compiled.Revision = revision.Number
	if revision.InFlight == "" {
		revision.InFlight = plan.InFlightFollow
	}
	if revision.On, err = tx.switchFirst(ctx, revision, latest); err != nil {
		return plan.Revision{}, false, err
	}
	text, err := encode(compiled)
	if err != nil {
		return plan.Revision{}, false, err
	}
	migrate := ""
	if len(revision.Migrate) > 0 {
		if migrate, err = encode(revision.Migrate); err != nil {
			return plan.Revision{}, false, err
		}
	}
	_, err = tx.exec(ctx, `INSERT INTO revisions (workflow, number, hash, plan, source, in_flight, migrate, published, published_by, switched_on)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, revision.Workflow, revision.Number, compiled.Hash, text,
		legible(revision.Source), revision.InFlight, migrate, instant{revision.Published}, legible(revision.By), revision.On)
	return revision, true, err
}

// switchFirst sets the switch of a workflow that has none, lets it turn as the definition says where it says something
// else than before, and tells whether it is on.
func (tx *Tx) switchFirst(ctx context.Context, revision, latest plan.Revision) (on bool, err error) {
	mode := plan.SwitchOff
	if revision.On {
		mode = plan.SwitchOn
	}
	if _, err := tx.exec(ctx, `INSERT INTO workflows (workflow, mode) VALUES ($1, $2) ON CONFLICT DO NOTHING`, revision.Workflow, mode); err != nil {
		return false, err
	}
	stands, err := tx.Switch(ctx, revision.Workflow)
	if err != nil {
		return false, err
	}
	now := stands.At(revision.Published)
	if off, before := revision.Plan.OffAt(), latest.Plan.OffAt(); !off.Equal(before) {
		stands = plan.Switch{Mode: now}
		if !off.IsZero() {
			stands.Then, stands.Turning = plan.SwitchOff, off
		}
		err = tx.setSwitch(ctx, revision.Workflow, stands, revision.Published)
	}
	return now == plan.SwitchOn, err
}

// maxPlans bounds how many plans are kept in memory.
const maxPlans = 1000

// PlanByHash returns a published plan with its configs and rules. Plans never change, so they are kept in
// memory and shared: do not change it. When equal plans were published several times, its Workflow, Revision
// and Moved are those of one of them. Errors: crm.ErrNotFound.
func (r reader) PlanByHash(ctx context.Context, hash string) (found *plan.Plan, err error) {
	defer wrap(&err, "reading plan %s", hash)
	return r.plan(ctx, hash, `SELECT plan FROM revisions WHERE hash = $1 ORDER BY published DESC, number DESC LIMIT 1`, hash)
}

// plan returns the plan that is kept under key, or else the one that a query finds.
func (r reader) plan(ctx context.Context, key, text string, args ...any) (*plan.Plan, error) {
	r.memory.mu.Lock()
	known := r.memory.plans[key]
	r.memory.mu.Unlock()
	if known != nil {
		return known, nil
	}
	found := &plan.Plan{}
	err := r.row(ctx, text, args...).Scan(document[plan.Plan]{found})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, crm.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	r.memory.mu.Lock()
	defer r.memory.mu.Unlock()
	if len(r.memory.plans) >= maxPlans {
		clear(r.memory.plans)
	}
	r.memory.plans[key] = found
	return found, nil
}

const revisionColumns = `workflow, number, hash, source, in_flight, migrate, published, published_by, switched_on`

// scanRevision reads a revision whose plan has nothing but its hash yet.
func scanRevision(row scanner) (revision plan.Revision, err error) {
	var published instant
	revision.Plan = &plan.Plan{}
	err = row.Scan(&revision.Workflow, &revision.Number, &revision.Plan.Hash, &revision.Source, &revision.InFlight,
		document[map[string]string]{&revision.Migrate}, &published, &revision.By, &revision.On)
	revision.Published = published.Time
	return revision, err
}

// complete gives a revision its plan.
func (r reader) complete(ctx context.Context, revision *plan.Revision) (err error) {
	key := fmt.Sprintf("%s/%d/%s", revision.Workflow, revision.Number, revision.Plan.Hash)
	revision.Plan, err = r.plan(ctx, key, `SELECT plan FROM revisions WHERE workflow = $1 AND number = $2`, revision.Workflow, revision.Number)
	return err
}

// revision reads the revision that a query finds first.
func (r reader) revision(ctx context.Context, where string, args ...any) (_ plan.Revision, found bool, err error) {
	revision, err := scanRevision(r.row(ctx, `SELECT `+revisionColumns+` FROM revisions WHERE `+where, args...))
	if errors.Is(err, sql.ErrNoRows) {
		return plan.Revision{}, false, nil
	}
	if err != nil {
		return plan.Revision{}, false, err
	}
	err = r.complete(ctx, &revision)
	return revision, err == nil, err
}

// Revision returns a revision by its number. Its plan is shared: do not change it. Errors:
// crm.ErrNotFound.
func (r reader) Revision(ctx context.Context, workflow string, number int) (revision plan.Revision, err error) {
	defer wrap(&err, "reading revision %d of %s", number, workflow)
	revision, found, err := r.revision(ctx, `workflow = $1 AND number = $2`, workflow, number)
	if err == nil && !found {
		err = crm.ErrNotFound
	}
	return revision, err
}

// LatestRevision returns the newest revision of a workflow, if any was published; see Revision. In a transaction
// nobody else publishes or switches anything until it ends.
func (r reader) LatestRevision(ctx context.Context, workflow string) (revision plan.Revision, found bool, err error) {
	defer wrap(&err, "reading the newest revision of %s", workflow)
	if err := r.source.share(ctx, publication); err != nil {
		return plan.Revision{}, false, err
	}
	return r.revision(ctx, `workflow = $1 ORDER BY number DESC LIMIT 1`, workflow)
}

// Revisions returns all revisions of a workflow, oldest first; see Revision.
func (r reader) Revisions(ctx context.Context, workflow string) ([]plan.Revision, error) {
	return r.RevisionsAfter(ctx, workflow, 0)
}

// RevisionsAfter returns the revisions of a workflow with a greater number, oldest first; see Revision.
func (r reader) RevisionsAfter(ctx context.Context, workflow string, number int) (revisions []plan.Revision, err error) {
	defer wrap(&err, "reading the revisions of %s", workflow)
	revisions, err = collect(ctx, r.source, scanRevision, `SELECT `+revisionColumns+` FROM revisions
		WHERE workflow = $1 AND number > $2 ORDER BY number`, workflow, number)
	if err != nil {
		return nil, err
	}
	for i := range revisions {
		if err := r.complete(ctx, &revisions[i]); err != nil {
			return nil, err
		}
	}
	return revisions, nil
}

// Workflows returns all published workflows, by id.
func (r reader) Workflows(ctx context.Context) (overviews []Overview, err error) {
	defer wrap(&err, "listing the workflows")
	return collect(ctx, r.source, func(row scanner) (overview Overview, err error) {
		var published, turning instant
		err = row.Scan(&overview.Workflow, &overview.Switch, &overview.Then, &turning, &overview.Revision, &published)
		overview.Published, overview.Turning = published.Time, turning.Time
		return overview, err
	}, `SELECT w.workflow, w.mode, w.turns_to, w.turns, r.number, r.published FROM workflows w JOIN revisions r ON r.workflow = w.workflow
		WHERE r.number = (SELECT MAX(number) FROM revisions l WHERE l.workflow = w.workflow) ORDER BY w.workflow`)
}

// Switch returns how a workflow's switch stands. Errors: crm.ErrNotFound.
func (r reader) Switch(ctx context.Context, workflow string) (stands plan.Switch, err error) {
	defer wrap(&err, "reading the switch of %s", workflow)
	var turning instant
	err = r.row(ctx, `SELECT mode, turns_to, turns FROM workflows WHERE workflow = $1`, workflow).Scan(&stands.Mode, &stands.Then, &turning)
	if errors.Is(err, sql.ErrNoRows) {
		return plan.Switch{}, crm.ErrNotFound
	}
	stands.Turning = turning.Time
	return stands, err
}

// SetSwitch sets the mode of a workflow's switch; what it was to turn to is forgotten. One that begins to admit enrolls
// nobody for what happened before (semantics §2.4). Errors: crm.ErrNotFound, crm.ErrInvalid.
func (tx *Tx) SetSwitch(ctx context.Context, workflow, mode string, now time.Time) error {
	return tx.setSwitch(ctx, workflow, plan.Switch{Mode: mode}, now)
}

// TurnSwitch makes a workflow's switch turn to a mode by itself, at an instant after now. Errors: crm.ErrNotFound,
// crm.ErrInvalid.
func (tx *Tx) TurnSwitch(ctx context.Context, workflow, mode string, at, now time.Time) error {
	stands, err := tx.Switch(ctx, workflow)
	if err != nil {
		return err
	}
	return tx.setSwitch(ctx, workflow, plan.Switch{Mode: stands.At(now), Then: mode, Turning: at}, now)
}

func (tx *Tx) setSwitch(ctx context.Context, workflow string, stands plan.Switch, now time.Time) (err error) {
	defer wrap(&err, "switching %s %s", workflow, stands.Mode)
	for _, mode := range []string{stands.Mode, stands.Then} {
		if mode != "" && !slices.Contains(plan.SwitchModes, mode) {
			return fmt.Errorf("%w: a switch is one of %s", crm.ErrInvalid, strings.Join(plan.SwitchModes, ", "))
		}
	}
	if err := tx.claim(ctx, publication); err != nil {
		return err
	}
	before, err := tx.Switch(ctx, workflow)
	if err != nil || before == stands {
		return err
	}
	_, err = tx.exec(ctx, `UPDATE workflows SET mode = $1, turns_to = $2, turns = $3 WHERE workflow = $4`,
		stands.Mode, stands.Then, instant{stands.Turning}, workflow)
	if err != nil {
		return err
	}
	if before.Refuses(now) != "" && stands.Refuses(now) == "" {
		if err := tx.since(ctx, workflow, now); err != nil {
			return err
		}
	}
	return tx.reschedule(ctx, workflow, now)
}

// reschedule has a workflow's schedule at Temporal made what its newest revision and its switch say.
func (tx *Tx) reschedule(ctx context.Context, workflow string, at time.Time) error {
	_, err := tx.AddIntent(ctx, plan.Intent{Act: plan.ActSchedule, Workflow: workflow, At: at})
	return err
}

// SetSwitch is Tx.SetSwitch in a transaction of its own.
func (s *Store) SetSwitch(ctx context.Context, workflow, mode string, at time.Time) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.SetSwitch(ctx, workflow, mode, at) })
}

// TurnSwitch is Tx.TurnSwitch in a transaction of its own.
func (s *Store) TurnSwitch(ctx context.Context, workflow, mode string, at, now time.Time) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.TurnSwitch(ctx, workflow, mode, at, now) })
}
