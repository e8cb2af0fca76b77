package crm

import (
	"strings"

	"github.com/millrace/millrace/internal/schema"
)

// Email is an e-mail of a workspace (language §1): front matter and a body in Markdown or HTML, with
// tokens.
type Email struct {
	Subject      Template         `json:"subject" doc:"Subject line." required:"true"`
	From         Template         `json:"from,omitzero" doc:"Sender, as Name <address>; the account's, if left out."`
	Preview      Template         `json:"preview,omitzero" doc:"Text that mail programs show beside the subject."`
	Subscription SubscriptionName `json:"subscription,omitzero" doc:"Subscription type, which makes it marketing: who opted out does not get it."`
	Body         Template         `json:"-"`
	Markdown     bool             `json:"-"` // the body's syntax; else HTML
}

// ReadEmail reads an e-mail; the path's ending tells the syntax of its body. Positions are those in the
// file. Codes beside those of schema: front-matter, template.
func ReadEmail(path string, content []byte) (*Email, schema.Diagnostics) {
	email := &Email{Markdown: strings.HasSuffix(path, ".md")}
	text := strings.TrimPrefix(strings.ReplaceAll(string(content), "\r\n", "\n"), "\ufeff")
	front, body, found := strings.Cut(text, "\n---\n") // front keeps its first line, so that its lines count as in the file
	if !found || !strings.HasPrefix(text, "---\n") {
		var problems schema.Diagnostics
		problems.Errorf(schema.Pos{File: path, Line: 1, Column: 1}, codeFrontMatter, "an e-mail starts with front matter: --- on a line, subject: …, --- on a line")
		return email, problems
	}
	node, problems := schema.Parse(path, []byte(front))
	if node != nil {
		problems = append(problems, schema.Decode(node, email)...)
	}
	email.Body.UnmarshalNode(schema.Text(path, strings.Count(front, "\n")+3, body), &problems)
	return email, problems
}

// Tokens returns the names that the e-mail reads from its scope.
func (e *Email) Tokens() []Token {
	var tokens []Token
	for _, template := range []Template{e.Subject, e.From, e.Preview, e.Body} {
		tokens = append(tokens, template.Tokens()...)
	}
	return tokens
}
