package crm_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
)

// scope is a contact with a company, an owner, outputs and an event.
func scope(t testing.TB) crm.Scope {
	t.Helper()
	store := oneContact(map[string]string{
		"first_name": "Ada <3", "email": "ada@example.com", "hubspot_owner_id": "u1", "score": "12.5", "renewal_date": "2027-06-01", "seen_at": "2027-05-09T22:30:00Z",
		"interests": "golf;chess", "vip": "true", "profile": `{"tags":["a","b"],"age":36}`,
	}).with(crm.Association{Ref: crm.Ref{Object: "company", ID: "7"}, Primary: true}, map[string]string{"name": "Acme", "employees": "500"})
	store.users = map[string]crm.User{"u1": {ID: "u1", Name: "Grace Hopper", Email: "grace@example.com", Team: "sales"}}
	catalog := crm.Builtin()
	catalog.Add(mustDecode[crm.Object](t, `
object: contact
properties:
  renewal_date: {type: date}
  seen_at: {type: datetime}
  interests: {type: enumeration, multiple: true}
  vip: {type: bool}
  profile: {type: json}
`))
	return crm.Scope{
		Records: store, Ref: crm.Ref{Object: "contact", ID: "1"}, Catalog: catalog,
		Account: crm.Account{Name: "Mill & Race", TimeZone: "Europe/Rome"},
		Now:     instant(t, "2027-05-10T07:00:00Z"),
		Outputs: map[string]json.RawMessage{"opened": json.RawMessage(`{"hs_event_criteria_met":"true","count":3}`)},
		Event:   map[string]any{"form_id": "trial", "amount": 9.5, "items": []any{"x", "y"}},
	}
}

func render(t testing.TB, source string) (string, []crm.Warning) {
	t.Helper()
	template, err := crm.ParseTemplate(source)
	require.NoError(t, err, source)
	text, warnings, err := template.Render(t.Context(), scope(t))
	require.NoError(t, err, source)
	return text, warnings
}

func TestTokensResolve(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"Hi {{ contact.first_name }}!":                "Hi Ada <3!",
		"{{record.email}} {{ contact.id }}":           "ada@example.com 1",
		"{{ company.name }}":                          "Acme",
		"{{ owner.first_name }} {{ owner.email }}":    "Grace grace@example.com",
		"{{ actions.opened.hs_event_criteria_met }}":  "true",
		"{{ actions.opened.count | plus: 0.1 }}":      "3.1",
		"{{ event.form_id }} {{ event.amount }}":      "trial 9.5",
		"{{ event.items[1] }} {{ event.items.size }}": "y 2",
		"{{ account.name }} {{ account.time_zone }}":  "Mill & Race Europe/Rome",
		"{{ now }}":                                                            "2027-05-10T07:00:00Z",
		`{{ now | date: "%d.%m.%Y %H:%M" }}`:                                   "10.05.2027 09:00", // in the account's zone
		`{{ contact.seen_at | date: "%A %-d %B" }}`:                            "Monday 10 May",
		`{{ contact.renewal_date | date: "%b %d" }}`:                           "Jun 01",
		"{{ contact.profile.tags[0] }}":                                        "a",
		`{{ contact["first_name"] }}`:                                          "Ada <3",
		`{{ contact.nickname | default: "there" }}`:                            "there",
		`{{ contact.first_name | default: "there" }}`:                          "Ada <3",
		"{% if contact.vip %}VIP{% endif %}":                                   "VIP",
		"{{ contact.interests | join: ', ' }}":                                 "golf, chess",
		"{% if contact.interests contains 'golf' %}y{% endif %}":               "y",
		"{% if contact.score > 12 and company.employees >= 500 %}y{% endif %}": "y",
		"{% if contact.renewal_date > now %}later{% else %}past{% endif %}":    "later",
		"{% if contact.nickname == blank %}none{% endif %}":                    "none",
		"{% unless deal.name %}no deal{% endunless %}":                         "no deal",
	} {
		got, warnings := render(t, source)
		require.Equal(t, want, got, source)
		require.Empty(t, warnings, source)
	}
}

func TestLiquidBlocks(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"{% if false %}a{% elsif nil %}b{% else %}c{% endif %}":                                                         "c",
		"{% case company.name %}{% when 'X' %}x{% when 'Y', 'Acme' %}a{% else %}e{% endcase %}":                         "a",
		"{% for i in (1..5) reversed limit: 3 offset: 1 %}{{ i }}{% unless forloop.last %},{% endunless %}{% endfor %}": "4,3,2",
		"{% for i in event.items %}{{ forloop.index }}{{ i }}{% else %}none{% endfor %}":                                "1x2y",
		"{% for i in contact.nothing %}x{% else %}none{% endfor %}":                                                     "none",
		"{% for i in (1..9) %}{% if i == 2 %}{% continue %}{% elsif i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}": "13",
		"{% assign x = 1 | plus: 2 %}{% capture y %}[{{ x }}]{% endcapture %}{{ y }}":                                   "[3]",
		"a {%- comment %} {{ never }} {% endcomment -%} b":                                                              "a  b",
		"{% raw %}{{ x }}{% if %}{% endraw %}":                                                                          "{{ x }}{% if %}",
		"a  {{- 1 -}}  b":                                                                                               "a1b",
		"{%- if true -%}  x  {%- endif -%}":                                                                             "x",
		"{{ '}}' }}{{ \"it's\" }}":                                                                                      "}}it's",
		"{{ 1 + 2 * 3 }} {{ (1 + 2) * 3 }} {{ 7 % 3 }} {{ -2 + 1 }} {{ 1 / 8 }}":                                        "7 9 1 -1 0.125",
		"{% if true or false and false %}y{% endif %}{% if not false %}z{% endif %}":                                    "yz",
		"{# not a tag #} { { } }":                                                                                       "{# not a tag #} { { } }",
	} {
		got, _ := render(t, source)
		require.Equal(t, want, got, source)
	}
}

func TestFunctions(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"abs(-10)": "10", "add(1, 2.5)": "3.5", "subtract(1, 2)": "-1", "multiply(1.1, 1.1)": "1.21", "divide(7, 2)": "3.5", "7 | divided_by: 2": "3",
		"7.0 | divided_by: 2": "3", "7.5 | divided_by: 2": "3.75", "-7 | modulo: 3": "2", "divisible(9, 3)": "true", "round(2.675, 2)": "2.68", "round(-2.5)": "-3",
		"root(2)": "1.4142135623730950488", "number(' 12.50 ')": "12.5", "2.1 | ceil": "3", "-2.1 | floor": "-3",
		`concat("a", 1, "b")`: "a1b", `join(event.items, "-")`: "x-y", `capitalize("henry FORD")`: "Henry ford", `title("o'neil van DYKE")`: "O'neil Van Dyke",
		`upper("é")`: "É", `lower("ÀB")`: "àb", `trim("  a ")`: "a", `cut("a-b-c", "-")`: "abc", `replace("aXbX", "X", "y")`: "ayby",
		`regex_replace("a1b22", "[0-9]+", "<$0>")`: "a<1>b<22>", `left("héllo", 2)`: "hé", `right("héllo", 2)`: "lo", `mid("héllo", 2, 3)`: "éll",
		`length("héllo")`: "5", `length(event.items)`: "2", `striptags("<p>a<br>b</p> 1 < 2")`: "ab 1 < 2", `truncate("abcdefgh", 5)`: "ab...",
		`"one two three" | truncatewords: 2`: "one two...", `"a,b" | split: "," | last`: "b", `"b,a,b" | split: "," | uniq | sort | reverse | join: ""`: "ba",
		`"10,9,8" | split: "," | sort | join: " "`: "8 9 10", `"abc" | slice: -2, 2`: "bc", `"abc" | slice: 1`: "b", `"a b" | url_encode`: "a+b",
		`"<b>" | escape`: "&lt;b&gt;", `contact.first_name | json`: `"Ada \u003c3"`, `format_datetime("2027-05-10T22:30:00Z", "EEEE d MMMM yyyy, HH:mm:ss 'o''clock' Z")`: "Tuesday 11 May 2027, 00:30:00 o'clock +0200",
		`format_datetime("2027-05-10T22:30:00Z", "yyyy-MM-dd h:mm a z", "America/New_York")`: "2027-05-10 6:30 PM EDT", `format_datetime("2027-05-10", "short")`: "5/10/27, 12:00 AM",
		`plus_time("2027-01-31", 1, "months")`: "2027-02-28", `plus_time("2027-03-27T11:00:00Z", 1, "day")`: "2027-03-28T10:00:00Z", `minus_time("2027-05-10", 2, "hours")`: "2027-05-09T20:00:00Z",
		`minus_time("2028-02-29", 1, "year")`: "2027-02-28", `unixtimestamp("2027-05-10T00:00:00Z")`: "1809907200000",
		`"2027-05-10" | date: "%j %U"`: "error", `date("soon", "%Y")`: "error", `divide(1, 0)`: "error", `upper(1, 2)`: "syntax", `add("a", 1)`: "error",
		`format_datetime("2027-05-10", "MMMM", "Europe/Rome", "en_US")`: "May", `format_datetime("2027-05-10", "MMMM", "", "it")`: "error",
		`"1,2,3" | split: "," | map: "size" | join: ""`: "111", `event.items | first`: "x", `nil | upcase`: "", `randomNumber(3, 3)`: "3",
	} {
		formula, err := crm.ParseFormula(source)
		if want == "syntax" {
			require.ErrorIs(t, err, crm.ErrInvalid, source)
			continue
		}
		require.NoError(t, err, source)
		value, _, err := formula.Resolve(t.Context(), scope(t))
		if want == "error" {
			require.ErrorIs(t, err, crm.ErrInvalid, source)
			continue
		}
		require.NoError(t, err, source)
		require.Equal(t, want, crm.Text(value), source)
	}
}

func TestRandomNumbersAreDrawnOncePerAttempt(t *testing.T) {
	t.Parallel()
	first, _ := render(t, "{{ randomNumber(1, 1000000) }} {{ randomNumber(-5, 0) }}")
	again, _ := render(t, "{{ randomNumber(1, 1000000) }} {{ randomNumber(-5, 0) }}")
	require.Equal(t, first, again)
	two, _ := render(t, "{{ randomNumber(1, 1000000) }} {{ randomNumber(1, 1000000) }}")
	one, other, _ := strings.Cut(two, " ")
	require.NotEqual(t, one, other)
}

func TestEmptyTokensWarn(t *testing.T) {
	t.Parallel()
	text, warnings := render(t, `Hi {{ contact.nickname }}, {{ contact.nickname }} {{ deal.name | upcase }} {{ nonsense.x }}{{ contact.nickname | default: "" | upcase }}`)
	require.Equal(t, "Hi ,   ", text)
	require.Equal(t, []crm.Warning{{Token: "contact.nickname"}, {Token: "deal.name | upcase"}, {Token: "nonsense.x"}}, warnings)
	require.Equal(t, "{{ contact.nickname }} is empty", warnings[0].String())
}

func TestHTMLEscapesValuesAndNothingElse(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"<b>{{ contact.first_name }}</b>":                                             "<b>Ada &lt;3</b>",
		"{{ contact.first_name | escape }}":                                           "Ada &lt;3",
		"{{ contact.first_name | safe }}":                                             "Ada <3",
		"{{ '<a>\n<b>' | newline_to_br }}":                                            "&lt;a&gt;<br>\n&lt;b&gt;",
		"{% capture x %}<i>{{ contact.first_name }}</i>{% endcapture %}{{ x }}":       "<i>Ada &lt;3</i>",
		"{% assign x = contact.first_name %}{{ x }}{{ contact.first_name | upcase }}": "Ada &lt;3ADA &lt;3",
	} {
		template, err := crm.ParseTemplate(source)
		require.NoError(t, err)
		text, _, err := template.RenderHTML(t.Context(), scope(t))
		require.NoError(t, err)
		require.Equal(t, want, text, source)
	}
}

func TestRecordsAreReadLazilyAndOnce(t *testing.T) {
	t.Parallel()
	s := scope(t)
	store := s.Records.(*records)
	template, err := crm.ParseTemplate("{{ contact.email }}{{ record.score }}{{ owner.email }}")
	require.NoError(t, err)
	_, _, err = template.Render(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, 1, store.gets)

	s.Ref.ID = "404"
	_, _, err = template.Render(t.Context(), s)
	require.ErrorIs(t, err, crm.ErrNotFound)
}

func TestTemplatesNameTheirTokens(t *testing.T) {
	t.Parallel()
	template := mustDecode[crm.Template](t, "|\n  Hi {{ contact.first_name | default: owner.name }}\n  {% assign x = actions[\"opened\"].count %}{{ x }} {% for i in event.items %}{{ i.name }}{% endfor %}{{ contact[company.name] }}\n")
	var found []string
	for _, token := range template.Tokens() {
		found = append(found, token.String())
		require.Equal(t, token.String() == "contact", token.Cut, token)
	}
	require.Equal(t, []string{"contact.first_name", "owner.name", "actions.opened.count", "event.items", "company.name", "contact"}, found)
	require.Equal(t, schema.Pos{File: "test.yaml", Line: 2, Column: 9}, template.Tokens()[0].Pos)
	require.Equal(t, schema.Pos{File: "test.yaml", Line: 3, Column: 17}, template.Tokens()[2].Pos)
}

func TestSyntaxErrorsStandAtTheirPlace(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]struct {
		column int
		says   string
		hint   string
	}{
		`"Hi {{ contact.first_name | upcas }}"`: {29, "no filter or function upcas", "did you mean upcase?"},
		`"Hi {{ contact. }}"`:                   {17, "expected a name, found the end", ""},
		`"Hi {{ contact.name"`:                  {5, "`{{` has no closing `}}`", ""},
		`"{% if x %}y"`:                         {5, "{% if %} has no {% endif %}", ""},
		`"{% endif %}"`:                         {5, "{% endif %} has nothing to belong to", ""},
		`"{% include 'x' %}"`:                   {5, "cannot include", ""},
		`"{% loop %}"`:                          {5, "there is no tag loop", ""},
		`"{% break %}"`:                         {5, "outside of a loop", ""},
		`"{{ 'a }}"`:                            {5, "no closing quote", ""},
		`"{{ a | plus }}"`:                      {9, "plus takes 2 values", ""},
		`"{{ a b }}"`:                           {7, "expected nothing more, found `b`", ""},
		`"{{ a & b }}"`:                         {7, `unexpected '&'`, ""},
		`"{{ 1 | round: 1, 2, 3 }}"`:            {9, "round takes 1 to 2 values", ""},
		`"{% for in x %}{% endfor %}"`:          {12, "expected `in`, found `x`", ""},
		`"{% raw %}x"`:                          {5, "{% raw %} has no {% endraw %}", ""},
	} {
		_, problems := decode[crm.Template](source)
		require.Len(t, problems, 1, source)
		require.Contains(t, problems[0].Message, want.says, source)
		require.Equal(t, want.column, problems[0].Column, "%s: %s", source, problems[0].Message)
		require.Equal(t, want.hint, problems[0].Hint, source)
	}
}

func TestHostileTemplatesStop(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		"{% for i in (1..1000000) %}{% for j in (1..1000000) %}x{% endfor %}{% endfor %}",
		"{% for i in (1..2000000000) %}{% endfor %}",
		"{% assign a = 'xxxxxxxxxx' %}{% for i in (1..1000) %}{% assign a = a | append: a %}{% endfor %}",
		"{% capture a %}xxxxxxxx{% endcapture %}{% for i in (1..1000) %}{% capture a %}{{ a }}{{ a }}{% endcapture %}{% endfor %}",
		"{% assign a = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' %}{% for i in (1..1000) %}{% assign a = a | replace: 'a', a %}{% endfor %}",
		"{% assign a = 'a,a,a,a' | split: ',' %}{% for i in (1..1000) %}{% assign a = a | concat: a, a %}{% endfor %}",
		"{% assign n = 2 %}{% for i in (1..1000) %}{% assign n = n | times: n %}{% endfor %}",
		"{% for i in (1..1000000) %}{{ contact.nothing }}{% endfor %}",
		"{{ 'a' | regex_replace: '((((a{99}){99}){99}){99})', 'b' }}",
	} {
		template, err := crm.ParseTemplate(source)
		require.NoError(t, err, source)
		start := time.Now()
		_, _, err = template.Render(t.Context(), scope(t))
		require.ErrorIs(t, err, crm.ErrInvalid, source)
		require.Less(t, time.Since(start), 10*time.Second, source)
	}
	for _, source := range []string{strings.Repeat("{% if x %}", 1000), "{{ " + strings.Repeat("(", 100_000) + " }}", "{{ " + strings.Repeat("- ", 50_000) + "1 }}", strings.Repeat("x", 300_000)} {
		_, err := crm.ParseTemplate(source)
		require.ErrorIs(t, err, crm.ErrInvalid)
	}
}

func TestValuesKeepTheirType(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]any{
		"5.50":                               number(t, "5.5"),
		"true":                               true,
		`"5"`:                                "5",
		`"{{ contact.score }}"`:              number(t, "12.5"),
		`"{{ contact.vip }}"`:                true,
		`"{{ contact.renewal_date }}"`:       date(t, "2027-06-01"),
		`"{{ contact.seen_at }}"`:            instant(t, "2027-05-09T22:30:00Z"),
		`"{{ contact.interests }}"`:          []any{"golf", "chess"},
		`"{{ contact.score | plus: 1 }}"`:    number(t, "13.5"),
		`"{{ contact.score }} points"`:       "12.5 points",
		`"{{ contact.nickname }}"`:           nil,
		`"{{ contact }}"`:                    "contact/1",
		`["{{ contact.score }}", a]`:         []any{number(t, "12.5"), "a"},
		`{a: "{{ contact.email }}", b: [1]}`: map[string]any{"a": "ada@example.com", "b": []any{number(t, "1")}},
		`"{{ event.amount }}"`:               number(t, "9.5"),
		`"{{ actions.opened.count }}"`:       number(t, "3"),
		`"{% if contact.vip %}1{% endif %}"`: "1",
	} {
		value := mustDecode[crm.Value](t, source)
		got, _, err := value.Resolve(t.Context(), scope(t))
		require.NoError(t, err, source)
		require.Equal(t, want, got, source)

		encoded, err := json.Marshal(value)
		require.NoError(t, err)
		again := mustDecode[crm.Value](t, string(encoded))
		twice, _, err := again.Resolve(t.Context(), scope(t))
		require.NoError(t, err)
		require.Equal(t, want, twice, "%s came back from JSON as %s", source, encoded)
	}
}

func TestValueKnowsWhetherItIsALiteral(t *testing.T) {
	t.Parallel()
	literal, known := mustDecode[crm.Value](t, "{a: [1, x]}").Literal()
	require.True(t, known)
	require.Equal(t, map[string]any{"a": []any{number(t, "1"), "x"}}, literal)
	_, known = mustDecode[crm.Value](t, `{a: ["{{ now }}"]}`).Literal()
	require.False(t, known)
	require.Equal(t, "now", mustDecode[crm.Value](t, `{a: ["{{ now }}"]}`).Tokens()[0].String())
}

func TestMissingTextsAreNullAndEmptyOnesAreNot(t *testing.T) {
	t.Parallel()
	for _, pair := range []struct {
		value any
		want  string
	}{
		{crm.Template{}, "null"}, {mustDecode[crm.Template](t, `""`), `""`}, {crm.Value{}, "null"}, {mustDecode[crm.Value](t, `""`), `""`},
		{crm.Filter{}, "null"}, {crm.ListName{}, "null"}, {crm.Date{}, "null"}, {crm.Formula{}, "null"}, {crm.Sort{}, "null"},
	} {
		encoded, err := json.Marshal(pair.value)
		require.NoError(t, err)
		require.Equal(t, pair.want, string(encoded), "%T", pair.value)
	}
}

func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{
		"Hi {{ contact.first_name | default: 'x' }}", "{% for i in (1..3) %}{{ i }}{% endfor %}", "{% case a %}{% when 1, 2 %}{% else %}{% endcase %}",
		"{% if a == b and c contains 'x' or not d %}{% elsif e %}{% endif %}", "{{ a[1].b['c'] | slice: 1, 2 | truncate: 3 }}", "{% raw %}{{{% endraw %}",
		"{% assign x = 1 + 2 * -3 %}{% capture y %}{{- x -}}{% endcapture %}", "{{ 'a' | date: '%Y%-' }}{{ now | format_datetime: \"yyyy''\" }}", "{{", "{%", "{{}}", "{%%}", "{{-}}", "{%-%}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, source string) {
		template, err := crm.ParseTemplate(source)
		if err != nil {
			require.ErrorIs(t, err, crm.ErrInvalid)
			return
		}
		text, _, err := template.RenderHTML(t.Context(), scope(t))
		if err != nil {
			require.ErrorIs(t, err, crm.ErrInvalid)
		}
		require.LessOrEqual(t, len(text), 1<<20)
	})
}

// FuzzValues puts whatever records hold through whatever filters templates have.
func FuzzValues(f *testing.F) {
	for _, seed := range [][2]string{
		{"{{ contact.notes | truncate: 3 | upcase | escape }}", "é\x00\u202e😀"}, {"{{ contact.notes | plus: 1 | divided_by: 3 | round: 2 }}", "1e308"},
		{"{{ contact.notes | date: '%A %B %e %Y' }}{{ contact.notes | plus_time: 1, 'month' }}", "2024-02-29T23:59:59Z"}, {"{{ contact.notes | split: ',' | join: ';' | size }}", ",,,"},
		{"{{ contact.notes | times: contact.notes | times: contact.notes }}", "99999999999999999999"}, {"{% for x in contact.notes %}{{ x }}{% endfor %}", "abc"},
		{"{{ contact.notes | regex_replace: '(a+)+$', 'b' | replace: 'a', contact.notes }}", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"}, {"{{ contact.notes | striptags | url_encode }}", "<a <b <c"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, source, value string) {
		template, err := crm.ParseTemplate(source)
		if err != nil {
			return
		}
		holding := scope(t)
		holding.Records = oneContact(map[string]string{"notes": value, "first_name": value, "score": value})
		text, _, err := template.Render(t.Context(), holding)
		if err != nil {
			require.ErrorIs(t, err, crm.ErrInvalid)
		}
		require.LessOrEqual(t, len(text), 1<<20)
	})
}
