package activities

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

var firstCompany = crm.Ref{Object: "company", ID: "1"}

const byName = `create_association: {to_type: company, match: {enrolled_property: company, candidate_property: name}, label: employer}`

func TestCreateAssociationWithEveryMatch(t *testing.T) {
	t.Parallel()
	b := newBench(t, byName)
	b.set(map[string]string{"company": "Acme"})
	for i, name := range []string{"acme", "Acme", "Acme Ltd", ""} {
		b.record(crm.Ref{Object: "company", ID: strconv.Itoa(i + 1)}, map[string]string{"name": name})
	}
	require.JSONEq(t, `{"associated_ids":["company/1","company/2"]}`, string(b.ok().Output))
	require.Equal(t, [][]string{{"employer"}, {"employer"}}, b.labels())
	second := b.ok(func(call *plan.Call) { call.Visit = 2 })
	require.JSONEq(t, `{"associated_ids":[]}`, string(second.Output), "who is associated stays so")
}

func TestCreateAssociationLabelsWhatWasAssociated(t *testing.T) {
	t.Parallel()
	b := newBench(t, byName)
	b.companies("partner")
	b.set(map[string]string{"company": "Company 1"})
	require.JSONEq(t, `{"associated_ids":["company/1"]}`, string(b.ok().Output))
	require.Equal(t, [][]string{{"partner", "employer"}}, b.labels())
}

func TestCreateAssociationNeverMatchesEmptyWithEmpty(t *testing.T) {
	t.Parallel()
	b := newBench(t, byName)
	b.record(firstCompany, nil)
	b.ok()
	require.Empty(t, b.attached("company"))
	require.Equal(t, []string{"no record matches"}, b.journal(plan.JournalSkipped))
}

func TestCreateAssociationNotWithItself(t *testing.T) {
	t.Parallel()
	b := newBench(t, `create_association: {to_type: contact, match: {enrolled_property: city, candidate_property: city}}`)
	b.set(map[string]string{"city": "Rome"})
	b.ok()
	require.Equal(t, []string{"no record matches"}, b.journal(plan.JournalSkipped))
	b.record(crm.Ref{Object: "contact", ID: "52"}, map[string]string{"city": "rome"})
	b.ok(func(call *plan.Call) { call.Visit = 2 })
	require.Equal(t, []string{"contact/52"}, b.attached("contact"))
}

func TestCreateAssociationCreatesWhatIsMissing(t *testing.T) {
	t.Parallel()
	b := newBench(t, `create_association: {to_type: company, match: {enrolled_property: company, candidate_property: name}, create_only: false}`)
	b.set(map[string]string{"company": "Acme"})
	for range 2 {
		require.JSONEq(t, `{"associated_ids":["company/1"],"created":"company/1"}`, string(b.ok().Output))
	}
	require.Equal(t, "Acme", b.property(firstCompany, "name"))
	require.Equal(t, []string{"company/1"}, b.attached("company"))
}

func TestCreateAssociationOfAssociatedRecords(t *testing.T) {
	t.Parallel()
	b := newBench(t, `create_association: {from_type: company, to_type: deal, match: {enrolled_property: name, candidate_property: name}}`)
	b.companies("", "")
	b.record(crm.Ref{Object: "deal", ID: "7"}, map[string]string{"name": "Company 2"})
	b.ok()
	deals, err := b.store.Associated(t.Context(), crm.Ref{Object: "company", ID: "2"}, "deal")
	require.NoError(t, err)
	require.Len(t, deals, 1)
	require.Empty(t, b.attached("deal"))
}

func TestCreateAssociationWithTooManyFails(t *testing.T) {
	t.Parallel()
	b := newBench(t, byName)
	b.set(map[string]string{"company": "Acme"})
	for i := range maxMatches + 1 {
		b.record(crm.Ref{Object: "company", ID: fmt.Sprint(i + 1)}, map[string]string{"name": "Acme"})
	}
	_, err := b.run()
	requirePermanent(t, err, "too-many")
	require.Empty(t, b.attached("company"))
}

func TestCreateAssociationIsChecked(t *testing.T) {
	t.Parallel()
	requireProblems(t, `create_association: {to_type: company, match: {enrolled_property: company}}`, "missing-key")
	const source = "workflow: w\nobject: contact\nactions:\n  - {id: a, create_association: {to_type: company, match: {enrolled_property: OURS, candidate_property: THEIRS}}}\n"
	require.Empty(t, inWorkspace(t, source, "OURS", "first_name", "THEIRS", "name"))
	for ours, theirs := range map[string]string{"domain": "domain", "email": "first_name"} {
		problems := inWorkspace(t, source, "OURS", ours, "THEIRS", theirs)
		require.Len(t, problems, 1)
		require.Equal(t, "unknown-property", problems[0].Code)
	}
}
