package testsuite_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// reference is a random world as the semantics tell it (§2.2 to §2.10, §4). It knows neither store nor router nor
// interpreter, and shares no rule with them. What it has in common with the product's side of the test is the order of
// things: a lag after something happened somebody decides what follows, and then one enrollment after the other is told.
type reference struct {
	now     time.Time
	flows   []*flow
	people  []*person
	next    time.Time // when somebody decides, or the next enrollment is told; zero = nothing to do
	letters []notice
	lines   []string
}

// flow is a workflow.
type flow struct {
	*drawn
	off bool
}

// person is a record.
type person struct {
	number  int
	is      map[string]string // properties, and lists as "list vip"
	seen    map[string]string // likewise, when somebody last decided
	news    []news            // since then
	deleted bool
	events  []news
	inside  map[*flow]*enrollment
	before  map[*flow]bool // was ever inside
	coming  map[*flow]bool // is to be told to enter
}

// news is what happened to a person.
type news struct {
	changed string // a property or list
	event   string
	at      time.Time // of the event
	entered *flow
	deleted bool
}

// enrollment is a person in a workflow.
type enrollment struct {
	flow    *flow
	who     *person
	at      *act // where it waits
	arrived time.Time
	until   time.Time // zero = as long as it takes
}

// notice is what an enrollment is told.
type notice struct {
	flow  *flow
	who   *person
	what  string // enter, event, leave
	why   string // way in, or reason
	event news
}

func refer(w *randomWorld) []string {
	r := &reference{}
	for _, d := range w.definitions {
		r.flows = append(r.flows, &flow{drawn: d})
	}
	for i := range livesInEach {
		r.people = append(r.people, &person{
			number: i + 1, is: map[string]string{}, seen: map[string]string{},
			inside: map[*flow]*enrollment{}, before: map[*flow]bool{}, coming: map[*flow]bool{},
		})
	}
	for things := w.happenings; ; {
		at, do := w.ends, func() {}
		soonest := func(when time.Time, what func()) {
			if !when.IsZero() && when.Before(at) {
				at, do = when, what
			}
		}
		if len(things) > 0 {
			soonest(things[0].at, func() { r.happen(things[0]); r.stir(); things = things[1:] })
		}
		for _, p := range r.people {
			for _, f := range r.flows {
				if e := p.inside[f]; e != nil {
					soonest(e.until, func() { r.due(e); r.stir() })
				}
			}
		}
		soonest(r.next, r.goOn)
		if at.Equal(w.ends) {
			return r.lines
		}
		r.now = at
		do()
	}
}

func (r *reference) stir() {
	if r.next.IsZero() {
		r.next = r.now.Add(lag)
	}
}

func (r *reference) say(p *person, f *flow, text string) {
	r.lines = append(r.lines, line(r.now, p.String(), f.name, text))
}

// goOn tells one enrollment what there is to tell, or decides.
func (r *reference) goOn() {
	r.next = time.Time{}
	if len(r.letters) == 0 {
		for _, p := range r.people {
			r.decide(p)
		}
		if len(r.letters) == 0 {
			return
		}
	} else {
		letter := r.letters[0]
		r.letters = r.letters[1:]
		r.tell(letter)
	}
	r.stir()
}

func (r *reference) write(letter notice) {
	r.letters = append(r.letters, letter)
	slices.SortStableFunc(r.letters, func(a, b notice) int {
		place := func(l notice) int { return slices.Index([]string{"enter", "event", "leave"}, l.what) }
		return cmp.Or(strings.Compare(a.flow.name, b.flow.name), strings.Compare(a.who.String(), b.who.String()), cmp.Compare(place(a), place(b)))
	})
}

func (r *reference) happen(h happening) {
	if h.record == 0 {
		name, mode, _ := strings.Cut(h.what, " ")
		r.flow(name).off = mode == "off"
		return
	}
	p := r.people[h.record-1]
	if h.verb == "enters" {
		if f := r.flow(h.what); p.inside[f] != nil || p.coming[f] {
			r.say(p, f, "is inside already")
		} else {
			r.enroll(p, f, "manual")
		}
		return
	}
	if p.deleted {
		p.deleted = h.verb != "restored" // and nothing follows (§2.6)
		return
	}
	switch h.verb {
	case "is":
		p.set(h.set.name, h.set.value)
	case "joins":
		p.set("list "+h.what, "on")
	case "quits":
		p.set("list "+h.what, "")
	case "did":
		event := news{event: h.what, at: r.now}
		p.news, p.events = append(p.news, event), append(p.events, event)
	case "deleted":
		p.deleted = true
		p.news = append(p.news, news{deleted: true})
	}
}

func (r *reference) flow(name string) *flow {
	return r.flows[slices.IndexFunc(r.flows, func(f *flow) bool { return f.name == name })]
}

func (r *reference) enroll(p *person, f *flow, way string) {
	p.coming[f] = true
	r.write(notice{flow: f, who: p, what: "enter", why: way})
}

// reasons to leave; of several at once the first counts.
var leaveFor = []string{"deleted", "suppressed", "goal_met", "removed", "unenrolled"}

// decide works out what follows from what happened to a person.
func (r *reference) decide(p *person) {
	leaving := map[*flow]string{}
	leave := func(f *flow, reason string) {
		if known := leaving[f]; reason != "" && p.inside[f] != nil && (known == "" || slices.Index(leaveFor, reason) < slices.Index(leaveFor, known)) {
			leaving[f] = reason
		}
	}
	for _, one := range p.news {
		for _, f := range r.flows {
			if one.deleted {
				leave(f, "deleted")
			}
			if one.entered != nil && one.entered != f && (one.entered.removes == "all" || one.entered.removes == f.name) {
				leave(f, "removed")
			}
			if one.event != "" && p.waitsFor(f, one) {
				r.write(notice{flow: f, who: p, what: "event", event: one})
			}
			if way := r.way(p, f, one); way != "" {
				r.enroll(p, f, way)
			}
		}
	}
	if len(p.news) > 0 && !p.deleted {
		for _, f := range r.flows {
			if f.leaves && !f.when.holds(p.is) {
				leave(f, "unenrolled")
			}
			leave(f, f.bars(p))
		}
	}
	for f, reason := range leaving {
		r.write(notice{flow: f, who: p, what: "leave", why: reason})
	}
	p.seen, p.news = maps.Clone(p.is), nil
}

// way is how a person enters a workflow because of something, "" when it does not (§2.2, §2.5).
func (r *reference) way(p *person, f *flow, one news) string {
	starts := func(c condition) bool {
		return one.changed != "" && one.changed == c.name && c.holds(p.is) && !c.holds(p.seen)
	}
	first := f.when.ifAny(p.is) && f.provided.ifAny(p.is)
	switch {
	case f.off, p.deleted, p.inside[f] != nil, p.coming[f]:
	case one.event != "" && one.event == f.event && first && (!p.before[f] || f.each):
		return "event " + one.event
	case !p.before[f] && starts(f.when), p.before[f] && starts(f.again) && first:
		return "filter"
	}
	return ""
}

// bars is why a person may not be in a workflow, "" when it may.
func (f *flow) bars(p *person) string {
	switch {
	case p.deleted:
		return "deleted"
	case f.keeps.holds(p.is):
		return "suppressed"
	case f.goal.holds(p.is):
		return "goal_met"
	}
	return ""
}

func (r *reference) tell(letter notice) {
	p, f := letter.who, letter.flow
	switch e := p.inside[f]; {
	case letter.what == "enter":
		p.coming[f] = false
		r.admit(p, f, letter.why)
	case e == nil:
	case letter.what == "leave":
		r.leave(e, letter.why)
	case letter.what == "event" && p.waitsFor(f, letter.event):
		r.answer(e, "event")
	}
}

// admit applies §2.3 in its order.
func (r *reference) admit(p *person, f *flow, way string) {
	refused := ""
	switch bars := f.bars(p); {
	case f.off:
		refused = "off"
	case bars != "":
		refused = strings.ReplaceAll(bars, "_", "-")
	case p.before[f] && !f.each && f.again.name == "":
		refused = "enrolled-before"
	}
	if refused != "" {
		r.say(p, f, "is refused: "+refused)
		return
	}
	r.say(p, f, "enters: "+way)
	p.before[f] = true
	p.inside[f] = &enrollment{flow: f, who: p}
	p.news = append(p.news, news{entered: f})
	r.arrive(p.inside[f], f.actions[0])
}

func (r *reference) leave(e *enrollment, reason string) {
	r.say(e.who, e.flow, "leaves: "+reason)
	delete(e.who.inside, e.flow)
	r.letters = slices.DeleteFunc(r.letters, func(l notice) bool { return l.who == e.who && l.flow == e.flow })
}

// arrive takes an enrollment to an action, and on until one waits or the path ends.
func (r *reference) arrive(e *enrollment, a *act) {
	e.at, e.arrived, e.until = a, r.now, time.Time{}
	if a == nil {
		r.leave(e, "completed")
		return
	}
	if reason := e.flow.bars(e.who); reason != "" {
		r.leave(e, reason)
		return
	}
	switch a.kind {
	case "end":
		r.leave(e, "ended")
	case "delay", "wait":
		r.say(e.who, e.flow, a.id+" waits")
		if a.rest > 0 {
			e.until = e.arrived.AddDate(0, 0, a.days).Add(a.rest)
		}
	case "branch":
		r.answer(e, map[bool]string{true: "met", false: "none_met"}[a.when.holds(e.who.is)])
	case "edit", "note":
		if e.flow.off {
			r.say(e.who, e.flow, a.id+" is skipped")
			r.arrive(e, behind(e.flow.actions, a, "next"))
			return
		}
		if a.kind == "edit" {
			e.who.set("mark_"+e.flow.name, a.value)
		}
		r.answer(e, "next")
	}
}

// due ends a wait whose time is over. An event that happened by then counts, although nobody was told of it yet (§4.6.5).
func (r *reference) due(e *enrollment) {
	if e.at.kind == "delay" {
		r.answer(e, "next")
		return
	}
	if reason := e.flow.bars(e.who); reason != "" {
		r.leave(e, reason)
	} else if slices.ContainsFunc(e.who.events, func(one news) bool { return e.who.waitsFor(e.flow, one) }) {
		r.answer(e, "event")
	} else {
		r.answer(e, "timeout")
	}
}

// answer leaves an action by a port.
func (r *reference) answer(e *enrollment, port string) {
	r.say(e.who, e.flow, e.at.id+" -> "+port)
	r.arrive(e, behind(e.flow.actions, e.at, port))
}

// waitsFor tells whether a person waits in a workflow for an event: of that type, from the arrival on (§4.6.1).
func (p *person) waitsFor(f *flow, event news) bool {
	e := p.inside[f]
	return e != nil && e.at.kind == "wait" && e.at.event == event.event && !event.at.Before(e.arrived)
}

// behind is where an action leads by a port: to the first action of the port's block, or where there is none to the next one of
// its own block, and at the end of that behind the action that owns it. nil is the end.
func behind(actions []*act, from *act, port string) *act {
	var follow func(block []*act, after *act) (next *act, found bool)
	follow = func(block []*act, after *act) (*act, bool) {
		for i, one := range block {
			next := after
			if i+1 < len(block) {
				next = block[i+1]
			}
			if one == from {
				if len(one.blocks[port]) > 0 {
					next = one.blocks[port][0]
				}
				return next, true
			}
			for _, inner := range one.blocks {
				if next, found := follow(inner, next); found {
					return next, true
				}
			}
		}
		return nil, false
	}
	next, _ := follow(actions, nil)
	return next
}

func (p *person) set(name, value string) {
	p.is[name] = value
	p.news = append(p.news, news{changed: name})
}

func (p *person) String() string { return fmt.Sprintf("contact/%d", p.number) }

func (c condition) holds(is map[string]string) bool { return c.name != "" && is[c.name] == c.value }

// ifAny is true as well when there is no condition.
func (c condition) ifAny(is map[string]string) bool { return c.name == "" || c.holds(is) }
