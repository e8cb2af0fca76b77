package enroll

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// catchUp is how late a time still counts at which the Temporal server was away.
const catchUp = 24 * time.Hour

// ScheduleID is the id of a workflow's schedule at Temporal.
func ScheduleID(workflow string) string { return "schedule/" + workflow }

// reconcile makes the schedules of all workflows that have one.
func (r *Router) reconcile(ctx context.Context) error {
	published, err := r.Store.Live(ctx)
	for _, one := range published {
		triggers, unread := one.Revision.Plan.Rules.Triggers()
		if unread != nil || triggers.Schedule != nil {
			err = errors.Join(err, unread, r.Reschedule(ctx, one.Workflow, r.now()))
		}
	}
	return err
}

// Reschedule makes the schedule of a workflow at Temporal what its newest revision and its switch say.
func (c *Client) Reschedule(ctx context.Context, workflow string, now time.Time) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("making the schedule of %s at Temporal: %w", workflow, err)
		}
	}()
	revision, found, err := c.Store.LatestRevision(ctx, workflow)
	if err != nil {
		return err
	}
	var triggers plan.Triggers
	if found {
		if triggers, err = revision.Plan.Rules.Triggers(); err != nil {
			return err
		}
	}
	handle := c.Temporal.ScheduleClient().GetHandle(ctx, ScheduleID(workflow))
	if triggers.Schedule == nil {
		return gonePast(handle.Delete(ctx))
	}
	stands, err := c.Store.Switch(ctx, workflow)
	if err != nil {
		return err
	}
	if stands.Refuses(now) != "" {
		return gonePast(handle.Delete(ctx))
	}
	zone, err := c.Store.Zone(ctx, revision.Plan.Rules)
	if err != nil {
		return err
	}
	calendars, err := calendars(*triggers.Schedule)
	if err != nil {
		return err
	}
	spec := client.ScheduleSpec{Calendars: calendars, TimeZoneName: zone.String()}
	action := &client.ScheduleWorkflowAction{
		ID: "bulk/" + workflow, Workflow: plan.BulkType, TaskQueue: cmp.Or(c.Queue, plan.TaskQueue), Args: []any{plan.Bulk{Workflow: workflow}},
	}
	_, err = c.Temporal.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID: ScheduleID(workflow), Spec: spec, Action: action, Overlap: enums.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: catchUp,
	})
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return err
	}
	return handle.Update(ctx, client.ScheduleUpdateOptions{DoUpdate: func(input client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
		changed := input.Description.Schedule
		changed.Spec, changed.Action = &spec, action
		return &client.ScheduleUpdate{Schedule: &changed}, nil
	}})
}

func gonePast(err error) error {
	if gone(err) {
		return nil
	}
	return err
}

// calendars are the times of a schedule in Temporal's words. A date property is looked at every day.
func calendars(s plan.Schedule) ([]client.ScheduleCalendarSpec, error) {
	at, err := crm.ParseTimeOfDay(cmp.Or(s.At, "00:00"))
	if err != nil {
		return nil, err
	}
	base := client.ScheduleCalendarSpec{Hour: one(at.Hour), Minute: one(at.Minute)}
	switch {
	case len(s.Weekly) > 0:
		for _, name := range s.Weekly {
			day, err := crm.ParseWeekday(name)
			if err != nil {
				return nil, err
			}
			base.DayOfWeek = append(base.DayOfWeek, client.ScheduleRange{Start: int(day)})
		}
	case len(s.Monthly) > 0:
		return monthly(base, s.Monthly)
	case len(s.Yearly) > 0:
		return yearly(base, s.Yearly)
	}
	return []client.ScheduleCalendarSpec{base}, nil
}

func one(value int) []client.ScheduleRange { return []client.ScheduleRange{{Start: value}} }

// lastYear is how far schedules reach that depend on leap years.
const lastYear = 2099

// lengths are the months by how many days they have. February has 28 but in leap years.
var lengths = []struct {
	days   int
	months []int
	years  []client.ScheduleRange // nil = all
}{
	{31, []int{1, 3, 5, 7, 8, 10, 12}, nil},
	{30, []int{4, 6, 9, 11}, nil},
	{28, []int{2}, []client.ScheduleRange{{Start: 2025, End: lastYear, Step: 4}, {Start: 2026, End: lastYear, Step: 4}, {Start: 2027, End: lastYear, Step: 4}}},
	{29, []int{2}, []client.ScheduleRange{{Start: 2024, End: lastYear, Step: 4}}},
}

// monthly are days of the month; the last one where a month is shorter (semantics §4.7).
func monthly(base client.ScheduleCalendarSpec, days []string) (specs []client.ScheduleCalendarSpec, err error) {
	for _, length := range lengths {
		for _, day := range days {
			spec := base
			spec.Year = length.years
			for _, month := range length.months {
				spec.Month = append(spec.Month, client.ScheduleRange{Start: month})
			}
			if spec.DayOfMonth, spec.DayOfWeek, err = daysOf(day, length.days); err != nil {
				return nil, err
			}
			specs = append(specs, spec)
		}
	}
	return specs, nil
}

// daysOf is a day of a month of a length: a number, last_day, or a weekday's place such as first_monday.
func daysOf(day string, length int) (ofMonth, ofWeek []client.ScheduleRange, err error) {
	if number, err := strconv.Atoi(day); err == nil {
		return one(min(number, length)), nil, nil
	}
	if day == "last_day" {
		return one(length), nil, nil
	}
	place, name, _ := strings.Cut(day, "_")
	weekday, err := crm.ParseWeekday(name)
	if err != nil {
		return nil, nil, err
	}
	first := 7*slices.Index([]string{"first", "second", "third", "fourth"}, place) + 1
	if place == "last" {
		first = length - 6
	}
	return []client.ScheduleRange{{Start: first, End: first + 6}}, one(int(weekday)), nil
}

// yearly are days of every year, as 12-25; 02-29 is the last day of February.
func yearly(base client.ScheduleCalendarSpec, days []string) (specs []client.ScheduleCalendarSpec, err error) {
	for _, day := range days {
		month, number, _ := strings.Cut(day, "-")
		m, monthErr := strconv.Atoi(month)
		d, dayErr := strconv.Atoi(number)
		if err := errors.Join(monthErr, dayErr); err != nil {
			return nil, fmt.Errorf("%q is not a day of the year: %w", day, err)
		}
		for _, length := range lengths {
			if !slices.Contains(length.months, m) {
				continue
			}
			spec := base
			spec.Month, spec.DayOfMonth, spec.Year = one(m), one(min(d, length.days)), length.years
			specs = append(specs, spec)
		}
	}
	return specs, nil
}

// pageSize is how many records are handed on at once.
const pageSize = 500

// Page hands the next records on that a schedule enrolls at its time. Asked again, it enrolls nobody twice.
func (a *Activities) Page(ctx context.Context, bulk plan.Bulk) (plan.Bulk, error) {
	revision, found, err := a.Store.LatestRevision(ctx, bulk.Workflow)
	if err != nil || !found {
		bulk.Done = err == nil
		return bulk, err
	}
	stands, err := a.Store.Switch(ctx, bulk.Workflow)
	if err != nil {
		return bulk, err
	}
	triggers, err := revision.Plan.Rules.Triggers()
	if err != nil {
		return bulk, err
	}
	if triggers.Schedule == nil || stands.Refuses(bulk.At) != "" { // meanwhile
		bulk.Done = true
		return bulk, nil
	}
	query, err := a.scheduled(ctx, revision, triggers, bulk.At)
	if err != nil {
		return bulk, err
	}
	refs, err := a.Store.Matching(ctx, query, bulk.Cursor, pageSize)
	if err != nil {
		return bulk, err
	}
	matched := 0
	err = a.Store.Tx(ctx, func(tx *store.Tx) error {
		matched = 0
		for _, ref := range refs {
			if today, err := falls(ctx, tx, ref, *triggers.Schedule, bulk.At.In(query.Zone)); err != nil {
				return err
			} else if !today {
				continue
			}
			matched++
			_, err := tx.AddIntent(ctx, plan.Intent{
				Act: plan.ActEnroll, Workflow: bulk.Workflow, Record: ref.String(), Way: plan.WaySchedule, Bulk: true, At: bulk.At,
				Trigger: "schedule " + bulk.At.UTC().Format(time.RFC3339),
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	bulk.Matched += matched
	if bulk.Done = len(refs) < pageSize; len(refs) > 0 {
		bulk.Cursor = refs[len(refs)-1].ID
	}
	return bulk, err
}

// scheduled asks for the records that a schedule is about, those with an empty date left out.
func (a *Activities) scheduled(ctx context.Context, revision plan.Revision, triggers plan.Triggers, at time.Time) (query store.Query, err error) {
	query = store.Query{Object: revision.Plan.Object, Now: at}
	if query.Zone, err = a.Store.Zone(ctx, revision.Plan.Rules); err != nil {
		return query, err
	}
	all := []any{}
	if len(triggers.If) > 0 {
		all = append(all, triggers.If)
	}
	if triggers.Schedule.Property != "" {
		all = append(all, map[string]any{"property": triggers.Schedule.Property, "known": true})
	}
	if len(all) == 0 {
		return query, nil
	}
	source, err := json.Marshal(map[string]any{"all": all})
	if err != nil {
		return query, err
	}
	return query, query.Filter.UnmarshalJSON(source)
}

// falls tells whether a schedule's date property, moved by its offset, falls on the day of now. Where it comes every year,
// that of 29 February is the 28th in common years (semantics §4.7).
func falls(ctx context.Context, books *store.Tx, ref crm.Ref, s plan.Schedule, now time.Time) (bool, error) {
	if s.Property == "" {
		return true, nil
	}
	record, err := books.Get(ctx, ref)
	if missing(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	day, known := crm.DayOf(record.Property(s.Property), now.Location())
	if !known {
		return false, nil
	}
	var offset crm.Duration
	if s.Offset != "" {
		if offset, err = crm.ParseDuration(s.Offset); err != nil {
			return false, err
		}
	}
	today := crm.DateOf(now, now.Location())
	for year := today.Year - 1; year <= today.Year+1; year++ { // an offset may lead into another one
		on := day
		if s.EveryYear {
			if on.Year = year; on.Month == time.February && on.Day == 29 && !leap(year) {
				on.Day = 28
			}
		}
		moved := crm.DateOf(offset.After(on.In(now.Location()), now.Location(), false), now.Location())
		if moved == today {
			return true, nil
		}
	}
	return false, nil
}

func leap(year int) bool { return time.Date(year, time.February, 29, 0, 0, 0, 0, time.UTC).Day() == 29 }
