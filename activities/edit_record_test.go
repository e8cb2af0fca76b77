package activities

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

func TestEditRecordChangesTheEnrolledRecord(t *testing.T) {
	t.Parallel()
	b := newBench(t, `edit_record: {
  set: {plan: gold, renewal: 2027-05-10, vip: true, score: "{{ contact.notes | plus: 1 }}", city: "of {{ contact.first_name }}"},
  append: {interests: [golf, skiing]}, remove: {source: web}, clear: [country], copy: {message: first_name}, increment: {}}`)
	b.set(map[string]string{"notes": "41", "interests": "skiing;chess", "country": "IT"})
	_, err := b.run()
	requirePermanent(t, err, "invalid-value") // source is no multiple choice
	require.Empty(t, b.property(ada, "plan"), "all or nothing")

	b = newBench(t, `edit_record: {
  set: {plan: gold, renewal: 2027-05-10, vip: true, message: "of {{ contact.first_name }}", score: "{{ contact.notes }}"},
  append: {interests: [golf, skiing]}, clear: [country], copy: {city: first_name}}`)
	b.set(map[string]string{"notes": "41", "interests": "skiing;chess", "country": "IT"})
	b.ok()
	for property, want := range map[string]string{
		"plan": "gold", "renewal": "2027-05-10", "vip": "true", "message": "of Ada", "score": "41",
		"interests": "skiing;chess;golf", "country": "", "city": "Ada",
	} {
		require.Equal(t, want, b.property(ada, property), property)
	}
	history, err := b.store.History(t.Context(), ada, "plan")
	require.NoError(t, err)
	require.Equal(t, "w/contact/51/1/a1/1", history[0].Source)
	require.True(t, monday.Equal(history[0].At))
}

func TestEditRecordRemoveAndIncrement(t *testing.T) {
	t.Parallel()
	b := newBench(t, `edit_record: {remove: {interests: [golf, chess]}, increment: {score: "{{ contact.notes }}"}}`)
	b.set(map[string]string{"interests": "skiing;chess", "notes": "-3"})
	b.ok()
	b.ok()
	require.Equal(t, "skiing", b.property(ada, "interests"))
	require.Equal(t, "-3", b.property(ada, "score"), "one visit, one change")
}

func TestEditRecordOnAssociatedRecords(t *testing.T) {
	t.Parallel()
	b := newBench(t, `edit_record: {on: {associated: company}, set: {description: "of {{ contact.first_name }}"}, increment: {employees: 1}}`)
	b.ok()
	require.Equal(t, []string{"no target record"}, b.journal(plan.JournalSkipped))
	for _, id := range []string{"1", "2", "3"} {
		company := crm.Ref{Object: "company", ID: id}
		b.record(company, map[string]string{"employees": "9"})
		if id != "3" {
			b.associate(company, "")
		}
	}
	b.ok(func(call *plan.Call) { call.Visit = 2 })
	for id, want := range map[string]string{"1": "10 of Ada", "2": "10 of Ada", "3": "9 "} {
		company := crm.Ref{Object: "company", ID: id}
		require.Equal(t, want, b.property(company, "employees")+" "+b.property(company, "description"))
	}
}

func TestEditRecordNarrowed(t *testing.T) {
	t.Parallel()
	b := newBench(t, `edit_record: {on: {associated: company, label: Partner}, set: {city: Rome}}`)
	for id, label := range map[string]string{"1": "Partner", "2": "Client"} {
		b.record(crm.Ref{Object: "company", ID: id}, nil)
		b.associate(crm.Ref{Object: "company", ID: id}, label)
	}
	b.ok()
	require.Equal(t, "Rome", b.property(crm.Ref{Object: "company", ID: "1"}, "city"))
	require.Empty(t, b.property(crm.Ref{Object: "company", ID: "2"}, "city"))
}

func TestEditRecordOnTheFirstOfTheAssociated(t *testing.T) {
	t.Parallel()
	b := newBench(t, `edit_record: {on: {associated: company, sort: employees desc, limit: 2}, set: {city: Rome}}`)
	for id, employees := range map[string]string{"1": "5", "2": "", "3": "900", "4": "40"} {
		b.record(crm.Ref{Object: "company", ID: id}, map[string]string{"employees": employees})
		b.associate(crm.Ref{Object: "company", ID: id}, "")
	}
	require.JSONEq(t, `{"updated_ids":["company/3","company/4"]}`, string(b.ok().Output))
	require.Equal(t, []string{"changed 2"}, b.journal(plan.JournalSucceeded))
}

func TestEditRecordOnlyIfEmpty(t *testing.T) {
	t.Parallel()
	b := newBench(t, `edit_record: {only_if_empty: true, on: {associated: company}, set: {city: Rome, zip: "00184"}, increment: {employees: 1}, copy: {country: country}}`)
	b.set(map[string]string{"country": "IT"})
	empty, full := crm.Ref{Object: "company", ID: "1"}, crm.Ref{Object: "company", ID: "2"}
	b.record(empty, map[string]string{"city": "Milan"})
	b.record(full, map[string]string{"city": "Turin", "zip": "10121", "employees": "3", "country": "FR"})
	b.associate(empty, "")
	b.associate(full, "")
	require.JSONEq(t, `{"updated_ids":["company/1"]}`, string(b.ok().Output))
	for property, want := range map[string]string{"city": "Milan Turin", "zip": "00184 10121", "employees": "1 3", "country": "IT FR"} {
		require.Equal(t, want, b.property(empty, property)+" "+b.property(full, property))
	}
	options := newBench(t, `edit_record: {only_if_empty: true, append: {interests: golf}}`)
	options.set(map[string]string{"interests": "chess"})
	require.JSONEq(t, `{"updated_ids":[]}`, string(options.ok().Output))
	require.Equal(t, "chess", options.property(ada, "interests"))
}

func TestEditRecordDatesFromNowOn(t *testing.T) {
	t.Parallel()
	late := time.Date(2027, 3, 27, 23, 30, 0, 0, time.UTC) // in Rome it is the 28th, when the clocks change
	for config, want := range map[string]string{
		`renewal: "{{ now }}"`:                            "2027-03-28",
		`renewal: "{{ now | plus_time: 3, 'days' }}"`:     "2027-03-31",
		`renewal: "{{ now | minus_time: 1, 'month' }}"`:   "2027-02-28",
		`seen: "{{ now }}"`:                               "2027-03-27T23:30:00Z",
		`seen: "{{ now | plus_time: 1, 'day' }}"`:         "2027-03-28T22:30:00Z",
		`seen: "{{ now | plus_time: 24, 'hours' }}"`:      "2027-03-28T23:30:00Z",
		`renewal: "{{ 'today' | plus_time: 1, 'week' }}"`: "2027-04-04",
	} {
		property, _, _ := strings.Cut(config, ":")
		b := newBench(t, "edit_record: {set: {"+config+"}}")
		b.ok(arrived(late))
		require.Equal(t, want, b.property(ada, property), config)
	}
}

func TestEditRecordFailures(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]string{
		"not an option":          "set: {plan: platinum}",
		"not a number":           "set: {score: ten}",
		"not a date":             "set: {renewal: soon}",
		"read-only":              "set: {grade: a}",
		"unknown":                "set: {colour: red}",
		"unknown to clear":       "clear: [colour]",
		"append to one choice":   "append: {plan: gold}",
		"append no option":       "append: {interests: tennis}",
		"increment of a text":    "increment: {first_name: 1}",
		"increment by no number": `increment: {score: "{{ contact.first_name }}"}`,
		"filter that cannot":     `set: {city: "{{ contact.first_name | divided_by: 0 }}"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := newBench(t, "edit_record: {"+config+"}").run()
			requirePermanent(t, err, "invalid-value")
		})
	}
}

func TestEditRecordEmptyTokenClears(t *testing.T) {
	t.Parallel()
	b := newBench(t, `edit_record: {set: {first_name: "{{ contact.last_name }}"}}`)
	b.ok()
	require.Empty(t, b.property(ada, "first_name"))
	require.Equal(t, []string{"{{ contact.last_name }} is empty"}, b.journal(plan.JournalWarning))
}

func TestEditRecordCopies(t *testing.T) {
	t.Parallel()
	values := map[string]string{
		"first_name": "Ada", "score": "1.5", "renewal": "2027-05-10", "seen": "2027-05-10T22:30:00Z", "vip": "true",
		"plan": "gold", "interests": "golf;chess", "phone": "+39 1",
	}
	for name, test := range map[string]struct{ to, from, want string }{
		"text to text":            {"city", "first_name", "Ada"},
		"text to number":          {"score", "first_name", "-"},
		"number to text":          {"city", "score", "1.5"},
		"number to date":          {"renewal", "score", "-"},
		"date to datetime":        {"seen", "renewal", "2027-05-10T00:00:00Z"},
		"datetime to date":        {"renewal", "seen", "2027-05-10"},
		"date to text":            {"city", "renewal", "-"},
		"bool to text":            {"city", "vip", "true"},
		"options to text":         {"city", "interests", "golf;chess"},
		"option that is not one":  {"interests", "plan", "-"},
		"phone to text":           {"city", "phone", "+39 1"},
		"nothing empties":         {"first_name", "last_name", ""},
		"read-only as the source": {"city", "grade", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "edit_record: {copy: {"+test.to+": "+test.from+"}}")
			b.set(values)
			_, err := b.run()
			if test.want == "-" {
				requirePermanent(t, err, "invalid-value")
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, b.property(ada, test.to))
		})
	}
}

func TestEditRecordOutsideAWorkspace(t *testing.T) {
	t.Parallel()
	b := newBench(t, `edit_record: {set: {colour: red}, append: {tags: new}, increment: {count: 2}}`).outside()
	b.ok()
	require.Equal(t, "red new 2", b.property(ada, "colour")+" "+b.property(ada, "tags")+" "+b.property(ada, "count"))
}

func TestEditRecordCheck(t *testing.T) {
	t.Parallel()
	requireProblems(t, "edit_record: {}", "missing-key")
	requireProblems(t, "edit_record: {set: {plan: gold}, clear: [plan]}", "duplicate-property")
	requireProblems(t, "edit_record: {set: [plan]}", "wrong-type")
	requireProblems(t, "edit_record: {copy: city}", "wrong-type")
	requireProblems(t, "edit_record: {increment: {score: many}}", "wrong-type")
	requireProblems(t, "edit_record: {set: {1x: gold}}", "wrong-value")
	requireProblems(t, "edit_record: {only_if_empty: true, clear: [city]}", "wrong-value")
}

func TestEditRecordNamesItsProperties(t *testing.T) {
	t.Parallel()
	_, config, _ := decode(t, "edit_record: {set: {name: Acme}, copy: {city: country}, clear: [zip], on: {associated: company}}")
	var uses []string
	for _, use := range config.(editRecordConfig).Properties() {
		require.Positive(t, use.Pos.Line)
		uses = append(uses, use.Operator+" "+use.Object+"."+use.Name)
	}
	require.Equal(t, []string{"write company.name", "write company.city", " .country", "write company.zip"}, uses)
}

// TestEditRecordCopyMatrix is the table of semantics §3.4, and what it leaves to us.
func TestEditRecordCopyMatrix(t *testing.T) {
	t.Parallel()
	from := map[string]string{
		"notes": "Rome", "phone": "+39 06", "score": "42", "renewal": "2027-05-10", "seen": "2027-05-10T22:30:00Z", "vip": "true", "plan": "gold", "interests": "skiing;golf",
	}
	want := map[string]map[string]string{
		"notes":     {"job_title": "Rome", "mobile_phone": "Rome"},
		"phone":     {"job_title": "+39 06", "mobile_phone": "+39 06"},
		"score":     {"job_title": "42", "points": "42"},
		"renewal":   {"until": "2027-05-10", "at": "2027-05-10T00:00:00Z"},
		"seen":      {"until": "2027-05-10", "at": "2027-05-10T22:30:00Z"},
		"vip":       {"job_title": "true", "agreed": "true"},
		"plan":      {"job_title": "gold", "tier": "gold", "tiers": "gold"},
		"interests": {"job_title": "skiing;golf", "hobbies": "skiing;golf"},
	}
	for source, value := range from {
		for _, target := range []string{"job_title", "mobile_phone", "points", "until", "at", "agreed", "tier", "tiers", "hobbies"} {
			b := newBench(t, "edit_record: {copy: {"+target+": "+source+"}}")
			b.declare(crm.Properties{
				{Name: "points", Type: crm.TypeNumber}, {Name: "until", Type: crm.TypeDate}, {Name: "at", Type: crm.TypeDatetime}, {Name: "agreed", Type: crm.TypeBool},
				{Name: "tier", Type: crm.TypeEnumeration, Options: []crm.Option{{Value: "gold"}}},
				{Name: "tiers", Type: crm.TypeEnumeration, Multiple: true, Options: []crm.Option{{Value: "gold"}}},
				{Name: "hobbies", Type: crm.TypeEnumeration, Multiple: true, Options: []crm.Option{{Value: "skiing"}, {Value: "golf"}}},
			})
			b.set(map[string]string{source: value})
			_, err := b.run()
			if wanted, fits := want[source][target]; fits {
				require.NoError(t, err, "%s to %s", source, target)
				require.Equal(t, wanted, b.property(ada, target), "%s to %s", source, target)
				continue
			}
			requirePermanent(t, err, "invalid-value")
		}
	}
}

func TestEditRecordFromNow(t *testing.T) {
	t.Parallel()
	b := newBench(t, `edit_record: {from_now: {renewal: {in: 30d}, seen: {in: 1d, time: "09:00", days: [fri]}}}`)
	b.ok()
	require.Equal(t, "2027-02-03", b.property(ada, "renewal"))
	require.Equal(t, "2027-01-08T08:00:00Z", b.property(ada, "seen"))

	b = newBench(t, `edit_record: {from_now: {score: {in: 30d}}}`)
	_, err := b.run()
	requirePermanent(t, err, "invalid-value")
	requireProblems(t, `edit_record: {from_now: {renewal: {}}}`, "missing-key")
	requireProblems(t, `edit_record: {from_now: {renewal: 30d}}`, "wrong-type")
	requireProblems(t, `edit_record: {from_now: {renewal: {in: 3d}}, set: {renewal: "2027-01-01"}}`, "duplicate-property")
}

func TestEditRecordAppendsACopy(t *testing.T) {
	t.Parallel()
	b := newBench(t, `edit_record: {append: {interests: "{{ contact.hobbies }}"}}`)
	b.declare(crm.Properties{{Name: "hobbies", Type: crm.TypeEnumeration, Multiple: true}})
	b.set(map[string]string{"interests": "chess", "hobbies": "golf;chess"})
	b.ok()
	require.Equal(t, "chess;golf", b.property(ada, "interests"))
}

func TestEditRecordKeepsWhatIsRequiredAndUnique(t *testing.T) {
	t.Parallel()
	b := newBench(t, `edit_record: {set: {email: bob@example.com}}`)
	b.record(crm.Ref{Object: "contact", ID: "52"}, map[string]string{"email": "Bob@example.com"})
	_, err := b.run()
	requirePermanent(t, err, "duplicate-value")

	b = newBench(t, `edit_record: {clear: [nickname]}`)
	b.declare(crm.Properties{{Name: "nickname", Required: true}})
	_, err = b.run()
	requirePermanent(t, err, "invalid-value")
}

// declare adds properties of contacts to the catalog.
func (b *bench) declare(properties crm.Properties) {
	b.t.Helper()
	known, err := b.store.Catalog(b.t.Context())
	require.NoError(b.t, err)
	catalog := crm.NewCatalog()
	for _, name := range known.Objects() {
		object, _ := known.Object(name)
		catalog.Add(object)
	}
	catalog.Add(crm.Object{Name: "contact", Properties: properties})
	b.publish(store.Publication{Catalog: catalog})
}
