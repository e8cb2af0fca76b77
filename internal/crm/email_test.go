package crm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
)

func TestEmailsHaveFrontMatterAndABody(t *testing.T) {
	t.Parallel()
	for _, start := range []string{"", "\ufeff"} {
		email, problems := crm.ReadEmail("emails/a.md", []byte(start+"---\r\nsubject: Hi {{ contact.first_name }}\r\nfrom: Ada <{{ owner.email }}>\r\nsubscription: news\r\n---\r\nDear\r\n  {{ now }}\r\n---\r\n"))
		require.Empty(t, problems)
		require.Equal(t, "Dear\n  {{ now }}\n---\n", email.Body.String())
		require.True(t, email.Markdown)
		require.Equal(t, "news", email.Subscription.Text)
		require.True(t, email.Preview.IsZero())
		var tokens []string
		for _, token := range email.Tokens() {
			tokens = append(tokens, token.String())
		}
		require.Equal(t, []string{"contact.first_name", "owner.email", "now"}, tokens)
		require.Equal(t, schema.Pos{File: "emails/a.md", Line: 2, Column: 16}, email.Tokens()[0].Pos)
		require.Equal(t, schema.Pos{File: "emails/a.md", Line: 7, Column: 6}, email.Tokens()[2].Pos)
	}
	email, problems := crm.ReadEmail("emails/a.html", []byte("---\nsubject: Hi\n---\n"))
	require.Empty(t, problems)
	require.False(t, email.Markdown)
	require.False(t, email.Body.IsZero(), "an empty body is one")
}

func TestMistakesInEmailsStandAtTheirPlace(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]schema.Diagnostic{
		"":                                    {Line: 1, Column: 1, Code: "front-matter"},
		"Hello":                               {Line: 1, Column: 1, Code: "front-matter"},
		"Hello\n---\nsubject: x\n---\n":       {Line: 1, Column: 1, Code: "front-matter"},
		"---\nsubject: x\nHello":              {Line: 1, Column: 1, Code: "front-matter"},
		"---\n---\nHello":                     {Line: 2, Column: 1, Code: "missing-key"},
		"---\nsubject: x\nfro: y\n---\n":      {Line: 3, Column: 1, Code: "unknown-key"},
		"---\nsubject: x\n---\na\n{% if a %}": {Line: 5, Column: 4, Code: "template"},
	} {
		_, problems := crm.ReadEmail("emails/a.md", []byte(content))
		require.Len(t, problems, 1, content)
		got := problems[0]
		require.Equal(t, want, schema.Diagnostic{Line: got.Line, Column: got.Column, Code: got.Code}, content)
		require.Equal(t, "emails/a.md", got.File)
	}
}
