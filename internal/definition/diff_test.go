package definition

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/plan"
	"github.com/stretchr/testify/require"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	const (
		head  = "workflow: w\nobject: contact\n"
		a     = "  - {id: a, delay_set_amount: {for: 1d}}\n"
		b     = "  - {id: b, delay_set_amount: {for: 1d}}\n"
		c     = "  - {id: c, delay_set_amount: {for: 1d}}\n"
		d     = "  - {id: d, delay_set_amount: {for: 1d}}\n"
		fork  = "  - {id: fork, delay_until_event: {event: x, max_wait: 1d}}\n"
		forkD = "  - {id: fork, delay_until_event: {event: x, max_wait: 1d}, then: {timeout: [{id: d, delay_set_amount: {for: 1d}}]}}\n"
	)
	for name, test := range map[string]struct{ old, new, want string }{
		"nothing":                    {"actions:\n" + a + b, "# a comment\nactions:\n" + a + b, ""},
		"added":                      {"actions:\n" + a + c, "actions:\n" + a + b + c, "b added"},
		"removed to the next":        {"actions:\n" + a + b + c, "actions:\n" + a + c, "b removed to c"},
		"removed to the end":         {"actions:\n" + a + b, "actions:\n" + a, "b removed to "},
		"moved to the end":           {"actions:\n" + a + b + c + d, "actions:\n" + b + c + d + a, "a moved"},
		"moved to the front":         {"actions:\n" + a + b + c + d, "actions:\n" + d + a + b + c, "d moved"},
		"moved into a block":         {"actions:\n" + a + fork + d, "actions:\n" + a + forkD, "d moved"},
		"not moved under a new id":   {"actions:\n" + forkD, "actions:\n" + strings.ReplaceAll(forkD, "id: fork", "id: wait"), "wait added; fork removed to d"},
		"edited":                     {"actions:\n" + a, "actions:\n" + strings.ReplaceAll(a, "1d", "2d"), "a edited for 1d 2d"},
		"edited and moved":           {"actions:\n" + a + b + c, "actions:\n" + b + c + strings.ReplaceAll(a, "1d", "2d"), "a edited moved for 1d 2d"},
		"another kind":               {"actions:\n" + fork, "actions:\n" + strings.ReplaceAll(a, "id: a", "id: fork"), "fork edited kind delay_until_event delay_set_amount"},
		"around an added one":        {"actions:\n" + a + b + c, "actions:\n" + a + d + c + b, "d added; b moved"},
		"a placeholder that is done": {"actions:\n  - {id: a, placeholder: true}\n" + b, "actions:\n" + a + b, "a added"},
		"a jump":                     {"actions:\n" + a + b + "  - {go_to: a}\n", "actions:\n" + a + b + "  - {go_to: b}\n", "beside jumps, ends or what is sent"},
		"a label":                    {"actions:\n" + a, "actions:\n" + strings.ReplaceAll(a, "id: a", "id: a, label: A day"), "beside labels"},
		"the rest":                   {"actions:\n" + a, "name: W\ngoal: {property: email, known: true}\nactions:\n" + a, "beside goal, name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := compile(t, head+test.old)
			file, problems := Read("w.yaml", []byte(head+test.new), testKinds())
			require.False(t, problems.HasErrors(), "%v", problems)
			after, problems := Compile(file, nil)
			require.Empty(t, problems)
			after.Moved = Moved(before, after, nil)
			require.Equal(t, test.want, diffText(Diff(plan.Revision{Plan: before, Source: head + test.old}, file, after)))
		})
	}
}

func diffText(changes Changes) string {
	var lines []string
	for _, change := range changes.Actions {
		line := change.ID + " " + strings.Join(change.How, " ")
		if slices.Contains(change.How, Removed) {
			line += " to " + change.To
		}
		for _, field := range change.Fields {
			line += fmt.Sprintf(" %s %v %v", field.Name, field.Old, field.New)
		}
		lines = append(lines, line)
	}
	if len(changes.Beside) > 0 {
		lines = append(lines, "beside "+strings.Join(changes.Beside, ", "))
	}
	return strings.Join(lines, "; ")
}
