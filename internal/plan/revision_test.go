package plan

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// revision is one whose nodes are named; "x>y" is a deleted node with its destination, "x=>y" a line of the map.
func revision(policy, nodes string) Revision {
	published := Revision{InFlight: policy, Plan: &Plan{Hash: nodes, Nodes: map[string]Node{}}}
	for _, word := range strings.Fields(nodes) {
		if from, to, mapped := strings.Cut(word, "=>"); mapped {
			if published.Migrate == nil {
				published.Migrate = map[string]string{}
			}
			published.Migrate[from] = to
		} else if from, to, deleted := strings.Cut(word, ">"); deleted {
			if published.Plan.Moved == nil {
				published.Plan.Moved = map[string]string{}
			}
			published.Plan.Moved[from] = to
		} else {
			published.Plan.Nodes[word] = Node{}
		}
	}
	return published
}

func TestFollowWalksOverRevisions(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		newer []Revision
		hash  string // of the plan to go on by; "" = the one in hand
		moved map[string]string
	}{
		"none newer":                      {nil, "", nil},
		"the newest":                      {[]Revision{revision(InFlightFollow, "a"), revision(InFlightFollow, "a b")}, "a b", nil},
		"up to a pin":                     {[]Revision{revision(InFlightFollow, "a"), revision(InFlightPin, "b"), revision(InFlightFollow, "c")}, "a", nil},
		"none over a pin":                 {[]Revision{revision(InFlightPin, "b")}, "", nil},
		"a map empties what is there":     {[]Revision{revision(InFlightMigrate, "a b c a=>c")}, "a b c a=>c", map[string]string{"a": "c"}},
		"a map to the end":                {[]Revision{revision(InFlightMigrate, "a b a=>")}, "a b a=>", map[string]string{"a": ""}},
		"a later revision deletes the to": {[]Revision{revision(InFlightMigrate, "a b a=>b"), revision(InFlightFollow, "a c b>c")}, "a c b>c", map[string]string{"a": "c", "b": "c"}},
		"two maps, one after the other":   {[]Revision{revision(InFlightMigrate, "a b a=>b"), revision(InFlightMigrate, "a b c b=>c")}, "a b c b=>c", map[string]string{"a": "c", "b": "c"}},
		"away and back again":             {[]Revision{revision(InFlightMigrate, "a b a=>b"), revision(InFlightMigrate, "a b b=>a ")}, "a b b=>a ", map[string]string{"b": "a"}},
		"a map of before is over":         {[]Revision{revision(InFlightFollow, "a b")}, "a b", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			followed := Follow(test.newer)
			if test.hash == "" {
				require.Nil(t, followed)
				return
			}
			require.Equal(t, test.hash, followed.Hash)
			require.Equal(t, test.moved, followed.Moved)
		})
	}
	shared := []Revision{revision(InFlightMigrate, "a b a=>b")}
	Follow(shared)
	require.Nil(t, shared[0].Plan.Moved, "plans are shared and stay as they are")
}
