package worker

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTuningFitsTheMachine(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		processors int
		memory     int64
		want       Tuning
	}{
		"tiny":           {1, 128 << 20, Tuning{Cache: 409, Workflows: 50, Actions: 100, Local: 50, Pollers: 5}},
		"small":          {2, 512 << 20, Tuning{Cache: 1638, Workflows: 100, Actions: 200, Local: 100, Pollers: 10}},
		"without limits": {2, math.MaxInt64, Tuning{Cache: 2500, Workflows: 100, Actions: 200, Local: 100, Pollers: 10}},
		"middling":       {8, 16 << 30, Tuning{Cache: 10_000, Workflows: 400, Actions: 800, Local: 400, Pollers: 40}},
		"large":          {64, 256 << 30, Tuning{Cache: 40_000, Workflows: 1000, Actions: 2000, Local: 500, Pollers: 100}},
	} {
		require.Equal(t, test.want, Tune(test.processors, test.memory), name)
	}
}

func TestTuningIsOverriddenByTheEnvironment(t *testing.T) {
	t.Parallel()
	usual, err := Tuned(func(string) (string, bool) { return "", false })
	require.NoError(t, err)
	tuning, err := Tuned(func(name string) (string, bool) { return "0", name == "MILLRACE_WORKER_CACHE" })
	require.NoError(t, err)
	usual.Cache = 0
	require.Equal(t, usual, tuning)
	_, err = Tuned(func(name string) (string, bool) { return "1", name == "MILLRACE_WORKER_POLLERS" })
	require.EqualError(t, err, `MILLRACE_WORKER_POLLERS is "1": write a number of at least 2`)
}
