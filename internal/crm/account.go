package crm

import (
	"cmp"
	"time"
)

// Account is what millrace.yaml says about the whole workspace. Secrets stand in it only as
// secret://NAME.
type Account struct {
	Name      string      `json:"name,omitempty" doc:"Name of the company, in tokens as account.name."`
	TimeZone  string      `json:"time_zone,omitempty" doc:"IANA zone in which delays, windows and dates are read." default:"UTC"`
	Fiscal    int         `json:"fiscal_year,omitempty" doc:"Month in which the fiscal year begins, 1 to 12, for filters with this_fiscal_year and the like; January, if left out." min:"1" max:"12"`
	Sender    Sender      `json:"sender,omitzero" doc:"Who mail comes from unless it says otherwise."`
	GDPR      bool        `json:"gdpr,omitempty" doc:"Send marketing mail only to people who opted in."`
	Renewal   CalendarDay `json:"renewal,omitzero" doc:"Day on which the account renews, as 03-15: contacts that became non-marketing before count as such from then, if it comes before the first of the next month."`
	Providers Providers   `json:"providers,omitzero" doc:"What sends; without a provider messages go to the outbox."`
	Egress    Egress      `json:"egress,omitzero" doc:"Which networks webhooks may reach beyond the public internet."`
	AI        AI          `json:"ai,omitzero" doc:"The language model of ask_ai, and how much the AI actions may use."`
	Quotas    Quotas      `json:"quotas,omitempty" doc:"How many calls leave by a channel in a time, such as email or webhook; the others wait for their turn."`
	Retention Retention   `json:"retention,omitzero" doc:"How long logs are kept."`
	Sources   Sources     `json:"sources,omitzero" doc:"Streams that millrace serve takes events from."`
}

// Sender is the address that mail comes from.
type Sender struct {
	Name  string `json:"name,omitempty" doc:"Display name."`
	Email string `json:"email,omitempty" doc:"Address."`
}

// Providers configures what leaves the house.
type Providers struct {
	SMTP       *SMTP                 `json:"smtp,omitempty" doc:"Mail server for send_email and notifications."`
	Enrichment *Enrichment           `json:"enrichment,omitempty" doc:"Who knows more about records, for enrich_record."`
	OpenAI     *Model                `json:"openai,omitempty" doc:"OpenAI, or a server that speaks as it does."`
	Anthropic  *Model                `json:"anthropic,omitempty" doc:"Anthropic, or a server that speaks as it does."`
	Ads        map[string]AdsAccount `json:"ads,omitempty" doc:"Accounts of advertising networks, by the names that actions use."`
}

// AdsAccount is an account of an advertising network.
type AdsAccount struct {
	Network      string `json:"network" doc:"google (Customer Match, whose terms you accept by it) or meta (Custom Audiences)." required:"true" enum:"google,meta"`
	Account      string `json:"account" doc:"Number of the account: the customer id of Google Ads, or the ad account of Meta." required:"true" min:"1"`
	Token        string `json:"token" doc:"secret://NAME of the access token of a system user of Meta, or of a refresh token of Google." required:"true"`
	ClientID     string `json:"client_id,omitempty" doc:"Google: OAuth client that the refresh token was given to."`
	ClientSecret string `json:"client_secret,omitempty" doc:"Google: secret://NAME of that client's secret."`
	Manager      string `json:"manager,omitempty" doc:"Google: number of the manager account through which the account is reached."`
	Consent      string `json:"consent,omitempty" doc:"Google: what it is told of the consent of those who are added; nothing, if left out." enum:"granted,denied"`
	URL          string `json:"url,omitempty" doc:"Where the network is called, if not at its own address."`
	TokenURL     string `json:"token_url,omitempty" doc:"Google: where the refresh token is exchanged, if not at its own address."`
}

// Enrichment is a service that knows more about records.
type Enrichment struct {
	URL    string `json:"url" doc:"Where it is asked by POST, as in https://enrichment.example.com/v1. What is not public has to be opened under egress." required:"true" min:"1"`
	APIKey string `json:"api_key,omitempty" doc:"secret://NAME of the key, which goes along as Authorization: Bearer."`
}

// Model is where language models are asked.
type Model struct {
	APIKey  string `json:"api_key,omitempty" doc:"secret://NAME of the key; a server of one's own may need none."`
	BaseURL string `json:"base_url,omitempty" doc:"Where it answers, as in http://models.internal:11434/v1; the vendor's if left out. What is not public has to be opened under egress."`
}

// AI is the language model that a workspace has chosen, and the limits of a calendar month in the account's zone.
type AI struct {
	Provider   string `json:"provider,omitempty" doc:"Whom ask_ai and generate_sales_profile ask." enum:"openai,anthropic" default:"openai"`
	Model      string `json:"model,omitempty" doc:"Model that they ask."`
	Executions int    `json:"executions,omitempty" doc:"How often one action of a workflow may run in a month." default:"3000" min:"1"`
	Tokens     int    `json:"tokens,omitempty" doc:"How many tokens all actions together may use in a month, read and written; no limit if left out." min:"1"`

	Assistants map[string]Assistant `json:"assistants,omitempty" doc:"Whom openai_ask_assistant asks, by the names that actions use."`
}

// Assistant is a model with what it is told before every question.
type Assistant struct {
	Model        string   `json:"model" doc:"Model of OpenAI, or of the server that providers.openai names." required:"true" min:"1"`
	Instructions string   `json:"instructions" doc:"What it is and how it answers. It holds no tokens." required:"true" min:"1"`
	Effort       string   `json:"reasoning_effort,omitempty" doc:"How long a reasoning model thinks; the model's own choice if left out." enum:"none,minimal,low,medium,high,xhigh,max"`
	Temperature  *float64 `json:"temperature,omitempty" doc:"How much answers vary; the model's own choice if left out. Reasoning models take none." min:"0" max:"2"`
	VectorStores []string `json:"vector_stores,omitempty" doc:"Ids of vector stores at OpenAI whose files it searches, as vs_123."`
}

// MaxExecutions is how often one action may run in a month (semantics, appendix A).
func (a AI) MaxExecutions() int64 { return int64(cmp.Or(a.Executions, 3000)) }

// Month is the calendar month of an instant in the account's zone, as 2027-05: limits are of a month.
func (a Account) Month(at time.Time) (string, error) {
	zone, err := LoadZone(a.TimeZone)
	return at.In(zone).Format(MonthForm), err
}

// MonthForm is how a month is written.
const MonthForm = "2006-01"

// SMTP is a mail server.
type SMTP struct {
	Host     string `json:"host" doc:"Host name or address." required:"true"`
	Port     int    `json:"port,omitempty" doc:"Port." default:"587" min:"1" max:"65535"`
	Username string `json:"username,omitempty" doc:"User, when the server wants one."`
	Password string `json:"password,omitempty" doc:"secret://NAME of the password."`
	TLS      string `json:"tls,omitempty" doc:"How the connection is protected." enum:"starttls,tls,none" default:"starttls"`
}

// Egress opens the guard on outgoing connections.
type Egress struct {
	Allow []string `json:"allow,omitempty" doc:"Networks in CIDR form that may be called though they are not public."`
	HTTP  bool     `json:"http,omitempty" doc:"Allow plain http."`
}

// Quotas are the limits of channels, by channel.
type Quotas map[string]Quota

// Quota is how many calls leave by a channel in a time.
type Quota struct {
	Limit int      `json:"limit" doc:"So many." required:"true" min:"1"`
	Per   Duration `json:"per" doc:"In this time." required:"true"`
}

// PerSecond is the pace that a quota allows.
func (q Quota) PerSecond() float64 { return float64(q.Limit) / q.Per.Elapsed().Seconds() }

// Retention is how long things are kept (semantics §5.5).
type Retention struct {
	Actions     Duration `json:"actions,omitzero" doc:"What actions did, counted from then, in enrollments that are closed; and the outbox." default:"90d"`
	Enrollments Duration `json:"enrollments,omitzero" doc:"What is known of an enrollment, counted from its end, and refused attempts; at least as long as actions." default:"180d"`
	Membership  Duration `json:"membership,omitzero" doc:"That there was an enrollment, counted from its end; at least as long as enrollments. The last one of a record stays as long as the record." default:"730d"`
	Audit       Duration `json:"audit,omitzero" doc:"Lines of the audit log." default:"730d"`
	Rejected    Duration `json:"rejected,omitzero" doc:"What streams brought that could not be an event." default:"90d"`
}

// What Retention says when nothing is said.
var usualRetention = Retention{
	Actions: Duration{Days: 90}, Enrollments: Duration{Days: 180}, Membership: Duration{Days: 730}, Audit: Duration{Days: 730}, Rejected: Duration{Days: 90},
}

// Keep is how long things are kept.
type Keep struct{ Actions, Enrollments, Membership, Audit, Rejected time.Duration }

// Kept reads the settings: what is left out is as usual, and nothing goes before what rests on it.
func (r Retention) Kept() Keep {
	usual := func(set, usual Duration) time.Duration { return cmp.Or(set, usual).Elapsed() }
	keep := Keep{
		Actions: usual(r.Actions, usualRetention.Actions), Audit: usual(r.Audit, usualRetention.Audit), Rejected: usual(r.Rejected, usualRetention.Rejected),
	}
	keep.Enrollments = max(keep.Actions, usual(r.Enrollments, usualRetention.Enrollments))
	keep.Membership = max(keep.Enrollments, usual(r.Membership, usualRetention.Membership))
	return keep
}

// Sources are the streams that events come from, beside the HTTP API.
type Sources struct {
	NATS  *NATS  `json:"nats,omitempty" doc:"A stream of NATS JetStream."`
	Kafka *Kafka `json:"kafka,omitempty" doc:"Topics of Kafka."`
}

// NATS is a stream of NATS JetStream.
type NATS struct {
	URL         string   `json:"url" doc:"Servers, separated by commas, as in nats://nats.internal:4222." required:"true"`
	Stream      string   `json:"stream" doc:"Name of the stream, which has to be there." required:"true"`
	Subjects    []string `json:"subjects,omitempty" doc:"Subjects of the stream that hold events; none = all."`
	Consumer    string   `json:"consumer,omitempty" doc:"Name of the durable consumer, which is made when it is missing." default:"millrace"`
	Token       string   `json:"token,omitempty" doc:"secret://NAME of a token to sign in with."`
	Credentials string   `json:"credentials,omitempty" doc:"Path of a credentials file to sign in with."`
}

// Kafka are topics of Kafka.
type Kafka struct {
	Brokers   []string `json:"brokers" doc:"Some of the brokers, as HOST:PORT." required:"true" min:"1"`
	Topics    []string `json:"topics" doc:"Topics that hold events." required:"true" min:"1"`
	Group     string   `json:"group,omitempty" doc:"Consumer group." default:"millrace"`
	TLS       bool     `json:"tls,omitempty" doc:"Speak TLS."`
	Username  string   `json:"username,omitempty" doc:"User, when the brokers want one."`
	Password  string   `json:"password,omitempty" doc:"secret://NAME of the password."`
	Mechanism string   `json:"mechanism,omitempty" doc:"How the password is shown." enum:"plain,scram-sha-256,scram-sha-512" default:"scram-sha-512"`
}
