package store_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// drawing draws records and filters at random, so that what one of them says is likely to matter to the other.
type drawing struct{ *rand.Rand }

func pick[T any](d drawing, from ...T) T { return from[d.IntN(len(from))] }

var drawnZones = []string{"UTC", "Europe/Rome", "America/St_Johns", "America/Sao_Paulo", "Pacific/Apia", "Australia/Lord_Howe"}

// drawnChanges are instants at which clocks change there.
var drawnChanges = []string{
	"2027-03-28T01:00:00Z", "2027-10-31T01:00:00Z", "1995-10-29T02:31:00Z", "2015-10-18T03:00:00Z", "2011-12-30T10:00:00Z", "2027-04-03T15:00:00Z",
}

func (d drawing) time() time.Time {
	at, err := time.Parse(time.RFC3339, pick(d, drawnChanges...))
	if err != nil {
		panic(err)
	}
	at = at.Add(time.Duration(d.IntN(160)-80) * 30 * time.Minute)
	return at.Add(time.Duration(d.IntN(3)-1) * pick(d, time.Microsecond, time.Minute, time.Millisecond))
}

// texts are equal to each other in some sense and not in others.
func (d drawing) text() string {
	return pick(d, "Straße", "STRASSE", "straſse", "strasse", "STRAẞE", "Kelvin", "\u212Aelvin", "kelvin", "İstanbul", "istanbul", "ΣΊΣΥΦΟΣ", "σίσυφος", "Σίσυφος",
		"ǆ", "ǅ", "مرحبا", "👩‍🚀", "100%", "10_", "it's", `a\b`, `"quoted"`, "?", "$1", "golf", "Golf", "golf;chess", " golf ", "now", "today", "true", "TRUE",
		strings.Repeat("long ", 100)+"a", strings.Repeat("LONG ", 100)+"A", strings.Repeat("long ", 100)+"b", strings.Repeat("é", 160), "é", "\U0010FFFF", "\uD7FF", "\uE000")
}

func (d drawing) number() string {
	return pick(d, "0", "-0.5", "5", "5.0", "50", "100", "-100", "-100.25", "99.99999999999999999999", "1e3", "1000", "0.00001", " 7 ", "-12", "-12.01", "123456789012345678901234567890")
}

func (d drawing) moment() string {
	at := d.time()
	return pick(d, at.Format(time.DateOnly), at.Format(time.RFC3339Nano), at.In(time.FixedZone("", 5400)).Format(time.RFC3339Nano), fmt.Sprint(at.UnixMilli()))
}

func (d drawing) value() string {
	return pick(d, d.text, d.number, d.moment, d.moment, func() string { return pick(d, "golf", "chess", "golf;chess", "polo;golf;chess", ";", "chess;golf", "") })()
}

// word is a time that goes with the present.
func (d drawing) word() string {
	return pick(d, "now", "yesterday", "today", "tomorrow", pick(d, "last_", "this_", "next_")+pick(d, "week", "month", "quarter", "year", "fiscal_quarter", "fiscal_year"))
}

// drawnProperties are declared with every type after they were written as texts, so values of wrong types are among
// them. The last two have no index.
var drawnProperties = crm.Properties{
	{Name: "name", Indexed: true}, {Name: "score", Type: crm.TypeNumber, Indexed: true}, {Name: "vip", Type: crm.TypeBool, Indexed: true},
	{Name: "plan", Type: crm.TypeEnumeration, Indexed: true}, {Name: "interests", Type: crm.TypeEnumeration, Multiple: true, Indexed: true},
	{Name: "born", Type: crm.TypeDate, Indexed: true}, {Name: "seen", Type: crm.TypeDatetime, Indexed: true}, {Name: "phone", Type: crm.TypePhoneNumber, Indexed: true},
	{Name: "created_at", Type: crm.TypeDatetime, Indexed: true}, {Name: "updated_at", Type: crm.TypeDatetime, Indexed: true},
	{Name: "note"}, {Name: "raw", Type: crm.TypeJSON},
}

func drawnCatalog(t testing.TB, typed bool) *crm.Catalog {
	properties := append(crm.Properties{}, drawnProperties...)
	if !typed {
		for i := range properties {
			properties[i] = crm.Property{Name: properties[i].Name, Indexed: i%2 == 0}
		}
	}
	properties = append(properties, crm.Property{Name: "rank", Type: crm.TypeNumber, Calculated: formula(t, `"record.score * 10"`), Indexed: true})
	catalog := crm.NewCatalog(crm.Object{Name: "contact", Properties: properties}, crm.Object{Name: "company", Properties: properties})
	catalog.Open, catalog.FiscalYear = true, time.April
	catalog.AddList(crm.ActiveList{Name: "active", Object: "contact", Filter: filter(t, `{"any": [{"property": "score", "gt": 5}, {"list": "nested"}]}`)})
	catalog.AddList(crm.ActiveList{Name: "nested", Object: "contact", Filter: filter(t, `{"all": [{"not": {"property": "note", "contains": "a"}}, {"list": "vip"}]}`)})
	catalog.AddList(crm.ActiveList{Name: "snake", Object: "contact", Filter: filter(t, `{"any": [{"list": "snake"}, {"property": "score", "gt": 50}]}`)})
	return catalog
}

func (d drawing) values() map[string]string {
	values := map[string]string{}
	for _, property := range drawnProperties {
		if d.IntN(3) > 0 && !strings.HasSuffix(property.Name, "_at") {
			values[property.Name] = d.value()
		}
	}
	return values
}

// world fills a store.
func (d drawing) world(t testing.TB, s *store.Store) {
	ctx := t.Context()
	_, err := s.Publish(ctx, store.Publication{At: noon, Catalog: drawnCatalog(t, false), Definitions: []plan.Revision{{Plan: compiled("welcome", "h1"), On: true}}})
	require.NoError(t, err)
	require.NoError(t, s.Tx(ctx, func(tx *store.Tx) error {
		for i := range 60 {
			ref := crm.Ref{Object: pick(d, "contact", "contact", "company"), ID: pick(d, "%d", "%d", "0%d", "a%d", "512345%d", "98765432109%d")}
			ref.ID = fmt.Sprintf(ref.ID, i+1)
			if _, err := tx.Create(ctx, ref, d.values(), d.time(), "a"); err != nil {
				return err
			}
			if d.IntN(2) == 0 {
				if err := tx.Update(ctx, ref, d.values(), d.time(), "b"); err != nil {
					return err
				}
			}
		}
		return nil
	}))
	contacts, err := s.List(ctx, "contact", "", 0)
	require.NoError(t, err)
	companies, err := s.List(ctx, "company", "", 0)
	require.NoError(t, err)
	require.NoError(t, s.Tx(ctx, func(tx *store.Tx) error {
		for _, contact := range contacts {
			ref := contact.Ref
			for range d.IntN(3) {
				if err := tx.Associate(ctx, ref, pick(d, companies...).Ref, pick(d, "", "employer", `em"ployer`), false, noon); err != nil {
					return err
				}
			}
			if d.IntN(2) == 0 {
				if _, err := tx.AddToList(ctx, pick(d, "vip", "other"), ref, noon); err != nil {
					return err
				}
			}
			for range d.IntN(4) {
				event := plan.Event{Type: pick(d, "page_viewed", "form_submitted"), Record: ref.String(), At: d.time(),
					Properties: map[string]any{"form_id": pick(d, "trial", "x"), "seconds": d.IntN(3), "at": d.moment()}}
				if _, _, err := tx.AddEvent(ctx, event); err != nil {
					return err
				}
			}
			if err := tx.SetSubscription(ctx, ref, "newsletter", pick(d, "opted_in", "opted_out", ""), noon); err != nil {
				return err
			}
			if d.IntN(2) == 0 {
				enrollment, err := tx.OpenEnrollment(ctx, entering("welcome", ref, "run"))
				if err != nil {
					return err
				}
				if exit := pick(d, "", plan.ExitCompleted, plan.ExitEnded, plan.ExitGoalMet, plan.ExitUnenrolled); exit != "" {
					if err := tx.CloseEnrollment(ctx, enrollment.ID, plan.Exit{Reason: exit}, noon); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}))
	_, err = s.Publish(ctx, store.Publication{At: noon, Catalog: drawnCatalog(t, true)})
	require.NoError(t, err)
	for i, contact := range append(contacts, companies...) {
		if i%7 < 2 {
			require.NoError(t, s.Delete(ctx, contact.Ref, noon))
		}
		if i%7 == 1 {
			require.NoError(t, s.Restore(ctx, contact.Ref))
		}
	}
}

// filter draws a filter as JSON.
func (d drawing) filter(depth int) any {
	object := func(pairs ...any) map[string]any {
		found := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			found[pairs[i].(string)] = pairs[i+1]
		}
		return found
	}
	if depth > 0 && d.IntN(5) < 3 {
		switch d.IntN(4) {
		case 0:
			return object("not", d.filter(depth-1))
		case 1:
			found := object("associated", "company", "where", d.filter(depth-1))
			if d.IntN(3) == 0 {
				found["label"] = pick(d, "employer", `em"ployer`)
			}
			return found
		}
		var inner []any
		for range 1 + d.IntN(3) {
			inner = append(inner, d.filter(depth-1))
		}
		return object(pick(d, "all", "any"), inner)
	}
	switch d.IntN(14) {
	case 0:
		return object("list", pick(d, "vip", "other", "none", "active", "nested", "snake"))
	case 1:
		return object("workflow", pick(d, "welcome", "none"), "status", pick(d, "active", "ever", "completed", "goal_met"))
	case 2:
		return object("subscription", pick(d, "newsletter", "none"), "is", pick(d, "opted_in", "opted_out", "not_specified"))
	case 3:
		return object("form", "trial", "submitted", d.IntN(2) == 0)
	case 4:
		found := object("event", pick(d, "page_viewed", "form_submitted", "property_changed:score"), "at_least", 1+d.IntN(2))
		if d.IntN(2) == 0 {
			found["within"] = d.duration()
		}
		if d.IntN(3) == 0 {
			found["where"] = pick[any](d, object("property", "seconds", "gte", 1), object("property", "at", "within_last", "2d"), object("property", "form_id", "is", "trial"))
		}
		return found
	}
	found := object("property", pick(d, append(crm.Properties{{Name: "rank"}}, drawnProperties...)...).Name)
	if d.IntN(4) == 0 {
		found["empty"] = "match"
	}
	operand := func() string { return pick(d, d.value, d.value, d.word)() }
	several := func() (texts []string) {
		for range 1 + d.IntN(3) {
			texts = append(texts, operand())
		}
		return texts
	}
	switch operator := pick(d, "is", "is_not", "in", "not_in", "contains", "not_contains", "starts_with", "ends_with", "known", "gt", "gte", "lt", "lte", "between", "not_between",
		"before", "after", "within_last", "not_within_last", "within_next", "more_than_ago", "more_than_ahead", "has_all", "is_exactly", "is_not_exactly", "was_ever", "was_never",
		"updated_within", "not_updated_within", "updated_before", "updated_after"); operator {
	case "known":
		found[operator] = d.IntN(2) == 0
	case "in", "not_in", "contains", "not_contains", "starts_with", "ends_with", "has_all", "is_exactly", "is_not_exactly":
		found[operator] = several()
	case "was_ever", "was_never":
		found[operator] = pick[any](d, several(), object("starts_with", d.text()))
	case "gt", "gte", "lt", "lte":
		found[operator] = pick[any](d, d.number(), d.moment(), d.word(), object("property", pick(d, drawnProperties...).Name))
	case "before", "after", "updated_before", "updated_after":
		found[operator] = pick[any](d, d.time().Format(time.DateOnly), d.time().Format(time.RFC3339Nano), d.word(), d.word(), object("property", "seen"))
	case "between", "not_between":
		found[operator] = pick(d, []string{d.number(), d.number()}, []string{d.moment(), d.moment()}, []string{d.word(), d.word()}, []string{d.moment(), d.word()})
	case "is", "is_not":
		found[operator] = pick[any](d, operand(), operand(), object("property", pick(d, drawnProperties...).Name))
	default:
		found[operator] = d.duration()
	}
	return found
}

func (d drawing) duration() string {
	return pick(d, "0d", "1d", "2d", "36h", "1d12h", "1h", "90s", "3d1h", "1w", "800w")
}

// agree asserts that a filter matches the same records when the database looks for them and when each is asked.
func agree(t *testing.T, s *store.Store, d drawing, query store.Query, source string) {
	t.Helper()
	ctx := t.Context()
	catalog, err := s.Catalog(ctx)
	require.NoError(t, err)
	records, err := s.List(ctx, query.Object, "", 0)
	require.NoError(t, err)
	var want []crm.Ref
	for _, record := range records {
		truth, err := query.Filter.Match(ctx, crm.FilterEnv{Records: s, Ref: record.Ref, Record: &record, Now: query.Now, Zone: query.Zone, Catalog: catalog})
		require.NoError(t, err)
		if truth == crm.Yes {
			want = append(want, record.Ref)
		}
	}
	context := fmt.Sprintf("%s at %s in %s", source, query.Now.Format(time.RFC3339Nano), query.Zone)
	got, err := s.Matching(ctx, query, "", 0)
	require.NoError(t, err, context)
	require.Equal(t, want, got, context)
	count, err := s.CountMatching(ctx, query)
	require.NoError(t, err, context)
	require.Equal(t, len(want), count, context)
	if len(want) > 2 {
		after := d.IntN(len(want) - 1)
		got, err = s.Matching(ctx, query, want[after].ID, 1)
		require.NoError(t, err)
		require.Equal(t, want[after+1:after+2], got, context)
	}
}

// agreeing is the property that every database has: what it finds is what filters say.
func agreeing(t *testing.T, s *store.Store) {
	d := drawing{rand.New(rand.NewPCG(3, 4))}
	d.world(t, s)
	for read := 0; read < 1500; {
		source, err := json.Marshal(d.filter(3))
		require.NoError(t, err)
		var filter crm.Filter
		if json.Unmarshal(source, &filter) != nil {
			continue // an order of texts, the greater value first
		}
		read++
		zone, err := crm.LoadZone(pick(d, drawnZones...))
		require.NoError(t, err)
		agree(t, s, d, store.Query{Object: pick(d, "contact", "contact", "company"), Filter: filter, Now: d.time(), Zone: zone}, string(source))
	}
}

// leading is a source of chance of which the beginning is given.
type leading struct {
	given []byte
	rand.Source
}

func (l *leading) Uint64() uint64 {
	if len(l.given) == 0 {
		return l.Source.Uint64()
	}
	next := l.given[0]
	l.given = l.given[1:]
	return uint64(next) * 0x9E3779B97F4A7C15 // every bit of it may be asked for
}

// FuzzSelection looks for records by whatever filters there are. What is no filter draws one: few texts are any by chance.
func FuzzSelection(f *testing.F) {
	for seed := range uint64(12) {
		source, err := json.Marshal(drawing{rand.New(rand.NewPCG(seed, 5))}.filter(3))
		require.NoError(f, err)
		f.Add(string(source), seed)
	}
	f.Add(`{"property":"name","in":["'","\\","%","_",""]}`, uint64(1))
	f.Add(`{"not":{"not":{"all":[{"any":[{"not":{"property":"a","known":true}}]}]}}}`, uint64(2))
	s := opened(f, "sqlite://:memory:")
	drawing{rand.New(rand.NewPCG(3, 4))}.world(f, s)
	f.Fuzz(func(t *testing.T, source string, seed uint64) {
		d := drawing{rand.New(rand.NewPCG(seed, 6))}
		var filter crm.Filter
		if json.Unmarshal([]byte(source), &filter) != nil {
			drawn, err := json.Marshal(drawing{rand.New(&leading{[]byte(source), rand.NewPCG(seed, 7)})}.filter(3))
			require.NoError(t, err)
			if source = string(drawn); json.Unmarshal(drawn, &filter) != nil {
				return // an order of texts, the greater value first
			}
		}
		zone, err := crm.LoadZone(pick(d, drawnZones...))
		require.NoError(t, err)
		agree(t, s, d, store.Query{Object: pick(d, "contact", "company"), Filter: filter, Now: d.time(), Zone: zone}, source)
	})
}
