package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

const enrollmentColumns = `id, workflow, record, number, workflow_id, first_run, trigger_name, event, revision, started, closed,
	exit, exit_node, detail, node, kind, arrived, until, awaits, last_error, plan, hold, depth, converted`

func scanEnrollment(row scanner) (e plan.Enrollment, err error) {
	var started, closed, arrived, until, converted instant
	at := &e.Standing
	err = row.Scan(&e.ID, &e.Workflow, &e.Record, &e.Number, &e.WorkflowID, &e.FirstRun, &e.Trigger, document[*plan.Event]{&e.Event},
		&e.Revision, &started, &closed, &e.Exit, &e.ExitNode, &e.Detail,
		&at.Node, &at.Kind, &arrived, &until, &at.Awaits, &at.LastError, &at.Plan, &at.Hold, &e.Depth, &converted)
	e.Converted = converted.Time
	e.Started, e.Closed, at.Arrived, at.Until = started.Time, closed.Time, arrived.Time, until.Time
	at.Enrollment = e.ID
	return e, err
}

// one reads the enrollment that a query finds first.
func (r reader) one(ctx context.Context, where string, args ...any) (e plan.Enrollment, found bool, err error) {
	e, err = scanEnrollment(r.row(ctx, `SELECT `+enrollmentColumns+` FROM enrollments WHERE `+where, args...))
	if errors.Is(err, sql.ErrNoRows) {
		return plan.Enrollment{}, false, nil
	}
	return e, err == nil, err
}

// Enrollment returns an enrollment by its id, as in welcome/contact/51/3. Errors: crm.ErrNotFound.
func (r reader) Enrollment(ctx context.Context, id string) (e plan.Enrollment, err error) {
	defer wrap(&err, "reading enrollment %s", id)
	e, found, err := r.one(ctx, `id = $1`, id)
	if err == nil && !found {
		err = crm.ErrNotFound
	}
	return e, err
}

// EnrollmentByRun returns the enrollment that a Temporal workflow id and its first run name, admitted or
// refused. In a transaction nobody else enrolls under that id until it ends.
func (r reader) EnrollmentByRun(ctx context.Context, workflowID, firstRun string) (e plan.Enrollment, found bool, err error) {
	defer wrap(&err, "reading the enrollment of %s, run %s", workflowID, firstRun)
	if err := r.source.claim(ctx, workflowID); err != nil {
		return plan.Enrollment{}, false, err
	}
	return r.one(ctx, `workflow_id = $1 AND first_run = $2`, workflowID, firstRun)
}

// LastEnrollment returns the newest enrollment of a record in a workflow, open or closed; refused ones do
// not count.
func (r reader) LastEnrollment(ctx context.Context, workflow, record string) (e plan.Enrollment, found bool, err error) {
	defer wrap(&err, "reading the last enrollment of %s in %s", record, workflow)
	return r.one(ctx, `workflow = $1 AND record = $2 AND number > 0 ORDER BY number DESC LIMIT 1`, workflow, record)
}

// EnrolledBefore tells whether a record was ever admitted to a workflow. In a transaction nobody else admits it
// until it ends.
func (r reader) EnrolledBefore(ctx context.Context, workflow, record string) (before bool, err error) {
	defer wrap(&err, "looking for enrollments of %s in %s", record, workflow)
	if err := r.source.claim(ctx, plan.WorkflowID(workflow, record)); err != nil {
		return false, err
	}
	return r.exists(ctx, `SELECT 1 FROM enrollments WHERE workflow = $1 AND record = $2 AND number > 0`, workflow, record)
}

// EnrolledBy tells whether a trigger admitted a record to a workflow. In a transaction nobody else admits it until it ends.
func (r reader) EnrolledBy(ctx context.Context, workflow, record, trigger string) (before bool, err error) {
	defer wrap(&err, "looking whether %s enrolled %s in %s", trigger, record, workflow)
	if err := r.source.claim(ctx, plan.WorkflowID(workflow, record)); err != nil {
		return false, err
	}
	return r.exists(ctx, `SELECT 1 FROM enrollments WHERE workflow = $1 AND record = $2 AND number > 0 AND trigger_name = $3`, workflow, record, trigger)
}

// Membership tells where a record stands in a workflow. Reaching an `end` is completing it.
func (r reader) Membership(ctx context.Context, ref crm.Ref, workflow string) (membership crm.Membership, err error) {
	defer wrap(&err, "looking for %s in %s", ref, workflow)
	exits, err := collect(ctx, r.source, func(row scanner) (exit string, err error) {
		return exit, row.Scan(&exit)
	}, `SELECT exit FROM enrollments WHERE workflow = $1 AND record = $2 AND number > 0`, workflow, ref.String())
	for _, exit := range exits {
		membership.Ever = true
		switch exit {
		case "":
			membership.Active = true
		case plan.ExitCompleted, plan.ExitEnded:
			membership.Completed = true
		case plan.ExitGoalMet:
			membership.GoalMet = true
		}
	}
	return membership, err
}

// EnrollmentFilter says which enrollments to list; empty fields do not restrict.
type EnrollmentFilter struct {
	Workflow string
	Record   string
	Node     string // where it stands
	Hold     string // what keeps it from its action, as plan.HoldPause
	OpenOnly bool
	After    string // id of the last enrollment of the page before
	Limit    int    // 0 = all
}

// Enrollments lists enrollments, the newest first, refused ones among them unless OpenOnly is set.
func (r reader) Enrollments(ctx context.Context, filter EnrollmentFilter) (enrollments []plan.Enrollment, err error) {
	defer wrap(&err, "listing enrollments")
	conditions, args := []string{"TRUE"}, []any{}
	restrict := func(condition, value string) {
		if value != "" {
			args = append(args, value)
			conditions = append(conditions, condition+"$"+strconv.Itoa(len(args)))
		}
	}
	restrict(`workflow = `, filter.Workflow)
	restrict(`record = `, filter.Record)
	restrict(`node = `, filter.Node)
	restrict(`hold = `, filter.Hold)
	if filter.OpenOnly {
		conditions = append(conditions, `closed IS NULL`)
	}
	if filter.After != "" {
		args = append(args, filter.After)
		conditions = append(conditions, fmt.Sprintf(`seq < (SELECT seq FROM enrollments WHERE id = $%d)`, len(args)))
	}
	args = append(args, atMost(filter.Limit))
	return collect(ctx, r.source, scanEnrollment, fmt.Sprintf(`SELECT %s FROM enrollments WHERE %s ORDER BY seq DESC LIMIT $%d`,
		enrollmentColumns, strings.Join(conditions, " AND "), len(args)), args...)
}

// Place is an action at which people stand.
type Place struct {
	Node   string // "" = on their way to the first one
	Plan   string // hash of the plan that they follow
	People int
}

// Inside counts the open enrollments of a workflow by where they stand.
func (r reader) Inside(ctx context.Context, workflow string) (places []Place, err error) {
	defer wrap(&err, "counting who is in %s", workflow)
	return collect(ctx, r.source, func(row scanner) (place Place, err error) {
		err = row.Scan(&place.Node, &place.Plan, &place.People)
		return place, err
	}, `SELECT node, plan, COUNT(*) FROM enrollments WHERE workflow = $1 AND closed IS NULL GROUP BY node, plan ORDER BY node, plan`, workflow)
}

// Done returns the ids of the open enrollments of a workflow that stand at one action and did another, or may have
// done it.
func (r reader) Done(ctx context.Context, workflow, at, action string) (ids []string, err error) {
	defer wrap(&err, "looking who in %s did %s", workflow, action)
	return collect(ctx, r.source, func(row scanner) (id string, err error) { return id, row.Scan(&id) },
		`SELECT DISTINCT e.id FROM enrollments e JOIN journal j ON j.enrollment = e.id
		WHERE e.workflow = $1 AND e.node = $2 AND e.closed IS NULL AND j.node = $3 AND j.event IN ($4, $5) ORDER BY e.id`,
		workflow, at, action, plan.JournalSucceeded, plan.JournalUnknown)
}

// OpenEnrollment admits a record: it gives the enrollment its number, one more than were admitted of that
// record in that workflow before, and its id WORKFLOW/OBJECT/ID/NUMBER. Asked again for the same workflow id
// and first run, it returns the row that is there, be it refused or closed.
func (tx *Tx) OpenEnrollment(ctx context.Context, e plan.Enrollment) (_ plan.Enrollment, err error) {
	defer wrap(&err, "enrolling %s in %s", e.Record, e.Workflow)
	known, found, err := tx.EnrollmentByRun(ctx, e.WorkflowID, e.FirstRun)
	if err != nil || found {
		return known, err
	}
	if err := tx.claim(ctx, plan.WorkflowID(e.Workflow, e.Record)); err != nil {
		return plan.Enrollment{}, err
	}
	err = tx.row(ctx, `SELECT COALESCE(MAX(number), 0) + 1 FROM enrollments WHERE workflow = $1 AND record = $2`,
		e.Workflow, e.Record).Scan(&e.Number)
	if err != nil {
		return plan.Enrollment{}, err
	}
	e.ID = e.Workflow + "/" + e.Record + "/" + strconv.Itoa(e.Number)
	e.Closed, e.Exit, e.ExitNode = time.Time{}, "", ""
	tx.note(ctx, plan.Change{Record: e.Record, What: plan.ChangeEntered, Name: e.Workflow, Detail: e.ID, At: e.Started})
	return tx.addEnrollment(ctx, e)
}

// RefuseEnrollment lists a refused attempt with its reason (Exit, by default plan.ExitRefused, and Detail).
// It takes no number, its id is WORKFLOW_ID/RUN, and it is closed from its beginning. Asked again for the
// same workflow id and first run, it changes nothing.
func (tx *Tx) RefuseEnrollment(ctx context.Context, e plan.Enrollment) (err error) {
	defer wrap(&err, "refusing %s in %s", e.Record, e.Workflow)
	_, found, err := tx.EnrollmentByRun(ctx, e.WorkflowID, e.FirstRun)
	if err != nil || found {
		return err
	}
	e.Number, e.ID, e.Closed = 0, e.WorkflowID+"/"+e.FirstRun, e.Started
	e.Exit = cmp.Or(e.Exit, plan.ExitRefused)
	_, err = tx.addEnrollment(ctx, e)
	return err
}

func (tx *Tx) addEnrollment(ctx context.Context, e plan.Enrollment) (plan.Enrollment, error) {
	if err := checkNames(e.ID, e.WorkflowID, e.FirstRun, e.Trigger, e.Exit, e.ExitNode); err != nil {
		return plan.Enrollment{}, err
	}
	event := ""
	if e.Event != nil {
		var err error
		if event, err = encode(e.Event); err != nil {
			return plan.Enrollment{}, err
		}
	}
	at := e.Standing
	_, err := tx.exec(ctx, `INSERT INTO enrollments (`+enrollmentColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)`,
		e.ID, e.Workflow, e.Record, e.Number, e.WorkflowID, e.FirstRun, e.Trigger, event, e.Revision, instant{e.Started}, instant{e.Closed},
		e.Exit, e.ExitNode, legible(e.Detail),
		at.Node, at.Kind, instant{at.Arrived}, instant{at.Until}, at.Awaits, legible(at.LastError), at.Plan, at.Hold, e.Depth, instant{e.Converted})
	if err != nil {
		return plan.Enrollment{}, err
	}
	added, _, err := tx.one(ctx, `id = $1`, e.ID)
	return added, err
}

// CloseEnrollment ends an enrollment; one that is closed keeps its first exit. Errors: crm.ErrNotFound.
func (tx *Tx) CloseEnrollment(ctx context.Context, id string, exit plan.Exit, at time.Time) (err error) {
	defer wrap(&err, "closing enrollment %s", id)
	var converted instant
	if exit.Reason == plan.ExitGoalMet {
		converted.Time = at
	}
	closed, err := collect(ctx, tx.source, scanLeft, `UPDATE enrollments SET closed = $1, exit = $2, exit_node = $3, detail = $4, converted = $5
		WHERE id = $6 AND closed IS NULL RETURNING workflow, record, exit`,
		instant{at}, legible(exit.Reason), legible(exit.Node), legible(exit.Detail), converted, id)
	if err != nil {
		return err
	}
	tx.noteLeft(ctx, closed, at)
	if len(closed) > 0 {
		return tx.leaveQueue(ctx, id)
	}
	_, err = tx.Enrollment(ctx, id)
	return err
}

// noteLeft notes that records have left their workflows.
func (tx *Tx) noteLeft(ctx context.Context, closed []plan.Change, at time.Time) {
	for _, left := range closed {
		left.What, left.At = plan.ChangeLeft, at
		tx.note(ctx, left)
	}
}

func scanLeft(row scanner) (left plan.Change, err error) {
	return left, row.Scan(&left.Name, &left.Record, &left.Detail)
}

// CloseLost closes as unenrolled what is open under a Temporal workflow id in another run than firstRun. At most
// one run of an id is open, so the others were ended behind our back.
func (tx *Tx) CloseLost(ctx context.Context, workflowID, firstRun string, at time.Time) (err error) {
	defer wrap(&err, "closing lost enrollments of %s", workflowID)
	closed, err := collect(ctx, tx.source, scanLeft, `UPDATE enrollments SET closed = $1, exit = $2, exit_node = node, detail = $3
		WHERE workflow_id = $4 AND first_run <> $5 AND closed IS NULL RETURNING workflow, record, exit`,
		instant{at}, plan.ExitUnenrolled, "its Temporal workflow ended without telling", workflowID, firstRun)
	if err != nil || len(closed) == 0 {
		return err
	}
	tx.noteLeft(ctx, closed, at)
	_, err = tx.exec(ctx, `DELETE FROM places WHERE entry IS NULL AND enrollment IN (SELECT id FROM enrollments WHERE workflow_id = $1 AND closed IS NOT NULL)`, workflowID)
	return err
}

// Conversions counts the records that were ever in a workflow, and those of them that met its goal: inside, or after they
// had gone through.
func (r reader) Conversions(ctx context.Context, workflow string) (enrolled, converted int, err error) {
	defer wrap(&err, "counting who met the goal of %s", workflow)
	err = r.row(ctx, `SELECT COUNT(DISTINCT record), COUNT(DISTINCT CASE WHEN converted IS NOT NULL THEN record END)
		FROM enrollments WHERE workflow = $1 AND number > 0`, workflow).Scan(&enrolled, &converted)
	return enrolled, converted, err
}

// Stand writes down where an enrollment stands. One that is closed or unknown is left as it is.
func (tx *Tx) Stand(ctx context.Context, at plan.Standing) (err error) {
	defer wrap(&err, "writing where %s stands", at.Enrollment)
	_, err = tx.exec(ctx, `UPDATE enrollments SET node = $1, kind = $2, arrived = $3, until = $4, awaits = $5, last_error = $6, plan = $7, hold = $8
		WHERE id = $9 AND closed IS NULL`, at.Node, at.Kind, instant{at.Arrived}, instant{at.Until}, at.Awaits,
		legible(at.LastError), at.Plan, at.Hold, at.Enrollment)
	return err
}

// OpenEnrollment is Tx.OpenEnrollment in a transaction of its own.
func (s *Store) OpenEnrollment(ctx context.Context, e plan.Enrollment) (opened plan.Enrollment, err error) {
	err = s.Tx(ctx, func(tx *Tx) error { opened, err = tx.OpenEnrollment(ctx, e); return err })
	return opened, err
}

// RefuseEnrollment is Tx.RefuseEnrollment in a transaction of its own.
func (s *Store) RefuseEnrollment(ctx context.Context, e plan.Enrollment) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.RefuseEnrollment(ctx, e) })
}

// CloseEnrollment is Tx.CloseEnrollment in a transaction of its own.
func (s *Store) CloseEnrollment(ctx context.Context, id string, exit plan.Exit, at time.Time) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.CloseEnrollment(ctx, id, exit, at) })
}

// Stand is Tx.Stand in a transaction of its own.
func (s *Store) Stand(ctx context.Context, at plan.Standing) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.Stand(ctx, at) })
}
