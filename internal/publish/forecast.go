package publish

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// Foresight is what a forecast cannot know by itself.
type Foresight struct {
	// Ask tells what an action would answer under a plan that is not published yet. It writes nothing.
	Ask func(ctx context.Context, prospect *plan.Plan, call plan.Call) (plan.Outcome, error)
	// Messages tells whether a kind reaches people.
	Messages func(kind string) bool
	Now      time.Time
}

// Forecast is what a revision would do to the people inside its workflow.
type Forecast struct {
	Workflow string
	Places   []Place // where somebody stands, in the order of the revision before

	before, after *plan.Plan
	inFlight      string
	migrate       map[string]string
}

// Place is an action with the people who stand at it, and what becomes of them. Everybody is in one of the counts
// from Stay to Leave.
type Place struct {
	Node    string     `json:"node"` // "" = on the way to the first action
	Inside  int        `json:"inside"`
	Stay    int        `json:"stay"`    // finish by the revision that they are in
	GoOn    int        `json:"go_on"`   // nothing changes for them now
	Move    []Movement `json:"move"`    // go on at another action, now
	Earlier int        `json:"earlier"` // their wait ends sooner, or now
	Longer  int        `json:"longer"`  // their wait ends later
	Leave   int        `json:"leave"`   // leave the workflow, now
	Twice   []Affected `json:"twice"`   // messages that they got and may now get again
	Never   []Affected `json:"never"`   // messages that they might have got, or that come in behind them
}

// Movement is how many go on at an action.
type Movement struct {
	To     string `json:"to"`
	People int    `json:"people"`
}

// Affected is an action that sends a message, and to how many the edit makes a difference.
type Affected struct {
	Action string `json:"action"`
	People int    `json:"people"`
}

// Affects tells whether anybody moves, waits otherwise, leaves, or gets other messages than before.
func (p Place) Affects() bool {
	return len(p.Move)+len(p.Twice)+len(p.Never)+p.Earlier+p.Longer+p.Leave > 0
}

// Affected counts those who stand where somebody is affected.
func (f Forecast) Affected() (people int) {
	for _, place := range f.Places {
		if place.Affects() {
			people += place.Inside
		}
	}
	return people
}

// pageSize is how many enrollments are looked at in one go.
const pageSize = 1000

// Foresee tells what becomes of the people inside a workflow when a revision of it is published, by where they stand
// in our books. Who waits is told of the revision at once: whose action or time zone differs is asked for, with the
// arrival that is on record. Who is in the middle of an action finishes that first, and counts as going on.
// Messages are compared by what the two plans can still come to, and by what was sent; an action with another id
// that does the same is the same message.
func Foresee(ctx context.Context, books *store.Store, revision plan.Revision, foresight Foresight) (Forecast, error) {
	earlier, err := books.Revisions(ctx, revision.Workflow)
	if err != nil {
		return Forecast{}, err
	}
	forecast := Forecast{Workflow: revision.Workflow, after: revision.Plan, inFlight: revision.InFlight, migrate: revision.Migrate}
	if len(earlier) == 0 {
		return forecast, nil
	}
	forecast.before = earlier[len(earlier)-1].Plan
	revision.Number = earlier[len(earlier)-1].Number + 1
	f := &foreseeing{
		Foresight: foresight, books: books, revisions: append(earlier, revision), after: revision.Plan,
		places: map[string]*Place{}, routes: map[route]*fates{}, held: map[heldBy]int{},
	}
	for after := ""; ; {
		page, err := books.Enrollments(ctx, store.EnrollmentFilter{Workflow: revision.Workflow, OpenOnly: true, After: after, Limit: pageSize})
		if err != nil {
			return Forecast{}, err
		}
		for _, enrollment := range page {
			if err := f.foresee(ctx, enrollment); err != nil {
				return Forecast{}, fmt.Errorf("foreseeing what becomes of %s: %w", enrollment.ID, err)
			}
		}
		if len(page) < pageSize {
			break
		}
		after = page[len(page)-1].ID
	}
	if err := f.messages(ctx); err != nil {
		return Forecast{}, err
	}
	forecast.Places = f.sorted(forecast.before)
	return forecast, nil
}

// foreseeing is a forecast in the making.
type foreseeing struct {
	Foresight
	books     *store.Store
	revisions []plan.Revision // oldest first, the new one last
	after     *plan.Plan
	places    map[string]*Place
	routes    map[route]*fates
	held      map[heldBy]int
}

type heldBy struct {
	admitted int
	hash     string
}

// route is where people stand by which revision, and where they go on by the new one.
type route struct {
	held     int // index of the revision
	from, to string
	waits    bool // in from, or is in the middle of it
}

// fates are the people on a route.
type fates struct {
	ids  []string // only when somebody has to look for them
	all  int
	once map[string][]string // message → earlier actions that sent it
}

func (f *foreseeing) foresee(ctx context.Context, enrollment plan.Enrollment) error {
	at := enrollment.Standing
	place := f.places[at.Node]
	if place == nil {
		place = &Place{Node: at.Node, Move: []Movement{}, Twice: []Affected{}, Never: []Affected{}}
		f.places[at.Node] = place
	}
	place.Inside++
	held := f.holds(enrollment)
	to := plan.Follow(f.revisions[held+1:])
	if to == nil || to.Revision != f.after.Revision || to.Hash != f.after.Hash {
		place.Stay++
		return nil
	}
	destination, sent := to.Moved[at.Node]
	waits := !at.Until.IsZero() || at.Awaits != ""
	switch {
	case at.Node == "":
		place.GoOn++
		return nil
	case !waits:
		place.GoOn++
		if !sent {
			destination = at.Node
		}
	case sent:
		leaves := destination == ""
		if !leaves && f.otherExits(f.revisions[held].Plan) { // it may be out before it does anything there
			outcome, err := f.Ask(ctx, f.after, plan.Call{Enrollment: enrollment.ID, Plan: f.after.Hash, Node: destination, Visit: 1, Arrived: f.Now, Now: f.Now})
			if err != nil {
				return err
			}
			leaves = outcome.End != ""
		}
		if leaves {
			destination = ""
			place.Leave++
		} else {
			place.move(destination)
		}
	default:
		destination = at.Node
		leaves, err := f.wait(ctx, f.revisions[held].Plan, enrollment, place)
		if err != nil {
			return err
		}
		if leaves {
			destination = ""
		}
	}
	f.note(route{held, at.Node, destination, waits}, enrollment.ID)
	return nil
}

// holds is the index of the revision by which somebody goes: the newest with the plan on record to which the
// policies lead from the revision of the admission.
func (f *foreseeing) holds(enrollment plan.Enrollment) int {
	key := heldBy{enrollment.Revision, enrollment.Standing.Plan}
	if known, found := f.held[key]; found {
		return known
	}
	held := slices.IndexFunc(f.revisions, func(one plan.Revision) bool { return one.Number == enrollment.Revision })
	held = max(held, 0)
	for i := held + 1; i < len(f.revisions)-1 && f.revisions[i].InFlight != plan.InFlightPin; i++ {
		if f.revisions[i].Plan.Hash == enrollment.Standing.Plan {
			held = i
		}
	}
	f.held[key] = held
	return held
}

func (p *Place) move(to string) {
	i := slices.IndexFunc(p.Move, func(one Movement) bool { return one.To == to })
	if i < 0 {
		i, p.Move = len(p.Move), append(p.Move, Movement{To: to})
	}
	p.Move[i].People++
}

// wait asks what becomes of somebody who waits in an action that is still there.
func (f *foreseeing) wait(ctx context.Context, held *plan.Plan, enrollment plan.Enrollment, place *Place) (leaves bool, err error) {
	at := enrollment.Standing
	old, node := held.Nodes[at.Node], f.after.Nodes[at.Node]
	retimed := old.Hash != node.Hash || rules(held).TimeZone != rules(f.after).TimeZone
	if !retimed && !f.otherExits(held) {
		place.GoOn++
		return false, nil
	}
	call := plan.Call{
		Enrollment: enrollment.ID, Plan: f.after.Hash, Node: at.Node, Visit: 1, Arrived: at.Arrived, Now: f.Now, Awaits: at.Awaits,
	}
	if old.Hash != node.Hash {
		call.Edited = f.Now
	}
	if len(node.Reads) > 0 {
		if call.Visits, err = f.visits(ctx, enrollment.ID, node.Reads); err != nil {
			return false, err
		}
	}
	outcome, err := f.Ask(ctx, f.after, call)
	if err != nil {
		return false, err
	}
	switch {
	case outcome.End != "":
		place.Leave++
		return true, nil
	case !retimed:
		place.GoOn++
	case !outcome.Waits() || !outcome.Until.IsZero() && (at.Until.IsZero() || outcome.Until.Before(at.Until)):
		place.Earlier++
	case !at.Until.IsZero() && (outcome.Until.IsZero() || outcome.Until.After(at.Until)):
		place.Longer++
	default:
		place.GoOn++
	}
	return false, nil
}

// otherExits tells whether goal or suppression differ from those of a plan.
func (f *foreseeing) otherExits(held *plan.Plan) bool {
	before, after := rules(held), rules(f.after)
	return !bytes.Equal(before.Goal, after.Goal) || !bytes.Equal(before.Suppress, after.Suppress)
}

func rules(of *plan.Plan) plan.Rules {
	if of.Rules == nil {
		return plan.Rules{}
	}
	return *of.Rules
}

// visits counts how often somebody came to actions, as the journal has it.
func (f *foreseeing) visits(ctx context.Context, enrollment string, actions []string) (map[string]int, error) {
	entries, err := f.books.Journal(ctx, enrollment)
	if err != nil {
		return nil, err
	}
	visits := map[string]int{}
	for _, action := range actions {
		for visit := 1; slices.ContainsFunc(entries, func(entry plan.Entry) bool {
			return entry.Key == plan.Call{Enrollment: enrollment, Node: action, Visit: visit}.Key()
		}); visit++ {
			visits[action] = visit
		}
	}
	return visits, nil
}

// note puts somebody on a route, and works out once for each what messages that means.
func (f *foreseeing) note(way route, enrollment string) {
	on := f.routes[way]
	if on == nil {
		on = &fates{once: f.again(way)}
		f.routes[way] = on
	}
	on.all++
	if len(on.once) > 0 {
		on.ids = append(on.ids, enrollment)
	}
}

// sorted are the places in the order of a plan, those that it does not have at the end.
func (f *foreseeing) sorted(before *plan.Plan) []Place {
	order := definition.Order(before)
	rank := func(id string) int {
		if i := slices.Index(order, id); i >= 0 || id == "" {
			return i
		}
		return len(order)
	}
	var places []Place
	for _, place := range f.places {
		byAction := func(a, b Affected) int { return cmp.Compare(a.Action, b.Action) }
		slices.SortFunc(place.Twice, byAction)
		slices.SortFunc(place.Never, byAction)
		slices.SortFunc(place.Move, func(a, b Movement) int { return cmp.Compare(a.To, b.To) })
		places = append(places, *place)
	}
	slices.SortFunc(places, func(a, b Place) int {
		return cmp.Or(cmp.Compare(rank(a.Node), rank(b.Node)), cmp.Compare(a.Node, b.Node))
	})
	return places
}

// String tells what becomes of the people at a place, without where it is.
func (p Place) String() string {
	var parts []string
	add := func(people int, one, many string) {
		switch {
		case people == 1:
			parts = append(parts, "1 "+one)
		case people > 1:
			parts = append(parts, fmt.Sprintf("%d %s", people, many))
		}
	}
	add(p.GoOn, "goes on", "go on")
	for _, move := range p.Move {
		add(move.People, "moves to "+move.To, "move to "+move.To)
	}
	add(p.Earlier, "wakes earlier", "wake earlier")
	add(p.Longer, "waits longer", "wait longer")
	add(p.Leave, "leaves", "leave")
	add(p.Stay, "finishes by the revision it is in", "finish by theirs")
	for _, message := range p.Twice {
		add(message.People, "may get "+message.Action+" twice", "may get "+message.Action+" twice")
	}
	for _, message := range p.Never {
		add(message.People, "never gets "+message.Action, "never get "+message.Action)
	}
	return strings.Join(parts, ", ")
}
