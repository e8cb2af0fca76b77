package definition

import (
	"slices"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
)

// Message is a text of a workspace for a channel other than e-mail.
type Message struct {
	Name    string       `json:"name,omitempty" doc:"Name shown to people."`
	Channel string       `json:"channel,omitempty" doc:"What it is sent by." enum:"sms,whatsapp,survey" default:"sms"`
	Text    crm.Template `json:"text" doc:"The text, with tokens." required:"true"`
}

// List is a list of a workspace. Who is on a static one is data, not source; an active one has a filter.
type List struct {
	List        string         `json:"list,omitempty" doc:"The name of the file without its ending, if it is written at all."`
	Name        string         `json:"name,omitempty" doc:"Name shown to people."`
	Description string         `json:"description,omitempty" doc:"Who is on it."`
	Object      crm.ObjectName `json:"object,omitzero" doc:"Type of the records on it." default:"contact"`
	Filter      *crm.Filter    `json:"filter,omitempty" doc:"Who is on it; without a filter, who was put there."`

	path string
}

// Calendar is days on which workflows pause, such as the holidays of a country.
type Calendar struct {
	Name string            `json:"name,omitempty" doc:"Name shown to people."`
	Days []crm.CalendarDay `json:"days" doc:"12-25 for every year, 2027-03-29 once." required:"true" min:"1"`
}

// Connection is a connected app.
type Connection struct {
	App      string         `json:"app" doc:"Which app, as in slack." required:"true"`
	Secret   *crm.Secret    `json:"secret,omitempty" doc:"Credential, as secret://NAME."`
	Settings map[string]any `json:"settings,omitempty" doc:"What the app needs beside it."`
}

// people is the content of users.yaml.
type people struct {
	Users []user `json:"users" doc:"Who works here."`
	Teams []team `json:"teams" doc:"Teams of users."`
}

type user struct {
	ID     string        `json:"id" doc:"Stable id, in owner properties." required:"true" min:"1" max:"200"`
	Name   string        `json:"name" doc:"Full name."`
	Email  string        `json:"email" doc:"Address."`
	Active bool          `json:"active" doc:"Inactive users are assigned and told nothing." default:"true"`
	Team   string        `json:"team" doc:"Primary team."`
	Teams  []string      `json:"teams" doc:"Extra teams."`
	Away   []crm.Absence `json:"away" doc:"Days on which nothing is assigned by rotation to who is away."`
	Roles  []string      `json:"roles" doc:"What the user may do: view, edit, publish, enroll, or everything as admin." enum:"view,edit,publish,enroll,admin"`
}

// user is the user that an entry describes.
func (u user) user() crm.User {
	found := crm.User{ID: u.ID, Name: u.Name, Email: u.Email, Active: u.Active, Team: u.Team, Teams: u.Teams, Away: u.Away}
	for _, role := range u.Roles {
		found.Roles = append(found.Roles, crm.Role(role))
	}
	return found
}

type team struct {
	ID   string `json:"id" doc:"Stable id." required:"true" min:"1" max:"200"`
	Name string `json:"name" doc:"Name shown to people."`
}

// readUsers reads users.yaml, and reports ids used twice and, when teams are declared, others.
func (r *workspaceReader) readUsers(name string) {
	var content people
	node := r.decode(name, &content)
	if node == nil {
		return
	}
	for i, one := range content.Teams {
		if slices.Contains(r.Teams, one.ID) {
			r.found.Errorf(node.Get("teams").Items[i].Pos, "duplicate-id", "there are two teams %q", one.ID)
		}
		r.Teams = append(r.Teams, one.ID)
	}
	declared := len(r.Teams) > 0
	for i, one := range content.Users {
		item := node.Get("users").Items[i]
		if slices.ContainsFunc(r.Users, func(earlier crm.User) bool { return earlier.ID == one.ID }) {
			r.found.Errorf(item.Pos, "duplicate-id", "there are two users %q", one.ID)
		}
		named := []*schema.Node{item.Get("team")}
		if teams := item.Get("teams"); teams != nil {
			named = append(named, teams.Items...)
		}
		for _, team := range named {
			r.nameTeam(team, declared)
		}
		for i, away := range one.Away {
			if away.To.Compare(away.From) < 0 {
				r.found.Errorf(item.Get("away").Items[i].Pos, "wrong-value", "away: the last day is before the first")
			}
		}
		r.Users = append(r.Users, one.user())
	}
}

// nameTeam reads a team that a user names. Where no teams are declared, naming one declares it.
func (r *workspaceReader) nameTeam(node *schema.Node, declared bool) {
	switch {
	case node == nil || !node.IsScalar() || slices.Contains(r.Teams, node.Value):
	case declared:
		r.found.Errorf(node.Pos, "unknown-team", "there is no team %q", node.Value).Suggest(node.Value, r.Teams)
	default:
		r.Teams = append(r.Teams, node.Value)
	}
}
