package definition

import (
	"testing"

	"github.com/millrace/millrace/internal/plan"
	"github.com/stretchr/testify/require"
)

const (
	movedHead  = "workflow: w\nobject: contact\nactions:\n"
	movedA     = "  - {id: a, delay_set_amount: {for: 1d}}\n"
	movedB     = "  - {id: b, delay_set_amount: {for: 1d}}\n"
	movedC     = "  - {id: c, delay_set_amount: {for: 1d}}\n"
	movedEdits = `  - {id: e1, edit_record: {property: city, value: Rome}}
  - {id: e2, edit_record: {property: city, value: Rome}}
  - {id: e3, edit_record: {property: city, value: Rome}}
`
)

func TestDeletedActionsPassTheirPeopleOn(t *testing.T) {
	t.Parallel()
	branching := `  - id: wait
    delay_until_event: {event: x, max_wait: 1d}
    then:
      event: [{id: happy, delay_set_amount: {for: 1d}}]
      timeout: [{id: late, delay_set_amount: {for: 1d}}]
  - id: size
    branch_and_or: {branches: [{name: big, when: {property: employees, gte: 5}}]}
    then:
      big: [{id: big, delay_set_amount: {for: 1d}}]
      none_met: [{end: {}}]
`
	for name, test := range map[string]struct {
		old, new string
		want     map[string]string
	}{
		"nothing deleted":                     {movedA + movedB, movedA + movedB, nil},
		"to the next":                         {movedA + movedB + movedC, movedA + movedC, map[string]string{"b": "c"}},
		"over deleted ones":                   {movedA + movedB + movedC, movedC, map[string]string{"a": "c", "b": "c"}},
		"to the end":                          {movedA + movedB, movedA, map[string]string{"b": ""}},
		"by timeout and none_met to the end":  {branching + movedA, movedA, map[string]string{"wait": "", "happy": "", "late": "", "size": "", "big": "a"}},
		"into the block that is still there":  {branching, "  - {id: late, delay_set_amount: {for: 1d}}\n", map[string]string{"wait": "late", "happy": "", "size": "", "big": ""}},
		"to the end from a deleted circle":    {movedA + movedB + "  - {go_to: a}\n", movedC, map[string]string{"a": "", "b": ""}},
		"moved elsewhere is not deleted":      {movedA + movedB, movedB + movedA, nil},
		"to an edit that was folded":          {movedA + movedEdits + movedC, "  - {id: e2, edit_record: {property: city, value: Rome}}\n" + movedC, map[string]string{"a": "e2", "e1": "e2", "e3": "c"}},
		"over folded edits":                   {movedA + movedEdits + movedC, movedC, map[string]string{"a": "c", "e1": "c", "e2": "c", "e3": "c"}},
		"along a jump to what is still there": {movedC + movedA + movedB + "  - {go_to: c}\n", movedC, map[string]string{"a": "c", "b": "c"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, Moved(compile(t, movedHead+test.old), compile(t, movedHead+test.new), nil))
		})
	}
	require.Nil(t, Moved(nil, compile(t, movedHead+movedA), nil))
}

func TestMovedIsCumulative(t *testing.T) {
	t.Parallel()
	revise := func(old *plan.Plan, source string) *plan.Plan {
		revised := compile(t, movedHead+source)
		revised.Moved = Moved(old, revised, nil)
		return revised
	}
	first := revise(nil, movedA+movedB+movedC)
	second := revise(first, movedA+movedC)
	require.Equal(t, map[string]string{"b": "c"}, second.Moved)
	third := revise(second, movedA+"  - {id: d, delay_set_amount: {for: 1d}}\n")
	require.Equal(t, map[string]string{"b": "", "c": ""}, third.Moved)
	fourth := revise(third, movedA+movedB)
	require.Equal(t, map[string]string{"c": "", "d": ""}, fourth.Moved, "who is back needs no destination")
	again := revise(fourth, movedA+movedB)
	require.Equal(t, fourth, again)
}

func TestTheMapOfThePublisherGoesBeforeTheFallThrough(t *testing.T) {
	t.Parallel()
	first := compile(t, movedHead+movedA+movedB+movedC)
	second := compile(t, movedHead+movedA+movedC)
	second.Moved = Moved(first, second, map[string]string{"b": "a", "c": ""})
	require.Equal(t, map[string]string{"b": "a"}, second.Moved, "who stands in what is still there is not moved for ever")
	third := compile(t, movedHead+movedC)
	require.Equal(t, map[string]string{"a": "", "b": ""}, Moved(second, third, map[string]string{"a": ""}), "also for who was moved there before")
}
