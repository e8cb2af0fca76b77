package crm_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
)

func TestTargetsResolve(t *testing.T) {
	t.Parallel()
	store := oneContact(map[string]string{"email": "ada@example.com"}).
		with(crm.Association{Ref: crm.Ref{Object: "company", ID: "1"}, Primary: true}, map[string]string{"employees": "90", "name": "b"}).
		with(crm.Association{Ref: crm.Ref{Object: "company", ID: "2"}, Labels: []string{"partner"}}, map[string]string{"employees": "100", "name": "A"}).
		with(crm.Association{Ref: crm.Ref{Object: "company", ID: "3"}, Labels: []string{"partner", "x"}}, map[string]string{"name": "c"}).
		with(crm.Association{Ref: crm.Ref{Object: "deal", ID: "9"}}, nil)
	contact := crm.Ref{Object: "contact", ID: "1"}
	store.associations[contact] = append(store.associations[contact], crm.Association{Ref: crm.Ref{Object: "company", ID: "404"}})
	for source, want := range map[string][]string{
		"{}":                                    {"contact/1"},
		"{associated: company}":                 {"company/1", "company/2", "company/3"},
		"{associated: company, primary: true}":  {"company/1"},
		"{associated: company, label: partner}": {"company/2", "company/3"},
		"{associated: company, sort: employees desc, limit: 2}": {"company/2", "company/1"},
		"{associated: company, sort: employees}":                {"company/1", "company/2", "company/3"}, // without a value: last
		"{associated: company, sort: name asc}":                 {"company/2", "company/1", "company/3"},
		"{associated: ticket}":                                  nil,
	} {
		var target crm.Target
		if source != "{}" {
			target = mustDecode[crm.Target](t, source)
		}
		found, err := target.Resolve(t.Context(), store, crm.Builtin(), contact)
		require.NoError(t, err)
		var got []string
		for _, record := range found {
			got = append(got, record.Ref.String())
		}
		require.Equal(t, want, got, source)

		encoded, err := json.Marshal(target)
		require.NoError(t, err)
		if !target.IsZero() {
			again := mustDecode[crm.Target](t, string(encoded))
			require.Equal(t, target.Sort.String(), again.Sort.String())
		}
	}
	_, err := crm.Target{}.Resolve(t.Context(), store, nil, crm.Ref{Object: "contact", ID: "404"})
	require.ErrorIs(t, err, crm.ErrNotFound)
}

func TestTargetsAreChecked(t *testing.T) {
	t.Parallel()
	for source, says := range map[string]string{
		"{label: x}": "associated", "{associated: company, sort: name up}": "asc or PROPERTY desc", "{associated: company, limit: -1}": "less than 0",
	} {
		_, problems := decode[crm.Target](source)
		require.Len(t, problems, 1, source)
		require.Contains(t, problems[0].Message, says)
	}
	target := mustDecode[crm.Target](t, "{associated: company, sort: name desc}")
	require.Equal(t, "company", target.Object("contact"))
	require.Equal(t, "contact", crm.Target{}.Object("contact"))
	require.Equal(t, "name", target.Properties()[0].Name)
	require.Equal(t, 29, target.Properties()[0].Pos.Column)
}
