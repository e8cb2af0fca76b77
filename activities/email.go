package activities

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"regexp"
	"strings"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/provider"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	goldmarkhtml "github.com/yuin/goldmark/renderer/html"
)

// readEmail reads an e-mail of the workspace as it is now, its body in HTML. Outside a workspace one that
// does not exist is empty.
func readEmail(ctx context.Context, env *action.Env, name string) (*crm.Email, error) {
	for _, ending := range []string{".md", ".html"} {
		path := "emails/" + name + ending
		content, found, err := env.Asset(ctx, path)
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		email, problems := crm.ReadEmail(path, content)
		if problems.HasErrors() {
			return nil, action.Permanent("bad-email", "%s: %s", path, problems[0].Message)
		}
		if err := toHTML(email); err != nil {
			return nil, action.Permanent("bad-email", "%s: %v", path, err)
		}
		return email, nil
	}
	if env.Catalog.IsOpen() {
		return &crm.Email{}, nil
	}
	return nil, action.Permanent("no-email", "there is no e-mail %s: neither emails/%[1]s.md nor emails/%[1]s.html", name)
}

// toHTML turns the body of an e-mail into HTML.
func toHTML(email *crm.Email) error {
	if !email.Markdown {
		return nil
	}
	document, err := markdown(email.Body.String())
	if err != nil {
		return err
	}
	email.Markdown = false
	email.Body, err = crm.ParseTemplate(document)
	return err
}

// write fills the tokens of an e-mail whose body is HTML.
func write(ctx context.Context, env *action.Env, email *crm.Email) (mail provider.Email, err error) {
	for _, part := range []struct {
		text     *string
		template crm.Template
		render   func(context.Context, crm.Template) (string, error)
	}{
		{&mail.Subject, email.Subject, env.Render},
		{&mail.From, email.From, env.Render},
		{&mail.Preview, email.Preview, env.Render},
		{&mail.HTML, email.Body, env.RenderHTML},
	} {
		if *part.text, err = part.render(ctx, part.template); err != nil {
			return provider.Email{}, failure(err)
		}
	}
	mail.Text = plainText(mail.HTML)
	if mail.From == "" {
		mail.From, err = sender(env)
	}
	return mail, err
}

// sender is the account's address. Outside a workspace there need not be one.
func sender(env *action.Env) (string, error) {
	from := env.Account.Sender
	switch {
	case from.Email == "" && !env.Catalog.IsOpen():
		return "", action.Permanent("no-sender", "neither the e-mail nor sender in millrace.yaml says who it comes from")
	case from.Name == "":
		return from.Email, nil
	}
	return fmt.Sprintf("%q <%s>", from.Name, from.Email), nil
}

var (
	liquidPart = regexp.MustCompile(`(?s)\{\{.*?\}\}|\{%.*?%\}`)
	markup     = goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(goldmarkhtml.WithUnsafe()))
)

// markdown turns a body into an HTML document. Tokens are taken out before and put back after, so that
// neither is their Liquid read as Markdown nor, later, a record's value as markup.
func markdown(body string) (string, error) {
	stand := "mrtoken"
	for strings.Contains(body, stand) {
		stand += "x"
	}
	var back []string
	body = liquidPart.ReplaceAllStringFunc(body, func(token string) string {
		name := fmt.Sprintf("%s%dz", stand, len(back)/2)
		back = append(back, name, token)
		return name
	})
	var document bytes.Buffer
	if err := markup.Convert([]byte(body), &document); err != nil {
		return "", err
	}
	return "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n" + strings.NewReplacer(back...).Replace(document.String()) + "</body></html>\n", nil
}

var (
	invisible = regexp.MustCompile(`(?is)<(head|style|script)\b.*?</(head|style|script)>|<!--.*?-->|<!doctype[^>]*>`)
	link      = regexp.MustCompile(`(?is)<a\b[^>]*?\bhref="([^"]*)"[^>]*>(.*?)</a>`)
	lineEnd   = regexp.MustCompile(`(?i)<br\s*/?>|</(tr|div)>`)
	paragraph = regexp.MustCompile(`(?i)</(p|h[1-6]|ul|ol|table|blockquote|pre)>`)
	item      = regexp.MustCompile(`(?i)<li[^>]*>`)
	tag       = regexp.MustCompile(`(?s)<[^>]*>`)
	spaces    = regexp.MustCompile(`[ \t\r\n]+`)
	manyLines = regexp.MustCompile(` *\n *(\n *)+`)
)

// plainText is the text of an HTML document, for mail programs that show no HTML: paragraphs apart,
// links with their address.
func plainText(document string) string {
	text := spaces.ReplaceAllString(invisible.ReplaceAllString(document, ""), " ")
	text = link.ReplaceAllStringFunc(text, func(found string) string {
		parts := link.FindStringSubmatch(found)
		if parts[1] == parts[2] || parts[1] == "mailto:"+parts[2] {
			return parts[2]
		}
		return parts[2] + " (" + parts[1] + ")"
	})
	text = item.ReplaceAllString(lineEnd.ReplaceAllString(text, "\n"), "\n- ")
	text = paragraph.ReplaceAllString(text, "\n\n")
	text = manyLines.ReplaceAllString(tag.ReplaceAllString(text, ""), "\n\n")
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.TrimSpace(html.UnescapeString(strings.Join(lines, "\n")))
}
