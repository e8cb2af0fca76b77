package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestProgressIsABarThatGoesAway(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	bar := progress{out: &out, what: "enrolling", began: time.Now().Add(-10 * time.Second)}
	bar.at(0, 40)
	bar.at(10, 40)
	bar.at(11, 40)
	require.Equal(t, "\r\x1b[Kenrolling [#######.......................] 10 of 40, 30s left", out.String(), "not more often than people can see")
	bar.end()
	require.True(t, strings.HasSuffix(out.String(), "left\r\x1b[K"))
}

func TestProgressIsForTerminals(t *testing.T) {
	t.Parallel()
	a, _, stderr := newTerminal(t).app()
	bar := a.progress("enrolling")
	bar.at(1, 2)
	bar.end()
	require.Empty(t, stderr.String())
}

func TestColoursAreForPeopleWhoWantThem(t *testing.T) {
	t.Parallel()
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // as a terminal is one
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, device.Close()) })
	for setting, want := range map[string]bool{"": true, "NO_COLOR=": true, "NO_COLOR=1": false, "TERM=dumb": false} {
		term := newTerminal(t)
		term.Environment = append(term.Environment, setting)
		a, stdout, _ := term.app()
		require.Equal(t, want, a.color(device), setting)
		require.False(t, a.color(stdout), "a pipe has no colours")
	}
}
