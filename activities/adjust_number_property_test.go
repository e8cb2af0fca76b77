package activities

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/plan"
)

func TestAdjustNumberProperty(t *testing.T) {
	t.Parallel()
	b := newBench(t, "adjust_number_property: {property: score, by: 10}")
	require.JSONEq(t, `{"new_value":10}`, string(b.ok().Output), "empty counts as 0")
	require.JSONEq(t, `{"new_value":10}`, string(b.ok().Output), "one visit, one change")
	require.Equal(t, "10", b.property(ada, "score"))
	require.JSONEq(t, `{"new_value":20}`, string(b.ok(func(call *plan.Call) { call.Visit = 2 }).Output))

	down := newBench(t, `adjust_number_property: {property: score, by: -2.5}`)
	down.ok()
	require.Equal(t, "-2.5", down.property(ada, "score"), "results may be negative")
}

func TestAdjustNumberPropertyByToken(t *testing.T) {
	t.Parallel()
	b := newBench(t, `adjust_number_property: {property: score, by: "{{ contact.notes }}"}`)
	b.set(map[string]string{"notes": "Ada \"the first\""})
	_, err := b.run()
	require.NotContains(t, requirePermanent(t, err, "invalid-value").Message(), "Ada", "histories hold no values of records")
	b.set(map[string]string{"notes": "7"})
	b.ok()
	require.Equal(t, "7", b.property(ada, "score"))
}

func TestAdjustNumberPropertyFailures(t *testing.T) {
	t.Parallel()
	for _, property := range []string{"email_bounces", "nothing", "first_name"} { // read-only, unknown, no number
		b := newBench(t, "adjust_number_property: {property: "+property+", by: 1}")
		_, err := b.run()
		requirePermanent(t, err, "invalid-value")
		require.Equal(t, "Ada", b.property(ada, "first_name"))
	}
}

func TestAdjustNumberPropertyCheck(t *testing.T) {
	t.Parallel()
	requireProblems(t, "adjust_number_property: {property: score, by: many}", "wrong-type")
	requireProblems(t, "adjust_number_property: {property: score}", "missing-key")
}
