package crm_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
)

// undecided tells whether a condition leaves something to the filter.
func undecided(condition crm.Condition) bool {
	switch condition := condition.(type) {
	case crm.Perhaps:
		return true
	case crm.Every:
		for _, one := range condition {
			if undecided(one) {
				return true
			}
		}
	case crm.Some:
		return undecided(crm.Every(condition))
	case crm.Not:
		return undecided(condition.Condition)
	case crm.HasAssociated:
		return undecided(condition.Where)
	}
	return false
}

// TestDatabaseDecides pins which tests of indexed properties need nobody but the database; that both agree is a matter
// of the store's tests.
func TestDatabaseDecides(t *testing.T) {
	t.Parallel()
	properties := crm.Properties{
		{Name: "name", Indexed: true}, {Name: "score", Type: crm.TypeNumber, Indexed: true}, {Name: "vip", Type: crm.TypeBool, Indexed: true},
		{Name: "interests", Type: crm.TypeEnumeration, Multiple: true, Indexed: true}, {Name: "born", Type: crm.TypeDate, Indexed: true},
		{Name: "seen", Type: crm.TypeDatetime, Indexed: true}, {Name: "note"}, {Name: "raw", Type: crm.TypeJSON, Indexed: true},
	}
	env := crm.FilterEnv{
		Now: instant(t, "2027-05-10T10:00:00Z"), Zone: zone(t, "Europe/Rome"),
		Catalog: crm.NewCatalog(crm.Object{Name: "contact", Properties: properties}, crm.Object{Name: "company", Properties: properties}),
	}
	for want, sources := range map[bool][]string{
		false: {
			"{property: name, is: Ann}", "{property: name, not_in: [Ann, Bob]}", "{property: name, contains: nn}", "{property: name, starts_with: A}", "{property: name, ends_with: n}",
			"{property: name, known: true}", "{property: name, is_not: Ann, empty: match}", "{property: score, gt: 5}", "{property: score, between: [1, 9]}", "{property: score, is: 5}",
			"{property: vip, is: true}", "{property: interests, in: [a, b]}", "{property: interests, has_all: [a, b]}", "{property: interests, is_exactly: [a, b]}",
			"{property: born, before: today}", "{property: born, is: this_month}", "{property: seen, between: [last_week, this_quarter]}", "{property: seen, after: last_year}", "{property: seen, after: 2027-05-10}", "{property: seen, within_last: 3d}", "{property: born, within_next: 1w}", "{property: seen, more_than_ago: 36h}",
			"{property: seen, not_between: [2027-05-01, now]}", "{property: note, updated_within: 3d}", "{list: vip}", "{workflow: welcome}", "{subscription: news, is: not_specified}",
			"{event: page_viewed, within: 7d, at_least: 2}", "{associated: company, label: employer, where: {property: score, gte: 5}}",
			"{any: [{not: {list: vip}}, {all: [{property: score, lt: 3}, {property: born, is: today}]}]}",
		},
		true: {
			"{property: note, is: x}", "{property: raw, is: x}", "{property: name, was_ever: Ann}", "{property: name, is: {property: note}}", "{event: page_viewed, where: {property: url, is: x}}",
			"{form: trial}", "{property: interests, starts_with: a}", "{property: score, contains: 1}", "{event: property_changed:name}", "{property: name, starts_with: " + strings.Repeat("long", 100) + "}",
		},
	} {
		for _, source := range sources {
			require.Equal(t, want, undecided(mustDecode[crm.Filter](t, source).Condition("contact", env)), source)
		}
	}
}

func TestKeysAreOrderedAsValuesAre(t *testing.T) {
	t.Parallel()
	for kind, values := range map[crm.PropertyType][]string{
		crm.TypeNumber:   {"-1e99", "-100.25", "-100.2", "-100", "-12.01", "-12", "-0.5", "-0.05", "0", "0.00001", "0.5", "5", "5.00000000000000000001", "50", "99.9", "100", "1e50", "no number"},
		crm.TypeDate:     {"0001-01-01", "1969-12-31", "2027-05-09", "2027-05-10", "9999-12-31"},
		crm.TypeDatetime: {"0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "2027-05-10T00:00:00Z", "2027-05-10T00:00:00.000000001Z", "2027-05-10T01:00:00+00:30", "9999-12-31T23:59:59Z"},
		crm.TypeString:   {"A", "aa", "AB", "b", "é"},
	} {
		property := crm.Property{Name: "p", Type: kind}
		last := ""
		for _, value := range values {
			keys := property.Keys(value)
			require.Len(t, keys, 1)
			require.Greater(t, keys[0], last, "%s of a %s", value, kind)
			last = keys[0]
		}
	}
}

func TestEqualValuesShareKeys(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", crm.KeyLimit)
	for kind, pairs := range map[crm.PropertyType][][2]string{
		crm.TypeNumber: {{"5", "5.000"}, {"1e3", " 1000 "}, {"-0", "0"}}, crm.TypeDatetime: {{"2027-05-10T10:00:00Z", "2027-05-10T12:00:00+02:00"}, {"2027-05-10T10:00:00Z", "1809943200000"}},
		crm.TypeString: {{"STRAẞE", "straße"}, {"\u212Aelvin", "kelvin"}, {"ΣΊΣΥΦΟΣ", "σίσυφος"}, {long, strings.ToUpper(long)}},
	} {
		for _, pair := range pairs {
			require.Equal(t, crm.Property{Type: kind}.Keys(pair[0]), crm.Property{Type: kind}.Keys(pair[1]), "%q", pair)
		}
	}
	require.NotEqual(t, crm.Property{}.Keys(long+"a"), crm.Property{}.Keys(long+"b"))
	require.Equal(t, []string{"a", "b"}, crm.Property{Type: crm.TypeEnumeration}.Keys("a; b;a"))
	require.Empty(t, crm.Property{}.Keys(""))
	random := rand.New(rand.NewPCG(5, 6))
	for range 20_000 { // as strings.EqualFold says
		a, b := string(rune(random.IntN(0x3000))), string(rune(random.IntN(0x3000)))
		b = []string{b, strings.ToUpper(a), strings.ToLower(a), strings.ToTitle(a)}[random.IntN(4)]
		require.Equal(t, strings.EqualFold(a, b), crm.Property{}.Keys(a)[0] == crm.Property{}.Keys(b)[0], "%q %q", a, b)
	}
}

func TestDaysOfZonesAreInPieces(t *testing.T) {
	t.Parallel()
	// 23:30 comes twice on 28 October 1995 in St. John's: before the clocks go back over midnight, and after.
	env := crm.FilterEnv{Now: time.Time{}, Zone: zone(t, "America/St_Johns"), Catalog: crm.NewCatalog(crm.Object{
		Name: "contact", Properties: crm.Properties{{Name: "seen", Type: crm.TypeDatetime, Indexed: true}},
	})}
	condition, is := mustDecode[crm.Filter](t, "{property: seen, is: 1995-10-29}").Condition("contact", env).(crm.HasKey)
	require.True(t, is)
	require.Len(t, condition.In, 3, "the day itself, the minute before the change, and what is after it: %v", condition.In)
}
