package activities

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
)

const (
	profileOf    = `generate_sales_profile: {offer: "Meters for {{ contact.company }}.", data: [job_title, notes]}`
	wholeProfile = `{"buyer_persona": "Runs the works.", "challenges": "Leaks.", "value_propositions": "Fewer leaks.", "opener": "Hello."}`
)

func TestGenerateSalesProfile(t *testing.T) {
	t.Parallel()
	for _, vendor := range []string{"openai", "anthropic"} {
		b, server := withModel(t, profileOf, wholeProfile)
		b.settle(func(account *crm.Account) { account.AI.Provider, account.AI.Model = vendor, "m-1" })
		b.set(map[string]string{"job_title": "Foreman", "notes": "owns 40 houses", "company": "Hill", "city": "canary-1", "phone": "+390612345678"})
		var output map[string]string
		require.NoError(t, json.Unmarshal(b.ok().Output, &output))
		require.Equal(t, map[string]string{
			"buyer_persona": "Runs the works.", "challenges": "Leaks.", "value_propositions": "Fewer leaks.", "opener": "Hello.",
			"profile": "## Buyer persona\n\nRuns the works.\n\n## Challenges\n\nLeaks.\n\n## Value propositions\n\nFewer leaks.\n\n## Opener\n\nHello.",
		}, output)
		for _, shown := range []string{`"model":"m-1"`, "Meters for Hill.", "Foreman", "owns 40 houses", "value_propositions"} {
			require.Contains(t, server.bodies[0], shown)
		}
		for _, secret := range []string{"canary-1", "390612345678", "ada@example.com", "Ada"} {
			require.NotContains(t, server.bodies[0], secret)
		}
		require.Equal(t, "w/a1 1 100 7", b.usage())
		b.ok()
		require.Equal(t, 1, server.asked(), "once done it is not asked again")
	}
}

func TestGenerateSalesProfileRepairsOnce(t *testing.T) {
	t.Parallel()
	b, server := withModel(t, profileOf, `{"buyer_persona": "Runs the works."}`, wholeProfile)
	b.ok()
	require.Contains(t, server.bodies[1], "challenges is missing")
	b, server = withModel(t, profileOf, `Runs the works.`)
	_, err := b.run()
	requirePermanent(t, err, "bad-answer")
	require.Equal(t, 2, server.asked())
}

func TestGenerateSalesProfileNeedsAnOfferAndAModel(t *testing.T) {
	t.Parallel()
	b, server := withModel(t, `generate_sales_profile: {offer: "{{ contact.company }}", data: [notes]}`, wholeProfile)
	_, err := b.run()
	requirePermanent(t, err, "no-prompt")
	b.settle(func(account *crm.Account) { account.AI.Model = "" })
	_, err = b.run()
	requirePermanent(t, err, "no-provider")
	require.Zero(t, server.asked())
	require.Empty(t, b.usage())
}

func TestGenerateSalesProfileIsForContactsAndCompanies(t *testing.T) {
	t.Parallel()
	problems := inWorkspaceWith(t, map[string]string{"millrace.yaml": "ai: {model: m}\nproviders: {openai: {api_key: secret://X}}\n"},
		"workflow: w\nobject: deal\nactions:\n  - id: ask\n    generate_sales_profile: {offer: x, data: [name]}\n")
	require.Len(t, problems, 1)
	require.Equal(t, "wrong-object", problems[0].Code)
}
