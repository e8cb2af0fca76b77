package activities

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/store"
)

func TestEmailInHTML(t *testing.T) {
	t.Parallel()
	b := newBench(t, "send_email: {email: offer}")
	b.publish(store.Publication{Assets: map[string][]byte{"emails/offer.html": []byte(
		"---\r\nsubject: Offer\r\nfrom: 'Sales <{{ owner.email | default: \"sales@example.org\" }}>'\r\n---\r\n" +
			"<html><head><title>x</title><style>p{}</style></head><body><p>Dear&nbsp;{{ contact.first_name }},</p><ul><li>one<li>two</ul></body></html>",
	)}})
	server := b.overSMTP(nil)
	b.ok()
	mail := server.Messages()[0]
	require.Equal(t, `"Sales" <sales@example.org>`, mail.Header.Get("From"))
	require.Contains(t, mail.HTML, "<p>Dear&nbsp;Ada,</p>")
	require.Equal(t, "Dear\u00a0Ada,\r\n\r\n- one\r\n- two", mail.Text)
}

func TestEmailThatIsBroken(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no front matter":  "Hello",
		"no subject":       "---\npreview: x\n---\nHello",
		"unknown key":      "---\nsubject: x\nsubjekt: x\n---\nHello",
		"bad yaml":         "---\nsubject: [\n---\nHello",
		"bad Liquid":       "---\nsubject: x\n---\n{% if x %}Hello",
		"bad subject":      "---\nsubject: \"{{ x\"\n---\nHello",
		"no end of header": "---\nsubject: x\nHello",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := mailer(t, text, "send_email: {email: welcome}")
			_, err := b.run()
			require.Contains(t, requirePermanent(t, err, "bad-email").Message(), "emails/welcome.md: ")
		})
	}
}

func TestMarkdownLeavesLiquidAlone(t *testing.T) {
	t.Parallel()
	document, err := markdown("{% if a == \"*x*\" %}\nHi {{ contact.first_name | default: \"you & *me*\" }} mrtoken0z\n{% endif %}\n\n[go]({{ contact.website }})\n")
	require.NoError(t, err)
	require.Contains(t, document, `{% if a == "*x*" %}`)
	require.Contains(t, document, `{{ contact.first_name | default: "you & *me*" }} mrtoken0z`)
	require.Contains(t, document, `<a href="{{ contact.website }}">go</a>`)
}

func TestPlainText(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]string{
		"<p>One</p>\n<p>Two<br>three</p>":                               "One\n\nTwo\nthree",
		`<p>See <a class="x" href="https://e.com">this</a></p>`:         "See this (https://e.com)",
		`<a href="https://e.com">https://e.com</a>`:                     "https://e.com",
		`<a href="mailto:a@e.com">a@e.com</a>`:                          "a@e.com",
		"<ul>\n<li>a</li>\n<li>b &amp; c</li>\n</ul><script>x</script>": "- a\n- b & c",
		"<!-- x --><h1>Title</h1>  text ":                               "Title\n\ntext",
	} {
		require.Equal(t, want, plainText(document), document)
	}
}
