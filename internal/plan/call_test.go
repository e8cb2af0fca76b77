package plan_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/plan"
	"github.com/stretchr/testify/require"
)

// TestCallSaysTheSameInstantOnce: what is left out of the histories comes back, and what older ones hold is read.
func TestCallSaysTheSameInstantOnce(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 5, 10, 12, 0, 0, 123456789, time.UTC)
	for text, want := range map[string]plan.Call{
		`{"enrollment":"w/contact/51/1","plan":"p","node":"a","visit":1,"now":"2027-05-10T12:00:00.123456789Z"}`: {
			Enrollment: "w/contact/51/1", Plan: "p", Node: "a", Visit: 1, Arrived: now, Now: now,
		},
		`{"enrollment":"w/contact/51/1","plan":"p","node":"a","visit":1,"arrived":"2027-05-10T11:00:00.123456789Z","now":"2027-05-10T12:00:00.123456789Z"}`: {
			Enrollment: "w/contact/51/1", Plan: "p", Node: "a", Visit: 1, Arrived: now.Add(-time.Hour), Now: now,
		},
	} {
		written, err := json.Marshal(want)
		require.NoError(t, err)
		require.Equal(t, text, string(written))
		var read plan.Call
		require.NoError(t, json.Unmarshal(written, &read))
		require.Equal(t, want, read)
	}
	var earlier plan.Call
	require.NoError(t, json.Unmarshal([]byte(`{"arrived":"2027-05-10T12:00:00Z","now":"2027-05-10T12:00:00Z"}`), &earlier))
	require.Equal(t, earlier.Now, earlier.Arrived)
}
