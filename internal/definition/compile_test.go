package definition

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/golden"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
	"github.com/stretchr/testify/require"
)

func compile(t *testing.T, source string) *plan.Plan {
	t.Helper()
	file, problems := Read("w.yaml", []byte(source), testKinds())
	problems = append(problems, file.Check(nil)...)
	require.False(t, problems.HasErrors(), "%v", problems)
	compiled, problems := Compile(file, nil)
	require.Empty(t, problems)
	return compiled
}

func TestEqualDefinitionsHaveEqualPlans(t *testing.T) {
	t.Parallel()
	first := compile(t, "workflow: w\nobject: contact\nactions:\n  - id: a\n    delay_set_amount: {for: 1d, business_days_only: false}\n")
	same := compile(t, "# a comment\nobject: contact\nworkflow: w\nactions: [{delay_set_amount: {for: 24h0m}, id: a, comment: x}, {end: {}}]\n")
	require.NotEqual(t, first.Hash, same.Hash, "a day is not 24 hours, and the end is drawn")
	same = compile(t, "# a comment\nobject: contact\nworkflow: w\nactions: [{delay_set_amount: {for: 1d}, id: a, comment: x}]\n")
	require.Equal(t, first, same)

	labelled := compile(t, "workflow: w\nobject: contact\nactions: [{id: a, label: Wait, delay_set_amount: {for: 1d}}]\n")
	require.NotEqual(t, first.Hash, labelled.Hash)
	require.Equal(t, first.Nodes["a"].Hash, labelled.Nodes["a"].Hash, "a label edits no action")
	edited := compile(t, "workflow: w\nobject: contact\nactions: [{id: a, delay_set_amount: {for: 2d}}]\n")
	require.NotEqual(t, first.Nodes["a"].Hash, edited.Nodes["a"].Hash)
	other := compile(t, "workflow: other\nobject: contact\nactions: [{id: a, delay_set_amount: {for: 1d}}]\n")
	require.NotEqual(t, first.Hash, other.Hash)
}

// TestFoldedEditsAreHandedWhatTheyRead reads outputs in the folded edits only, one of them twice.
func TestFoldedEditsAreHandedWhatTheyRead(t *testing.T) {
	t.Parallel()
	compiled := compile(t, `workflow: w
object: contact
actions:
  - {id: z, adjust_number_property: {property: score, by: 1}}
  - {id: b, adjust_number_property: {property: score, by: 1}}
  - {id: pause, delay_set_amount: {for: 1m}}
  - {id: one, edit_record: {property: memo, value: none}}
  - {id: two, edit_record: {property: memo, value: "{{ actions.z.value }} {{ actions.b.value }}"}}
  - {id: three, edit_record: {property: note, value: "{{ actions.z.value }}"}}
`)
	require.Equal(t, []string{"two", "three"}, compiled.Nodes["one"].Folded)
	require.Equal(t, []string{"b", "z"}, compiled.Nodes["one"].Reads)
	require.Nil(t, compiled.Nodes["pause"].Reads)
}

func TestCompiledConfigsDecodeAgain(t *testing.T) {
	t.Parallel()
	compiled := compile(t, `workflow: w
object: contact
actions:
  - id: a
    delay_until_event: {event: page_viewed, where: {property: url, contains: pricing}, max_wait: 1w2d3h}
  - id: b
    edit_record: {property: note, value: "{{ contact.email }}", on: {associated: company, sort: name desc}}
`)
	for id, node := range compiled.Nodes {
		kind, known := findKind(testKinds(), node.Kind)
		require.True(t, known)
		source, problems := schema.Parse(id+".json", node.Config)
		require.Empty(t, problems)
		config, problems := kind.Decode(source)
		require.Empty(t, problems)
		require.JSONEq(t, string(node.Config), string(mustJSON(config)))
	}
}

func TestPlanThatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	source := "workflow: w\nobject: contact\nactions:\n"
	for i := range 1000 {
		source += fmt.Sprintf("  - {id: %s%d, delay_set_amount: {for: 1d}}\n", strings.Repeat("x", 40), i)
	}
	file, problems := Read("w.yaml", []byte(source), testKinds())
	require.Empty(t, problems)
	_, problems = Compile(file, nil)
	require.Len(t, problems, 1)
	require.Equal(t, "plan-too-large", problems[0].Code)
	require.Equal(t, schema.Pos{File: "w.yaml", Line: 3, Column: 1}, schema.Pos{File: problems[0].File, Line: problems[0].Line, Column: problems[0].Column})
	require.Equal(t, problems, file.Check(nil))
	_, found, err := ReadWorkspace(fstest.MapFS{WorkspaceFile: {}, "workflows/w.yaml": {Data: []byte(source)}}, testKinds())
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, "plan-too-large", found[0].Code)

	file, problems = Read("w.yaml", []byte(source+"  - {go_to: nowhere}\n"), testKinds())
	require.Empty(t, problems)
	for _, one := range file.Check(nil) {
		require.NotEqual(t, "plan-too-large", one.Code, "when nothing else is wrong")
	}
}

func TestTagsOfTheLanguageAreSound(t *testing.T) {
	t.Parallel()
	for _, value := range []any{File{}, frame{}, crm.Email{}, Message{}, List{}, Calendar{}, Connection{}, people{}} {
		require.NotPanics(t, func() { schema.CheckType(reflect.TypeOf(value)) })
	}
	var keys []string
	for _, row := range strings.Split(schema.Markdown(reflect.TypeFor[frame]()), "\n")[2:] {
		if row == "" {
			continue
		}
		if key := strings.Split(row, "`")[1]; !strings.Contains(key, ".") { // at.time stands within at
			keys = append(keys, key)
		}
	}
	require.Equal(t, keys, frameKeys)
}

func TestJSONSchemaDescribesDefinitions(t *testing.T) {
	t.Parallel()
	text, err := json.MarshalIndent(JSONSchema(testKinds()), "", "  ")
	require.NoError(t, err)
	golden.Equal(t, "testdata/schema.json", string(text)+"\n")
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"workflow: w\nobject: contact\nactions:\n  - id: a\n    delay_set_amount: {for: 1d}\n  - {go_to: a, max_visits: 2}\n",
		"workflow: w\nobject: contact\nactions: [{id: a, branch_and_or: {branches: [{name: x, when: {property: y, is: z}}]}, then: {x: [{end: {}}]}}]\n",
		"workflow: w\nobject: contact\nenroll: {on: [{event: x}]}\nsettings: {windows: [{from: '09:00', to: '10:00'}]}\nactions: [{id: a, placeholder: true}, {go_to: a}]\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, source string) {
		file, problems := Read("w.yaml", []byte(source), testKinds())
		problems = append(problems, file.Check(nil)...)
		if problems.HasErrors() {
			return
		}
		compiled, problems := Compile(file, nil)
		if problems.HasErrors() {
			return
		}
		for _, node := range compiled.Nodes {
			for _, edge := range append([]plan.Edge{node.Next}, edges(node)...) {
				for e := &edge; e != nil; e = e.Else {
					_, known := compiled.Nodes[e.To]
					require.True(t, known || e.To == "", "edge to %q", e.To)
				}
			}
		}
	})
}

func edges(node plan.Node) []plan.Edge {
	var all []plan.Edge
	for _, edge := range node.Edges {
		all = append(all, edge)
	}
	return all
}

func TestCallsByALimitedChannelHaveAQueueOfTheirOwn(t *testing.T) {
	t.Parallel()
	source := "workflow: w\nobject: contact\nactions:\n  - {id: call, send_webhook: {url: 'https://example.com'}}\n  - {id: mail, send_email: {email: hi}}\n"
	of := func(settings string) *plan.Plan {
		workspace, problems, err := ReadWorkspace(fstest.MapFS{
			WorkspaceFile: {Data: []byte(settings)}, "emails/hi.md": {Data: []byte("---\nsubject: Hi\n---\nHi.\n")},
			"workflows/w.yaml": {Data: []byte(source)},
		}, testKinds())
		require.NoError(t, err)
		require.Empty(t, problems)
		compiled, problems := Compile(workspace.Definition("w"), workspace)
		require.Empty(t, problems)
		return compiled
	}
	free, limited := of("time_zone: UTC\n"), of("quotas: {webhook: {limit: 20, per: 1s}}\n")
	require.Equal(t, "millrace-webhook", limited.Nodes["call"].Queue)
	require.Equal(t, free.Nodes["mail"], limited.Nodes["mail"])
	require.Empty(t, free.Nodes["call"].Queue)
	require.Equal(t, free.Nodes["call"].Hash, limited.Nodes["call"].Hash, "a quota edits no action")
	require.Equal(t, []string{"quotas"}, besides(free, limited))
	require.Equal(t, of("quotas: {webhook: {limit: 1, per: 1h}}\n"), limited, "another pace is no other plan")
}
