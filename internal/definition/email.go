package definition

import (
	"bytes"
	"strings"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
)

// Email is an e-mail of a workspace: front matter and a body in Markdown or HTML, with tokens.
type Email struct {
	Subject      crm.Template         `json:"subject" doc:"Subject line." required:"true"`
	From         crm.Template         `json:"from,omitzero" doc:"Sender, as Name <address>; the account's, if left out."`
	Preview      crm.Template         `json:"preview,omitzero" doc:"Text that mail programs show beside the subject."`
	Subscription crm.SubscriptionName `json:"subscription,omitzero" doc:"Subscription type; without one the e-mail is transactional."`
	Body         crm.Template         `json:"-"`
	HTML         bool                 `json:"-"` // else Markdown
}

// ReadEmail reads an e-mail; the name's ending tells the syntax of its body. Positions are those in the
// file. Codes beside those of schema: front-matter, template.
func ReadEmail(name string, src []byte) (*Email, schema.Diagnostics) {
	email := &Email{HTML: strings.HasSuffix(name, ".html")}
	front, body, line, found := cutFrontMatter(src)
	if !found {
		var problems schema.Diagnostics
		problems.Errorf(schema.Pos{File: name, Line: 1, Column: 1}, "front-matter", "an e-mail starts with front matter: --- on a line, subject: …, --- on a line")
		return email, problems
	}
	node, problems := schema.Parse(name, front)
	if node != nil {
		problems = append(problems, schema.Decode(node, email)...)
	}
	email.Body.UnmarshalNode(schema.Text(name, line, body), &problems)
	return email, problems
}

// cutFrontMatter splits an e-mail. front keeps its first line, so that its lines count as in the file;
// line is where the body starts.
func cutFrontMatter(src []byte) (front []byte, body string, line int, found bool) {
	src = bytes.TrimPrefix(src, []byte("\uFEFF"))
	lines := bytes.SplitAfter(src, []byte("\n"))
	isRule := func(i int) bool { return string(bytes.ReplaceAll(lines[i], []byte("\r"), nil)) == "---\n" }
	if !isRule(0) {
		return nil, "", 0, false
	}
	for i := 1; i < len(lines); i++ {
		if isRule(i) {
			return bytes.Join(lines[:i], nil), string(bytes.Join(lines[i+1:], nil)), i + 2, true
		}
	}
	return nil, "", 0, false
}

// tokens are all tokens of the e-mail.
func (e *Email) tokens() []crm.Token {
	var tokens []crm.Token
	for _, template := range []crm.Template{e.Subject, e.From, e.Preview, e.Body} {
		tokens = append(tokens, template.Tokens()...)
	}
	return tokens
}
