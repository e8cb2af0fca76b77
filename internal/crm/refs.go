package crm

import (
	"regexp"
	"strings"

	"github.com/millrace/millrace/internal/schema"
)

// Reference is a name in a source file that stands for something declared elsewhere. Rules ask it
// whether that exists.
type Reference interface {
	// Target returns the kind of thing (list, email, workflow, …) and its name.
	Target() (kind, name string)
	Pos() schema.Pos
}

// Name is a name of something that a config refers to; the zero Name is missing. It remembers where
// it stands in the source.
type Name[K nameKind] struct {
	Text string
	pos  schema.Pos
}

// PropertyName and the others below are the names that configs refer to.
type (
	PropertyName     = Name[propertyKind]     // a property of the record that the config is about
	ObjectName       = Name[objectKind]       // a record type
	ListName         = Name[listKind]         // a file in lists/
	StaticListName   = Name[staticListKind]   // a list that records are put on
	CalendarName     = Name[calendarKind]     // a file in calendars/
	EmailName        = Name[emailKind]        // a file in emails/
	MessageName      = Name[messageKind]      // a file in messages/
	WorkflowName     = Name[workflowKind]     // the id of another workflow
	UserName         = Name[userKind]         // a user's id or address
	TeamName         = Name[teamKind]         // a team
	SequenceName     = Name[sequenceKind]     // a file in sequences/
	ConnectionName   = Name[connectionKind]   // an entry of connections.yaml
	SubscriptionName = Name[subscriptionKind] // a subscription type
	AdsAccountName   = Name[adsAccountKind]   // an account of an advertising network in millrace.yaml
	AssistantName    = Name[assistantKind]    // an entry of ai.assistants in millrace.yaml
	FormName         = Name[formKind]         // a form
	ExtensionName    = Name[extensionKind]    // a file in actions/
	ActionID         = Name[actionKind]       // another action of the same definition
	EventType        = Name[eventKind]        // a type of event
	Secret           = Name[secretKind]       // a secret, written as secret://NAME
)

// ReferenceStaticList is the kind of a reference to a list that records are put on and taken off.
const ReferenceStaticList = "static list"

// nameKind says what a Name stands for.
type nameKind interface{ spec() nameSpec }

type nameSpec struct {
	kind   string
	doc    string
	prefix string         // of the source form
	valid  *regexp.Regexp // of the name without the prefix
	rule   string         // the same in words
}

var (
	slug      = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,98}[a-z0-9])?$`)
	ident     = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,99}$`)
	plainName = regexp.MustCompile(`^[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]{0,198}[^\s\x00-\x1f\x7f])?$`)
)

const (
	slugRule  = "lower-case letters, digits and hyphens"
	identRule = "letters, digits, underscores, hyphens, dots and colons"
	plainRule = "up to 200 characters on one line"
)

type (
	propertyKind     struct{}
	objectKind       struct{}
	listKind         struct{}
	staticListKind   struct{}
	calendarKind     struct{}
	emailKind        struct{}
	messageKind      struct{}
	workflowKind     struct{}
	userKind         struct{}
	teamKind         struct{}
	sequenceKind     struct{}
	connectionKind   struct{}
	subscriptionKind struct{}
	formKind         struct{}
	adsAccountKind   struct{}
	assistantKind    struct{}
	extensionKind    struct{}
	actionKind       struct{}
	eventKind        struct{}
	secretKind       struct{}
)

func (propertyKind) spec() nameSpec {
	return nameSpec{kind: "property", doc: "Internal name of a property.", valid: propertyName, rule: "letters, digits and underscores, not starting with a digit"}
}
func (objectKind) spec() nameSpec {
	return nameSpec{kind: "object", doc: "Record type, as in company.", valid: propertyName, rule: "letters, digits and underscores, not starting with a digit"}
}
func (listKind) spec() nameSpec {
	return nameSpec{kind: "list", doc: "List of the workspace.", valid: plainName, rule: plainRule}
}
func (staticListKind) spec() nameSpec {
	return nameSpec{kind: ReferenceStaticList, doc: "List of the workspace that has no filter.", valid: plainName, rule: plainRule}
}
func (calendarKind) spec() nameSpec {
	return nameSpec{kind: "calendar", doc: "Calendar of the workspace: its file in calendars/ without the ending.", valid: plainName, rule: plainRule}
}
func (emailKind) spec() nameSpec {
	return nameSpec{kind: "email", doc: "E-mail of the workspace: its file in emails/ without the ending.", valid: plainName, rule: plainRule}
}
func (messageKind) spec() nameSpec {
	return nameSpec{kind: "message", doc: "Message of the workspace: its file in messages/ without the ending.", valid: plainName, rule: plainRule}
}
func (workflowKind) spec() nameSpec {
	return nameSpec{kind: "workflow", doc: "Id of a workflow.", valid: slug, rule: slugRule}
}
func (userKind) spec() nameSpec {
	return nameSpec{kind: "user", doc: "Id or address of a user.", valid: plainName, rule: plainRule}
}
func (teamKind) spec() nameSpec {
	return nameSpec{kind: "team", doc: "Id of a team.", valid: plainName, rule: plainRule}
}
func (sequenceKind) spec() nameSpec {
	return nameSpec{kind: "sequence", doc: "Sequence of the workspace.", valid: plainName, rule: plainRule}
}
func (connectionKind) spec() nameSpec {
	return nameSpec{kind: "connection", doc: "Connection of the workspace.", valid: plainName, rule: plainRule}
}
func (subscriptionKind) spec() nameSpec {
	return nameSpec{kind: "subscription", doc: "Subscription type.", valid: plainName, rule: plainRule}
}
func (adsAccountKind) spec() nameSpec {
	return nameSpec{kind: "ads-account", doc: "Account in providers.ads of millrace.yaml.", valid: plainName, rule: plainRule}
}
func (assistantKind) spec() nameSpec {
	return nameSpec{kind: "assistant", doc: "Assistant in ai.assistants of millrace.yaml.", valid: plainName, rule: plainRule}
}
func (formKind) spec() nameSpec {
	return nameSpec{kind: "form", doc: "Id of a form.", valid: plainName, rule: plainRule}
}
func (extensionKind) spec() nameSpec {
	return nameSpec{kind: "extension", doc: "Third-party action of the workspace: its file in actions/ without the ending.", valid: plainName, rule: plainRule}
}
func (actionKind) spec() nameSpec {
	return nameSpec{kind: "action", doc: "Id of an action of this definition.", valid: ident, rule: identRule}
}
func (eventKind) spec() nameSpec {
	return nameSpec{kind: "event", doc: "Type of an event, as in page_viewed.", valid: ident, rule: identRule}
}
func (secretKind) spec() nameSpec {
	return nameSpec{kind: "secret", doc: "Secret, as secret://NAME.", prefix: "secret://", valid: ident, rule: identRule}
}

// Target returns what the name stands for.
func (n Name[K]) Target() (kind, name string) { return n.spec().kind, n.Text }

// Pos returns where the name stands in the source; the zero Pos when it does not come from one.
func (n Name[K]) Pos() schema.Pos { return n.pos }

// IsZero tells whether the name is missing.
func (n Name[K]) IsZero() bool { return n.Text == "" }

// String returns the name as a source file writes it.
func (n Name[K]) String() string {
	if n.Text == "" {
		return ""
	}
	return n.spec().prefix + n.Text
}

// MarshalJSON writes the source form; null for a missing name.
func (n Name[K]) MarshalJSON() ([]byte, error) { return jsonText(n.String()) }

// Describe tells readers about the source form.
func (n Name[K]) Describe() schema.Description {
	spec := n.spec()
	return schema.Description{Name: spec.kind, Doc: spec.doc, Schema: asText("")}
}

// UnmarshalNode reads a name.
func (n *Name[K]) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	scalar(&n.Text, node, d, n.parse)
	n.pos = node.Pos
}

// ParseEventType reads a type of event as definitions write it. Errors wrap ErrInvalid.
func ParseEventType(text string) (event EventType, err error) {
	event.Text, err = event.parse(text)
	return event, err
}

func (n Name[K]) parse(text string) (string, error) {
	spec := n.spec()
	name, found := strings.CutPrefix(text, spec.prefix)
	if !found {
		return "", invalidf("write a %s as %sNAME, never the %s itself", spec.kind, spec.prefix, spec.kind)
	}
	if !spec.valid.MatchString(name) {
		return "", invalidf("%q is not a name of %s: use %s", clip(name), article(spec.kind), spec.rule)
	}
	return name, nil
}

// article is a word with its indefinite article.
func article(word string) string {
	if strings.ContainsRune("aeio", rune(word[0])) {
		return "an " + word
	}
	return "a " + word
}

func (n Name[K]) spec() nameSpec {
	var kind K
	return kind.spec()
}
