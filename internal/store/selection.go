package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"iter"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// A condition is answered by sets of ids: the database tells one set for each test, in the order of an index and as one
// text, and the sets are joined here. So no planner has to guess how large they are, and a set costs little more than
// reading its part of the index.

// set is some of the records of an object type that are not deleted, by their ids.
type set struct {
	numbers []uint64            // a bit for each id that is a number less than smallNumber
	texts   map[string]struct{} // the other ids
	others  bool                // it is all records but these
}

// smallNumber bounds the numbers that a set keeps as bits, which are 512 KiB then.
const smallNumber = 1 << 22

// bounds are the records that certainly fulfil a condition, and those that may. Where the database decides, they are the
// same set.
type bounds struct{ lower, upper *set }

func (b bounds) exact() bool { return b.lower == b.upper }

func exactly(one *set) bounds { return bounds{one, one} }

// Bounds of what is asked of the database; beyond them the filter decides.
const (
	maxTerms = 150
	maxKeys  = 5000
)

// selector answers conditions for one object type.
type selector struct {
	reader
	object string
	terms  *int
}

// selection returns which records fulfil a condition.
func (r reader) selection(ctx context.Context, object string, condition crm.Condition) (bounds, error) {
	return selector{reader: r, object: object, terms: new(int)}.find(ctx, condition)
}

func (s selector) find(ctx context.Context, condition crm.Condition) (bounds, error) {
	if *s.terms++; *s.terms > maxTerms {
		return perhaps(), nil
	}
	switch condition := condition.(type) {
	case crm.Every:
		return s.join(ctx, condition, intersection, everything())
	case crm.Some:
		return s.join(ctx, condition, union, &set{})
	case crm.Not:
		found, err := s.find(ctx, condition.Condition)
		if found.exact() {
			return exactly(found.lower.opposite()), err
		}
		return bounds{found.upper.opposite(), found.lower.opposite()}, err
	case crm.HasKey:
		return s.hasKey(ctx, condition)
	case crm.Updated:
		return s.among(ctx, `SELECT record FROM property_versions WHERE property = ? GROUP BY record HAVING MAX(at) >= ? AND MAX(at) <= ?`,
			condition.Property, ceiling(condition.Since), condition.Until.UnixMicro())
	case crm.Remembered:
		return s.among(ctx, `SELECT DISTINCT record FROM property_versions WHERE property = ?`, condition.Property)
	case crm.OnList:
		return s.among(ctx, `SELECT record FROM list_members WHERE list = ?`, condition.List)
	case crm.InWorkflow:
		return s.inWorkflow(ctx, condition)
	case crm.Subscribed:
		return s.among(ctx, `SELECT record FROM subscriptions WHERE subscription = ? AND state = ?`, condition.Subscription, condition.State)
	case crm.Happened:
		return s.among(ctx, `SELECT record FROM events WHERE type = ? AND at >= ? AND at <= ? GROUP BY record HAVING COUNT(*) >= ?`,
			condition.Event, condition.Since.UnixMicro(), condition.Until.UnixMicro(), condition.AtLeast)
	case crm.HasAssociated:
		return s.hasAssociated(ctx, condition)
	}
	return perhaps(), nil
}

// join joins the sets of several conditions, until nothing can change any more.
func (s selector) join(ctx context.Context, conditions []crm.Condition, operation func(a, b *set) *set, start *set) (bounds, error) {
	joined := exactly(start)
	for _, one := range conditions {
		if start.others && joined.upper.none() || !start.others && joined.lower.opposite().none() {
			break
		}
		found, err := s.find(ctx, one)
		if err != nil {
			return bounds{}, err
		}
		both := joined.exact() && found.exact()
		joined.upper = operation(joined.upper, found.upper)
		if both {
			joined.lower = joined.upper
		} else {
			joined.lower = operation(joined.lower, found.lower)
		}
	}
	return joined, nil
}

// ceiling is the first microsecond that is not before an instant.
func ceiling(at time.Time) int64 { return at.Add(time.Microsecond - 1).UnixMicro() }

// among asks for records of any object, of which those of the selector's count. Who asks for what cannot be stored finds
// none.
func (s selector) among(ctx context.Context, text string, args ...any) (bounds, error) {
	for _, arg := range args {
		if name, is := arg.(string); is && checkNames(name) != nil {
			return exactly(&set{}), nil
		}
	}
	found, err := s.ask(ctx, `SELECT string_agg(r.record, '/') FROM (`+text+`) AS s CROSS JOIN records r
		WHERE r.record = s.record AND r.object = ? AND r.deleted IS NULL`, append(args, s.object)...)
	return exactly(found), err
}

// ask runs a query whose answer is one text: references of records of the object type, with a slash between two. There is
// none in an object type or an id.
func (s selector) ask(ctx context.Context, text string, args ...any) (*set, error) {
	found := &set{}
	answer, err := s.answer(ctx, text, args...)
	for answer != "" {
		var id string
		id, answer, _ = strings.Cut(answer[len(s.object)+1:], "/")
		found.add(id)
	}
	return found, err
}

func (s selector) answer(ctx context.Context, text string, args ...any) (string, error) {
	rows, err := unkept{s.source}.query(ctx, text, args...) //nolint:rowserrcheck // Scan asks
	var answer sql.NullString
	err = row{rows, err}.Scan(&answer)
	return answer.String, err
}

func (s selector) inWorkflow(ctx context.Context, condition crm.InWorkflow) (bounds, error) {
	exits := map[string][]any{"active": {""}, "completed": {plan.ExitCompleted, plan.ExitEnded}, "goal_met": {plan.ExitGoalMet}}[condition.Status]
	text := `SELECT DISTINCT record FROM enrollments WHERE workflow = ? AND number > 0`
	if len(exits) > 0 {
		text += ` AND exit IN (` + marks(len(exits)) + `)`
	}
	return s.among(ctx, text, append([]any{condition.Workflow}, exits...)...)
}

// hasKey asks once for each way in which a key may pass, so that each uses the index.
func (s selector) hasKey(ctx context.Context, condition crm.HasKey) (bounds, error) {
	if len(condition.Is)+len(condition.IsNot) > maxKeys {
		return perhaps(), nil
	}
	const base = `SELECT record FROM property_keys WHERE property = (SELECT seq FROM property_indexes WHERE object = ? AND property = ?)`
	var tests []string
	var args []any
	add := func(test string, more ...any) {
		tests, args = append(tests, base+test), append(append(args, s.object, condition.Property), more...)
	}
	find := func() (*set, error) {
		if len(tests) == 0 {
			return &set{}, nil
		}
		return s.ask(ctx, `SELECT string_agg(record, '/') FROM (`+strings.Join(tests, ` UNION ALL `)+`) AS s`, args...)
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
	var parts []string
	var texts []any
	for _, part := range condition.Contains {
		parts, texts = append(parts, s.source.speaks().find+`(key, ?) > 0`), append(texts, part)
	}
	for _, end := range condition.Ends {
		parts, texts = append(parts, `substr(key, length(key) - length(?) + 1) = ?`), append(texts, end, end)
	}
	if len(parts) > 0 {
		add(fmt.Sprintf(` AND octet_length(key) <= %d AND (%s)`, crm.KeyLimit, strings.Join(parts, ` OR `)), texts...)
	}
	certain, err := find()
	if err != nil || len(parts) == 0 {
		return exactly(certain), err
	}
	tests, args = nil, nil
	add(fmt.Sprintf(` AND octet_length(key) > %d`, crm.KeyLimit)) // has an index of its own
	long, err := find()
	if err != nil || long.none() {
		return exactly(certain), err
	}
	return bounds{certain, union(certain, long)}, nil
}

func (s selector) hasAssociated(ctx context.Context, condition crm.HasAssociated) (bounds, error) {
	inner := s
	inner.object = condition.Object
	others, err := inner.find(ctx, condition.Where)
	if err != nil {
		return bounds{}, err
	}
	upper, err := s.associated(ctx, condition, others.upper)
	if err != nil || others.exact() {
		return exactly(upper), err
	}
	lower, err := s.associated(ctx, condition, others.lower)
	return bounds{lower, upper}, err
}

// associated are the records that are associated with one of others, which are records of an object type.
func (s selector) associated(ctx context.Context, condition crm.HasAssociated, others *set) (*set, error) {
	if others.none() {
		return &set{}, nil
	}
	text, args := `FROM associations a CROSS JOIN records r CROSS JOIN records o WHERE r.record = a.record AND r.object = ? AND r.deleted IS NULL
		AND o.record = a.other AND o.deleted IS NULL AND a.other_object = ?`, []any{s.object, condition.Object}
	if condition.Label != "" {
		if checkNames(condition.Label) != nil {
			return &set{}, nil
		}
		text, args = text+` AND `+s.source.speaks().label, append(args, condition.Label)
	}
	few := others.named()
	if few == 0 {
		return s.ask(ctx, `SELECT string_agg(a.record, '/') `+text, args...)
	}
	if !others.others && few <= maxKeys {
		for id := range others.ids(0) {
			args = append(args, crm.Ref{Object: condition.Object, ID: id}.String())
		}
		return s.ask(ctx, `SELECT string_agg(a.record, '/') `+text+` AND a.other IN (`+marks(few)+`)`, args...)
	}
	pairs, err := s.answer(ctx, `SELECT string_agg(a.record || '/' || a.other, '/') `+text, args...)
	found := &set{}
	for pairs != "" {
		var id, other string
		id, pairs, _ = strings.Cut(pairs[len(s.object)+1:], "/")
		other, pairs, _ = strings.Cut(pairs[len(condition.Object)+1:], "/")
		if others.has(other) {
			found.add(id)
		}
	}
	return found, err
}

// perhaps is everything that there may be, and nothing that is certain.
func perhaps() bounds { return bounds{&set{}, everything()} }

func everything() *set { return &set{others: true} }

// small is an id that is a number and kept as a bit; others are 0.
func small(id string) (number uint) {
	if len(id) > 7 || id == "" || id[0] == '0' {
		return 0
	}
	for _, digit := range []byte(id) {
		if digit < '0' || digit > '9' {
			return 0
		}
		number = number*10 + uint(digit-'0')
	}
	if number >= smallNumber {
		return 0
	}
	return number
}

func (s *set) add(id string) {
	number := small(id)
	if number == 0 {
		if s.texts == nil {
			s.texts = map[string]struct{}{}
		}
		s.texts[id] = struct{}{}
		return
	}
	if missing := int(number/64) + 1 - len(s.numbers); missing > 0 {
		s.numbers = append(s.numbers, make([]uint64, missing)...)
	}
	s.numbers[number/64] |= 1 << (number % 64)
}

// has tells whether a record is in it.
func (s *set) has(id string) bool {
	if number := small(id); number > 0 {
		named := int(number/64) < len(s.numbers) && s.numbers[number/64]&(1<<(number%64)) != 0
		return named != s.others
	}
	_, named := s.texts[id]
	return named != s.others
}

// named is how many ids it names.
func (s *set) named() int {
	count := len(s.texts)
	for _, word := range s.numbers {
		count += bits.OnesCount64(word)
	}
	return count
}

// none tells whether nobody is in it, for certain.
func (s *set) none() bool { return !s.others && s.named() == 0 }

// ids are those that it names: the numbers from one on, the smallest first, and then the others.
func (s *set) ids(from uint) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := int(from / 64); i < len(s.numbers); i++ {
			for word := s.numbers[i]; word != 0; word &= word - 1 {
				number := uint(i*64 + bits.TrailingZeros64(word))
				if number >= from && !yield(strconv.FormatUint(uint64(number), 10)) {
					return
				}
			}
		}
		for id := range s.texts {
			if !yield(id) {
				return
			}
		}
	}
}

func (s *set) opposite() *set { return &set{numbers: s.numbers, texts: s.texts, others: !s.others} }

// intersection keeps sets of others as they are for as long as it can.
func intersection(a, b *set) *set {
	switch {
	case a.others && b.others:
		return union(a.opposite(), b.opposite()).opposite()
	case a.others || !b.others && len(a.texts) > len(b.texts):
		a, b = b, a
	}
	found := &set{numbers: slices.Clone(a.numbers)}
	for i := range found.numbers {
		word := uint64(0)
		if i < len(b.numbers) {
			word = b.numbers[i]
		}
		if b.others {
			word = ^word
		}
		found.numbers[i] &= word
	}
	for id := range a.texts {
		if b.has(id) {
			found.add(id)
		}
	}
	return found
}

func union(a, b *set) *set {
	switch {
	case a.others || b.others:
		return intersection(a.opposite(), b.opposite()).opposite()
	case len(a.numbers) < len(b.numbers):
		a, b = b, a
	}
	found := &set{numbers: slices.Clone(a.numbers), texts: maps.Clone(a.texts)}
	for i, word := range b.numbers {
		found.numbers[i] |= word
	}
	for id := range b.texts {
		found.add(id)
	}
	return found
}

// byID is the order of List.
func byID(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) }

// first are the first ids after `after` of those that the set names, up to limit, in the order of List.
func (s *set) first(after string, limit int) (found []string) {
	taken := 0
	for id := range s.ids(small(after)) {
		if small(id) > 0 && taken == limit || byID(id, after) <= 0 {
			continue
		}
		found = append(found, id)
		taken++
	}
	slices.SortFunc(found, byID)
	return found[:min(limit, len(found))]
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
