package activities

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/schema"
)

// rotation is among whom records are spread, and how.
type rotation struct {
	Users        []rotated      `json:"users,omitempty" doc:"Users, each as U or as {user: U, weight: 2}."`
	Teams        []crm.TeamName `json:"teams,omitempty" doc:"Teams; who is named as a user too is there once, with that weight."`
	Members      string         `json:"members" doc:"primary: only users whose primary team it is. all: the others too." enum:"primary,all" default:"primary"`
	Mode         string         `json:"mode" doc:"balanced: even by counts. random: by chance." enum:"balanced,random" default:"balanced"`
	Availability bool           `json:"respect_availability" doc:"Pass over users who are away, as users.yaml says."`
}

// rotated is a user with a share of the work.
type rotated struct {
	User   crm.UserName `json:"user" doc:"User, by id or address." required:"true"`
	Weight int          `json:"weight" doc:"How many records, compared with the others." min:"1" max:"100" default:"1"`
}

// UnmarshalNode reads a user, or {user: U, weight: 2}.
func (r *rotated) UnmarshalNode(node *schema.Node, problems *schema.Diagnostics) {
	if node.IsScalar() {
		r.Weight = 1
		r.User.UnmarshalNode(node, problems)
		return
	}
	type fields rotated
	*problems = append(*problems, schema.Decode(node, (*fields)(r))...)
}

// Describe tells readers about the source form.
func (rotated) Describe() schema.Description {
	weighted := map[string]any{
		"type": "object", "required": []any{"user"}, "additionalProperties": false,
		"properties": map[string]any{"user": map[string]any{"type": "string"}, "weight": map[string]any{"type": "integer", "minimum": 1, "maximum": 100}},
	}
	return schema.Description{Name: "user", Doc: "A user, or {user: U, weight: 2}.", Schema: map[string]any{"anyOf": []any{map[string]any{"type": "string"}, weighted}}}
}

func (r rotation) empty() bool { return len(r.Users)+len(r.Teams) == 0 }

// choose returns the user who is next. Errors: nobody is there for good, `no-user`.
func (r rotation) choose(ctx context.Context, env *action.Env, call plan.Call) (string, error) {
	shares, err := r.shares(ctx, env)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	user := ""
	if r.Mode == "random" {
		user = drawn(fmt.Sprintf("%s\x00%d", call.Key(), env.Seed()), shares)
	} else if len(shares) > 0 {
		roster := fmt.Sprintf("%x", sha256.Sum256(text))
		if user, err = env.Records.Rotate(ctx, call.Workflow()+"/"+call.Node, roster, shares); err != nil {
			return "", err
		}
	}
	if user == "" {
		return "", action.Permanent("no-user", "there is no active user to take it")
	}
	return user, nil
}

// drawn draws a user who is not away, by weight; the same subject draws the same.
func drawn(subject string, shares []crm.Share) string {
	present := slices.DeleteFunc(slices.Clone(shares), func(one crm.Share) bool { return one.Away })
	total := 0
	for _, one := range present {
		total += one.Weight
	}
	if total == 0 {
		return ""
	}
	left := int(hashOf(subject) % uint64(total))
	for present[0].Weight <= left {
		left -= present[0].Weight
		present = present[1:]
	}
	return present[0].User
}

// shares resolves the active users, each once.
func (r rotation) shares(ctx context.Context, env *action.Env) ([]crm.Share, error) {
	var shares []crm.Share
	seen := map[string]bool{}
	zone, err := env.Zone(ctx)
	if err != nil {
		return nil, err
	}
	add := func(user crm.User, weight int) {
		if seen[user.ID] {
			return
		}
		seen[user.ID] = true
		if !user.Active {
			env.Warn("user %s is deactivated", user.ID)
			return
		}
		shares = append(shares, crm.Share{User: user.ID, Weight: weight, Away: r.Availability && user.IsAway(env.Now(), zone)})
	}
	for _, one := range r.Users {
		user, err := env.Records.User(ctx, one.User.Text)
		found, err := known(env, nil, "user", one.User.Text, []crm.User{user}, err)
		if err != nil {
			return nil, err
		}
		for _, user := range found {
			add(user, one.Weight)
		}
	}
	for _, team := range r.Teams {
		members, err := env.Records.Team(ctx, team.Text)
		if members, err = known(env, nil, "team", team.Text, members, err); err != nil {
			return nil, err
		}
		for _, member := range members {
			if r.Members == "all" || member.Team == team.Text || env.Catalog.IsOpen() {
				add(member, 1)
			}
		}
	}
	return shares, nil
}
