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
	lags    int       // that there were
	letters []notice
	bulk    []notice // whom a schedule enrolls when nothing else is to be told
	lines   []string
	chance  draws
}

// flow is a workflow.
type flow struct {
	*drawn                 // the newest revision
	revisions  []happening // as they were published
	mode, then string      // of the switch, and what it turns to by itself
	turning    time.Time   // zero = never
	since      time.Time   // what happened before enrolls nobody
}

// switched is how the switch stands at an instant.
func (f *flow) switched(at time.Time) string {
	if !f.turning.IsZero() && !at.Before(f.turning) {
		return f.then
	}
	return f.mode
}

// closed tells whether nobody enters (§2.10).
func (f *flow) closed(at time.Time) bool {
	return slices.Contains([]string{"off", "drain", "stop"}, f.switched(at))
}

// person is a record.
type person struct {
	number  int
	is      map[string]string // properties, and lists as "list vip"
	seen    map[string]string // likewise, when somebody last decided
	news    []news            // since then
	deleted bool
	merged  bool
	events  []news
	inside  map[*flow]*enrollment
	before  map[*flow]int  // how often it was inside
	coming  map[*flow]bool // is to be told to enter
}

// news is what happened to a person.
type news struct {
	at      time.Time
	told    time.Time
	silent  bool   // nobody enters because of it
	changed string // a property or list
	event   string
	called  *flow // by a webhook
	entered *flow
	deleted bool
}

// enrollment is a person in a workflow.
type enrollment struct {
	flow    *flow
	who     *person
	in      int  // the revision by which it goes
	at      *act // where it stands
	visits  map[string]int
	arrived time.Time
	edited  time.Time // when that was made another wait
	until   time.Time // zero = as long as it takes
	over    bool      // that time has come: a zone that has changed meanwhile does not bring it back
	held    string    // pause, window: its turn has come, and it may not act
}

// notice is what an enrollment is told.
type notice struct {
	flow  *flow
	who   *person
	what  string // enter, ask, event, leave
	why   string // way in, or reason
	event news
}

func refer(w *randomWorld, chance draws) []string {
	r := &reference{chance: chance}
	for _, d := range w.definitions {
		r.flows = append(r.flows, &flow{drawn: d, mode: "on", revisions: []happening{{edit: d}}})
	}
	for i := range livesInEach {
		r.people = append(r.people, &person{
			number: i + 1, is: map[string]string{}, seen: map[string]string{},
			inside: map[*flow]*enrollment{}, before: map[*flow]int{}, coming: map[*flow]bool{},
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
		if r.now = at; at.Equal(w.ends) {
			r.remaining()
			return r.lines
		}
		do()
	}
}

// remaining says who is still inside, and where.
func (r *reference) remaining() {
	for _, p := range r.people {
		for _, f := range r.flows {
			if e := p.inside[f]; e != nil {
				r.say(p, f, "is at "+e.at.id)
			}
		}
	}
}

func (r *reference) stir() {
	if r.next.IsZero() {
		r.next = r.now.Add(lag(r.lags))
		r.lags++
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
		for _, one := range r.bulk {
			if one.who.inside[one.flow] == nil && !one.who.coming[one.flow] {
				r.enroll(one.who, one.flow, one.why)
			}
		}
		if r.bulk = nil; len(r.letters) == 0 {
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
		place := func(l notice) int { return slices.Index([]string{"enter", "ask", "event", "leave"}, l.what) }
		return cmp.Or(strings.Compare(a.flow.name, b.flow.name), strings.Compare(a.who.String(), b.who.String()), cmp.Compare(place(a), place(b)))
	})
}

func (r *reference) happen(h happening) {
	switch h.verb {
	case "turns":
		r.turn(r.flow(h.flow), h.what, h.later)
		return
	case "look":
		r.look()
		return
	case "edited":
		r.publish(r.flow(h.flow), h)
		return
	case "ticks":
		r.tick(r.flow(h.flow))
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
		r.hidden(p, h)
		return
	}
	r.live(p, h)
}

// hidden lets something happen to a person who is deleted: nothing but that it is taken off lists, of all or nothing.
func (r *reference) hidden(p *person, h happening) {
	parts := append(slices.Clone(h.parts), h)
	if slices.ContainsFunc(h.parts, func(part happening) bool { return part.verb == "is" || part.verb == "joins" }) {
		return
	}
	for _, part := range parts {
		if part.verb == "quits" {
			p.is["list "+part.what] = ""
		}
	}
}

// live lets something happen to a person who is there.
func (r *reference) live(p *person, h happening) {
	switch h.verb {
	case "all":
		for _, part := range h.parts {
			r.live(p, part)
		}
	case "calls":
		if f := r.flow(h.flow); f.webhook {
			p.news = append(p.news, news{event: f.event, called: f, at: r.now, told: r.now})
		}
	case "is":
		r.set(p, h.set.name, h.set.value)
	case "joins":
		r.set(p, "list "+h.what, "on")
	case "quits":
		r.set(p, "list "+h.what, "")
	case "did":
		event := news{event: h.what, at: r.now.Add(-h.ago), told: r.now}
		p.news, p.events = append(p.news, event), append(p.events, event)
	case "merged":
		if keep := r.people[h.into-1]; !keep.deleted {
			r.merge(keep, p)
		}
	case "deleted":
		p.deleted = true
		p.news = append(p.news, news{deleted: true, at: r.now, told: r.now})
	}
}

// publish makes a new revision, and tells everybody inside (§2.9).
func (r *reference) publish(f *flow, edit happening) {
	if f.yaml() != edit.edit.yaml() {
		f.drawn, f.revisions = edit.edit, append(f.revisions, edit)
	}
	for _, p := range r.people {
		if p.inside[f] != nil {
			r.write(notice{flow: f, who: p, what: "ask"})
		}
	}
}

func (e *enrollment) definition() *drawn { return e.flow.revisions[e.in].edit }

// follow takes an enrollment to the newest revision that it may follow, one after the other: up to one that is for those who come
// later, where a map sends who stands in its actions, and past actions that are deleted. moved means that it stands elsewhere now.
func (r *reference) follow(e *enrollment) (moved bool) {
	at := e.at
	for at != nil && e.in+1 < len(e.flow.revisions) && e.flow.revisions[e.in+1].policy != "pin" {
		old, next := e.definition(), e.flow.revisions[e.in+1]
		e.in++
		if to, mapped := next.moves[at.id]; mapped {
			at = next.edit.find(to)
			continue
		}
		// behind a deleted action, the way that is taken when nothing special happens
		for at != nil && at.kind != "end" && next.edit.find(at.id) == nil {
			at = behind(old.actions, at, map[string]string{"wait": "timeout", "branch": "none_met"}[at.kind])
		}
		if at != nil {
			at = next.edit.find(at.id)
		}
	}
	if at != nil && at.id == e.at.id {
		if at.kind == "wait" && e.at.kind == "wait" && at.event != e.at.event {
			e.edited = r.now // it listens to the other event from now on (§4.6.9)
		}
		e.at = at
		return false
	}
	r.say(e.who, e.flow, e.at.id+" is gone")
	for e.in+1 < len(e.flow.revisions) && e.flow.revisions[e.in+1].policy != "pin" {
		e.in++
	}
	r.arrive(e, at)
	return true
}

// find is the action with an id, nil when there is none.
func (d *drawn) find(id string) *act {
	var within func([]*act) *act
	within = func(actions []*act) *act {
		for _, one := range actions {
			if one.id == id && id != "" {
				return one
			}
			for _, block := range one.blocks {
				if found := within(block); found != nil {
					return found
				}
			}
		}
		return nil
	}
	return within(d.actions)
}

// merge makes one person of two: who is kept gets what it lacks, and everything that the other did; that enrolls nobody (§2.3).
func (r *reference) merge(keep, lose *person) {
	lose.deleted, lose.merged = true, true
	lose.news = append(lose.news, news{deleted: true, at: r.now, told: r.now})
	for name, value := range lose.is {
		if keep.is[name] == "" && value != "" {
			keep.is[name] = value
			keep.news = append(keep.news, news{changed: name, silent: true, at: r.now, told: r.now})
		}
	}
	keep.events = append(keep.events, lose.events...)
}

// tick is the time of a schedule: it enrolls who matches at that moment, also who was inside before (§2.2).
func (r *reference) tick(f *flow) {
	for _, p := range r.people {
		if f.schedule && !f.closed(r.now) && !p.deleted && f.provided.ifAny(p.is) {
			r.bulk = append(r.bulk, notice{flow: f, who: p, why: "schedule"})
		}
	}
}

// turn sets a switch, now or by itself later.
func (r *reference) turn(f *flow, mode string, later time.Time) {
	closed := f.closed(r.now)
	if !later.IsZero() {
		f.mode, f.then, f.turning = f.switched(r.now), mode, later
		return
	}
	f.mode, f.turning = mode, time.Time{}
	if closed && !f.closed(r.now) {
		f.since = r.now // what happened meanwhile is passed over (§2.4)
	}
	r.look()
}

// look tells those inside what their switches mean: who is in a workflow that is stopped leaves, and who was held by a pause
// that is over goes on (§2.10).
func (r *reference) look() {
	for _, f := range r.flows {
		for _, p := range r.people {
			e, mode := p.inside[f], f.switched(r.now)
			switch {
			case e == nil:
			case mode == "stop":
				r.write(notice{flow: f, who: p, what: "leave", why: "unenrolled"})
			case mode != "pause" && e.held == "pause":
				r.write(notice{flow: f, who: p, what: "ask"})
			}
		}
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
var leaveFor = []string{"deleted", "merged", "suppressed", "goal_met", "removed", "unenrolled"}

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
				leave(f, f.bars(p))
			}
			if one.entered != nil && one.entered != f && (one.entered.removes == "all" || one.entered.removes == f.name) {
				leave(f, "removed")
			}
			if one.event != "" && p.awaits(f) == one.event { // whether it counts is said when it is told
				r.write(notice{flow: f, who: p, what: "event", event: one})
			}
			if way := r.way(p, f, one); way != "" {
				r.enroll(p, f, way)
			}
		}
	}
	if len(p.news) > 0 && !p.deleted {
		for _, f := range r.flows {
			if e := p.inside[f]; e != nil {
				if d := e.definition(); d.leaves && !d.when.holds(p.is) {
					leave(f, "unenrolled")
				}
				leave(f, e.definition().bars(p))
			}
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
	case one.silent, f.closed(one.at), one.told.Before(f.since), p.deleted, p.inside[f] != nil, p.coming[f]:
	case one.event != "" && one.event == f.event && (one.called == nil || one.called == f) && first && (p.before[f] == 0 || f.each):
		return "event " + one.event
	case p.before[f] == 0 && starts(f.when), p.before[f] > 0 && starts(f.again) && first:
		return "filter"
	}
	return ""
}

// bars is why a person may not be in a workflow, "" when it may.
func (d *drawn) bars(p *person) string {
	switch {
	case p.merged:
		return "merged"
	case p.deleted:
		return "deleted"
	case d.keeps.holds(p.is):
		return "suppressed"
	case d.goal.holds(p.is):
		return "goal_met"
	}
	return ""
}

func (r *reference) tell(letter notice) {
	p, f := letter.who, letter.flow
	switch e := p.inside[f]; {
	case letter.what == "enter":
		p.coming[f] = false
		if letter.why == "" { // admitted or refused already
			if e != nil {
				r.arrive(e, e.definition().actions[0])
			}
		} else if r.admit(p, f, letter.why) == "" {
			r.arrive(p.inside[f], f.actions[0])
		}
	case e == nil:
	case letter.what == "leave":
		r.leave(e, letter.why)
	case letter.what == "ask":
		if !r.follow(e) {
			r.ask(e)
		}
	case letter.what == "event" && p.waitsFor(f, letter.event):
		r.ask(e)
	}
}

// admit applies §2.3 in its order.
func (r *reference) admit(p *person, f *flow, way string) (refused string) {
	switch bars := f.bars(p); {
	case f.closed(r.now):
		refused = "off"
	case p.merged:
		refused = "deleted"
	case bars != "":
		refused = strings.ReplaceAll(bars, "_", "-")
	case p.before[f] > 0 && !f.each && f.again.name == "" && way != "schedule":
		refused = "enrolled-before"
	}
	if refused != "" {
		r.say(p, f, "is refused: "+refused)
		return refused
	}
	r.say(p, f, "enters: "+way)
	p.before[f]++
	p.inside[f] = &enrollment{flow: f, who: p, in: len(f.revisions) - 1, visits: map[string]int{}}
	p.news = append(p.news, news{entered: f, at: r.now, told: r.now})
	return ""
}

// hand enrolls a person because of a step: it enters or is refused at once, and begins when it is told. It returns why it cannot.
func (r *reference) hand(p *person, f *flow) string {
	if p.inside[f] != nil || p.coming[f] {
		return "already-enrolled"
	}
	r.enroll(p, f, "")
	return r.admit(p, f, "workflow")
}

func (r *reference) leave(e *enrollment, reason string) {
	r.say(e.who, e.flow, "leaves: "+reason)
	delete(e.who.inside, e.flow)
	r.letters = slices.DeleteFunc(r.letters, func(l notice) bool { return l.who == e.who && l.flow == e.flow })
}

// arrive takes an enrollment to an action, or out when there is none.
func (r *reference) arrive(e *enrollment, a *act) {
	e.at, e.arrived, e.until, e.over, e.edited = a, r.now, time.Time{}, false, time.Time{}
	switch {
	case a == nil:
		r.leave(e, "completed")
	case a.kind == "end":
		r.leave(e, "ended")
	default:
		e.visits[a.id]++
		r.ask(e)
	}
}

// ask lets an enrollment do the action that it is at, or wait, and go on from there.
func (r *reference) ask(e *enrollment) {
	a, f, d, p := e.at, e.flow, e.definition(), e.who
	mode, acts := f.switched(r.now), slices.Contains([]string{"edit", "note", "enroll"}, a.kind)
	e.until, e.held = time.Time{}, ""
	switch bars := d.bars(p); {
	case bars != "":
		r.leave(e, bars)
		return
	case mode == "stop":
		r.say(p, f, a.id+" is skipped")
		r.leave(e, "unenrolled")
		return
	case mode == "pause" && (acts || a.kind == "branch"):
		if e.held = "pause"; r.now.Before(f.turning) {
			e.until = f.turning
		}
		return
	case acts && r.opens(e).After(r.now): // also when it is off: it may be on when the window opens
		e.held, e.until = "window", r.opens(e)
		return
	case mode == "off" && acts: // the path goes on, and nothing is done (§2.10)
		r.say(p, f, a.id+" is skipped")
		r.arrive(e, behind(d.actions, a, "next"))
		return
	}
	switch a.kind {
	case "delay":
		if e.until = a.ends(e.arrived, d.zoneOf(p)); !e.until.After(r.now) {
			r.answer(e, "next")
		}
	case "wait":
		e.until = a.ends(e.arrived, d.zoneOf(p))
		switch { // an event that happened by then wins, although nobody was told of it yet (§4.6.5)
		case slices.ContainsFunc(p.events, func(one news) bool { return p.waitsFor(f, one) }):
			r.answer(e, "event")
		case e.over, !e.until.IsZero() && !e.until.After(r.now):
			r.answer(e, "timeout")
		}
	case "branch":
		r.answer(e, map[bool]string{true: "met", false: "none_met"}[a.when.holds(p.is)])
	case "edit":
		r.set(p, "mark_"+f.name, a.value)
		r.answer(e, "next")
	case "note":
		r.answer(e, "next")
	case "enroll":
		if refused := r.hand(p, r.flow(a.value)); refused != "" {
			r.answer(e, "failed: "+refused)
		} else {
			r.answer(e, "next")
		}
	}
}

// ends is when a delay or wait is over for who arrived at an instant, zero for as long as it takes: days keep the wall clock, and
// the rest is elapsed time (§4.1).
func (a *act) ends(arrived time.Time, zone *time.Location) time.Time {
	if a.rest == 0 {
		return time.Time{}
	}
	date, clock := onTheWall(arrived, zone)
	return instant(date.AddDate(0, 0, a.days), clock, zone).Add(a.rest)
}

// opens is when the windows let an enrollment act. Who was told an opening on arrival keeps to it.
func (r *reference) opens(e *enrollment) time.Time {
	d := e.definition()
	zone := d.zoneOf(e.who)
	told := func(due time.Time) time.Time {
		from, band := d.gate(due, zone)
		for _, drawn := range r.chance[fmt.Sprintf("%s/%s/%d/%s/%d", e.flow.name, e.who, e.who.before[e.flow], e.at.id, e.visits[e.at.id])] {
			if !drawn.Before(from) && !drawn.After(from.Add(band)) {
				return drawn
			}
		}
		return from
	}
	if at := told(e.arrived); at.After(r.now) {
		return at
	}
	return told(r.now)
}

// gate is when an action that is due at an instant may start, and over how long that is spread: §4.12, nearly as it stands there.
func (d *drawn) gate(due time.Time, zone *time.Location) (from time.Time, band time.Duration) {
	today, clock := onTheWall(due, zone)
	inside := func(one window) bool { return one.from <= clock && clock < one.to+time.Minute }
	day := today.AddDate(0, 0, 1) // the next allowed one
	for len(d.windowsOn(day)) == 0 {
		day = day.AddDate(0, 0, 1)
	}
	first := d.windowsOn(day)[0]
	if open := d.windowsOn(today); len(open) == 0 {
		if slices.ContainsFunc(d.windowsOn(day), inside) {
			return instant(day, clock, zone), 0
		}
	} else if slices.ContainsFunc(open, inside) {
		return due, 0
	} else if i := slices.IndexFunc(open, func(one window) bool { return one.from > clock }); i >= 0 {
		day, first = today, open[i]
	}
	return instant(day, first.from, zone), min(15*time.Minute, first.to-first.from)
}

// windowsOn are the windows that open on a day, the earliest first. Without windows it is the whole day.
func (d *drawn) windowsOn(day time.Time) (open []window) {
	if slices.Contains(d.pauses, day.Format(time.DateOnly)) || slices.Contains(d.pauses, day.Format("01-02")) {
		return nil
	}
	if len(d.windows) == 0 {
		return []window{{to: 24 * time.Hour}}
	}
	for _, one := range d.windows {
		if slices.Contains(one.days, day.Weekday()) {
			open = append(open, one)
		}
	}
	slices.SortFunc(open, func(a, b window) int { return cmp.Compare(a.from, b.from) })
	return open
}

// zoneOf is the workflow's, which may be the record's own; the account's is UTC.
func (d *drawn) zoneOf(p *person) *time.Location {
	name := d.zone
	if strings.HasPrefix(name, "{{") {
		name = p.is["time_zone"]
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return zone
}

// onTheWall is the date, at midnight UTC, and the time of day that the wall shows at an instant.
func onTheWall(at time.Time, zone *time.Location) (date time.Time, clock time.Duration) {
	_, offset := at.In(zone).Zone()
	shown := at.UTC().Add(time.Duration(offset) * time.Second)
	date = shown.Truncate(24 * time.Hour)
	return date, shown.Sub(date)
}

// instant is the first at which the wall shows a time of day, or a later one where the clocks skip it (§4.7).
func instant(date time.Time, clock time.Duration, zone *time.Location) time.Time {
	wanted := date.Add(clock)
	for at := wanted.Add(-15 * time.Hour); ; at = at.Add(time.Minute) {
		switch date, clock := onTheWall(at, zone); {
		case date.Add(clock).Equal(wanted):
			return at
		case date.Add(clock).After(wanted):
			return at.Truncate(time.Minute)
		}
	}
}

// due comes when the time is over until which an enrollment waits.
func (r *reference) due(e *enrollment) {
	old := e.at
	switch {
	case r.follow(e):
	case old.kind == "delay" && e.at.config("") == old.config(""):
		r.answer(e, "next")
	default:
		e.over = e.at.config("") == old.config("")
		r.ask(e)
		e.over = false
	}
}

// answer leaves an action by a port.
func (r *reference) answer(e *enrollment, port string) {
	r.say(e.who, e.flow, e.at.id+" -> "+port)
	r.arrive(e, behind(e.definition().actions, e.at, port))
}

// awaits is the type of event for which a person waits in a workflow, "" for none.
func (p *person) awaits(f *flow) string {
	if e := p.inside[f]; e != nil && e.at != nil && e.at.kind == "wait" {
		return e.at.event
	}
	return ""
}

// waitsFor tells whether a person waits in a workflow for an event: of that type, from the arrival on (§4.6.1).
func (p *person) waitsFor(f *flow, event news) bool {
	e := p.inside[f]
	return event.event != "" && p.awaits(f) == event.event && !event.at.Before(e.arrived) && !event.at.Before(e.edited)
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

func (r *reference) set(p *person, name, value string) {
	p.is[name] = value
	p.news = append(p.news, news{changed: name, at: r.now, told: r.now})
}

func (p *person) String() string { return fmt.Sprintf("contact/%d", p.number) }

func (c condition) holds(is map[string]string) bool { return c.name != "" && is[c.name] == c.value }

// ifAny is true as well when there is no condition.
func (c condition) ifAny(is map[string]string) bool { return c.name == "" || c.holds(is) }
