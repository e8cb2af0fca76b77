package importer

import (
	"encoding/json"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
)

var (
	errUnknownCriteria = errors.New("this way to enroll has no spelling")
	errBesideEvents    = errors.New("a change of the record cannot enroll beside events")
	errWithoutSchedule = errors.New("the filter says who enters at the times of the schedule")
)

// enrollment is what enrolls records.
type enrollment struct {
	on     []*yaml.Node // events
	states []*yaml.Node // filters that a record starts to match, alternatives of each other
	when   *yaml.Node   // the filter of all
	only   *yaml.Node   // what must hold beside an event
	again  *yaml.Node
	leave  bool
}

// enroll translates criteria and schedule. A trigger that has no spelling is left out; records can still
// be enrolled by hand.
func (w *workflow) enroll() *yaml.Node {
	var criteria criteriaDocument
	raw := w.document.EnrollmentCriteria
	if err := decode(raw, &criteria); err != nil {
		w.leaveOut("enrollmentCriteria", err, raw)
		return nil
	}
	var e enrollment
	switch criteria.kind() {
	case "LIST_BASED":
		e = w.enrollByFilter(criteria)
	case "EVENT_BASED":
		e = w.enrollByEvents(criteria)
	case "MANUAL":
	default:
		w.leaveOut("enrollmentCriteria", errUnknownCriteria, raw)
	}
	if e.again == nil && criteria.ShouldReEnroll.yes() {
		e.again = str("each_event")
	}
	schedule := w.schedule(&e)
	if schedule == nil && len(e.on) == 0 {
		e.only = nil // left out together with its triggers
	}
	result := mapping()
	for _, one := range []entry{
		{"on", some(e.on)}, {"when", e.when}, {"schedule", schedule}, {"if", e.only}, {"again", e.again},
	} {
		if one.value != nil {
			fold(one.value)
			result.Content = append(result.Content, str(one.key), one.value)
		}
	}
	if e.leave && e.when != nil {
		result.Content = append(result.Content, str("leave_when_no_longer_matching"), boolean(true))
	}
	if len(result.Content) == 0 {
		return nil
	}
	return result
}

func some(items []*yaml.Node) *yaml.Node {
	if len(items) == 0 {
		return nil
	}
	return list(items...)
}

// kind is the type of criteria, inferred where it is left out.
func (c criteriaDocument) kind() text {
	switch {
	case c.Type != "":
		return c.Type
	case !isNothing(c.ListFilterBranch):
		return "LIST_BASED"
	case len(c.EventFilterBranches) > 0:
		return "EVENT_BASED"
	}
	return "MANUAL"
}

func (w *workflow) enrollByFilter(criteria criteriaDocument) (e enrollment) {
	e.leave = criteria.UnEnroll.yes()
	if isNothing(criteria.ListFilterBranch) {
		w.leaveOut("enrollmentCriteria", errEmptyFilter, w.document.EnrollmentCriteria)
		return e
	}
	var err error
	if e.when, err = w.filter(criteria.ListFilterBranch); err != nil {
		w.leaveOut("enrollmentCriteria", err, w.document.EnrollmentCriteria)
		return e
	}
	if !criteria.ShouldReEnroll.yes() {
		return e
	}
	var again []*yaml.Node
	for _, raw := range criteria.ReEnrollmentTriggers {
		trigger, err := w.occasion(raw)
		if err != nil {
			w.leaveOut("reEnrollmentTriggersFilterBranches", err, raw)
			continue
		}
		again = append(again, trigger)
	}
	if e.again = some(again); e.again == nil {
		w.warn("no re-enrollment trigger is left: a record enters again whenever it starts to match")
	}
	return e
}

func (w *workflow) enrollByEvents(criteria criteriaDocument) (e enrollment) {
	if !isNothing(criteria.RefinementCriteria) {
		var err error
		if e.only, err = w.filter(criteria.RefinementCriteria); err != nil { // without it too many would enter
			w.leaveOut("enrollmentCriteria", err, w.document.EnrollmentCriteria)
			return e
		}
	}
	changes := criteria.ListMembership
	for _, raw := range criteria.EventFilterBranches {
		var branch branchDocument
		if err := decode(raw, &branch); err == nil && (branch.EventTypeID == eventPropertyChanged || branch.EventTypeID == eventObjectCreated) {
			changes = append(changes, raw)
			continue
		}
		trigger, err := w.trigger(raw)
		if err != nil {
			w.leaveOut("eventFilterBranches", err, raw)
			continue
		}
		e.on = append(e.on, trigger)
	}
	for _, raw := range changes {
		state, err := w.occasion(raw)
		if err == nil && len(e.on) > 0 {
			err = errBesideEvents
		}
		if err != nil {
			w.leaveOut("eventFilterBranches", err, raw)
			continue
		}
		e.states = append(e.states, state)
	}
	if len(e.states) == 0 {
		return e
	}
	w.warn("events about changes of the record enroll by what it is after the change")
	e.when = group("any", e.states)
	if e.only != nil {
		e.when, e.only = mapping(entry{"all", list(e.when, e.only)}), nil
	}
	if criteria.ShouldReEnroll.yes() {
		e.again = list(e.states...)
	}
	return e
}

// trigger translates an event that enrolls.
func (w *workflow) trigger(raw json.RawMessage) (*yaml.Node, error) {
	event, err := w.event(raw)
	if err != nil {
		return nil, err
	}
	return mapping(entry{"event", str(event.name)}, entry{"where", event.where}), nil
}

// eventSpec is an event with a filter on its properties.
type eventSpec struct {
	name  string
	where *yaml.Node
}

// event reads a branch about an event that happens from now on.
func (w *workflow) event(raw json.RawMessage) (eventSpec, error) {
	var branch branchDocument
	if err := decode(raw, &branch); err != nil {
		return eventSpec{}, err
	}
	switch {
	case branch.kind() != "UNIFIED_EVENTS" || branch.EventTypeID == "":
		return eventSpec{}, errors.New("it names no event")
	case branch.Operator != "" && branch.Operator != "HAS_COMPLETED":
		return eventSpec{}, fmt.Errorf("nothing can wait for an event with %s", quote(string(branch.Operator)))
	case branch.Pruning != nil || branch.Coalescing != nil:
		return eventSpec{}, errors.New("a range of time or a count of an event to come has no spelling")
	case branch.EventTypeID == eventPropertyChanged || branch.EventTypeID == eventObjectCreated:
		return eventSpec{}, errors.New("changes and creation of the record are not among the events here")
	}
	tests, err := w.tests(branch, subject{event: true}, 0)
	if err != nil {
		return eventSpec{}, err
	}
	return eventSpec{w.eventOf(branch.EventTypeID), where(tests)}, nil
}

// occasion translates a branch that tests the name and the new value of a property that changes, or any
// other filter.
func (w *workflow) occasion(raw json.RawMessage) (*yaml.Node, error) {
	var branch branchDocument
	if err := decode(raw, &branch); err != nil {
		return nil, err
	}
	if branch.EventTypeID == eventObjectCreated && len(branch.Filters)+len(branch.Branches) == 0 {
		return mapping(entry{"property", str("created_at")}, entry{"known", boolean(true)}), nil
	}
	names, value := []text(nil), filterDocument{Operation: &operationDocument{Type: "ALL_PROPERTY", Operator: "IS_KNOWN"}}
	for _, one := range branch.Filters {
		switch {
		case one.Property == "hs_name" && one.Operation != nil:
			if names = one.Operation.Values; len(names) == 0 {
				names = []text{one.Operation.value()}
			}
		case one.Property == "hs_value" && one.Operation != nil:
			value = one
		}
	}
	if names == nil {
		return w.whole(branch)
	}
	if len(branch.Filters) > 2 || len(branch.Branches) > 0 {
		return nil, errors.New("only the name and the new value of a property that changes can be asked for")
	}
	var alternatives []*yaml.Node
	for _, name := range names {
		value.Property = name
		test, err := w.propertyTest(value, subject{object: w.object})
		if err != nil {
			return nil, err
		}
		alternatives = append(alternatives, test)
	}
	return sound(group("any", alternatives))
}

// schedule translates a schedule, beside which the filter of the criteria says who enters.
func (w *workflow) schedule(e *enrollment) *yaml.Node {
	raw := w.document.EnrollmentSchedule
	if isNothing(raw) {
		return nil
	}
	schedule, err := w.readSchedule(raw)
	if err == nil && len(e.on) > 0 {
		err = errors.New("a schedule cannot stand beside events")
	}
	if err != nil {
		w.leaveOut("enrollmentSchedule", err, raw)
		if e.when != nil {
			w.leaveOut("enrollmentCriteria", errWithoutSchedule, w.document.EnrollmentCriteria)
		}
		e.when = nil
		return nil
	}
	e.only, e.when = e.when, nil
	return schedule
}

// monthDays are the relative days of a month.
var monthDays = map[text]string{"FIRST_MONDAY_OF_MONTH": "first_monday", "LAST_DAY_OF_MONTH": "last_day"}

func (w *workflow) readSchedule(raw json.RawMessage) (*yaml.Node, error) {
	var document scheduleDocument
	if err := decode(raw, &document); err != nil {
		return nil, err
	}
	at, err := document.TimeOfDay.clock()
	if err != nil {
		return nil, err
	}
	when, known := schedules[document.Type]
	if !known {
		return nil, fmt.Errorf("schedules of type %s have no spelling", quote(string(document.Type)))
	}
	entries, err := when(w, document)
	return mapping(append(entries, entry{"at", str(at)})...), err
}

// schedules by type.
var schedules = map[text]func(w *workflow, s scheduleDocument) ([]entry, error){
	"DAILY": func(*workflow, scheduleDocument) ([]entry, error) { return []entry{{"daily", boolean(true)}}, nil },
	"WEEKLY": func(_ *workflow, s scheduleDocument) ([]entry, error) {
		names, err := weekdaysOf(s.DaysOfWeek)
		return []entry{{"weekly", names}}, err
	},
	"MONTHLY_SPECIFIC_DAYS": func(_ *workflow, s scheduleDocument) ([]entry, error) {
		days := list()
		for _, one := range s.DaysOfMonth {
			day, err := one.whole()
			if err != nil || day < 1 || day > 31 {
				return nil, fmt.Errorf("%s is not a day of the month", quote(string(one)))
			}
			days.Content = append(days.Content, bare(fmt.Sprint(day)))
		}
		if len(days.Content) == 0 {
			return nil, errors.New("the schedule names no day")
		}
		return []entry{{"monthly", days}}, nil
	},
	"MONTHLY_RELATIVE_DAYS": func(_ *workflow, s scheduleDocument) ([]entry, error) {
		day, known := monthDays[s.RelativeDays]
		if !known {
			return nil, fmt.Errorf("%s has no spelling", quote(string(s.RelativeDays)))
		}
		return []entry{{"monthly", list(str(day))}}, nil
	},
	"YEARLY": func(_ *workflow, s scheduleDocument) ([]entry, error) {
		day, err := dayOfYear("", s.Month, s.DayOfMonth)
		return []entry{{"yearly", list(str(day))}}, err
	},
	"PROPERTY_BASED": func(w *workflow, s scheduleDocument) ([]entry, error) {
		name, err := w.property(subject{object: w.object}, string(s.DateProperty), dated)
		if err != nil {
			return nil, err
		}
		delta, err := s.DaysDelta.whole()
		if err != nil {
			return nil, err
		}
		entries := []entry{{"property", str(name)}}
		if delta != 0 {
			entries = append(entries, entry{"offset", str(fmt.Sprintf("%dd", delta))})
		}
		if s.Yearly.yes() {
			entries = append(entries, entry{"every_year", boolean(true)})
		}
		return entries, nil
	},
}

func weekdaysOf(days []text) (*yaml.Node, error) {
	names := list()
	for _, one := range days {
		name, err := weekday(one)
		if err != nil {
			return nil, err
		}
		names.Content = append(names.Content, str(name))
	}
	if len(names.Content) == 0 {
		return nil, errors.New("no day of the week is named")
	}
	return names, nil
}
