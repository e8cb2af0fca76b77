package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// occurrences are what came about in a transaction, by record: types of events, changes of properties among them.
type occurrences map[string]map[string]bool

func (o *occurrences) add(record, eventType string) {
	if *o == nil {
		*o = occurrences{}
	}
	if (*o)[record] == nil {
		(*o)[record] = map[string]bool{}
	}
	(*o)[record][eventType] = true
}

// Waiting returns the Temporal workflow ids of the open enrollments that wait for what the transaction has brought
// about so far: events of their record, changes of properties that they follow.
func (tx *Tx) Waiting(ctx context.Context) (workflowIDs []string, err error) {
	defer wrap(&err, "looking for who waits")
	type wait struct{ workflowID, awaits string }
	for _, record := range slices.Sorted(maps.Keys(tx.occurred)) {
		waits, err := collect(ctx, tx.source, func(row scanner) (one wait, err error) {
			return one, row.Scan(&one.workflowID, &one.awaits)
		}, `SELECT workflow_id, awaits FROM enrollments WHERE record = $1 AND closed IS NULL AND awaits <> '' ORDER BY seq`, record)
		if err != nil {
			return nil, err
		}
		for _, one := range waits {
			if tx.occurred[record][one.awaits] {
				workflowIDs = append(workflowIDs, one.workflowID)
			}
		}
	}
	return workflowIDs, nil
}

// Wait is an open enrollment that waits for a type of event.
type Wait struct{ Enrollment, Workflow, Awaits string }

// Waits returns the open enrollments of a record that wait for some type of event.
func (r reader) Waits(ctx context.Context, record string) (waits []Wait, err error) {
	defer wrap(&err, "looking for what %s waits for", record)
	return collect(ctx, r.source, func(row scanner) (wait Wait, err error) {
		return wait, row.Scan(&wait.Enrollment, &wait.Workflow, &wait.Awaits)
	}, `SELECT id, workflow, awaits FROM enrollments WHERE record = $1 AND closed IS NULL AND awaits <> '' ORDER BY seq`, record)
}

// changed notes changes of properties. The completion of a task is an event.
func (tx *Tx) changed(ctx context.Context, record crm.Record, changes map[string]string, at time.Time) error {
	tx.note(ctx, plan.Change{Record: record.Ref.String(), What: plan.ChangeSet, Values: changes, At: at})
	tx.occurred.add(record.Ref.String(), plan.EventChanged)
	for name := range changes {
		tx.occurred.add(record.Ref.String(), plan.ChangeOf(name))
	}
	if record.Object == crm.ObjectTask && changes[crm.TaskStatus] == crm.TaskCompleted {
		return tx.completed(ctx, record, at)
	}
	return nil
}

// completed makes the completion of a task an event of the task and of every record that it is about. What created
// the task is the event's source, so a wait whose source is that step is answered (semantics §4.6).
func (tx *Tx) completed(ctx context.Context, task crm.Record, at time.Time) error {
	others, err := collect(ctx, tx.source, func(row scanner) (ref crm.Ref, err error) {
		return ref, row.Scan(reference{&ref})
	}, `SELECT other FROM associations WHERE record = $1 ORDER BY seq`, task.Ref.String())
	if err != nil {
		return err
	}
	sources, err := collect(ctx, tx.source, func(row scanner) (source string, err error) {
		return source, row.Scan(&source)
	}, `SELECT source FROM property_versions WHERE record = $1 ORDER BY seq LIMIT 1`, task.Ref.String())
	if err != nil {
		return err
	}
	source := cmp.Or(append(sources, task.Ref.String())...)
	for _, record := range append([]crm.Ref{task.Ref}, others...) {
		if _, err := tx.get(ctx, record); err != nil && !errors.Is(err, crm.ErrDeleted) {
			return err
		}
		_, _, err := tx.AddEvent(ctx, plan.Event{
			ID: fmt.Sprintf("%s@%d", task.Ref, task.Version), Type: crm.EventTaskCompleted, At: at, Record: record.String(),
			Source: source, Properties: map[string]any{"task": task.Ref.String(), "title": task.Properties["title"]},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// changes returns the changes of one property of a record, of all when the event's type names none, as events.
func (r reader) changes(ctx context.Context, ref crm.Ref, eventType string, since, until time.Time) ([]crm.Event, error) {
	property := strings.TrimPrefix(strings.TrimPrefix(eventType, plan.EventChanged), ":")
	return collect(ctx, r.source, func(row scanner) (crm.Event, error) {
		var seq int64
		var at instant
		var name, value, source string
		err := row.Scan(&seq, &name, &value, &at, &source)
		return crm.Event{
			ID: fmt.Sprintf("%s/%d", plan.EventChanged, seq), Type: eventType, Record: ref, At: at.Time, Source: source,
			Properties: map[string]any{"name": name, "value": value},
		}, err
	}, `SELECT seq, property, value, at, source FROM property_versions
		WHERE record = $1 AND (property = $2 OR $2 = '') AND at >= $3 AND at <= $4 ORDER BY at, seq`,
		ref.String(), property, since.UnixMicro(), until.UnixMicro())
}
