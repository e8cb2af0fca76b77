package publish

import (
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

// MapFile is where diagnostics about the publisher's map point: line N is its Nth entry.
const MapFile = "--map"

// toEnd is how a map sends people out of the workflow: they complete it.
const toEnd = "end"

// revising is a workflow whose definition changed.
type revising struct {
	workflow         string
	latest, compiled *plan.Plan
}

// readMap reads the publisher's map of actions, whose entries are FROM=TO or WORKFLOW/FROM=TO: FROM is an action of the
// latest revision, TO one of the new revision, or `end`. It returns the maps by workflow. Codes: bad-map,
// unknown-workflow, unknown-action, ambiguous-action, duplicate-action.
func readMap(entries []string, revised []revising) (map[string]map[string]string, schema.Diagnostics) {
	var problems schema.Diagnostics
	migrate := map[string]map[string]string{}
	for i, entry := range entries {
		fail := func(column int, code, format string, args ...any) *schema.Diagnostic {
			return problems.Errorf(schema.Pos{File: MapFile, Line: i + 1, Column: column + 1}, code, format, args...)
		}
		from, to, both := strings.Cut(entry, "=")
		if !both || from == "" || to == "" {
			fail(0, "bad-map", "the map needs FROM=TO").Hint = "as in week=offer, or week=end for those who shall leave"
			continue
		}
		column := 0
		candidates := revised
		if workflow, action, named := strings.Cut(from, "/"); named {
			from, column = action, len(workflow)+1
			candidates = slices.DeleteFunc(slices.Clone(revised), func(one revising) bool { return one.workflow != workflow })
			if len(candidates) == 0 {
				fail(0, "unknown-workflow", "no workflow %q changes", workflow).Hint = "the map is about what this push changes; `millrace move` sends people elsewhere without one"
				continue
			}
		}
		holders := slices.DeleteFunc(slices.Clone(candidates), func(one revising) bool { _, there := one.latest.Nodes[from]; return !there })
		switch len(holders) {
		case 1:
		case 0:
			fail(column, "unknown-action", "no workflow that changes had an action %q", from).Hint = suggestion(from, candidates, func(one revising) *plan.Plan { return one.latest })
			continue
		default:
			fail(column, "ambiguous-action", "several workflows that change had an action %q", from).Hint = "name the workflow: " + holders[0].workflow + "/" + entry
			continue
		}
		one := holders[0]
		if _, twice := migrate[one.workflow][from]; twice {
			fail(column, "duplicate-action", "the action %q is mapped twice", from)
			continue
		}
		destination := to
		if _, there := one.compiled.Nodes[to]; !there {
			if to != toEnd {
				fail(strings.Index(entry, "=")+1, "unknown-action", "the new revision of %s has no action %q", one.workflow, to).
					Hint = suggestion(to, holders, func(one revising) *plan.Plan { return one.compiled })
				continue
			}
			destination = ""
		}
		if destination == from {
			fail(column, "bad-map", "this leads from %q to itself", from).Hint = "who is not in the map follows the new revision"
			continue
		}
		if migrate[one.workflow] == nil {
			migrate[one.workflow] = map[string]string{}
		}
		migrate[one.workflow][from] = destination
	}
	return migrate, problems
}

func suggestion(wrong string, among []revising, published func(revising) *plan.Plan) string {
	var known []string
	for _, one := range among {
		known = slices.AppendSeq(known, maps.Keys(published(one).Nodes))
	}
	if word := schema.Suggest(wrong, known); word != "" {
		return `did you mean "` + word + `"?`
	}
	return ""
}
