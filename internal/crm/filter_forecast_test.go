package crm_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
)

func TestNextChange(t *testing.T) {
	t.Parallel()
	env := filterStore(t) // 2027-05-10T10:00:00Z, noon in Rome
	for source, want := range map[string]string{
		"{property: email, is: x}":                 "",
		"{property: birthday, is: today}":          "2027-05-10T22:00:00Z",
		"{property: birthday, is: this_week}":      "2027-05-16T22:00:00Z",
		"{property: birthday, is: next_month}":     "",
		"{property: soon_at, is: last_quarter}":    "2027-06-30T22:00:00Z",
		"{property: plan, updated_after: now}":     "",
		"{property: plan, updated_before: today}":  "",
		"{property: tomorrow, before: now}":        "2027-05-10T22:00:00Z",
		"{property: seen_at, within_last: 12h}":    "2027-05-10T10:30:00Z",
		"{property: soon_at, after: now}":          "2027-05-13T21:59:59Z",
		"{property: seen_at, more_than_ago: 1h}":   "",
		"{event: page_viewed, within: 1h}":         "2027-05-10T10:30:00Z",
		"{event: page_viewed}":                     "",
		"{not: {property: soon_at, before: now}}":  "2027-05-13T21:59:59Z",
		"{property: plan, updated_within: 48h}":    "2027-05-10T10:00:00.000001Z",
		"{property: plan, not_updated_within: 3d}": "2027-05-10T22:00:00Z",
		// what settles a group is what counts
		"{all: [{property: email, is: x}, {property: soon_at, before: now}]}":              "",
		"{any: [{list: vip}, {property: soon_at, before: now}]}":                           "",
		"{all: [{property: soon_at, before: now}, {property: seen_at, within_next: 10m}]}": "",
		"{any: [{property: soon_at, before: now}, {property: seen_at, within_last: 12h}]}": "2027-05-10T10:30:00Z",
	} {
		at, err := mustDecode[crm.Filter](t, source).NextChange(t.Context(), env)
		require.NoError(t, err, source)
		if want == "" {
			require.Zero(t, at, source)
		} else {
			require.Equal(t, instant(t, want), at.UTC(), source)
		}
	}
}

// TestNothingChangesBeforeNextChange walks time forward over records and filters drawn at random, in zones whose clocks
// do all they ever did, and looks between the instants that NextChange names.
func TestNothingChangesBeforeNextChange(t *testing.T) {
	t.Parallel()
	places := []struct{ zone, change string }{ // and an instant at which its clocks change
		{"Europe/Rome", "2027-03-28T01:00:00Z"}, {"Europe/Rome", "2027-10-31T01:00:00Z"}, {"UTC", "2027-05-10T00:00:00Z"},
		{"America/St_Johns", "1995-10-29T02:31:00Z"},  // back from 00:01 to 23:01 of the day before
		{"America/Sao_Paulo", "2015-10-18T03:00:00Z"}, // a day without midnight
		{"Pacific/Apia", "2011-12-30T10:00:00Z"},      // a day that never was
		{"Australia/Lord_Howe", "2027-04-03T15:00:00Z"},
	}
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 2000 {
		place := places[random.IntN(len(places))]
		change := instant(t, place.change)
		env := drawn(random, change, zone(t, place.zone))
		source := drawnFilter(random, change, 2)
		filter := mustDecode[crm.Filter](t, source)
		for range 12 {
			truth, err := filter.Match(t.Context(), env)
			require.NoError(t, err)
			next, err := filter.NextChange(t.Context(), env)
			require.NoError(t, err)
			end := next
			if next.IsZero() || next.Sub(env.Now) > 90*24*time.Hour {
				end = env.Now.Add(90 * 24 * time.Hour)
			}
			require.True(t, end.After(env.Now), source)
			for _, at := range between(random, env.Now, end, change) {
				looking := env
				looking.Now = at
				got, err := filter.Match(t.Context(), looking)
				require.NoError(t, err)
				require.Equal(t, truth, got, "round %d: %s in %s changes at %s, between %s and %s; record %v", round, source, place.zone, at, env.Now, next,
					env.Record.Properties)
			}
			if end != next {
				break
			}
			env.Now = next
		}
	}
}

// between are whole microseconds of [from, to), those at which something is likely to happen among them.
func between(random *rand.Rand, from, to, change time.Time) []time.Time {
	candidates := []time.Time{from.Add(time.Microsecond), to.Add(-time.Microsecond), change, change.Add(-time.Microsecond)}
	for hour := -80; hour < 80; hour++ {
		at := change.Add(time.Duration(hour) * 30 * time.Minute)
		candidates = append(candidates, at.Add(-time.Microsecond), at, at.Add(time.Microsecond), at.Add(time.Minute))
	}
	for range 20 {
		candidates = append(candidates, from.Add(time.Duration(random.Int64N(int64(to.Sub(from))))).Truncate(time.Microsecond))
	}
	var found []time.Time
	for _, at := range candidates {
		if at.After(from) && at.Before(to) {
			found = append(found, at)
		}
	}
	return found
}

// drawnTime is some time around another, often one that is round.
func drawnTime(random *rand.Rand, around time.Time) time.Time {
	at := around.Add(time.Duration(random.IntN(400)-200) * 30 * time.Minute)
	switch random.IntN(4) {
	case 0:
		return at.Add(time.Duration(random.Int64N(int64(time.Hour)))).Truncate(time.Microsecond)
	case 1:
		return at.Add(time.Duration(random.IntN(3)-1) * time.Microsecond)
	}
	return at
}

// drawn is a contact with days and times around an instant.
func drawn(random *rand.Rand, around time.Time, zone *time.Location) crm.FilterEnv {
	text := func() string {
		at := drawnTime(random, around)
		return []string{at.Format(time.DateOnly), at.Format(time.RFC3339Nano), at.Format(time.RFC3339Nano), "", "soon"}[random.IntN(5)]
	}
	store := oneContact(map[string]string{"day": text(), "time": text(), "free": text(), "plain": "x"}).
		with(crm.Association{Ref: crm.Ref{Object: "company", ID: "1"}}, map[string]string{"day": text(), "time": text()}).
		with(crm.Association{Ref: crm.Ref{Object: "company", ID: "2"}}, map[string]string{"day": text()})
	store.history = map[string][]crm.PropertyVersion{
		"time": {{Value: text(), At: drawnTime(random, around)}, {Value: text(), At: drawnTime(random, around.Add(-9*24*time.Hour))}},
	}
	for range random.IntN(4) {
		store.events = append(store.events, crm.Event{
			Type: []string{"page_viewed", "form_submitted"}[random.IntN(2)], At: drawnTime(random, around), Properties: map[string]any{"form_id": "trial", "at": text()},
		})
	}
	catalog := crm.NewCatalog(crm.Object{Name: "contact", Properties: crm.Properties{{Name: "day", Type: crm.TypeDate}, {Name: "time", Type: crm.TypeDatetime}}},
		crm.Object{Name: "company"})
	catalog.Open, catalog.FiscalYear = true, time.April
	ref := crm.Ref{Object: "contact", ID: "1"}
	record := store.records[ref]
	return crm.FilterEnv{Records: store, Ref: ref, Record: &record, Now: drawnTime(random, around), Zone: zone, Catalog: catalog}
}

// drawnFilter is the source of a filter that has to do with time.
func drawnFilter(random *rand.Rand, around time.Time, depth int) string {
	property := []string{"day", "time", "free", "plain"}[random.IntN(4)]
	duration := []string{"0d", "1d", "2d", "36h", "1d12h", "1h", "90s", "3d1h", "1w"}[random.IntN(9)]
	constant := []string{"now", "today", "yesterday", "this_week", "next_month", "last_quarter", "this_year", "next_fiscal_quarter", drawnTime(random, around).Format(time.DateOnly), "'" + drawnTime(random, around).Format(time.RFC3339Nano) + "'"}[random.IntN(10)]
	if depth > 0 && random.IntN(2) == 0 {
		inner := []string{drawnFilter(random, around, depth-1), drawnFilter(random, around, depth-1)}
		switch random.IntN(4) {
		case 0:
			return "{not: " + inner[0] + "}"
		case 1:
			return "{associated: company, where: " + inner[0] + "}"
		case 2:
			return "{any: [" + strings.Join(inner, ", ") + "]}"
		}
		return "{all: [" + strings.Join(inner, ", ") + "]}"
	}
	switch random.IntN(9) {
	case 6:
		return fmt.Sprintf("{property: time, %s: %s}", []string{"updated_before", "updated_after"}[random.IntN(2)], constant)
	case 0:
		return fmt.Sprintf("{event: page_viewed, within: %s, at_least: %d}", duration, 1+random.IntN(2))
	case 1:
		return fmt.Sprintf("{event: page_viewed, where: {property: at, within_last: %s}}", duration)
	case 2:
		return fmt.Sprintf("{form: trial, submitted: %t}", random.IntN(2) == 0)
	case 3:
		return fmt.Sprintf("{property: time, %s: %s}", []string{"updated_within", "not_updated_within"}[random.IntN(2)], duration)
	case 4:
		return fmt.Sprintf("{property: time, %s: %s}", []string{"was_ever", "was_never"}[random.IntN(2)], constant)
	case 5:
		operator := []string{"is", "is_not", "gt", "gte", "lt", "lte", "before", "after"}[random.IntN(8)]
		return fmt.Sprintf("{property: %s, %s: %s}", property, operator, constant)
	}
	operator := []string{"within_last", "not_within_last", "within_next", "more_than_ago", "more_than_ahead"}[random.IntN(5)]
	return fmt.Sprintf("{property: %s, %s: %s}", property, operator, duration)
}
