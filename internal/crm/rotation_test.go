package crm

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// turns chooses n times.
func turns(r *Rotation, n int, shares ...Share) string {
	var chosen []string
	for range n {
		chosen = append(chosen, r.Next("roster", shares))
	}
	return strings.Join(chosen, " ")
}

func TestRotationSpreadsEvenly(t *testing.T) {
	t.Parallel()
	a, b, c := Share{User: "a", Weight: 1}, Share{User: "b", Weight: 1}, Share{User: "c", Weight: 1}
	require.Equal(t, "a b c a b c", turns(&Rotation{}, 6, a, b, c))
}

func TestRotationByWeight(t *testing.T) {
	t.Parallel()
	var r Rotation
	turns(&r, 80, Share{User: "a", Weight: 3}, Share{User: "b", Weight: 1})
	require.Equal(t, map[string]int{"a": 60, "b": 20}, r.Counts)
}

func TestRotationMakesUpForNothing(t *testing.T) {
	t.Parallel()
	var r Rotation
	a, b, c := Share{User: "a", Weight: 1}, Share{User: "b", Weight: 1}, Share{User: "c", Weight: 1}
	away := Share{User: "b", Weight: 1, Away: true}
	turns(&r, 4, a, b)
	require.Equal(t, "a a a", turns(&r, 3, a, away))
	require.Equal(t, "b a b a", turns(&r, 4, a, b), "who comes back is not flooded")
	require.NotContains(t, turns(&r, 2, a, b, c), "c c", "who comes new is not flooded")
	require.Empty(t, r.Next("roster", []Share{away}), "nobody is there")
	require.Equal(t, "a", r.Next("another roster", []Share{a, b}), "an edit starts anew")
	require.Equal(t, map[string]int{"a": 1, "b": 0}, r.Counts)
}

func TestAwayCountsWholeDaysInTheZone(t *testing.T) {
	t.Parallel()
	rome, err := LoadZone("Europe/Rome")
	require.NoError(t, err)
	user := User{Away: []Absence{{From: Date{2027, 8, 2}, To: Date{2027, 8, 3}}}}
	for instant, want := range map[string]bool{
		"2027-08-01T21:59:59Z": false, "2027-08-01T22:00:00Z": true, "2027-08-03T21:59:59Z": true, "2027-08-03T22:00:00Z": false,
	} {
		at, err := time.Parse(time.RFC3339, instant)
		require.NoError(t, err)
		require.Equal(t, want, user.IsAway(at, rome), instant)
	}
}
