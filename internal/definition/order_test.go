package definition

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOrderIsThatOfPeople(t *testing.T) {
	t.Parallel()
	compiled := compile(t, `workflow: w
object: contact
actions:
  - id: wait
    delay_until_event: {event: x, max_wait: 1d}
    then:
      timeout: [{id: late, delay_set_amount: {for: 1d}}]
      event: [{id: happy, delay_set_amount: {for: 1d}}]
  - id: size
    branch_and_or: {branches: [{name: small, when: {property: employees, lt: 5}}, {name: big, when: {property: employees, gte: 5}}]}
    then:
      none_met: [{id: ask, delay_set_amount: {for: 1d}}, {go_to: wait, max_visits: 2}]
      small: [{go_to: last}]
      big: [{id: big, delay_set_amount: {for: 1d}}]
  - {id: first-edit, edit_record: {property: a, value: b}}
  - {id: second-edit, edit_record: {property: b, value: c}}
  - {id: last, delay_set_amount: {for: 1d}}
`)
	require.Equal(t, "wait happy late size big ask first-edit second-edit last", strings.Join(Order(compiled), " "))
	require.Len(t, compiled.Nodes, 9)
}
