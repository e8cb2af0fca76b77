package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// using is a pushed workspace with an action that asks a model and that has run so often.
func using(t *testing.T, limits string, executions int64) *terminal {
	t.Helper()
	term := newWorkspace(t)
	term.replace("millrace.yaml", "time_zone:", "providers: {openai: {api_key: secret://openai}}\nai: {"+limits+"}\ntime_zone:")
	term.write("workflows/asking.yaml", "workflow: asking\nobject: contact\nactions:\n  - id: ask\n    openai_ask: {model: m, prompt: Hello}\n")
	term.run("push").succeeds()
	month, err := crm.Account{TimeZone: "Europe/Rome"}.Month(time.Now())
	require.NoError(t, err)
	books := term.store()
	require.NoError(t, books.Tx(t.Context(), func(tx *store.Tx) error {
		for _, one := range []plan.Usage{
			{Month: month, Action: "asking/ask", Executions: executions, Input: 100, Output: 7},
			{Month: "2026-01", Action: "asking/ask", Executions: 1},
		} {
			if _, err := tx.AddUsage(t.Context(), one); err != nil {
				return err
			}
		}
		return nil
	}))
	return term
}

func TestUsageShowsWhatIsLeft(t *testing.T) {
	t.Parallel()
	term := using(t, "executions: 20, tokens: 500", 12)
	var shown used
	term.run("usage", "-o", "json").succeeds().decode(&shown)
	require.Equal(t, []usedAction{{Action: "asking/ask", Executions: 12, Limit: 20, Input: 100, Output: 7}}, shown.Actions)
	require.Equal(t, int64(107), shown.Tokens)
	require.Equal(t, int64(500), shown.TokenLimit)
	text := term.run("usage").succeeds().stdout
	require.Regexp(t, `(?m)^asking/ask +12 +20 +100 +7$`, text)
	require.Contains(t, text, shown.Month+": 107 tokens, of 500\n")

	term.run("usage", "--month", "2026-01", "-o", "json").succeeds().decode(&shown)
	require.Equal(t, int64(1), shown.Actions[0].Executions)
	require.Equal(t, "2026-01", shown.Month)
	term.run("usage", "--month", "2025-12", "-o", "json").succeeds().decode(&shown)
	require.Empty(t, shown.Actions)
	require.NotNil(t, shown.Actions)
	term.run("usage", "--month", "may").fails(2, `--month "may" is not a month: write it as in 2027-05`)
}

func TestUsageKnowsTheUsualLimits(t *testing.T) {
	t.Parallel()
	var shown used
	term := using(t, "model: m", 1)
	term.run("usage", "-o", "json").succeeds().decode(&shown)
	require.Equal(t, int64(3000), shown.Actions[0].Limit)
	require.Zero(t, shown.TokenLimit)
	require.Contains(t, term.run("usage").succeeds().stdout, "107 tokens, no limit")
}

func TestDoctorTellsOfLimitsAndProviders(t *testing.T) {
	t.Parallel()
	require.Regexp(t, `^ok 0 actions, 0 tokens in \d{4}-\d{2}$`, examined(newPushed(t), 1)["ai"])
	require.Regexp(t, `^ok 1 action, 107 tokens in `, examined(using(t, "executions: 13, tokens: 108", 12), 1)["ai"])
	require.Regexp(t, `^problem asking/ask ran 12 times in .*, which is what ai.executions allows: raise that`, examined(using(t, "executions: 12", 12), 1)["ai"])
	require.Regexp(t, `^problem 107 tokens were used in .*, ai.tokens allows 107: raise that`, examined(using(t, "tokens: 107", 12), 1)["ai"])

	term := using(t, "executions: 20", 12)
	books := term.store()
	catalog, err := books.Catalog(t.Context())
	require.NoError(t, err)
	_, err = books.Publish(t.Context(), store.Publication{Catalog: catalog, Account: json.RawMessage("{}"), At: time.Now()})
	require.NoError(t, err)
	require.Equal(t, "problem asking/ask: there is no api_key: name one under providers.openai in millrace.yaml, and push it", examined(term, 1)["ai"])
}

func TestCheckAndPushTellOfAProviderThatIsMissing(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	term.write("workflows/asking.yaml", "workflow: asking\nobject: contact\nactions:\n  - id: ask\n    openai_ask: {model: m, prompt: Hello}\n")
	const told = "workflows/asking.yaml:5:5: error: there is no api_key: name one under providers.openai in millrace.yaml [no-provider]"
	require.Contains(t, term.run("check").stdout, told)
	pushed := term.run("push")
	require.Equal(t, 1, pushed.code)
	require.Contains(t, pushed.stderr, told)
}
