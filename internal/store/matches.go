package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// FilterKey names a filter in the books, by its source.
func FilterKey(filter json.RawMessage) string {
	sum := sha256.Sum256(filter)
	return hex.EncodeToString(sum[:8])
}

// setMatch writes what a filter says of a record. What says nothing leaves no row.
func (tx *Tx) setMatch(ctx context.Context, match plan.Match) error {
	if !match.Matching && match.Look.IsZero() {
		_, err := tx.exec(ctx, `DELETE FROM matches WHERE workflow = $1 AND filter = $2 AND record = $3`, match.Workflow, match.Filter, match.Record)
		return err
	}
	_, err := tx.exec(ctx, `INSERT INTO matches (workflow, filter, record, matching, look) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (workflow, filter, record) DO UPDATE SET matching = excluded.matching, look = excluded.look`,
		match.Workflow, match.Filter, match.Record, match.Matching, instant{match.Look})
	return err
}

func scanMatch(row scanner) (match plan.Match, err error) {
	var look instant
	err = row.Scan(&match.Workflow, &match.Filter, &match.Record, &match.Matching, &look)
	match.Look = look.Time
	return match, err
}

// Match returns what a filter of a workflow said of a record when it was last asked.
func (r reader) Match(ctx context.Context, workflow, filter, record string) (match plan.Match, err error) {
	defer wrap(&err, "reading whether %s matches in %s", record, workflow)
	match, err = scanMatch(r.row(ctx, `SELECT workflow, filter, record, matching, look FROM matches WHERE workflow = $1 AND filter = $2 AND record = $3`, workflow, filter, record))
	if errors.Is(err, sql.ErrNoRows) {
		return plan.Match{Workflow: workflow, Filter: filter, Record: record}, nil
	}
	return match, err
}

// Due returns the first answers of filters, at most so many, that have to be looked at again by now.
func (r reader) Due(ctx context.Context, now time.Time, limit int) (due []plan.Match, err error) {
	defer wrap(&err, "reading which filters to look at")
	return collect(ctx, r.source, scanMatch, `SELECT workflow, filter, record, matching, look FROM matches WHERE look <= $1 ORDER BY look LIMIT $2`, now.UnixMicro(), limit)
}

// NextLook is when the next answer of a filter has to be looked at again; zero = never.
func (r reader) NextLook(ctx context.Context) (at time.Time, err error) {
	defer wrap(&err, "reading when to look at filters")
	var look instant
	err = r.row(ctx, `SELECT MIN(look) FROM matches`).Scan(&look)
	return look.Time, err
}

// Zone is the time zone of a workflow's filters: its own, or the account's when it has none or each record's.
func (r reader) Zone(ctx context.Context, rules *plan.Rules) (*time.Location, error) {
	account, err := r.Account(ctx)
	if err != nil {
		return nil, err
	}
	return ZoneOf(rules, account)
}

// ZoneOf is Zone for an account's settings.
func ZoneOf(rules *plan.Rules, account json.RawMessage) (*time.Location, error) {
	if rules != nil && rules.TimeZone != "" {
		if zone, err := crm.LoadZone(rules.TimeZone); err == nil {
			return zone, nil
		} // a token: the record's own zone matters to actions, not to entering
	}
	var settings crm.Account
	if err := json.Unmarshal(account, &settings); err != nil {
		return nil, fmt.Errorf("reading the account's settings: %w", err)
	}
	return crm.LoadZone(settings.TimeZone)
}

// Live is what the router has to know of a workflow.
type Live struct {
	Workflow string
	Switch   plan.Switch
	Since    int64 // changes before this one enroll nobody
	Revision plan.Revision
}

// Live returns every published workflow with its newest revision; the plans are shared.
func (r reader) Live(ctx context.Context) (workflows []Live, err error) {
	defer wrap(&err, "reading what is live")
	workflows, err = collect(ctx, r.source, func(row scanner) (live Live, err error) {
		live.Revision.Plan = &plan.Plan{}
		var turning instant
		err = row.Scan(&live.Workflow, &live.Switch.Mode, &live.Switch.Then, &turning, &live.Since, &live.Revision.Number, &live.Revision.Plan.Hash)
		live.Revision.Workflow, live.Switch.Turning = live.Workflow, turning.Time
		return live, err
	}, `SELECT w.workflow, w.mode, w.turns_to, w.turns, w.live_since, r.number, r.hash FROM workflows w JOIN revisions r ON r.workflow = w.workflow
		WHERE r.number = (SELECT MAX(number) FROM revisions l WHERE l.workflow = w.workflow) ORDER BY w.workflow`)
	for i := range workflows {
		if err := r.complete(ctx, &workflows[i].Revision); err != nil {
			return nil, err
		}
	}
	return workflows, err
}

// goLive makes the triggers of a workflow's newest revision live: changes so far enroll nobody, and who matches already
// does not start to (semantics §2.4). before is what was live until now, nil when nothing was. With existing, who matches
// is enrolled, which is decided here. A filter that asks for a list of which edited says that it has another filter is as good
// as new. It returns how many match filters that are new.
func (tx *Tx) goLive(ctx context.Context, revision plan.Revision, before *plan.Rules, edited []string, existing bool, now time.Time) (matching int, err error) {
	defer wrap(&err, "making the triggers of %s live", revision.Workflow)
	kept, err := edges(before)
	if err != nil {
		return 0, err
	}
	filters, err := edges(revision.Plan.Rules)
	if err != nil {
		return 0, err
	}
	if before == nil || string(before.Enroll) != string(rulesOf(revision.Plan).Enroll) {
		if err := tx.since(ctx, revision.Workflow, now); err != nil {
			return 0, err
		}
	}
	zone, err := tx.Zone(ctx, revision.Plan.Rules)
	if err != nil {
		return 0, err
	}
	for _, old := range kept {
		if !slices.ContainsFunc(filters, func(one edge) bool { return one.key == old.key }) {
			if _, err := tx.exec(ctx, `DELETE FROM matches WHERE workflow = $1 AND filter = $2`, revision.Workflow, old.key); err != nil {
				return 0, err
			}
		}
	}
	for _, one := range filters {
		seeding := seeding{Tx: tx, revision: revision, edge: one, now: now, zone: zone, enroll: existing && one.enrolls}
		if slices.ContainsFunc(kept, func(old edge) bool { return one.key == old.key }) {
			if asks, err := tx.asks(ctx, one, edited); err != nil {
				return 0, err
			} else if !asks {
				continue
			}
			if err := seeding.leaveUndecided(ctx); err != nil {
				return 0, err
			}
			if err := seeding.rememberMatching(ctx); err != nil {
				return 0, err
			}
		}
		if err := seeding.run(ctx); err != nil {
			return 0, err
		}
		if one.enrolls {
			matching = seeding.matching
		}
	}
	return matching, nil
}

// asks tells whether the answer of a filter depends on one of these lists.
func (tx *Tx) asks(ctx context.Context, one edge, lists []string) (bool, error) {
	if len(lists) == 0 {
		return false, nil
	}
	catalog, err := tx.Catalog(ctx)
	if err != nil {
		return false, err
	}
	filter, err := crm.ReadFilter(one.source)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(filter.Sources(catalog), func(source crm.Source) bool {
		return source.Kind == crm.SourceList && slices.Contains(lists, source.Name)
	}), nil
}

// edited are the active lists that have another filter in a new catalog, those that begin or cease to be active among them.
func edited(old, catalog *crm.Catalog) (lists []string, err error) {
	filters := func(catalog *crm.Catalog) (map[string]string, error) {
		found := map[string]string{}
		for _, list := range catalog.ActiveLists() {
			if found[list.Name], err = encode(list); err != nil {
				return nil, err
			}
		}
		return found, nil
	}
	before, err := filters(old)
	if err != nil {
		return nil, err
	}
	after, err := filters(catalog)
	if err != nil {
		return nil, err
	}
	names := maps.Clone(before)
	maps.Copy(names, after)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if before[name] != after[name] {
			lists = append(lists, name)
		}
	}
	return lists, nil
}

// relist looks anew at whom the filters of workflows match that have no new revision, where they ask for edited lists.
func (tx *Tx) relist(ctx context.Context, edited []string, revised []plan.Revision, existing bool, now time.Time) (matching map[string]int, err error) {
	if len(edited) == 0 {
		return nil, nil
	}
	workflows, err := tx.Live(ctx)
	if err != nil {
		return nil, err
	}
	matching = map[string]int{}
	for _, one := range workflows {
		if slices.ContainsFunc(revised, func(revision plan.Revision) bool { return revision.Workflow == one.Workflow }) {
			continue
		}
		count, err := tx.goLive(ctx, one.Revision, rulesOf(one.Revision.Plan), edited, existing && one.Switch.Refuses(now) == "", now)
		if err != nil {
			return nil, err
		}
		if count > 0 {
			matching[one.Workflow] = count
		}
	}
	return matching, nil
}

func rulesOf(published *plan.Plan) *plan.Rules {
	if published.Rules == nil {
		return &plan.Rules{}
	}
	return published.Rules
}

// since makes the changes until now enroll nobody in a workflow, and tells the router that it has changed.
func (tx *Tx) since(ctx context.Context, workflow string, now time.Time) error {
	var seq int64
	err := tx.row(ctx, `INSERT INTO changes (record, what, name, detail, at, cause) VALUES ('', $1, $2, '', $3, '') RETURNING seq`,
		plan.ChangePublished, workflow, instant{now}).Scan(&seq)
	if err != nil {
		return err
	}
	tx.decided = true
	_, err = tx.exec(ctx, `UPDATE workflows SET live_since = $1 WHERE workflow = $2`, seq, workflow)
	return err
}

// edge is a filter that enrolls or re-enrolls when a record starts to match it.
type edge struct {
	key     string
	source  json.RawMessage
	enrolls bool // and not only anew
}

func edges(rules *plan.Rules) (found []edge, err error) {
	triggers, err := rules.Triggers()
	if err != nil {
		return nil, err
	}
	again, err := rules.AgainFilters()
	if err != nil {
		return nil, err
	}
	if len(triggers.When) > 0 {
		found = append(found, edge{FilterKey(triggers.When), triggers.When, true})
	}
	for _, one := range again {
		key := FilterKey(one)
		if !slices.ContainsFunc(found, func(known edge) bool { return known.key == key }) {
			found = append(found, edge{key, one, false})
		}
	}
	return found, nil
}

// seeding writes what a filter says of all records.
type seeding struct {
	*Tx
	edge
	revision plan.Revision
	now      time.Time
	zone     *time.Location
	enroll   bool
	matching int
	passed   map[string]bool // records that keep what is written of them
	matched  map[string]bool // records that matched until now, where those leave who no longer do
}

// leaveUndecided passes over the records of which a change is not decided about: whether they start to match is the
// router's to say, by what was written before.
func (s *seeding) leaveUndecided(ctx context.Context) error {
	undecided, err := collect(ctx, s.Tx.source, func(row scanner) (record string, err error) { return record, row.Scan(&record) },
		`SELECT DISTINCT record FROM changes`)
	s.passed = map[string]bool{}
	for _, record := range undecided {
		s.passed[record] = true
	}
	return err
}

// rememberMatching keeps in mind who matched until now, where the workflow takes out who no longer does.
func (s *seeding) rememberMatching(ctx context.Context) error {
	if !s.enrolls || !rulesOf(s.revision.Plan).LeaveOnMiss {
		return nil
	}
	matching, err := collect(ctx, s.Tx.source, func(row scanner) (record string, err error) { return record, row.Scan(&record) },
		`SELECT record FROM matches WHERE workflow = $1 AND filter = $2 AND matching`, s.revision.Workflow, s.key)
	s.matched = map[string]bool{}
	for _, record := range matching {
		s.matched[record] = true
	}
	return err
}

func (s *seeding) run(ctx context.Context) error {
	_, err := s.exec(ctx, `DELETE FROM matches WHERE workflow = $1 AND filter = $2 AND ($3 OR record NOT IN (SELECT record FROM changes))`,
		s.revision.Workflow, s.key, s.passed == nil)
	if err != nil {
		return err
	}
	filter, err := crm.ReadFilter(s.source)
	if err != nil {
		return err
	}
	catalog, err := s.Catalog(ctx)
	if err != nil {
		return err
	}
	object := s.revision.Plan.Object
	for after := ""; ; {
		records, err := s.List(ctx, object, after, page)
		if err != nil || len(records) == 0 {
			return err
		}
		for _, record := range records {
			after = record.ID
			if s.passed[record.Ref.String()] {
				continue
			}
			env := crm.FilterEnv{Records: s.Tx, Ref: record.Ref, Record: &record, Now: s.now, Zone: s.zone, Catalog: catalog}
			if err := s.seed(ctx, filter, env); err != nil {
				return err
			}
		}
	}
}

func (s *seeding) seed(ctx context.Context, filter *crm.Filter, env crm.FilterEnv) error {
	truth, err := filter.Match(ctx, env)
	if err != nil {
		return err
	}
	match := plan.Match{Workflow: s.revision.Workflow, Filter: s.key, Record: env.Ref.String(), Matching: truth == crm.Yes}
	if match.Look, err = filter.NextChange(ctx, env); err != nil {
		return err
	}
	remembered := match
	if !match.Matching && s.matched[match.Record] {
		remembered.Matching, remembered.Look = true, s.now // the router finds at once that it no longer matches
	}
	if remembered.Matching || !remembered.Look.IsZero() {
		if err := s.setMatch(ctx, remembered); err != nil {
			return err
		}
	}
	if !match.Matching {
		return nil
	}
	s.matching++
	if !s.enroll {
		return nil
	}
	_, err = s.AddIntent(ctx, plan.Intent{
		Act: plan.ActEnroll, Workflow: s.revision.Workflow, Record: match.Record, Way: plan.WayExisting, Bulk: true, At: s.now,
		Trigger: "matched revision " + strconv.Itoa(s.revision.Number) + " already",
	})
	return err
}
