package testsuite_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/testsuite"
	"github.com/stretchr/testify/require"
)

const (
	worlds       = 100 // each of
	livesInEach  = 10  // records
	thingsInEach = 80  // that happen to them
)

// TestRandomLives compares who enters and leaves in random worlds with a reference that is written from the semantics
// (§2.2 to §2.7) and knows neither router nor store. A difference is a scenario, to be read.
func TestRandomLives(t *testing.T) {
	t.Parallel()
	for seed := range uint64(worlds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newRandomWorld(seed)
			script, follows := w.live()
			scenario, problems := testsuite.ReadScenario("lives", []byte("start: 2027-03-01T09:00:00Z\n-- happens --\n"+script+"-- follows --\n"))
			require.Empty(t, problems)
			_, err := scenario.Run(t.Context(), compiled(t, w.workspace()))
			require.NoError(t, err)
			_, shown, _ := strings.Cut(string(scenario.Content()), "-- follows --\n")
			// what happens at one instant has no order
			got := slices.Sorted(strings.Lines(shown))
			slices.Sort(follows)
			require.Equal(t, strings.Join(follows, ""), strings.Join(got, ""), "seed %d\n%s\n%s", seed, w.workspace(), script)
		})
	}
}

// person is a record as the reference knows it.
type person struct {
	is      map[string]string // properties, and lists as "list vip"
	deleted bool
	inside  map[string]bool
	before  map[string]bool // was ever inside
}

// condition is a property and its value, or a list.
type condition struct{ name, value string }

func (c condition) holds(p person) bool { return c.name != "" && p.is[c.name] == c.value }

func (c condition) String() string {
	if list, is := strings.CutPrefix(c.name, "list "); is {
		return "{list: " + list + "}"
	}
	return fmt.Sprintf("{property: %s, is: %s}", c.name, c.value)
}

// ruled is a workflow with what decides who is in it. A condition without a name is none.
type ruled struct {
	name, event                        string
	when, provided, goal, keeps, again condition
	each, leaves                       bool
	removes                            string // "", all, or a workflow
	off                                bool
}

// first tells whether what enrolls for the first time holds, apart from an event.
func (r ruled) first(p person) bool {
	return (r.when.name == "" || r.when.holds(p)) && (r.provided.name == "" || r.provided.holds(p))
}

type randomWorld struct {
	*rand.Rand
	workflows []*ruled
	people    []*person
	now       time.Time
	script    strings.Builder
	follows   []string
}

var conditions = []condition{
	{"lifecycle_stage", "customer"}, {"lifecycle_stage", "lead"}, {"city", "Rome"}, {"city", "Oslo"}, {"list vip", "on"}, {"list blocked", "on"},
}

func newRandomWorld(seed uint64) *randomWorld {
	w := &randomWorld{Rand: rand.New(rand.NewPCG(seed, 1)), now: time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)}
	names := []string{"a", "b", "c", "d"}
	for _, name := range names {
		r := &ruled{name: name, goal: w.maybe(), keeps: w.maybe()}
		switch w.IntN(5) {
		case 0, 1:
			r.when, r.leaves = w.any(), w.IntN(3) == 0
		case 2, 3:
			r.event, r.provided = "page_viewed", w.maybe()
		}
		switch w.IntN(3) {
		case 0:
			r.each = r.event != ""
		case 1:
			r.again = w.any()
		}
		switch w.IntN(6) {
		case 0:
			r.removes = "all"
		case 1:
			if r.removes = names[w.IntN(len(names))]; r.removes == name {
				r.removes = ""
			}
		}
		w.workflows = append(w.workflows, r)
	}
	return w
}

func (w *randomWorld) any() condition { return conditions[w.IntN(len(conditions))] }

func (w *randomWorld) maybe() condition {
	if w.IntN(3) > 0 {
		return condition{}
	}
	return w.any()
}

// workspace is the world's in YAML.
func (w *randomWorld) workspace() string {
	text := "-- lists/vip.yaml --\nlist: vip\n-- lists/blocked.yaml --\nlist: blocked\n"
	for _, r := range w.workflows {
		text += fmt.Sprintf("-- workflows/%s.yaml --\nworkflow: %s\nobject: contact\n", r.name, r.name)
		enroll := []string{}
		add := func(key string, value any) { enroll = append(enroll, fmt.Sprintf("  %s: %v\n", key, value)) }
		if r.when.name != "" {
			add("when", r.when)
		}
		if r.event != "" {
			add("on", "[{event: "+r.event+"}]")
		}
		if r.provided.name != "" {
			add("if", r.provided)
		}
		if r.each {
			add("again", "each_event")
		}
		if r.again.name != "" {
			add("again", fmt.Sprintf("[%s]", r.again))
		}
		if r.leaves {
			add("leave_when_no_longer_matching", true)
		}
		switch r.removes {
		case "":
		case "all":
			add("remove_from", "all")
		default:
			add("remove_from", "["+r.removes+"]")
		}
		if len(enroll) > 0 {
			text += "enroll:\n" + strings.Join(enroll, "")
		}
		if r.goal.name != "" {
			text += fmt.Sprintf("goal: %s\n", r.goal)
		}
		if r.keeps.name != "" {
			text += fmt.Sprintf("suppress: %s\n", r.keeps)
		}
		text += "actions: [{id: a, delay_set_amount: {for: 90d}}]\n"
	}
	return text
}

// live lets things happen and returns them as a script, with what follows by the reference.
func (w *randomWorld) live() (script string, follows []string) {
	for i := range livesInEach {
		p := &person{is: map[string]string{}, inside: map[string]bool{}, before: map[string]bool{}}
		w.people = append(w.people, p)
		w.set(i, w.property())
	}
	for range thingsInEach {
		w.now = w.now.Add(time.Duration(1+w.IntN(3000)) * time.Minute)
		i := w.IntN(livesInEach)
		p, r := w.people[i], w.workflows[w.IntN(len(w.workflows))]
		switch n := w.IntN(20); {
		case n == 0:
			r.off = !r.off
			fmt.Fprintf(&w.script, "%s workflow/%s turns %s\n", w.clock(), r.name, map[bool]string{true: "off", false: "on"}[r.off])
		case n == 1 && p.deleted:
			w.say(i, "restored")
			p.deleted = false // and nothing follows
		case n == 1:
			w.say(i, "deleted")
			p.deleted = true
			for _, name := range slices.Sorted(maps.Keys(p.inside)) {
				w.leave(i, name, "deleted")
			}
		case n < 5:
			w.say(i, "enters "+r.name)
			w.byHand(i, r)
		case p.deleted:
		case n < 9:
			w.say(i, "did page_viewed")
			w.after(i, *p, "page_viewed")
		case n < 12 && p.inside[r.name]:
			w.say(i, "completes "+r.name)
			w.leave(i, r.name, "completed")
		case n < 15:
			list := []string{"vip", "blocked"}[w.IntN(2)]
			old := w.copy(p)
			if on := w.IntN(2) == 0; on {
				w.say(i, "joins "+list)
				p.is["list "+list] = "on"
			} else {
				w.say(i, "quits "+list)
				delete(p.is, "list "+list)
			}
			w.after(i, old, "")
		default:
			w.set(i, w.property())
		}
	}
	return w.script.String(), w.follows
}

func (w *randomWorld) property() condition { return conditions[w.IntN(4)] }

func (w *randomWorld) copy(p *person) person {
	old := *p
	old.is = maps.Clone(p.is)
	return old
}

func (w *randomWorld) set(i int, one condition) {
	old := w.copy(w.people[i])
	w.people[i].is[one.name] = one.value
	w.say(i, fmt.Sprintf("is {%q: %q}", one.name, one.value))
	w.after(i, old, "")
}

// after is what follows when a record was old and is what it is now, or did something.
func (w *randomWorld) after(i int, old person, event string) {
	p, entering := w.people[i], []*ruled{}
	ways := map[string]string{}
	for _, r := range w.workflows {
		starts := func(c condition) bool { return c.holds(*p) && !c.holds(old) }
		switch {
		case p.inside[r.name]: // §2.6, §2.7; a match is lost (§2.5)
			w.outgrow(i, r)
		case r.off: // §2.3
		case r.event != "" && event == r.event && r.first(*p) && (!p.before[r.name] || r.each):
			ways[r.name] = "event"
		case !p.before[r.name] && starts(r.when):
			ways[r.name] = "filter"
		case p.before[r.name] && starts(r.again) && r.first(*p):
			ways[r.name] = "again"
		}
		if ways[r.name] != "" && w.admit(i, r, ways[r.name]) {
			entering = append(entering, r)
		}
	}
	w.entered(i, entering)
}

// outgrow lets who is inside leave: suppression, goal and no longer matching, in this order.
func (w *randomWorld) outgrow(i int, r *ruled) {
	p := w.people[i]
	switch {
	case r.keeps.holds(*p):
		w.leave(i, r.name, "suppressed")
	case r.goal.holds(*p):
		w.leave(i, r.name, "goal_met")
	case r.leaves && !r.when.holds(*p):
		w.leave(i, r.name, "unenrolled")
	}
}

func (w *randomWorld) byHand(i int, r *ruled) {
	if w.people[i].inside[r.name] {
		w.follow(i, "is in "+r.name+" already", "by hand")
	} else if w.admit(i, r, "by hand") {
		w.entered(i, []*ruled{r})
	}
}

// admit applies §2.3 in its order.
func (w *randomWorld) admit(i int, r *ruled, way string) bool {
	p, refused := w.people[i], ""
	switch {
	case r.off:
		refused = "off"
	case p.deleted:
		refused = "deleted"
	case r.keeps.holds(*p):
		refused = "suppressed"
	case r.goal.holds(*p):
		refused = "goal-met"
	case p.before[r.name] && !r.each && r.again.name == "":
		refused = "enrolled-before"
	}
	if refused != "" {
		w.follow(i, "is refused by "+r.name, refused)
		return false
	}
	w.follow(i, "enters "+r.name, way)
	p.inside[r.name], p.before[r.name] = true, true
	return true
}

// entered takes who has entered out of other workflows, and out of the same when it does not match.
func (w *randomWorld) entered(i int, entering []*ruled) {
	removed := map[string]string{}
	for _, r := range entering {
		for _, other := range w.workflows {
			if other != r && (r.removes == "all" || r.removes == other.name) && w.people[i].inside[other.name] {
				removed[other.name] = "removed"
			}
		}
	}
	for name, reason := range removed {
		w.leave(i, name, reason)
	}
	for _, r := range entering {
		if w.people[i].inside[r.name] {
			w.outgrow(i, r)
		}
	}
}

func (w *randomWorld) leave(i int, workflow, reason string) {
	delete(w.people[i].inside, workflow)
	w.follow(i, "leaves "+workflow, reason)
}

func (w *randomWorld) clock() string { return w.now.Format("2006-01-02 15:04") }

func (w *randomWorld) say(i int, what string) {
	fmt.Fprintf(&w.script, "%s contact/%d %s\n", w.clock(), i, what)
}

func (w *randomWorld) follow(i int, what, why string) {
	w.follows = append(w.follows, fmt.Sprintf("%s contact/%d %s: %s\n", w.clock(), i, what, why))
}
