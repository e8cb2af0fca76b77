package crm

import (
	"context"
	"slices"
	"time"
)

// NextChange returns the first instant after env.Now at which the filter may answer something else although no data
// changes: a day begins, a time is reached, an event leaves `within`. It is never later than a true change among whole
// microseconds, and may be earlier, so whoever looks at that time asks again. The zero time is never. Errors are those
// of Records.
func (f Filter) NextChange(ctx context.Context, env FilterEnv) (time.Time, error) {
	if f.test == nil {
		return time.Time{}, nil
	}
	found, err := f.test.forecast(ctx, newEvaluation(env))
	return found.until, err
}

// forecast is an answer and until when it certainly stays; the zero time is for ever.
type forecast struct {
	truth Truth
	until time.Time
}

// forecaster is a test as a group sees it.
type forecaster interface {
	forecast(ctx context.Context, e *evaluation) (forecast, error)
}

// earlier is the first of two times, of which the zero time is never.
func earlier(a, b time.Time) time.Time {
	if b.IsZero() || !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}

// later is the last of two times, of which the zero time is never.
func later(a, b time.Time) time.Time {
	if a.IsZero() || b.IsZero() {
		return time.Time{}
	}
	if a.Before(b) {
		return b
	}
	return a
}

func (g allOf) forecast(ctx context.Context, e *evaluation) (forecast, error) {
	return together(ctx, e, g.tests, No)
}

func (g anyOf) forecast(ctx context.Context, e *evaluation) (forecast, error) {
	return together(ctx, e, g.tests, Yes)
}

// together forecasts a group in which one answer settles it. As long as one test gives that answer the others do not
// matter.
func together[T forecaster](ctx context.Context, e *evaluation, tests []T, settles Truth) (forecast, error) {
	group := forecast{truth: settles.not()}
	for _, one := range tests {
		found, err := one.forecast(ctx, e)
		switch {
		case err != nil:
			return forecast{}, err
		case found.truth == settles && group.truth == settles:
			group.until = later(group.until, found.until)
		case found.truth == settles:
			group = found
		case group.truth != settles:
			group.until = earlier(group.until, found.until)
			if found.truth == Unknown {
				group.truth = Unknown
			}
		}
	}
	return group, nil
}

func (n noneOf) forecast(ctx context.Context, e *evaluation) (forecast, error) {
	found, err := n.test.forecast(ctx, e)
	return forecast{found.truth.not(), found.until}, err
}

func (t listTest) forecast(ctx context.Context, e *evaluation) (forecast, error) {
	if list, active := e.Catalog.ActiveList(t.list.Text); active {
		inner, truth := e.within(list)
		if inner == nil {
			return forecast{truth: truth}, nil
		}
		return list.Filter.test.forecast(ctx, inner)
	}
	truth, err := t.match(ctx, e)
	return forecast{truth: truth}, err
}

func (t workflowTest) forecast(ctx context.Context, e *evaluation) (forecast, error) {
	truth, err := t.match(ctx, e)
	return forecast{truth: truth}, err
}

func (t subscriptionTest) forecast(ctx context.Context, e *evaluation) (forecast, error) {
	truth, err := t.match(ctx, e)
	return forecast{truth: truth}, err
}

func (t associatedTest) forecast(ctx context.Context, e *evaluation) (forecast, error) {
	group := forecast{truth: No}
	found, err := associated(ctx, e.Records, e.Ref, t.object.Text, t.label)
	if err != nil {
		return group, err
	}
	var others []associatedRecord
	for _, association := range found {
		others = append(others, associatedRecord{association.Ref, t.where})
	}
	return together(ctx, e, others, Yes)
}

func (t eventTest) forecast(ctx context.Context, e *evaluation) (forecast, error) {
	truth, err := t.match(ctx, e)
	if err != nil {
		return forecast{}, err
	}
	events, err := e.Records.Events(ctx, e.Ref, t.event.Text, time.Time{}, endOfTime)
	if err != nil {
		return forecast{}, err
	}
	h := e.horizon()
	for _, event := range events {
		at := momentOf(event.At, e.Zone)
		h.reaches(at)
		if t.limited {
			h.reachesAfter(at, t.within)
		}
		if t.where != nil {
			env := e.FilterEnv
			env.Event = &event
			inner, err := t.where.forecast(ctx, newEvaluation(env))
			if err != nil {
				return forecast{}, err
			}
			h.at(inner.until)
		}
	}
	return forecast{truth, h.first}, nil
}

func (t formTest) forecast(ctx context.Context, e *evaluation) (forecast, error) {
	truth, err := t.match(ctx, e)
	if err != nil || truth == truthOf(t.submitted) { // what was submitted stays so
		return forecast{truth: truth}, err
	}
	events, err := e.Records.Events(ctx, e.Ref, EventFormSubmitted, e.Now, endOfTime)
	h := e.horizon()
	for _, event := range events {
		h.reaches(moment{at: event.At})
	}
	return forecast{truth, h.first}, err
}

func (t propertyTest) forecast(ctx context.Context, e *evaluation) (forecast, error) {
	truth, err := t.match(ctx, e)
	if err != nil || !t.followsTime() {
		return forecast{truth: truth}, err
	}
	h := e.horizon()
	if t.operator.holds == nil {
		err := t.watchHistory(ctx, e, &h)
		return forecast{truth, h.first}, err
	}
	text, _, err := e.value(ctx, t.property.Text)
	if at, known := readMoment(text, e.Zone); known {
		t.watch(&h, at)
	}
	return forecast{truth, h.first}, err
}

// followsTime tells whether the answer depends on the present.
func (t propertyTest) followsTime() bool {
	return t.operator.takes == takesDuration ||
		slices.ContainsFunc(t.operands, isRelative)
}

// watch notes when a value comes to stand otherwise to what the test compares it with.
func (t propertyTest) watch(h *horizon, value moment) {
	switch t.operator.name {
	case "within_last", "not_within_last":
		h.reaches(value)
		h.reachesAfter(value, t.duration)
	case "more_than_ago":
		h.reachesAfter(value, t.duration)
	case "within_next":
		h.reaches(value)
		h.reachesAfter(value, t.duration.Neg())
	case "more_than_ahead":
		h.reachesAfter(value, t.duration.Neg())
	}
	for _, operand := range t.operands {
		word, is := readRelative(operand.text)
		switch {
		case !is:
		case word.unit == "":
			h.reaches(value)
		default: // when the value begins and ceases to lie in the span that the word stands for
			first, last := relative{word.unit, -word.offset}.days(value.day, h.fiscal)
			h.begins(first)
			h.begins(last.AddDays(1))
		}
	}
}

// watchHistory notes when what a property was, or when it was updated, comes to stand otherwise.
func (t propertyTest) watchHistory(ctx context.Context, e *evaluation, h *horizon) error {
	versions, _, _, err := t.versions(ctx, e)
	for _, version := range versions {
		if t.operator.takes == takesHistory {
			if at, known := readMoment(version.Value, e.Zone); known {
				t.watch(h, at)
			}
			continue
		}
		at := momentOf(version.At, e.Zone)
		if t.operator.takes == takesMoment {
			t.watch(h, at)
			break
		}
		h.reaches(at)
		h.reachesAfter(at, t.duration)
		break // the newest one counts
	}
	return err
}

// endOfTime is after every event.
var endOfTime = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// clockChange is more than what any change of a zone's clocks ever moved them, Samoa's skipped day included.
const clockChange = 27 * time.Hour

// horizon keeps the first of the instants after now that it is told of.
type horizon struct {
	now    time.Time
	zone   *time.Location
	fiscal time.Month // in which fiscal years begin
	first  time.Time
}

func (e *evaluation) horizon() horizon {
	return horizon{now: e.Now, zone: e.Zone, fiscal: e.Catalog.fiscalYear()}
}

// at notes an instant, or the first whole microsecond after it.
func (h *horizon) at(t time.Time) {
	if whole := t.Truncate(time.Microsecond); whole.Before(t) {
		t = whole.Add(time.Microsecond)
	}
	if t.After(h.now) {
		h.first = earlier(h.first, t)
	}
}

// around notes an instant and what comes right after it: `until then` may include it or not.
func (h *horizon) around(t time.Time) {
	h.at(t)
	h.at(t.Add(1))
}

// edges are the instants at which a value begins and ceases to be the present: the time itself, or the first of a day
// and of the next. Where clocks are put back over midnight, a day begins twice.
func (h *horizon) edges(value moment) []time.Time {
	if !value.isDay {
		return []time.Time{value.at}
	}
	var edges []time.Time
	for n := -1; n <= 2; n++ {
		edges = append(edges, h.dawns(value.day.AddDays(n))...)
	}
	return edges
}

// dawns are the instants at which a day may begin.
func (h *horizon) dawns(day Date) []time.Time {
	start := day.In(h.zone)
	_, change := start.ZoneBounds()
	if change.IsZero() || change.Sub(start) >= 2*clockChange {
		return []time.Time{start}
	}
	_, offset := change.Zone()
	return []time.Time{start, change, day.In(time.UTC).Add(-time.Duration(offset) * time.Second)}
}

// begins notes when a day begins.
func (h *horizon) begins(day Date) {
	for _, dawn := range h.dawns(day) {
		h.around(dawn)
	}
}

// reaches notes when now comes to a value.
func (h *horizon) reaches(value moment) {
	for _, edge := range h.edges(value) {
		h.around(edge)
	}
}

// reachesAfter notes when now comes to lie d after a value, as startOfLast and endOfNext count it.
func (h *horizon) reachesAfter(value moment, d Duration) {
	if d.Clock == 0 {
		h.reaches(moment{isDay: true, day: value.day.AddDays(d.Days)})
		return
	}
	for _, edge := range h.edges(value) {
		h.span(edge, d)
	}
}

// span notes when the instant that lies d before now comes to t. Days keep the wall clock, so changes of the clocks
// between the two move it; when it is near, it is followed from one such change to the next.
func (h *horizon) span(t time.Time, d Duration) {
	middle := t.Add(d.Elapsed())
	switch {
	case d.Days == 0:
		h.around(middle)
		return
	case h.now.Before(middle.Add(-clockChange)):
		h.at(middle.Add(-clockChange))
		return
	case h.now.After(middle.Add(clockChange)):
		return
	}
	day := Duration{Days: -d.Days}.After(h.now, h.zone, false)
	h.around(h.now.Add(t.Sub(day.Add(-d.Clock))))
	for _, at := range []time.Time{h.now.In(h.zone), day} {
		if _, change := at.ZoneBounds(); !change.IsZero() && change.Sub(at) < 2*clockChange {
			h.around(h.now.Add(change.Sub(at)))
		}
	}
}
