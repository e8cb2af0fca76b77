package testsuite_test

import (
	"testing"
	"time"

	"github.com/millrace/millrace/testsuite"
	"github.com/stretchr/testify/require"
)

const threeEdits = `
-- objects/contact.yaml --
object: contact
properties:
  - {name: points, type: number}
  - {name: tier, type: enumeration, options: [gold, silver]}
-- workflows/journey.yaml --
workflow: journey
object: contact
actions:
  - {id: one, adjust_number_property: {property: points, by: 1}}
  - {id: two, edit_record: {set: {tier: "{{ contact.first_name }}"}}}
  - {id: three, edit_record: {increment: {points: 10}}}
  - {id: check, branch_and_or: {branches: [{name: full, when: {property: points, is: 11}}]}}
`

func simulateEdits(t *testing.T, name string) testsuite.Simulated {
	t.Helper()
	publication := compiled(t, threeEdits)
	require.Equal(t, []string{"two", "three"}, publication.Definitions[0].Plan.Nodes["one"].Folded)
	shown, err := testsuite.Simulate(t.Context(), testsuite.Simulation{
		Workspace: publication, Workflow: "journey", Start: time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC),
		Record: testsuite.SimulatedRecord{Object: "contact", ID: "1", Properties: map[string]any{"first_name": name}},
	})
	require.NoError(t, err)
	return shown
}

// TestAdjacentEditsAreOneCallAndAStepEach folds three edits; nobody can tell from what is written down.
func TestAdjacentEditsAreOneCallAndAStepEach(t *testing.T) {
	t.Parallel()
	shown := simulateEdits(t, "gold")
	require.Equal(t, []string{"one next", "two next", "three next", "check full"}, ports(shown))
}

// TestFoldedEditThatFailsKeepsNoOtherFromItsOwn has an edit in the middle whose value does not fit.
func TestFoldedEditThatFailsKeepsNoOtherFromItsOwn(t *testing.T) {
	t.Parallel()
	shown := simulateEdits(t, "Ada")
	require.Equal(t, []string{"one next", "two failed", "three next", "check full"}, ports(shown))
	require.Contains(t, shown.Steps[1].Note, "invalid-value")
}

// TestFoldedEditReadsOutputs has an edit behind another read what an action before both left.
func TestFoldedEditReadsOutputs(t *testing.T) {
	t.Parallel()
	shown, err := testsuite.Simulate(t.Context(), testsuite.Simulation{
		Workspace: compiled(t, `
-- objects/contact.yaml --
object: contact
properties: [{name: points, type: number}, {name: memo, type: string}]
-- workflows/journey.yaml --
workflow: journey
object: contact
actions:
  - {id: one, adjust_number_property: {property: points, by: 7}}
  - {id: pause, delay_set_amount: {for: 1m}}
  - {id: two, edit_record: {set: {city: Rome}}}
  - {id: three, edit_record: {set: {memo: "{{ actions.one.new_value }}"}}}
  - {id: check, branch_and_or: {branches: [{name: full, when: {property: memo, is: "7"}}]}}
`), Workflow: "journey", Start: time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC),
		Record: testsuite.SimulatedRecord{Object: "contact", ID: "1"},
	})
	require.NoError(t, err)
	require.Equal(t, []string{"one next", "pause next", "two next", "three next", "check full"}, ports(shown))
}

func ports(shown testsuite.Simulated) (lines []string) {
	for _, step := range shown.Steps {
		lines = append(lines, step.Node+" "+step.Port)
	}
	return lines
}

// TestFoldedEditsGoThroughAWindowTogether has edits wait for the same opening, of which each drew another minute.
func TestFoldedEditsGoThroughAWindowTogether(t *testing.T) {
	t.Parallel()
	shown, err := testsuite.Simulate(t.Context(), testsuite.Simulation{
		Workspace: compiled(t, `
-- workflows/journey.yaml --
workflow: journey
object: contact
settings: {windows: [{from: "10:00", to: "18:00"}]}
actions:
  - {id: one, edit_record: {set: {city: Rome}}}
  - {id: two, edit_record: {set: {state: Lazio}}}
  - {id: three, edit_record: {set: {country: Italy}}}
  - {id: four, edit_record: {set: {zip: "00100"}}}
  - {id: five, edit_record: {set: {language: it}}}
`), Workflow: "journey", Seed: 3, Start: time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC),
		Record: testsuite.SimulatedRecord{Object: "contact", ID: "1"},
	})
	require.NoError(t, err)
	require.Equal(t, []string{"one next", "two next", "three next", "four next", "five next"}, ports(shown))
	opening := shown.Steps[1].At
	require.WithinRange(t, opening, time.Date(2027, 3, 1, 10, 0, 0, 0, time.UTC), time.Date(2027, 3, 1, 10, 15, 0, 0, time.UTC))
	for _, step := range shown.Steps[2:] {
		require.Equal(t, opening, step.At, step.Node)
	}
}
