package activities

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
)

const bySize = `branch_and_or: {branches: [
  {name: big, when: {associated: company, where: {property: employees, gte: 500}}},
  {name: vip, when: {all: [{property: vip, is: true}, {not: {property: country, is: XX}}]}},
  {name: known, when: {property: email, known: true}}]}`

func TestBranchAndOrTakesTheFirstMatch(t *testing.T) {
	t.Parallel()
	b := newBench(t, bySize)
	require.Equal(t, "known", b.ok().Port, "unknown is not a match")
	b.set(map[string]string{"vip": "true", "country": "IT"})
	require.Equal(t, "vip", b.ok().Port)
	acme := crm.Ref{Object: "company", ID: "7"}
	b.record(acme, map[string]string{"employees": "500"})
	b.associate(acme, "")
	require.Equal(t, "big", b.ok().Port)
	b.set(map[string]string{"email": "", "vip": ""})
	require.NoError(t, b.store.Dissociate(t.Context(), ada, acme, ""))
	outcome := b.ok()
	require.Equal(t, "none_met", outcome.Port)
	require.JSONEq(t, `{"branch":"none_met"}`, string(outcome.Output))
}

func TestBranchAndOrPorts(t *testing.T) {
	t.Parallel()
	kind, config, _ := decode(t, bySize)
	require.Equal(t, []string{"big", "vip", "known", "none_met", "failed"}, kind.Ports(config))
}

func TestBranchAndOrCheck(t *testing.T) {
	t.Parallel()
	one := "{name: a, when: {property: vip, is: true}}"
	requireProblems(t, "branch_and_or: {branches: []}", "out-of-range")
	requireProblems(t, "branch_and_or: {branches: ["+one+","+one+"]}", "duplicate-branch")
	requireProblems(t, "branch_and_or: {branches: [{name: none_met, when: {property: vip, is: true}}]}", "reserved-name")
	requireProblems(t, "branch_and_or: {branches: [{name: a}]}", "missing-key")
	requireProblems(t, "branch_and_or: {branches: ["+strings.Repeat(one+",", 21)+"]}", "out-of-range")
}
