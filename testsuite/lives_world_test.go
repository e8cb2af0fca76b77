package testsuite_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

const (
	livesInEach  = 10  // records of a random world
	thingsInEach = 200 // that happen to them
)

// randomWorld is some workflows, and what happens to them and to records. It knows no rules: the product and the
// reference are both told it.
type randomWorld struct {
	*rand.Rand
	definitions []*drawn
	newest      []*drawn     // of each workflow, while what happens is drawn
	merged      map[int]bool // records to which nothing happens any more
	happenings  []happening
	begins      time.Time // before a change of the clocks
	ends        time.Time
}

// drawn is a definition, as an author writes one. A condition without a name is none.
type drawn struct {
	name, event                        string
	when, provided, goal, keeps, again condition
	each, leaves, webhook, schedule    bool
	removes                            string // "", all, or a workflow
	zone                               string // "" = the account's
	windows                            []window
	pauses                             []string // dates, as in 12-25 for every year
	actions                            []*act
	acts                               int // that it has had so far, whose ids are not given again
}

// act is an action.
type act struct {
	id, kind string // delay, wait, branch, edit, note, enroll; end has no id
	days     int    // of a delay, or the longest wait
	rest     time.Duration
	event    string    // of a wait
	when     condition // of a branch
	value    string    // of an edit; the workflow that is entered
	blocks   map[string][]*act
}

// window is when actions run; from and to count from midnight, as the wall shows it.
type window struct {
	days     []time.Weekday
	from, to time.Duration
}

func (w window) String() string {
	clock := func(of time.Duration) string { return time.Time{}.Add(of).Format("15:04") }
	days := strings.ToLower(strings.ReplaceAll(strings.Trim(fmt.Sprint(w.days), "[]"), " ", ", "))
	return fmt.Sprintf("{days: [%s], from: %q, to: %q}", days, clock(w.from), clock(w.to))
}

// condition is a property and its value, or a list.
type condition struct{ name, value string }

func (c condition) String() string {
	if list, is := strings.CutPrefix(c.name, "list "); is {
		return "{list: " + list + "}"
	}
	return fmt.Sprintf("{property: %s, is: %s}", c.name, c.value)
}

// happening is one thing that happens, at a time of its own.
type happening struct {
	at     time.Time
	record int    // 0 = it happens to a workflow
	verb   string // is, did, joins, quits, all at once, deleted, restored, merged, enters, calls; turns, edited, ticks of a workflow; look at all switches
	what   string // event, list, workflow, or mode of the switch
	set    condition
	flow   string
	later  time.Time         // when a switch turns by itself; zero = now
	edit   *drawn            // what an edited workflow is
	policy string            // what people inside do: follow, pin, migrate
	moves  map[string]string // with migrate, by the action in which they stand; to an action, or end
	parts  []happening       // of what happens at once
	ago    time.Duration     // how long before it was told an event happened
	into   int               // the record with which it is merged
}

func (h happening) String() string {
	about := fmt.Sprintf("contact/%d", h.record)
	if h.record == 0 {
		about = "workflow/" + h.flow
	}
	text := strings.TrimSpace(fmt.Sprintf("%s %s %s %s", h.at.Format(time.DateTime), about, h.verb, h.what))
	if !h.later.IsZero() {
		text += h.later.Format(" at " + time.DateTime)
	}
	if h.edit != nil {
		text += fmt.Sprintf(" %s %v\n%s", h.policy, h.moves, h.edit.yaml())
	}
	if h.ago > 0 {
		text += fmt.Sprintf(", %s ago", h.ago)
	}
	if h.into > 0 {
		text += fmt.Sprintf(" into contact/%d", h.into)
	}
	for _, part := range h.parts {
		text += fmt.Sprintf("; %s %s %v", part.verb, part.what, part.set)
	}
	if h.set.name != "" {
		text += fmt.Sprintf(" %s=%s", h.set.name, h.set.value)
	}
	return text
}

var (
	workflowNames = []string{"a", "b", "c", "d"}
	eventNames    = []string{"page_viewed", "form_submitted"}
	zoneNames     = []string{"Europe/Rome", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"}
	// what people are told from outside, and behind these what workflows write
	conditions = []condition{
		{"lifecycle_stage", "customer"}, {"lifecycle_stage", "lead"}, {"city", "Rome"}, {"city", "Oslo"}, {"list vip", "on"}, {"list blocked", "on"},
		{"mark_a", "x"}, {"mark_a", "y"}, {"mark_b", "x"}, {"mark_c", "y"}, {"mark_d", "x"},
	}
)

func newRandomWorld(seed uint64) *randomWorld {
	w := &randomWorld{Rand: rand.New(rand.NewPCG(seed, 1)), merged: map[int]bool{}}
	w.begins = time.Date(2027, pick(w, []time.Month{time.March, time.September}), 1+w.IntN(20), 9, 0, 0, 0, time.UTC)
	for _, name := range workflowNames {
		w.definitions = append(w.definitions, w.definition(name))
	}
	w.newest = slices.Clone(w.definitions)
	now := w.begins
	for record := range livesInEach {
		w.happen(happening{at: now, record: record + 1, verb: "is", set: w.property()})
		now = now.Add(time.Duration(1+w.IntN(60)) * time.Second)
	}
	for range thingsInEach {
		now = now.Add(time.Duration(1+w.IntN(16*3600)) * time.Second)
		w.happen(w.thing(now))
	}
	slices.SortStableFunc(w.happenings, func(a, b happening) int { return a.at.Compare(b.at) })
	w.ends = now.AddDate(0, 1, 0)
	return w
}

func (w *randomWorld) happen(h happening) { w.happenings = append(w.happenings, h) }

// oneIn is true once in n times.
func (w *randomWorld) oneIn(n int) bool { return w.IntN(n) == 0 }

func pick[T any](w *randomWorld, of []T) T { return of[w.IntN(len(of))] }

func (w *randomWorld) any() condition { return pick(w, conditions) }

func (w *randomWorld) property() condition {
	if w.oneIn(10) {
		return condition{"time_zone", pick(w, zoneNames)}
	}
	return conditions[w.IntN(4)]
}

func (w *randomWorld) maybe() condition {
	if w.oneIn(4) {
		return w.any()
	}
	return condition{}
}

func (w *randomWorld) definition(name string) *drawn {
	d := &drawn{name: name, goal: w.maybe(), keeps: w.maybe()}
	switch d.provided = w.maybe(); w.IntN(8) {
	case 0, 1:
		d.when, d.leaves = w.any(), w.oneIn(3)
	case 2, 3, 4:
		d.event = pick(w, eventNames)
	case 5:
		d.event, d.webhook = "webhook_received", true
	case 6:
		d.schedule = true
	}
	if d.event == "" && !d.schedule {
		d.provided = condition{}
	}
	switch w.IntN(5) {
	case 0, 1:
		d.each = d.event != ""
	case 2, 3:
		d.again = w.any()
	}
	switch w.IntN(6) {
	case 0:
		d.removes = "all"
	case 1:
		if d.removes = pick(w, workflowNames); d.removes == name {
			d.removes = ""
		}
	}
	w.settings(d)
	d.actions = w.block(d, 0)
	return d
}

// settings draws when actions run.
func (w *randomWorld) settings(d *drawn) {
	d.zone = pick(w, append([]string{"", "", "", "{{ contact.time_zone }}"}, zoneNames...))
	d.windows, d.pauses = nil, nil
	if w.oneIn(3) {
		for range 1 + w.IntN(3) {
			d.windows = append(d.windows, w.window())
		}
	}
	if w.oneIn(3) {
		for range 1 + w.IntN(12) {
			d.pauses = append(d.pauses, w.begins.AddDate(0, 0, w.IntN(120)).Format(pick(w, []string{time.DateOnly, "01-02"})))
		}
		slices.Sort(d.pauses)
		d.pauses = slices.Compact(d.pauses)
	}
}

func (w *randomWorld) window() (drawn window) {
	for len(drawn.days) == 0 {
		for day := range time.Weekday(7) {
			if w.oneIn(2) {
				drawn.days = append(drawn.days, day)
			}
		}
	}
	drawn.from = time.Duration(5*60+w.IntN(12*60)) * time.Minute
	drawn.to = drawn.from + time.Duration(5+w.IntN(6*60))*time.Minute
	return drawn
}

// block is some actions in a row.
func (w *randomWorld) block(d *drawn, depth int) (actions []*act) {
	for range 1 + w.IntN(5-2*depth) {
		actions = append(actions, w.action(d, depth))
	}
	return actions
}

func (w *randomWorld) action(d *drawn, depth int) *act {
	d.acts++
	a := &act{id: fmt.Sprintf("n%d", d.acts), blocks: map[string][]*act{}}
	later := workflowNames[slices.Index(workflowNames, d.name)+1:] // or two would enroll in each other for ever
	switch w.IntN(9) {
	case 0, 1, 2:
		a.kind = "delay"
		w.spans(a)
	case 3, 4:
		a.kind, a.event = "wait", pick(w, eventNames)
		if !w.oneIn(4) {
			w.spans(a)
		}
		w.blocks(d, a, depth, "event", "timeout")
	case 5:
		a.kind, a.when = "branch", w.any()
		w.blocks(d, a, depth, "met", "none_met")
	case 6:
		a.kind, a.value = "edit", pick(w, []string{"x", "y"})
	case 7:
		a.kind = "note"
	case 8:
		if a.kind = "note"; len(later) > 0 {
			a.kind, a.value = "enroll", pick(w, later)
		}
	}
	return a
}

// spans gives an action a time whose seconds are hardly another one's, so that no two things happen at once.
func (w *randomWorld) spans(a *act) {
	a.days, a.rest = w.IntN(10), time.Duration(1+w.IntN(24*3600))*time.Second
}

// blocks draws what follows a port. At most one of them ends the journey, or nobody would come to the next action.
func (w *randomWorld) blocks(d *drawn, a *act, depth int, ports ...string) {
	ends := w.IntN(6)
	for i, port := range ports {
		switch {
		case ends == i:
			a.blocks[port] = []*act{{kind: "end"}}
		case depth < 2 && w.oneIn(2):
			a.blocks[port] = w.block(d, depth+1)
		}
	}
}

func (w *randomWorld) thing(now time.Time) happening {
	h := happening{at: now, record: 1 + w.IntN(livesInEach)}
	for w.merged[h.record] {
		h.record = 1 + w.IntN(livesInEach)
	}
	switch n := w.IntN(30); {
	case n == 29 && w.oneIn(4) && len(w.merged) < livesInEach/2:
		for h.verb = "merged"; h.into == 0 || h.into == h.record || w.merged[h.into]; {
			h.into = 1 + w.IntN(livesInEach)
		}
		w.merged[h.record] = true
	case n == 24, n == 25:
		h.verb = "all"
		for range 2 + w.IntN(3) {
			h.parts = append(h.parts, w.part())
		}
	case n == 26:
		h.verb, h.flow = "calls", pick(w, workflowNames)
	case n == 27, n == 28:
		h.record, h.verb, h.flow = 0, "ticks", pick(w, workflowNames)
	case n == 20, n == 22:
		w.edit(&h)
	case n == 0, n == 21:
		h.record, h.verb, h.flow, h.what = 0, "turns", pick(w, workflowNames), pick(w, []string{"on", "on", "on", "on", "on", "off", "pause", "drain", "stop"})
		if w.oneIn(4) {
			h.later = now.Add(time.Duration(1+w.IntN(20*24*3600)) * time.Second)
			w.happen(happening{at: h.later.Add(3 * time.Second), verb: "look"}) // the worker does, every three seconds
		}
	case n == 1:
		h.verb = pick(w, []string{"deleted", "restored", "restored"})
	case n < 4:
		h.verb, h.what = "enters", pick(w, workflowNames)
	default:
		part := w.part()
		h.verb, h.what, h.set, h.ago = part.verb, part.what, part.set, part.ago
	}
	return h
}

// part is something that happens to a record, and may with others in one transaction.
func (w *randomWorld) part() (h happening) {
	switch w.IntN(8) {
	case 0, 1, 2:
		h.verb, h.what = "did", pick(w, eventNames)
		if w.oneIn(5) {
			h.ago = time.Duration(1+w.IntN(3*24*3600)) * time.Second
		}
	case 3, 4:
		h.verb, h.what = pick(w, []string{"joins", "quits"}), pick(w, []string{"vip", "blocked"})
	default:
		h.verb, h.set = "is", w.property()
	}
	return h
}

// workspace is the world's in YAML, with some definitions.
func workspaceOf(definitions []*drawn) string {
	marks := ""
	for _, name := range workflowNames {
		marks += fmt.Sprintf("{name: mark_%s, type: string}, ", name)
	}
	text := "-- lists/vip.yaml --\nlist: vip\n-- lists/blocked.yaml --\nlist: blocked\n-- objects/contact.yaml --\nobject: contact\nproperties: [" + marks + "]\n"
	for _, d := range definitions {
		text += d.yaml()
	}
	return text
}

func (d *drawn) yaml() string {
	text := fmt.Sprintf("-- workflows/%s.yaml --\nworkflow: %s\nobject: contact\n", d.name, d.name)
	enroll := ""
	add := func(wanted bool, key string, value any) {
		if wanted {
			enroll += fmt.Sprintf("  %s: %v\n", key, value)
		}
	}
	add(d.when.name != "", "when", d.when)
	add(d.event != "" && !d.webhook, "on", "[{event: "+d.event+"}]")
	add(d.webhook, "webhook", "{match: email}")
	add(d.schedule, "schedule", `{daily: true, at: "09:00"}`)
	add(d.provided.name != "", "if", d.provided)
	add(d.each, "again", "each_event")
	add(d.again.name != "", "again", "["+d.again.String()+"]")
	add(d.leaves, "leave_when_no_longer_matching", true)
	add(d.removes == "all", "remove_from", "all")
	add(d.removes != "" && d.removes != "all", "remove_from", "["+d.removes+"]")
	if enroll != "" {
		text += "enroll:\n" + enroll
	}
	if d.goal.name != "" {
		text += fmt.Sprintf("goal: %s\n", d.goal)
	}
	if d.keeps.name != "" {
		text += fmt.Sprintf("suppress: %s\n", d.keeps)
	}
	settings := ""
	if d.zone != "" {
		settings += fmt.Sprintf("  time_zone: %q\n", d.zone)
	}
	if len(d.windows) > 0 {
		settings += fmt.Sprintf("  windows: %v\n", strings.ReplaceAll(fmt.Sprint(d.windows), "} {", "}, {"))
	}
	if len(d.pauses) > 0 {
		settings += fmt.Sprintf("  pause_dates: [%s]\n", strings.Join(d.pauses, ", "))
	}
	if settings != "" {
		text += "settings:\n" + settings
	}
	text += "actions:\n"
	for _, a := range d.actions {
		text += "  - " + a.yaml(d) + "\n"
	}
	return text
}

// config is the kind and what belongs to it.
func (a *act) config(workflow string) string {
	return map[string]string{
		"delay":  "delay_set_amount: {for: " + a.span() + "}",
		"wait":   strings.Replace("delay_until_event: {event: "+a.event+", max_wait: "+a.span()+"}", ", max_wait: }", "}", 1),
		"branch": fmt.Sprintf("branch_and_or: {branches: [{name: met, when: %s}]}", a.when),
		"edit":   fmt.Sprintf("edit_record: {set: {mark_%s: %s}}", workflow, a.value),
		"note":   "create_note: {body: Hello}",
		"enroll": "enroll_in_workflow: {workflow: " + a.value + "}",
	}[a.kind]
}

func (a *act) yaml(d *drawn) string {
	if a.kind == "end" {
		return "{end: {}}"
	}
	blocks := []string{}
	for _, port := range slices.Sorted(maps.Keys(a.blocks)) {
		inner := []string{}
		for _, one := range a.blocks[port] {
			inner = append(inner, one.yaml(d))
		}
		blocks = append(blocks, port+": ["+strings.Join(inner, ", ")+"]")
	}
	then := ""
	if len(blocks) > 0 {
		then = ", then: {" + strings.Join(blocks, ", ") + "}"
	}
	return "{id: " + a.id + ", " + a.config(d.name) + then + "}"
}

// span is a time as authors write it, "" for none.
func (a *act) span() string {
	if a.rest == 0 {
		return ""
	}
	return strings.TrimPrefix(fmt.Sprintf("%dd%ds", a.days, int(a.rest.Seconds())), "0d")
}

// edit draws another revision of a workflow.
func (w *randomWorld) edit(h *happening) {
	i := w.IntN(len(workflowNames))
	old := w.newest[i]
	d := *old
	for range 1 + w.IntN(3) {
		w.change(&d)
	}
	for d.yaml() == old.yaml() {
		w.change(&d)
	}
	w.newest[i] = &d
	h.record, h.verb, h.flow, h.edit, h.policy = 0, "edited", d.name, &d, pick(w, []string{"follow", "follow", "pin", "migrate"})
	if h.policy == "migrate" {
		from, to := pick(w, old.ids()), pick(w, append(d.ids(), "end"))
		if from == to {
			to = "end"
		}
		h.moves = map[string]string{from: to}
	}
}

// change makes one edit.
func (w *randomWorld) change(d *drawn) {
	ids := d.ids()
	at := pick(w, ids)
	switch w.IntN(8) {
	case 0: // delete it, with what is in its blocks
		if remaining := replaced(d.actions, at, nil); len(remaining) > 0 {
			d.actions = remaining
		}
	case 1: // insert before it
		d.actions = replaced(d.actions, at, func(a *act) []*act { return []*act{w.action(d, 2), a} })
	case 2: // or behind it
		d.actions = replaced(d.actions, at, func(a *act) []*act { return []*act{a, w.action(d, 2)} })
	case 3: // make another of it
		d.actions = replaced(d.actions, at, func(a *act) []*act {
			another := *a
			if another.kind, another.blocks = pick(w, []string{"delay", "note"}), nil; another.rest == 0 {
				w.spans(&another)
			}
			return []*act{&another}
		})
	case 4:
		d.goal = w.maybe()
	case 5:
		d.keeps = w.maybe()
	case 6:
		w.settings(d)
	default: // edit it
		d.actions = replaced(d.actions, at, func(a *act) []*act {
			another := *a
			switch {
			case another.rest > 0:
				w.spans(&another)
			case another.kind == "branch":
				another.when = w.any()
			case another.kind == "edit":
				another.value = "z"
			}
			if another.kind == "wait" && w.oneIn(2) {
				another.event = pick(w, eventNames)
			}
			return []*act{&another}
		})
	}
}

// replaced are actions with others in the place of one; nil = with none.
func replaced(actions []*act, id string, by func(*act) []*act) (changed []*act) {
	for _, a := range actions {
		another := *a
		another.blocks = map[string][]*act{}
		for port, block := range a.blocks {
			if inner := replaced(block, id, by); len(inner) > 0 {
				another.blocks[port] = inner
			}
		}
		switch {
		case a.id != id || id == "":
			changed = append(changed, &another)
		case by != nil:
			changed = append(changed, by(a)...)
		}
	}
	return changed
}

// ids are those of the actions.
func (d *drawn) ids() (ids []string) {
	var gather func([]*act)
	gather = func(actions []*act) {
		for _, a := range actions {
			if a.id != "" {
				ids = append(ids, a.id)
			}
			for _, port := range slices.Sorted(maps.Keys(a.blocks)) {
				gather(a.blocks[port])
			}
		}
	}
	gather(d.actions)
	return ids
}

// script is what happens, a line each.
func (w *randomWorld) script() string {
	text := ""
	for _, h := range w.happenings {
		text += h.String() + "\n"
	}
	return text
}
