package crm

import (
	"encoding/json"
	"strings"
	"time"
)

// OwnerProperty is the property that points to the user who owns a record; `owner` is its other name.
const OwnerProperty = "hubspot_owner_id"

// Scope is what the tokens of a template can name (language §2): the enrolled record by its type or as
// `record`, the primary associated record of another type, `owner`, `actions`, `event`, `now` and
// `account`. Records are read when a token asks for them, each once per rendering.
type Scope struct {
	Records Records
	Ref     Ref // the enrolled record
	Catalog *Catalog
	Account Account
	Now     time.Time
	Zone    *time.Location             // of dates and times in texts; nil = the account's
	Outputs map[string]json.RawMessage // by action id
	Event   map[string]any             // properties of the event that enrolled the record
}

// zone is where times are shown.
func (s Scope) zone() *time.Location {
	if s.Zone != nil {
		return s.Zone
	}
	if zone, err := LoadZone(s.Account.TimeZone); err == nil {
		return zone
	}
	return time.UTC
}

// Things that tokens lead through.
type (
	recordValue  struct{ ref Ref }
	userValue    struct{ user User }
	outputsValue map[string]json.RawMessage
)

func (r recordValue) String() string { return r.ref.String() }
func (u userValue) String() string   { return u.user.Name }

// root returns what a name stands for at the start of a token; nil when nothing does.
func (r *rendering) root(name string) (any, error) {
	switch name {
	case "now":
		return r.scope.Now.In(r.scope.zone()), nil
	case "event":
		return r.scope.Event, nil
	case "actions":
		return outputsValue(r.scope.Outputs), nil
	case "owner":
		return r.owner()
	case "account":
		account := r.scope.Account
		return map[string]any{
			"name": account.Name, "time_zone": account.TimeZone,
			"sender": map[string]any{"name": account.Sender.Name, "email": account.Sender.Email},
		}, nil
	case "record", r.scope.Ref.Object:
		return recordValue{r.scope.Ref}, nil
	}
	if _, declared := r.scope.Catalog.Object(name); !declared && !r.scope.Catalog.IsOpen() {
		return nil, nil
	}
	found, err := r.scope.Records.Associated(r.ctx, r.scope.Ref, name)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return recordValue{found[0].Ref}, nil
}

// owner returns the user who owns the enrolled record.
func (r *rendering) owner() (any, error) {
	record, err := r.record(r.scope.Ref)
	if err != nil || record == nil {
		return nil, err
	}
	id := record.Property(OwnerProperty)
	if id == "" {
		id = record.Property("owner")
	}
	if id == "" {
		return nil, nil
	}
	user, err := r.scope.Records.User(r.ctx, id)
	if gone(err) {
		return nil, nil
	}
	return userValue{user}, err
}

// record reads a record once. An associated record that is gone is nil; the enrolled one is an error.
func (r *rendering) record(ref Ref) (*Record, error) {
	if record, read := r.records[ref]; read {
		return record, nil
	}
	record, err := r.scope.Records.Get(r.ctx, ref)
	switch {
	case gone(err) && ref != r.scope.Ref:
		r.records[ref] = nil
	case err != nil:
		return nil, err
	default:
		r.records[ref] = &record
	}
	return r.records[ref], nil
}

// member returns what a name stands for within a value; nil when nothing does.
func (r *rendering) member(value any, name string) (any, error) {
	switch value := value.(type) {
	case recordValue:
		record, err := r.record(value.ref)
		if err != nil || record == nil {
			return nil, err
		}
		return r.scope.Catalog.Typed(record.Object, name, record.Property(name)), nil
	case userValue:
		return value.member(name), nil
	case outputsValue:
		if err := r.spend(cost(value[name])); err != nil || value[name] == nil {
			return nil, err
		}
		return decodeJSON(value[name])
	case map[string]any:
		return settled(value[name]), nil
	case []any:
		return memberOfList(value, name), nil
	case string:
		if name == "size" {
			return NumberOf(int64(len([]rune(value)))), nil
		}
	}
	return nil, nil
}

func (u userValue) member(name string) any {
	first, last, _ := strings.Cut(u.user.Name, " ")
	members := map[string]string{
		"id": u.user.ID, "name": u.user.Name, "first_name": first, "last_name": last, "email": u.user.Email, "team": u.user.Team,
	}
	if members[name] == "" {
		return nil
	}
	return members[name]
}

func memberOfList(list []any, name string) any {
	switch {
	case name == "size":
		return NumberOf(int64(len(list)))
	case name == "first" && len(list) > 0:
		return settled(list[0])
	case name == "last" && len(list) > 0:
		return settled(list[len(list)-1])
	}
	return nil
}

// settled turns a Go value as JSON and maps hold it into one that templates work with.
func settled(value any) any {
	switch value := value.(type) {
	case int:
		return NumberOf(int64(value))
	case int64:
		return NumberOf(value)
	case float64, json.Number:
		if number, err := ParseNumber(Text(value)); err == nil {
			return number
		}
		return Text(value)
	case []string:
		list, _ := asList(value)
		return list
	case safeHTML:
		return string(value)
	case recordValue, userValue:
		return Text(value)
	}
	return value
}
