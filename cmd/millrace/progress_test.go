package main

import (
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
