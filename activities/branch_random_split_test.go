package activities

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/plan"
)

func TestBranchRandomSplitIsSticky(t *testing.T) {
	t.Parallel()
	b := newBench(t, "branch_random_split: {branches: [{name: a, percent: 50}, {name: b, percent: 50}]}")
	first := b.ok().Port
	for visit := 2; visit < 20; visit++ {
		require.Equal(t, first, b.ok(func(call *plan.Call) { call.Visit = visit }).Port)
	}
	require.Regexp(t, `^bucket \d+ of 10000$`, b.journal(plan.JournalBranch)[0])
}

func TestBranchRandomSplitDrawsAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t, "branch_random_split: {sticky: visit, branches: [{name: a, percent: 50}, {name: b, percent: 50}]}")
	drawn := map[string]bool{}
	for visit := 1; visit <= 20; visit++ {
		again := func(call *plan.Call) { call.Visit = visit }
		port := b.ok(again).Port
		require.Equal(t, port, b.ok(again).Port, "one visit, one answer")
		drawn[port] = true
	}
	require.Len(t, drawn, 2)
}

func TestBranchRandomSplitShares(t *testing.T) {
	t.Parallel()
	b := newBench(t, "branch_random_split: {branches: [{name: none, percent: 0}, {name: all, percent: 33}, {name: never, percent: 0}]}")
	require.Equal(t, "all", b.ok().Port, "shares are scaled")

	count := map[uint64]int{}
	for record := range 30_000 {
		count[bucketOf(fmt.Sprintf("w\x00a\x00contact/%d", record))*3/buckets]++
	}
	for third, records := range count {
		require.InDelta(t, 10_000, records, 400, "third %d", third)
	}
}

func TestBranchRandomSplitCheck(t *testing.T) {
	t.Parallel()
	requireProblems(t, "branch_random_split: {branches: [{name: a, percent: 100}]}", "out-of-range")
	requireProblems(t, "branch_random_split: {branches: [{name: a, percent: 0}, {name: b, percent: 0}]}", "out-of-range")
	requireProblems(t, "branch_random_split: {branches: [{name: a, percent: -1}, {name: b, percent: 101}]}", "out-of-range", "out-of-range")
	requireProblems(t, "branch_random_split: {sticky: day, branches: [{name: a, percent: 1}, {name: b, percent: 1}]}", "not-allowed")
	kind, config, _ := decode(t, "branch_random_split: {branches: [{name: a, percent: 33}, {name: b, percent: 33.5}]}")
	require.Equal(t, []string{"a", "b", "failed"}, kind.Ports(config))
}
