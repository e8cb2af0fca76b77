package enroll

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// live is a published workflow as the router sees it.
type live struct {
	store.Live
	zone       *time.Location
	on         []eventTrigger
	condition  *crm.Filter // `if`
	when       *crm.Filter
	eachEvent  bool // every trigger re-enrolls
	watches    []*watch
	removes    []string // workflows that a record leaves when it enters this one
	removesAll bool
}

// eventTrigger is an event that enrolls.
type eventTrigger struct {
	event  string
	where  *crm.Filter // on the event's properties
	source string      // of the event, when it matters
	way    string
}

// watch is a filter of a workflow whose answer matters whenever it changes.
type watch struct {
	*live
	key     string
	filter  *crm.Filter
	sources []crm.Source

	enrolls, again        bool // who starts to match enters, or enters anew
	goal, suppress, leave whom // who matches, or no longer does, leaves
}

// whom is who goes by some revisions: who was admitted to one of from to to (0 = all later).
type whom []struct{ from, to int }

func (w whom) has(enrollment *plan.Enrollment) bool {
	for _, one := range w {
		if enrollment.Revision >= one.from && (one.to == 0 || enrollment.Revision <= one.to) {
			return true
		}
	}
	return false
}

// admits tells whether the workflow enrolls by what happened at an instant, with a number (0 = time came).
func (l *live) admits(at time.Time, seq int64) bool {
	return l.Switch.Refuses(at) == "" && (seq == 0 || seq >= l.Since)
}

func compile(published store.Live, zone *time.Location, catalog *crm.Catalog) (*live, error) {
	l := &live{Live: published, zone: zone}
	rules := published.Revision.Plan.Rules
	if rules == nil {
		rules = &plan.Rules{}
	}
	triggers, err := rules.Triggers()
	if err != nil {
		return nil, err
	}
	if l.condition, err = crm.ReadFilter(triggers.If); err != nil {
		return nil, err
	}
	for _, on := range triggers.On {
		trigger := eventTrigger{event: on.Event, way: plan.WayEvent}
		if len(on.Where) > 0 {
			if trigger.where, err = crm.ReadEventFilter(on.Where); err != nil {
				return nil, err
			}
		}
		l.on = append(l.on, trigger)
	}
	if triggers.Webhook != nil {
		l.on = append(l.on, eventTrigger{event: EventWebhook, source: l.Workflow, way: plan.WayWebhook})
	}
	if len(triggers.RemoveFrom) > 0 {
		if l.removesAll = string(triggers.RemoveFrom) == `"all"`; !l.removesAll {
			if err := json.Unmarshal(triggers.RemoveFrom, &l.removes); err != nil {
				return nil, err
			}
		}
	}
	l.eachEvent = string(rules.Again) == `"each_event"`
	again, err := rules.AgainFilters()
	if err != nil {
		return nil, err
	}
	add := func(source json.RawMessage, edge bool, role func(*watch)) (*crm.Filter, error) {
		filter, err := crm.ReadFilter(source)
		if filter == nil || err != nil {
			return nil, err
		}
		key := store.FilterKey(source)
		if edge {
			if key, err = store.EdgeKey(source, filter, catalog); err != nil {
				return nil, err
			}
		}
		i := slices.IndexFunc(l.watches, func(one *watch) bool { return one.key == key })
		if i < 0 {
			i = len(l.watches)
			l.watches = append(l.watches, &watch{live: l, key: key, filter: filter, sources: filter.Sources(catalog)})
		}
		role(l.watches[i])
		return filter, nil
	}
	if l.when, err = add(triggers.When, true, func(w *watch) { w.enrolls, w.again = true, l.eachEvent }); err != nil {
		return nil, err
	}
	for _, source := range again {
		if _, err := add(source, true, func(w *watch) { w.again = true }); err != nil {
			return nil, err
		}
	}
	// who finishes by an earlier revision leaves by its rules
	from := 0
	for _, held := range published.Held {
		if err := l.leaves(held.Plan.Rules, from, held.Number, add); err != nil {
			return nil, err
		}
		from = held.Number + 1
	}
	return l, l.leaves(rules, from, 0, add)
}

// leaves adds the filters by which people leave who go by the revisions from one to another.
func (l *live) leaves(rules *plan.Rules, from, to int, add func(json.RawMessage, bool, func(*watch)) (*crm.Filter, error)) error {
	triggers, err := rules.Triggers()
	if err != nil || rules == nil {
		return err
	}
	about := whom{{from, to}}
	if rules.LeaveOnMiss {
		_, err = add(triggers.When, true, func(w *watch) { w.leave = append(w.leave, about...) })
	}
	_, goal := add(rules.Goal, false, func(w *watch) { w.goal = append(w.goal, about...) })
	_, suppress := add(rules.Suppress, false, func(w *watch) { w.suppress = append(w.suppress, about...) })
	return errors.Join(err, goal, suppress)
}

// interest is who is concerned by a change of a record.
type interest struct {
	*watch
	through []string // record types from the workflow's record to the one that changes
}

// index finds what a change concerns without looking at every workflow.
type index struct {
	version   string
	catalog   *crm.Catalog // which says what active lists ask
	workflows map[string]*live
	own       map[string][]*watch   // by object: everything that a new record may match
	interests map[string][]interest // by object, kind and name of what changes
	related   map[string][]interest // by object: everything that asks about such a record through another
	events    map[string][]*live    // by object and type of event
}

func newIndex(version string, catalog *crm.Catalog, workflows []*live) *index {
	x := &index{
		version: version, catalog: catalog, workflows: map[string]*live{}, own: map[string][]*watch{}, interests: map[string][]interest{},
		related: map[string][]interest{}, events: map[string][]*live{},
	}
	for _, l := range workflows {
		object := l.Revision.Plan.Object
		x.workflows[l.Workflow] = l
		for _, on := range l.on {
			if key := object + "\x00" + on.event; !slices.Contains(x.events[key], l) {
				x.events[key] = append(x.events[key], l)
			}
		}
		for _, w := range l.watches {
			x.own[object] = append(x.own[object], w)
			for _, source := range w.sources {
				changes := object
				if len(source.Through) > 0 {
					changes = source.Through[len(source.Through)-1]
					x.related[changes] = append(x.related[changes], interest{w, source.Through})
				}
				key := changes + "\x00" + source.Kind + "\x00" + source.Name
				x.interests[key] = append(x.interests[key], interest{w, source.Through})
			}
		}
	}
	return x
}

// refresh returns the index of what is live in a snapshot; the one in hand when nothing has changed.
func (x *index) refresh(ctx context.Context, view *store.View) (*index, error) {
	published, err := view.Live(ctx)
	if err != nil {
		return nil, err
	}
	catalog, err := view.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	account, err := view.Account(ctx)
	if err != nil {
		return nil, err
	}
	zones := make([]*time.Location, len(published))
	var version strings.Builder
	for i, one := range published {
		if zones[i], err = store.ZoneOf(one.Revision.Plan.Rules, account); err != nil {
			return nil, err
		}
		fmt.Fprintf(&version, "%s %v %d %d %s %s\n", one.Workflow, one.Switch, one.Since, one.Revision.Number, one.Revision.Plan.Hash, zones[i])
	}
	if x != nil && x.version == version.String() && x.catalog == catalog {
		return x, nil
	}
	workflows := make([]*live, len(published))
	for i, one := range published {
		if workflows[i], err = compile(one, zones[i], catalog); err != nil {
			return nil, fmt.Errorf("reading the triggers of %s, revision %d: %w", one.Workflow, one.Revision.Number, err)
		}
	}
	return newIndex(version.String(), catalog, workflows), nil
}

// concerned returns who asks about what changed.
func (x *index) concerned(object string, change plan.Change) (found []interest) {
	add := func(kind, name string) {
		for _, one := range x.interests[object+"\x00"+kind+"\x00"+name] {
			if !slices.ContainsFunc(found, func(known interest) bool { return known.watch == one.watch && slices.Equal(known.through, one.through) }) {
				found = append(found, one)
			}
		}
	}
	switch change.What {
	case plan.ChangeCreated, plan.ChangeRestored:
		for _, w := range x.own[object] {
			found = append(found, interest{watch: w})
		}
		if change.What == plan.ChangeRestored {
			found = append(found, x.related[object]...)
		}
	case plan.ChangeDeleted:
		found = x.related[object]
	case plan.ChangeSet:
		for _, name := range slices.Sorted(maps.Keys(change.Values)) {
			add(crm.SourceProperty, name)
		}
	case plan.ChangeEvent:
		add(crm.SourceEvent, change.Name)
	case plan.ChangeList:
		add(crm.SourceList, change.Name)
	case plan.ChangeAssociation:
		add(crm.SourceAssociation, change.Name)
	case plan.ChangeSubscription:
		add(crm.SourceSubscription, change.Name)
	case plan.ChangeEntered, plan.ChangeLeft:
		add(crm.SourceWorkflow, change.Name)
	}
	if change.What == plan.ChangeSet { // events that nobody sends
		for _, name := range slices.Sorted(maps.Keys(change.Values)) {
			add(crm.SourceEvent, plan.ChangeOf(name))
		}
		add(crm.SourceEvent, plan.EventChanged)
	}
	return found
}
