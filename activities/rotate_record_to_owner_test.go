package activities

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// service are the users of the tests about rotation.
var service = []crm.User{
	{ID: "ada", Email: "ada@acme.example", Active: true, Team: "sales"},
	{ID: "bo", Email: "bo@acme.example", Active: true, Team: "sales"},
	{ID: "cy", Active: true, Team: "service", Teams: []string{"sales"}},
	{ID: "dee", Team: "sales"},
}

// owners lets n visits of an action choose an owner.
func (b *bench) owners(n int) string {
	b.t.Helper()
	var owners []string
	for range n {
		b.call.Visit++
		b.ok()
		owners = append(owners, b.property(ada, crm.OwnerProperty))
	}
	return strings.Join(owners, " ")
}

func TestRotateRecordToOwner(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		`{users: [ada, bo@acme.example], overwrite: true}`:                         "ada bo ada bo",
		`{teams: [sales], overwrite: true}`:                                        "ada bo ada bo",
		`{teams: [sales], members: all, overwrite: true}`:                          "ada bo cy ada",
		`{users: [{user: cy, weight: 2}], teams: [sales, sales], overwrite: true}`: "cy ada bo cy",
		`{users: [ada, dee, nobody], overwrite: true}`:                             "ada ada ada ada",
		`{users: [ada, bo]}`:                                                       "ada ada ada ada",
	} {
		b := newBench(t, "rotate_record_to_owner: "+config)
		b.users(service...)
		require.Equal(t, want, b.owners(4), config)
	}
}

func TestRotateRecordToOwnerOncePerVisit(t *testing.T) {
	t.Parallel()
	b := newBench(t, `rotate_record_to_owner: {users: [ada, bo], overwrite: true}`)
	b.users(service...)
	for range 2 {
		require.JSONEq(t, `{"owner":"ada"}`, string(b.ok().Output))
	}
	require.Equal(t, "bo", b.owners(1))
}

func TestRotateRecordToOwnerSkipsWhoHasOne(t *testing.T) {
	t.Parallel()
	b := newBench(t, `rotate_record_to_owner: {users: [ada, bo]}`)
	b.users(service...)
	b.set(map[string]string{crm.OwnerProperty: "cy"})
	require.Equal(t, plan.Outcome{}, b.ok())
	require.Equal(t, []string{"the record has an owner"}, b.journal(plan.JournalSkipped))
	require.Equal(t, "cy", b.property(ada, crm.OwnerProperty))
}

func TestRotateRecordToOwnerPassesOverWhoIsAway(t *testing.T) {
	t.Parallel()
	holiday := crm.User{ID: "ada", Active: true, Away: []crm.Absence{{From: crm.Date{Year: 2027, Month: 1, Day: 4}, To: crm.Date{Year: 2027, Month: 1, Day: 8}}}}
	b := newBench(t, `rotate_record_to_owner: {users: [ada, bo], overwrite: true, respect_availability: true}`)
	b.users(holiday, service[1])
	require.Equal(t, "bo bo bo", b.owners(3))
	b.call.Now = monday.AddDate(0, 0, 7)
	require.Equal(t, "ada ada bo", b.owners(3), "who comes back is not flooded")

	b = newBench(t, `rotate_record_to_owner: {users: [ada], respect_availability: true}`)
	b.users(holiday)
	_, err := b.run()
	requirePermanent(t, err, "no-user")
	require.Empty(t, b.property(ada, crm.OwnerProperty))
}

func TestRotateRecordToOwnerAtRandomByWeight(t *testing.T) {
	t.Parallel()
	b := newBench(t, `rotate_record_to_owner: {users: [{user: ada, weight: 3}, bo], mode: random, overwrite: true}`)
	b.users(service...)
	require.InDelta(t, 150, strings.Count(b.owners(200), "ada"), 25)
}

func TestRotateRecordToOwnerCountsPerAction(t *testing.T) {
	t.Parallel()
	const turn = `rotate_record_to_owner: {users: [ada, bo], overwrite: true}`
	b := newBench(t, turn, turn)
	b.users(service...)
	require.Equal(t, "ada", b.owners(1))
	b.call.Node = "a1"
	require.Equal(t, "ada", b.owners(1), "two actions do not share counts")
	require.Equal(t, "bo", b.owners(1))
}

func TestRotateRecordToOwnerFails(t *testing.T) {
	t.Parallel()
	for config, reason := range map[string]string{
		`{users: [dee]}`:                          "no-user",
		`{teams: [nobody]}`:                       "no-user",
		`{users: [ada], owner_property: grade}`:   "invalid-value",
		`{users: [ada], owner_property: missing}`: "invalid-value",
		`{users: [ada], owner_property: renewal}`: "invalid-value",
	} {
		b := newBench(t, "rotate_record_to_owner: "+config)
		b.users(service...)
		_, err := b.run()
		requirePermanent(t, err, reason)
	}
}

func TestRotateRecordToOwnerOutsideAWorkspace(t *testing.T) {
	t.Parallel()
	b := newBench(t, `rotate_record_to_owner: {users: [somebody], teams: [sales], overwrite: true}`).outside()
	require.Equal(t, "somebody sales somebody", b.owners(3))
}

func TestRotateRecordToOwnerIsChecked(t *testing.T) {
	t.Parallel()
	requireProblems(t, `rotate_record_to_owner: {}`, "missing-key")
	for _, weight := range []int{0, 101} {
		requireProblems(t, `rotate_record_to_owner: {users: [{user: ada, weight: `+strconv.Itoa(weight)+`}]}`, "out-of-range")
	}
	problems := inWorkspace(t, "workflow: w\nobject: contact\nactions:\n  - {id: a, rotate_record_to_owner: {users: [{user: ada}], teams: [sales], owner_property: nothing}}\n")
	var codes []string
	for _, problem := range problems {
		codes = append(codes, problem.Code)
	}
	require.ElementsMatch(t, []string{"unknown-user", "unknown-team", "unknown-property"}, codes)
}
