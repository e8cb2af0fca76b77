package main

import "testing"

func TestBenchIsBounded(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	term.run("bench", "--count", "0").fails(2, "--count 0 is not between 1 and 100000")
	term.run("bench", "--in-flight", "1001").fails(2, "--in-flight 1001 is not between 1 and 1000")
	term.run("bench", "--time", "48h").fails(2, "--time 48h0m0s is not between 1s and 1h0m0s")
}
