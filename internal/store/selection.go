package store

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// selection is a set of records as a query. Conditions become sets and the operations on sets, which every database
// carries out in time that grows with their sizes, whatever it thinks of the sizes beforehand.
type selection struct {
	text      string // SELECT record …, with ? for each of args; "" = no record
	args      []any
	operation string // between the queries that text consists of, "" = it is one
	own       bool   // text finds only records of the object that are not deleted
	distinct  bool   // text finds no record twice
	others    bool   // it is all records but those that text finds
}

// Bounds of what is said in SQL; beyond them the filter decides.
const (
	maxTerms  = 150
	maxNested = 12
	maxKeys   = 5000
)

// selector turns conditions into selections. Where the database cannot tell, upper takes what may hold, its opposite
// only what certainly holds.
type selector struct {
	dialect dialect
	object  string
	upper   bool
	nested  int
	terms   *int
}

// selections are what may and what certainly fulfils a condition.
func selections(d dialect, object string, condition crm.Condition) (upper, lower selection) {
	return selector{dialect: d, object: object, upper: true, terms: new(int)}.selection(condition),
		selector{dialect: d, object: object, terms: new(int)}.selection(condition)
}

func (s selection) equal(other selection) bool {
	return s.others == other.others && s.text == other.text && slices.Equal(s.args, other.args)
}

// perhaps is everything or nothing, depending on the bound.
func (s selector) perhaps() selection {
	return selection{others: s.upper}
}

func (s selector) selection(condition crm.Condition) selection {
	if *s.terms++; *s.terms > maxTerms || s.nested > maxNested {
		return s.perhaps()
	}
	s.nested++
	switch condition := condition.(type) {
	case crm.Every:
		found := selection{others: true}
		for _, one := range condition {
			found = intersect(found, s.selection(one))
		}
		return found
	case crm.Some:
		found := selection{}
		for _, one := range condition {
			found = union(found, s.selection(one))
		}
		return found
	case crm.Not:
		s.upper = !s.upper
		return not(s.selection(condition.Condition))
	case crm.HasKey:
		return s.hasKey(condition)
	case crm.Updated:
		return list(`SELECT record FROM property_versions WHERE property = ? GROUP BY record HAVING MAX(at) >= ? AND MAX(at) <= ?`,
			condition.Property, ceiling(condition.Since), condition.Until.UnixMicro())
	case crm.Remembered:
		return list(`SELECT DISTINCT record FROM property_versions WHERE property = ?`, condition.Property)
	case crm.OnList:
		return list(`SELECT record FROM list_members WHERE list = ?`, condition.List)
	case crm.InWorkflow:
		return s.inWorkflow(condition)
	case crm.Subscribed:
		return list(`SELECT record FROM subscriptions WHERE subscription = ? AND state = ?`, condition.Subscription, condition.State)
	case crm.Happened:
		return list(`SELECT record FROM events WHERE type = ? AND at >= ? AND at <= ? GROUP BY record HAVING COUNT(*) >= ?`,
			condition.Event, condition.Since.UnixMicro(), condition.Until.UnixMicro(), condition.AtLeast)
	case crm.HasAssociated:
		return s.hasAssociated(condition)
	}
	return s.perhaps()
}

// ceiling is the first microsecond that is not before an instant.
func ceiling(at time.Time) int64 { return at.Add(time.Microsecond - 1).UnixMicro() }

// list is a selection of records of any object. One that asks for what cannot be stored is empty.
func list(text string, args ...any) selection {
	for _, arg := range args {
		if name, is := arg.(string); is && checkNames(name) != nil {
			return selection{}
		}
	}
	return selection{text: text, args: args, distinct: true}
}

func (s selector) inWorkflow(condition crm.InWorkflow) selection {
	exits := map[string][]any{"active": {""}, "completed": {plan.ExitCompleted, plan.ExitEnded}, "goal_met": {plan.ExitGoalMet}}[condition.Status]
	text := `SELECT DISTINCT record FROM enrollments WHERE workflow = ? AND number > 0`
	if len(exits) > 0 {
		text += ` AND exit IN (` + marks(len(exits)) + `)`
	}
	return list(text, append([]any{condition.Workflow}, exits...)...)
}

// hasKey unites one selection for each way in which a key may pass, so that each uses the index.
func (s selector) hasKey(condition crm.HasKey) selection {
	if len(condition.Is)+len(condition.IsNot) > maxKeys {
		return s.perhaps()
	}
	const base = `SELECT record FROM property_keys WHERE property = (SELECT seq FROM property_indexes WHERE object = ? AND property = ?)`
	var parts []selection
	add := func(test string, args ...any) {
		parts = append(parts, selection{text: base + test, args: append([]any{s.object, condition.Property}, args...)})
	}
	if condition.Any {
		add(``)
	}
	if len(condition.Is) > 0 {
		add(` AND key IN (`+marks(len(condition.Is))+`)`, anys(condition.Is)...)
	}
	if len(condition.IsNot) > 0 {
		add(` AND key NOT IN (`+marks(len(condition.IsNot))+`)`, anys(condition.IsNot)...)
	}
	for _, within := range condition.In {
		if within.Until == "" {
			add(` AND key >= ?`, within.From)
		} else {
			add(` AND key >= ? AND key < ?`, within.From, within.Until)
		}
	}
	whole := fmt.Sprintf(`octet_length(key) <= %d`, crm.KeyLimit)
	for _, part := range condition.Contains {
		add(` AND `+whole+` AND `+s.dialect.find+`(key, ?) > 0`, part)
	}
	for _, end := range condition.Ends {
		add(` AND `+whole+` AND substr(key, length(key) - length(?) + 1) = ?`, end, end)
	}
	if s.upper && len(condition.Contains)+len(condition.Ends) > 0 {
		add(fmt.Sprintf(` AND octet_length(key) > %d`, crm.KeyLimit))
	}
	if len(parts) == 0 {
		return selection{}
	}
	found := parts[0]
	for _, part := range parts[1:] {
		found = combined(found, `UNION ALL`, part)
	}
	found.own = true
	found.distinct = len(parts) == 1 && (condition.Single || len(condition.Is) == 1)
	return found
}

func (s selector) hasAssociated(condition crm.HasAssociated) selection {
	inner := s
	inner.object = condition.Object
	others := inner.restricted(inner.selection(condition.Where))
	if others.text == "" {
		return selection{}
	}
	text, args := `SELECT DISTINCT a.record FROM associations a WHERE a.other_object = ? AND a.other IN (`+others.text+`)`, append([]any{condition.Object}, others.args...)
	if condition.Label != "" {
		text, args = text+` AND `+s.dialect.label, append(args, condition.Label)
	}
	return list(text, args...)
}

// all are the records of the object that are not deleted.
func (s selector) all() selection {
	return selection{
		text: `SELECT record FROM records WHERE object = ? AND deleted IS NULL`, args: []any{s.object}, own: true, distinct: true,
	}
}

// restricted is the set without what it takes for granted: one query for records of the object that are not deleted.
func (s selector) restricted(one selection) selection {
	switch {
	case one.others:
		return except(s.all(), not(one))
	case one.text == "" || one.own:
		return one
	}
	found := combined(one, `INTERSECT`, s.all())
	found.own = true
	return found
}

func not(one selection) selection {
	one.others = !one.others
	return one
}

// intersect keeps sets of others as they are for as long as it can: what is left out of a small set is quickly told,
// what is left of all records is not.
func intersect(a, b selection) selection {
	switch {
	case a.others && b.others:
		return not(union(not(a), not(b)))
	case a.others:
		return except(b, not(a))
	case b.others:
		return except(a, not(b))
	case a.text == "" || b.text == "":
		return selection{}
	}
	found := combined(a, `INTERSECT`, b)
	found.own = a.own || b.own
	return found
}

func union(a, b selection) selection {
	switch {
	case a.others || b.others:
		return not(intersect(not(a), not(b)))
	case a.text == "":
		return b
	case b.text == "":
		return a
	}
	found := combined(a, `UNION`, b)
	found.own = a.own && b.own
	return found
}

// except is what is in the first and not in the second; neither is a set of others.
func except(a, b selection) selection {
	if a.text == "" || b.text == "" {
		return a
	}
	found := combined(a, `EXCEPT`, b)
	found.own = a.own
	return found
}

func combined(a selection, operation string, b selection) selection {
	left := a.text
	if a.operation != operation {
		left = a.operand()
	}
	return selection{
		text: left + ` ` + operation + ` ` + b.operand(), args: slices.Concat(a.args, b.args), operation: operation, distinct: true,
	}
}

func (s selection) operand() string {
	if s.operation != "" {
		return `SELECT record FROM (` + s.text + `) AS s`
	}
	return s.text
}

// marks are n places for arguments.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat(`?, `, n), `, `) }

func anys(texts []string) []any {
	values := make([]any, len(texts))
	for i, text := range texts {
		values[i] = text
	}
	return values
}

// numbered writes $1, $2, … for the places of arguments.
func numbered(text string) string {
	var out strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(text, `?`)
		out.WriteString(before)
		if !found {
			return out.String()
		}
		fmt.Fprintf(&out, `$%d`, n)
		text = after
	}
}
