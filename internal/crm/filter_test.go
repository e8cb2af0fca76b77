package crm_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
)

// filterStore is a contact with everything a filter can ask about; it is Monday, 10 May 2027, 12:00 in Rome.
func filterStore(t testing.TB) crm.FilterEnv {
	t.Helper()
	store := oneContact(map[string]string{
		"email": "Ada@Example.com", "country": "IT", "company": "it", "score": "12.5", "age": "36", "plan": "gold", "interests": "golf;chess", "vip": "true",
		"birthday": "2027-05-10", "yesterday": "2027-05-09", "tomorrow": "2027-05-11", "week_ago": "2027-05-03", "in_april": "2027-04-15",
		"seen_at":     "2027-05-09T22:30:00Z", // 00:30 on the 10th in Rome
		"old_at":      "2027-05-06T21:59:59Z", // last second of the 6th in Rome
		"new_at":      "2027-05-07T22:00:00Z", // first second of the 8th in Rome
		"soon_at":     "2027-05-13T21:59:59Z", // last second of the 13th in Rome
		"free_number": "500", "free_text": "abc", "zip": "00100",
	}).
		with(crm.Association{Ref: crm.Ref{Object: "company", ID: "1"}, Primary: true, Labels: []string{"employer"}}, map[string]string{"country": "IT", "employees": "10"}).
		with(crm.Association{Ref: crm.Ref{Object: "company", ID: "2"}}, map[string]string{"country": "FR", "employees": "900"})
	store.associations[crm.Ref{Object: "contact", ID: "1"}] = append(store.associations[crm.Ref{Object: "contact", ID: "1"}],
		crm.Association{Ref: crm.Ref{Object: "company", ID: "404"}})
	store.history = map[string][]crm.PropertyVersion{
		"plan":    {{Value: "gold", At: instant(t, "2027-05-08T10:00:00Z")}, {Value: "", At: instant(t, "2027-05-01T10:00:00Z")}, {Value: "Free", At: instant(t, "2027-04-01T10:00:00Z")}},
		"cleared": {{Value: "", At: instant(t, "2027-05-09T10:00:00Z")}, {Value: "once", At: instant(t, "2027-04-01T10:00:00Z")}},
	}
	store.events = []crm.Event{
		{Type: "page_viewed", At: instant(t, "2027-04-01T10:00:00Z"), Properties: map[string]any{"url": "/pricing", "seconds": 12.0}},
		{Type: "page_viewed", At: instant(t, "2027-05-09T10:00:00Z"), Properties: map[string]any{"url": "/pricing", "seconds": 40.0}},
		{Type: "page_viewed", At: instant(t, "2027-05-10T09:30:00Z"), Properties: map[string]any{"url": "/blog"}},
		{Type: "form_submitted", At: instant(t, "2027-05-10T09:30:00Z"), Properties: map[string]any{"form_id": "trial"}},
	}
	store.lists = []string{"vip"}
	store.memberships = map[string]crm.Membership{"welcome": {Active: true, Ever: true}, "old": {Ever: true, Completed: true}}
	store.subscriptions = map[string]string{"newsletter": "opted_in"}
	catalog := crm.Builtin()
	catalog.Open, catalog.FiscalYear = true, time.November
	catalog.Add(mustDecode[crm.Object](t, `
object: contact
properties:
  plan: {type: enumeration}
  interests: {type: enumeration, multiple: true, options: [golf, chess, polo]}
  vip: {type: bool}
  birthday: {type: date}
  yesterday: {type: date}
  tomorrow: {type: date}
  week_ago: {type: date}
  in_april: {type: date}
  seen_at: {type: datetime}
  old_at: {type: datetime}
  new_at: {type: datetime}
  soon_at: {type: datetime}
  rank: {type: number, calculated: true}
`))
	return crm.FilterEnv{
		Records: store, Ref: crm.Ref{Object: "contact", ID: "1"}, Catalog: catalog, Zone: zone(t, "Europe/Rome"), Now: instant(t, "2027-05-10T10:00:00Z"),
	}
}

func TestFiltersMatch(t *testing.T) {
	t.Parallel()
	tests := map[crm.Truth][]string{
		crm.Yes: {
			// text, without regard to case
			"{property: email, is: ada@example.com}", "{property: country, is_not: FR}", "{property: country, in: [fr, it]}", "{property: country, not_in: [FR, DE]}",
			"{property: email, contains: EXAMPLE}", "{property: email, contains: [x, ada]}", "{property: email, not_contains: [x.org, bob]}",
			"{property: email, starts_with: ada}", "{property: email, ends_with: [.org, .COM]}", "{property: zip, is: '00100'}", "{property: zip, starts_with: '001'}",
			// known and empty
			"{property: email, known: true}", "{property: nickname, known: false}", "{property: nickname, is_not: Bob, empty: match}", "{property: nickname, gt: 5, empty: match}",
			"{not: {property: nickname, is: Bob}}",
			// numbers
			"{property: score, is: 12.50}", "{property: score, gt: 12}", "{property: score, gte: 12.5}", "{property: score, lt: 13}", "{property: score, lte: 12.5}",
			"{property: score, between: [12.5, 20]}", "{property: score, not_between: [1, 2]}", "{property: score, in: [1, 12.5]}", "{property: score, is_not: 12}",
			// undeclared properties take the type of their use
			"{property: free_number, gte: 500}", "{property: free_number, is: 500.0}", "{property: free_number, is: '500'}", "{property: free_number, lt: '1000'}", "{property: free_text, is_not: 5}",
			"{property: birthday, is: 2027-05-10}",
			// booleans
			"{property: vip, is: true}", "{property: vip, is_not: false}",
			// enumerations
			"{property: interests, is: golf}", "{property: interests, in: [polo, chess]}", "{property: interests, not_in: [polo]}", "{property: interests, has_all: [golf, chess]}",
			"{property: interests, is_exactly: [chess, golf]}", "{property: interests, is_not_exactly: [golf]}", "{property: interests, contains: golf}", "{property: plan, is_exactly: gold}",
			// days: by the day in the zone
			"{property: birthday, is: today}", "{property: seen_at, is: 2027-05-10}", "{property: seen_at, before: 2027-05-11}", "{property: seen_at, after: 2027-05-09}",
			"{property: birthday, between: [2027-05-10, 2027-05-10]}", "{property: seen_at, between: ['2027-05-09T22:30:00Z', 2027-05-10]}", "{property: seen_at, before: now}",
			"{property: yesterday, lt: today}", "{property: tomorrow, gt: 2027-05-10}", "{property: seen_at, gte: 2027-05-10}", "{property: seen_at, lte: 2027-05-10}", "{property: tomorrow, not_between: [2027-05-01, 2027-05-10]}",
			// rolling
			"{property: birthday, within_last: 3d}", "{property: week_ago, within_last: 7d}", "{property: week_ago, more_than_ago: 6d}", "{property: week_ago, not_within_last: 6d}",
			"{property: new_at, within_last: 2d}", "{property: old_at, more_than_ago: 3d}", "{property: seen_at, within_last: 12h}", "{property: birthday, within_next: 1d}",
			"{property: tomorrow, within_next: 1d}", "{property: soon_at, within_next: 3d}", "{property: soon_at, more_than_ahead: 2d}", "{property: tomorrow, more_than_ahead: 0d}", "{property: tomorrow, not_within_last: 5d}",
			// spans of days in words
			"{property: yesterday, is: yesterday}", "{property: tomorrow, is: tomorrow}", "{property: birthday, is: this_week}", "{property: yesterday, is: last_week}", "{property: week_ago, is: last_week}",
			"{property: soon_at, is: this_week}", "{property: old_at, is: this_month}", "{property: seen_at, in: [last_month, this_quarter]}", "{property: birthday, between: [last_year, this_year]}",
			"{property: yesterday, before: this_week}", "{property: yesterday, after: last_month}", "{property: tomorrow, lt: next_week}", "{property: tomorrow, gte: this_week}", "{property: birthday, lte: this_quarter}",
			"{property: birthday, is_not: next_quarter}", "{property: birthday, is: this_fiscal_quarter}", "{property: birthday, is: this_fiscal_year}", "{property: birthday, after: last_fiscal_year}", "{property: in_april, is: this_quarter}", "{property: in_april, is: last_fiscal_quarter}",
			// history
			"{property: plan, was_ever: Free}", "{property: plan, was_never: silver}", "{property: plan, was_ever: [silver, gold]}", "{property: cleared, was_ever: {contains: ONC}}",
			"{property: plan, updated_within: 2d}", "{property: plan, not_updated_within: 1d}", "{property: country, was_ever: it}", "{property: cleared, updated_within: 1d}", "{property: nickname, was_never: x, empty: match}",
			"{property: plan, updated_after: 2027-05-07}", "{property: plan, updated_before: today}", "{property: plan, updated_after: last_month}", "{property: plan, updated_before: '2027-05-08T10:00:01Z'}",
			"{property: plan, updated_before: {property: cleared}}", "{property: cleared, updated_after: {property: plan}}", "{property: nickname, updated_before: today, empty: match}",
			"{property: plan, updated_after: {property: nickname}, empty: match}",
			// two properties
			"{property: company, is: {property: country}}", "{property: score, lt: {property: age}}", "{property: yesterday, before: {property: birthday}}", "{property: tomorrow, after: {property: seen_at}}",
			"{property: birthday, is: {property: seen_at}}", "{property: score, gt: {property: nickname}, empty: match}",
			// everything else
			"{list: vip}", "{not: {list: banned}}", "{workflow: welcome}", "{workflow: welcome, status: ever}", "{workflow: old, status: completed}",
			"{subscription: newsletter, is: opted_in}", "{subscription: other, is: not_specified}", "{form: trial}", "{form: trial, submitted: true}", "{form: contact-us, submitted: false}",
			"{event: page_viewed}", "{event: page_viewed, at_least: 3}", "{event: page_viewed, within: 1h}", "{event: page_viewed, where: {property: url, is: /pricing}, at_least: 2}",
			"{event: page_viewed, where: {all: [{property: url, is: /pricing}, {property: seconds, gte: 30}]}}", "{event: page_viewed, within: 1d, at_least: 2}",
			"{associated: company}", "{associated: company, label: employer}", "{associated: company, where: {property: employees, gt: 500}}", "{associated: company, label: employer, where: {property: country, is: IT}}",
			"{all: [{list: vip}, {any: [{list: x}, {property: country, is: IT}]}]}", "{property: id, is: 1}",
		},
		crm.No: {
			"{property: email, is: bob@example.com}", "{property: country, not_in: [it]}", "{property: email, not_contains: ada}",
			"{property: nickname, known: true}", "{property: nickname, is: x}", "{property: nickname, is_not: x}", "{property: nickname, not_in: [x]}", "{property: nickname, not_contains: x}",
			"{property: nickname, was_never: x}", "{property: nickname, not_updated_within: 1d}", "{property: nickname, not_within_last: 1d}", "{property: nickname, is_not_exactly: x}", "{property: nickname, not_between: [1, 2]}",
			"{property: score, gt: 12.5}", "{property: score, between: [13, 20]}", "{property: free_text, is: 5}", "{property: interests, is: Golf}", "{property: interests, is_exactly: [golf]}",
			"{property: interests, has_all: [golf, polo]}", "{property: interests, contains: gol}", "{property: seen_at, is: 2027-05-09}", "{property: birthday, before: today}", "{property: birthday, after: 2027-05-10}",
			"{property: new_at, within_last: 1d}", "{property: old_at, within_last: 3d}", "{property: tomorrow, within_last: 3d}", "{property: soon_at, within_next: 2d}", "{property: yesterday, within_next: 2d}", "{property: yesterday, more_than_ahead: 0d}",
			"{property: birthday, is: last_week}", "{property: yesterday, is: this_week}", "{property: birthday, is: yesterday}", "{property: birthday, before: this_week}", "{property: birthday, after: this_month}",
			"{property: birthday, is: last_fiscal_year}", "{property: birthday, before: this_fiscal_year, empty: match}", "{property: in_april, is: this_fiscal_quarter}", "{property: birthday, between: [next_month, next_year]}", "{property: nickname, is: this_month}", "{property: free_text, is: this_month}",
			"{property: plan, updated_before: 2027-05-08}", "{property: plan, updated_after: 2027-05-08}", "{property: plan, updated_after: this_week}", "{property: plan, updated_after: {property: cleared}}", "{property: plan, updated_before: {property: plan}}",
			"{property: nickname, updated_after: last_year}", "{property: plan, updated_before: {property: nickname}}",
			"{property: plan, was_ever: silver}", "{property: plan, was_never: gold}", "{property: plan, was_ever: free}", "{property: plan, updated_within: 1d}",
			"{property: score, gt: {property: nickname}}", "{property: nickname, is_not: {property: country}}", "{list: banned}", "{workflow: old}", "{workflow: welcome, status: goal_met}",
			"{subscription: newsletter, is: opted_out}", "{form: contact-us}", "{event: page_viewed, at_least: 4}", "{event: email_opened}", "{event: page_viewed, within: 10m}",
			"{associated: company, where: {all: [{property: employees, gt: 500}, {property: country, is: IT}]}}", // not one record that passes both
			"{associated: company, label: partner}", "{associated: deal}", "{not: {list: vip}}", "{all: [{list: vip}, {list: x}]}", "{any: [{list: x}, {list: y}]}",
		},
		crm.Unknown: {
			"{property: free_text, gt: 5}", "{not: {property: free_text, gt: 5}}", "{property: rank, was_ever: 1}", "{property: rank, was_never: 1}", "{property: rank, updated_within: 1d}",
			"{any: [{list: x}, {property: free_text, gt: 5}]}", "{all: [{list: vip}, {property: free_text, gt: 5}]}", "{event: page_viewed, where: {property: url, gt: 5}}",
			"{property: country, updated_within: 1d}", "{property: country, updated_before: today}", // changed before there was a history
			"{property: plan, updated_after: {property: country}}", "{property: rank, updated_before: today}", "{property: plan, updated_after: {property: rank}}",
		},
	}
	env := filterStore(t)
	for want, sources := range tests {
		for _, source := range sources {
			got, err := mustDecode[crm.Filter](t, source).Match(t.Context(), env)
			require.NoError(t, err, source)
			require.Equal(t, want, got, source)
		}
	}
	for want, source := range map[crm.Truth]string{
		crm.Yes: "{any: [{property: free_text, gt: 5}, {list: vip}]}", crm.No: "{all: [{property: free_text, gt: 5}, {list: x}]}",
	} {
		got, err := mustDecode[crm.Filter](t, source).Match(t.Context(), env)
		require.NoError(t, err)
		require.Equal(t, want, got, "unknown does not hide an answer: %s", source)
	}
}

func TestFiltersReadEvents(t *testing.T) {
	t.Parallel()
	env := filterStore(t)
	env.Event = &crm.Event{Properties: map[string]any{"url": "/Pricing", "seconds": json.Number("12.50"), "first": true, "tags": []any{"a", "b"}, "at": "2027-05-10T08:00:00Z"}}
	for _, source := range []string{
		"{property: url, is: /pricing}", "{property: seconds, is: 12.5}", "{property: seconds, gt: 12}", "{property: first, is: true}", "{property: tags, has_all: [a, b]}", "{property: tags, in: [b]}",
		"{property: at, within_last: 1d}", "{property: country, known: false}", "{any: [{property: url, contains: blog}, {not: {property: seconds, lt: 3}}]}",
	} {
		got, err := mustDecode[crm.EventFilter](t, source).Match(t.Context(), env)
		require.NoError(t, err)
		require.Equal(t, crm.Yes, got, source)
	}
	got, err := mustDecode[crm.EventFilter](t, "{property: url, was_ever: x}").Match(t.Context(), env)
	require.NoError(t, err)
	require.Equal(t, crm.Unknown, got)
	_, problems := decode[crm.EventFilter]("{all: [{property: url, is: x}, {list: vip}]}")
	require.Len(t, problems, 1)
	require.Contains(t, problems[0].Message, "only properties of the event")
	require.Empty(t, mustDecode[crm.EventFilter](t, "{property: url, is: x}").Properties())
}

func TestMissingFiltersMatch(t *testing.T) {
	t.Parallel()
	got, err := crm.Filter{}.Match(t.Context(), crm.FilterEnv{})
	require.NoError(t, err)
	require.Equal(t, crm.Yes, got)
}

func TestFiltersTellOfMissingRecords(t *testing.T) {
	t.Parallel()
	env := filterStore(t)
	env.Ref.ID = "404"
	_, err := mustDecode[crm.Filter](t, "{property: email, known: true}").Match(t.Context(), env)
	require.ErrorIs(t, err, crm.ErrNotFound)
}

func TestFilterMistakesStandAtTheirPlace(t *testing.T) {
	t.Parallel()
	tests := []struct {
		source string
		column int
		code   string
		says   string
		hint   string
	}{
		{"{property: email, iss: x}", 19, "unknown-key", "there is no operator iss", `did you mean "is"?`},
		{"{property: email, equals: x}", 19, "unknown-key", "there is no operator equals", "the operators are is, is_not"},
		{"{property: email}", 1, "missing-key", "does not say what email has to be", "add an operator"},
		{"{property: score, gt: 1, lt: 5}", 26, "many-operators", "gt and lt", "{all: […]}"},
		{"{property: 9lives, is: x}", 12, "wrong-value", "not a name of a property", ""},
		{"{property: email, is: [a, b]}", 23, "wrong-type", "expected a value", "in: […]"},
		{"{property: email, in: a}", 23, "wrong-type", "a list of values", "write [a]"},
		{"{property: email, in: []}", 23, "wrong-value", "at least one value", ""},
		{"{property: email, in: [a, {b: c}]}", 27, "wrong-type", "a value", ""},
		{"{property: email, is: {prop: country}}", 24, "unknown-key", "unknown key \"prop\"; allowed: property", ""},
		{"{property: email, known: yes}", 26, "wrong-type", "true or false", ""},
		{"{property: score, gt: many}", 23, "wrong-value", "a number, a date or a time", ""},
		{"{property: score, between: [1]}", 28, "wrong-value", "needs two values", ""},
		{"{property: score, between: [5, 1]}", 28, "wrong-value", "5 is greater than 1", "lesser value first"},
		{"{property: seen_at, before: 10.05.2027}", 29, "wrong-value", "needs a date", ""},
		{"{property: seen_at, before: 5}", 29, "wrong-value", "needs a date", ""},
		{"{property: seen_at, within_last: 3}", 34, "wrong-value", "not a duration", ""},
		{"{property: seen_at, within_last: -3d}", 34, "wrong-value", "negative", ""},
		{"{property: email, is: x, empty: pass}", 33, "not-allowed", "empty", ""},
		{"{property: plan, was_ever: {is: a, in: [b]}}", 28, "many-operators", "one operator", ""},
		{"{property: plan, was_ever: {gt: 1}}", 29, "unknown-key", "gt", ""},
		{"{propertie: email, is: x}", 2, "unknown-key", "propertie", `did you mean "property"?`},
		{"{list: vip, property: email}", 13, "many-operators", "list and property", "{all: […]}"},
		{"{list: vip, is: true}", 13, "unknown-key", `unknown key "is"`, ""},
		{"{list: [a]}", 8, "wrong-type", "text", ""},
		{"{all: []}", 7, "empty-group", "at least one filter", ""},
		{"{all: {list: x}}", 7, "wrong-type", "a list of filters", ""},
		{"{not: [{list: x}]}", 7, "wrong-type", "a filter", "{all: […]}"},
		{"{not: {list: x}, all: [{list: y}]}", 18, "many-operators", "not and all", ""},
		{"[{list: x}]", 1, "wrong-type", "a filter", "{all: […]}"},
		{"{}", 1, "empty-group", "the filter is empty", ""},
		{"{workflow: welcome, status: done}", 29, "not-allowed", "done", ""},
		{"{workflow: Welcome}", 12, "wrong-value", "lower-case", ""},
		{"{event: page_viewed, within: soon}", 30, "wrong-value", "not a duration", ""},
		{"{event: page_viewed, at_least: 0}", 32, "out-of-range", "less than 1", ""},
		{"{event: page_viewed, where: {list: x}}", 30, "wrong-value", "only properties of the event", ""},
		{"{associated: company, where: {property: x}}", 30, "missing-key", "does not say", ""},
		{"{subscription: newsletter}", 1, "missing-key", `"is"`, ""},
		{"{form: trial, submitted: no}", 26, "wrong-type", "true or false", "write false"},
	}
	for _, test := range tests {
		_, problems := decode[crm.Filter](test.source)
		require.Len(t, problems, 1, test.source)
		require.Equal(t, test.code, problems[0].Code, test.source)
		require.Contains(t, problems[0].Message, test.says, test.source)
		require.Equal(t, test.column, problems[0].Column, "%s: %s", test.source, problems[0].Message)
		require.Contains(t, problems[0].Hint, test.hint, test.source)
	}
	_, problems := decode[crm.Filter]("{any: [{property: a, iss: x}, {list: }, {all: []}]}")
	require.Len(t, problems, 3, "all of them at once")
}

func TestFiltersComeBackFromJSON(t *testing.T) {
	t.Parallel()
	source := `{"any":[{"property":"score","gte":12.50,"empty":"match"},{"not":{"event":"page_viewed","within":"7d","at_least":2,"where":{"property":"url","is":"<x>"}}},{"list":"vip"}]}`
	filter := mustDecode[crm.Filter](t, source)
	encoded, err := json.Marshal(filter)
	require.NoError(t, err)
	require.JSONEq(t, source, string(encoded))

	again, err := crm.ReadFilter(encoded)
	require.NoError(t, err)
	got, err := again.Match(t.Context(), filterStore(t))
	require.NoError(t, err)
	require.Equal(t, crm.Yes, got)
	_, err = crm.ReadFilter(json.RawMessage(`{"lists":"x"}`))
	require.ErrorIs(t, err, crm.ErrInvalid)
	none, err := crm.ReadFilter(json.RawMessage("null"))
	require.NoError(t, err)
	require.Nil(t, none)
}

func TestFiltersNameWhatTheyUse(t *testing.T) {
	t.Parallel()
	filter := mustDecode[crm.Filter](t, `
all:
  - {property: score, gt: {property: age}}
  - {associated: company, where: {any: [{property: employees, gte: 500}, {list: partners}]}}
  - {event: page_viewed, where: {property: url, is: x}}
  - {not: {workflow: welcome}}
  - {form: trial}
  - {subscription: newsletter, is: opted_in}
`)
	var uses []string
	for _, use := range filter.Properties() {
		uses = append(uses, use.Object+"."+use.Name+" "+use.Operator)
	}
	require.Equal(t, []string{".score gt", ".age gt", "company.employees gte"}, uses)
	require.Equal(t, schema.Pos{File: "test.yaml", Line: 3, Column: 16}, filter.Properties()[0].Pos)
	require.Equal(t, []string{"500"}, filter.Properties()[2].Operands)
	var references []string
	for _, reference := range filter.References() {
		kind, name := reference.Target()
		references = append(references, kind+" "+name)
		require.NotZero(t, reference.Pos().Line)
	}
	require.Equal(t, []string{"object company", "list partners", "event page_viewed", "workflow welcome", "form trial", "subscription newsletter"}, references)
}

func TestPropertyUsesAreCheckedAgainstTheirDeclaration(t *testing.T) {
	t.Parallel()
	catalog := filterStore(t).Catalog
	for source, says := range map[string]string{
		"{property: first_name, gt: 5}":                          "gt cannot be used on first_name, which is a string",
		"{property: score, contains: 1}":                         "contains cannot be used on score, which is a number",
		"{property: interests, in: [golf, plo]}":                 `"plo" is not an option`,
		"{property: score, is: many}":                            `"many" is not a number`,
		"{property: vip, is: yes}":                               "neither true nor false",
		"{property: birthday, is: soon}":                         "not a date or time",
		"{property: birthday, is: this_monht}":                   `"this_monht" is not a date or time; did you mean "this_month"?`,
		"{property: score, updated_after: this_month}":           "",
		"{property: rank, was_ever: 1}":                          "has no history",
		"{property: email, within_last: 1d}":                     "which is a string",
		"{property: interests, in: [golf]}":                      "",
		"{property: seen_at, between: [2027-05-10, now]}":        "",
		"{property: first_name, is: 5}":                          "",
		"{property: score, gt: {property: employees_of_nobody}}": "",
	} {
		var problems schema.Diagnostics
		for _, use := range mustDecode[crm.Filter](t, source).Properties() {
			if property, declared := catalog.Property("contact", use.Name); declared {
				use.Check(property, &problems)
			}
		}
		if says == "" {
			require.Empty(t, problems, source)
			continue
		}
		require.Len(t, problems, 1, source)
		require.Contains(t, problems[0].Message+"; "+problems[0].Hint, says, source)
	}
}

func TestExplainAnswersEveryTest(t *testing.T) {
	t.Parallel()
	findings, err := mustDecode[crm.Filter](t, "{all: [{list: x}, {not: {property: country, is: IT}}, {property: free_text, gt: 1}]}").Explain(t.Context(), filterStore(t))
	require.NoError(t, err)
	require.Len(t, findings, 3)
	require.Equal(t, crm.No, findings[0].Truth)
	require.JSONEq(t, `{"property":"country","is":"IT"}`, findings[1].Test)
	require.Equal(t, crm.Yes, findings[1].Truth)
	require.Equal(t, "unknown", findings[2].Truth.String())
}

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		"{property: email, is: x}", "{property: score, between: [1, 5]}", "{any: [{list: vip}, {not: {event: page_viewed, within: 7d}}]}", "{property: plan, was_ever: {in: [a]}}",
		"{associated: company, where: {property: a, gt: {property: b}}}", "{all: []}", "[]", "{property: x, within_last: 36525d}", "{property: seen_at, before: 9999-12-31}", "{property: a, is: }",
	} {
		f.Add(seed)
	}
	env := filterStore(f)
	f.Fuzz(func(t *testing.T, source string) {
		filter, problems := decode[crm.Filter](source)
		filter.Properties()
		filter.References()
		if len(problems) > 0 || filter.IsZero() {
			return
		}
		start := time.Now()
		truth, err := filter.Match(t.Context(), env)
		require.NoError(t, err)
		require.Less(t, time.Since(start), time.Second)
		encoded, err := json.Marshal(filter)
		require.NoError(t, err)
		again, err := crm.ReadFilter(encoded)
		require.NoError(t, err, "%s", encoded)
		twice, err := again.Match(t.Context(), env)
		require.NoError(t, err)
		require.Equal(t, truth, twice)
	})
}
