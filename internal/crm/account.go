package crm

// Account is what millrace.yaml says about the whole workspace. Secrets stand in it only as
// secret://NAME.
type Account struct {
	Name      string    `json:"name,omitempty" doc:"Name of the company, in tokens as account.name."`
	TimeZone  string    `json:"time_zone,omitempty" doc:"IANA zone in which delays, windows and dates are read." default:"UTC"`
	Sender    Sender    `json:"sender,omitzero" doc:"Who mail comes from unless it says otherwise."`
	GDPR      bool      `json:"gdpr,omitempty" doc:"Send marketing mail only to people who opted in."`
	Providers Providers `json:"providers,omitzero" doc:"What sends; without a provider messages go to the outbox."`
	Egress    Egress    `json:"egress,omitzero" doc:"Which networks webhooks may reach beyond the public internet."`
	Quotas    Quotas    `json:"quotas,omitempty" doc:"How many calls leave by a channel in a time, such as email or webhook; the others wait for their turn."`
	Retention Retention `json:"retention,omitzero" doc:"How long logs are kept."`
}

// Sender is the address that mail comes from.
type Sender struct {
	Name  string `json:"name,omitempty" doc:"Display name."`
	Email string `json:"email,omitempty" doc:"Address."`
}

// Providers configures what leaves the house.
type Providers struct {
	SMTP *SMTP `json:"smtp,omitempty" doc:"Mail server for send_email and notifications."`
}

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

// Retention is how long logs are kept, as durations (semantics §5.5).
type Retention struct {
	Actions     string `json:"actions,omitempty" doc:"Journal of actions." default:"90d"`
	Enrollments string `json:"enrollments,omitempty" doc:"Enrollment history." default:"180d"`
}
