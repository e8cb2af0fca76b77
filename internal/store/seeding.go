package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// Who matches a filter that enrolls when it becomes live does not start to match it (semantics §2.4), so every record is
// asked about before. Seed does that ahead of the publication, a page in each transaction, so that nobody waits for long.
// What changes meanwhile is asked about again, the last of it in the publication itself.

// seedPage is how many records are asked about in one transaction.
const seedPage = 200

// catchUps bounds how often what has changed meanwhile is asked about ahead of a publication.
const catchUps = 20

// edge is a filter that enrolls or re-enrolls when a record starts to match it.
type edge struct {
	key     string
	source  json.RawMessage
	filter  *crm.Filter
	enrolls bool // and not only anew
}

func edges(rules *plan.Rules, catalog *crm.Catalog) (found []edge, err error) {
	triggers, err := rules.Triggers()
	if err != nil {
		return nil, err
	}
	again, err := rules.AgainFilters()
	if err != nil {
		return nil, err
	}
	add := func(source json.RawMessage, enrolls bool) error {
		filter, err := crm.ReadFilter(source)
		if err != nil {
			return err
		}
		key, err := EdgeKey(source, filter, catalog)
		if !hasKey(found, key) {
			found = append(found, edge{key, source, filter, enrolls})
		}
		return err
	}
	if len(triggers.When) > 0 {
		if err := add(triggers.When, true); err != nil {
			return nil, err
		}
	}
	for _, one := range again {
		if err := add(one, false); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func hasKey(edges []edge, key string) bool {
	return slices.ContainsFunc(edges, func(one edge) bool { return one.key == key })
}

func rulesOf(published *plan.Plan) *plan.Rules {
	if published == nil || published.Rules == nil {
		return &plan.Rules{}
	}
	return published.Rules
}

// seeding asks a filter about records.
type seeding struct {
	edge
	workflow string
	object   string
	basis    string // on which the answers rest, beside the records
	now      time.Time
	zone     *time.Location
	catalog  *crm.Catalog
}

// coming are the filters of a workflow that a publication makes live.
func coming(published *plan.Plan, before *plan.Rules, old, catalog *crm.Catalog, account json.RawMessage, now time.Time) (found []seeding, err error) {
	rules := rulesOf(published)
	live, err := edges(before, old)
	if err != nil {
		return nil, err
	}
	wanted, err := edges(rules, catalog)
	if err != nil {
		return nil, err
	}
	zone, err := ZoneOf(rules, account)
	if err != nil {
		return nil, err
	}
	content, err := encode(listed(catalog))
	for _, one := range wanted {
		if !hasKey(live, one.key) {
			found = append(found, seeding{one, published.Workflow, published.Object, digest([]byte(zone.String() + content)), now, zone, catalog})
		}
	}
	return found, err
}

// Seed asks the filters that a publication makes live about every record, ahead of it. Publish does so itself where that was
// not done, or where the publication changes how records are calculated.
func (s *Store) Seed(ctx context.Context, p Publication) (err error) {
	defer wrap(&err, "asking new filters about every record")
	var seedings []seeding
	err = s.View(ctx, func(view *View) error {
		seedings = nil
		old, err := view.Catalog(ctx)
		if err != nil {
			return err
		}
		catalog, account := p.Catalog, p.Account
		if catalog == nil {
			catalog = old
		}
		if asksMore(old, catalog) {
			return nil
		}
		if account == nil {
			if account, err = view.Account(ctx); err != nil {
				return err
			}
		}
		live, err := view.Live(ctx)
		if err != nil {
			return err
		}
		for _, one := range live {
			published := one.Revision.Plan
			if i := slices.IndexFunc(p.Definitions, defines(one.Workflow)); i >= 0 {
				published = p.Definitions[i].Plan
			}
			found, err := coming(published, rulesOf(one.Revision.Plan), old, catalog, account, p.At)
			if err != nil {
				return err
			}
			seedings = append(seedings, found...)
		}
		for _, definition := range p.Definitions {
			if definition.Plan == nil || slices.ContainsFunc(live, func(one Live) bool { return one.Workflow == definition.Plan.Workflow }) {
				continue
			}
			found, err := coming(definition.Plan, &plan.Rules{}, old, catalog, account, p.At)
			if err != nil {
				return err
			}
			seedings = append(seedings, found...)
		}
		return nil
	})
	if err == nil {
		err = s.abandon(ctx, p, seedings)
	}
	for _, one := range seedings {
		if err == nil {
			err = s.seed(ctx, one)
		}
	}
	return err
}

// abandon forgets what earlier publications, which came to nothing, wanted to make live of these workflows.
func (s *Store) abandon(ctx context.Context, p Publication, wanted []seeding) error {
	type row struct{ workflow, filter string }
	begun, err := collect(ctx, s.source, func(columns scanner) (one row, err error) { return one, columns.Scan(&one.workflow, &one.filter) },
		`SELECT workflow, filter FROM seedings`)
	for _, one := range begun {
		if !slices.ContainsFunc(p.Definitions, defines(one.workflow)) ||
			slices.ContainsFunc(wanted, func(w seeding) bool { return w.workflow == one.workflow && w.key == one.filter }) {
			continue
		}
		if err == nil {
			err = s.Tx(ctx, func(tx *Tx) error { return tx.unseed(ctx, one.workflow, one.filter) })
		}
	}
	return err
}

func (tx *Tx) unseed(ctx context.Context, workflow, filter string) error {
	if _, err := tx.exec(ctx, `DELETE FROM seedings WHERE workflow = $1 AND filter = $2`, workflow, filter); err != nil {
		return err
	}
	_, err := tx.exec(ctx, `DELETE FROM touched WHERE NOT EXISTS (SELECT 1 FROM seedings)`)
	return err
}

func defines(workflow string) func(plan.Revision) bool {
	return func(one plan.Revision) bool { return one.Plan != nil && one.Plan.Workflow == workflow }
}

// seed asks one filter. Another program that does the same at the same time shares the work.
func (s *Store) seed(ctx context.Context, one seeding) error {
	err := s.Tx(ctx, func(tx *Tx) error {
		mark, err := tx.mark(ctx, one.workflow, one.now)
		if err != nil {
			return err
		}
		_, err = tx.exec(ctx, `INSERT INTO seedings (workflow, filter, basis, mark, after_id, done) VALUES ($1, $2, $3, $4, '', FALSE)
			ON CONFLICT (workflow, filter) DO UPDATE SET basis = excluded.basis, mark = excluded.mark, after_id = '', done = FALSE
			WHERE seedings.basis <> excluded.basis`, one.workflow, one.key, one.basis, mark)
		return err
	})
	for more := true; more && err == nil; {
		err = s.Tx(ctx, func(tx *Tx) error {
			more, err = tx.seedPage(ctx, one)
			return err
		})
	}
	for try := 0; try < catchUps && err == nil; try++ {
		var changed int
		if changed, err = s.catchUp(ctx, one); changed < seedPage {
			break
		}
	}
	return err
}

// seeded is how far a seeding has come: all changes up to mark are in its answers.
func (tx *Tx) seeded(ctx context.Context, one seeding) (mark int64, after string, done bool, err error) {
	err = tx.row(ctx, `SELECT mark, after_id, done FROM seedings WHERE workflow = $1 AND filter = $2 AND basis = $3`+tx.source.holding(),
		one.workflow, one.key, one.basis).Scan(&mark, &after, &done)
	return mark, after, done, err
}

// seedPage asks about the next records, and tells whether there may be more.
func (tx *Tx) seedPage(ctx context.Context, one seeding) (more bool, err error) {
	_, after, done, err := tx.seeded(ctx, one)
	if errors.Is(err, sql.ErrNoRows) || err == nil && done {
		return false, nil // somebody else was quicker
	}
	if err != nil {
		return false, err
	}
	if after, err = tx.seedAfter(ctx, one, after); err != nil {
		return false, err
	}
	_, err = tx.exec(ctx, `UPDATE seedings SET after_id = $1, done = $2 WHERE workflow = $3 AND filter = $4`, after, after == "", one.workflow, one.key)
	return after != "", err
}

// seedAfter asks about the records after one, and returns the last of them; "" when there are no more.
func (tx *Tx) seedAfter(ctx context.Context, one seeding, after string) (last string, err error) {
	records, err := tx.List(ctx, one.object, after, seedPage)
	if err != nil {
		return "", err
	}
	for _, record := range records {
		if err := tx.answer(ctx, one, record); err != nil {
			return "", err
		}
	}
	if len(records) < seedPage {
		return "", nil
	}
	return records[len(records)-1].ID, nil
}

// free reads in a transaction and holds nothing of what it reads.
func (tx *Tx) free() reader { return reader{source: snapshot{tx.session}, memory: tx.memory} }

// answer writes what a filter says of a record.
func (tx *Tx) answer(ctx context.Context, one seeding, record crm.Record) error {
	env := crm.FilterEnv{Records: tx.free(), Ref: record.Ref, Record: &record, Now: one.now, Zone: one.zone, Catalog: one.catalog}
	truth, err := one.filter.Match(ctx, env)
	if err != nil {
		return err
	}
	match := plan.Match{Workflow: one.workflow, Filter: one.key, Record: record.Ref.String(), Matching: truth == crm.Yes}
	if match.Look, err = one.filter.NextChange(ctx, env); err != nil {
		return err
	}
	return tx.setMatch(ctx, match)
}

// answerAnew is answer for records that may be gone.
func (tx *Tx) answerAnew(ctx context.Context, one seeding, refs []crm.Ref) error {
	for _, ref := range refs {
		record, err := tx.free().get(ctx, ref)
		switch {
		case errors.Is(err, crm.ErrNotFound), errors.Is(err, crm.ErrDeleted):
			err = tx.setMatch(ctx, plan.Match{Workflow: one.workflow, Filter: one.key, Record: ref.String()})
		case err == nil:
			err = tx.answer(ctx, one, record)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// catchUp asks about the records of which something has changed, and returns how many there were.
func (s *Store) catchUp(ctx context.Context, one seeding) (changed int, err error) {
	var mark, next int64
	err = s.Tx(ctx, func(tx *Tx) error {
		if mark, _, _, err = tx.seeded(ctx, one); err == nil {
			next, err = tx.mark(ctx, one.workflow, one.now)
		}
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	refs, err := s.concerned(ctx, one, mark)
	for part := range slices.Chunk(refs, seedPage) {
		if err == nil {
			err = s.Tx(ctx, func(tx *Tx) error { return tx.answerAnew(ctx, one, part) })
		}
	}
	if err != nil {
		return 0, err
	}
	return len(refs), s.Tx(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, `UPDATE seedings SET mark = $1 WHERE workflow = $2 AND filter = $3 AND basis = $4 AND mark < $1`, next, one.workflow, one.key, one.basis)
		return err
	})
}

// concerned are the records whose answer may have changed since a change, and those that time has come for.
func (r reader) concerned(ctx context.Context, one seeding, mark int64) ([]crm.Ref, error) {
	read := func(row scanner) (ref crm.Ref, err error) { return ref, row.Scan(reference{&ref}) }
	changed, err := collect(ctx, r.source, read, `SELECT record FROM touched WHERE seq > $1 UNION SELECT record FROM changes WHERE seq > $1 AND record <> ''`, mark)
	if err != nil {
		return nil, err
	}
	found, err := collect(ctx, r.source, read, `SELECT record FROM matches WHERE workflow = $1 AND filter = $2 AND look <= $3`, one.workflow, one.key, instant{one.now})
	if err != nil {
		return nil, err
	}
	paths := [][]string{{}}
	for _, source := range one.filter.Sources(one.catalog) {
		for i := range source.Through {
			paths = append(paths, source.Through[:i+1])
		}
	}
	for _, ref := range changed {
		for _, through := range paths {
			if way := append([]string{one.object}, through...); way[len(way)-1] != ref.Object {
				continue
			}
			refs, err := r.Seeing(ctx, ref, one.object, through)
			if err != nil {
				return nil, err
			}
			found = append(found, refs...)
		}
	}
	slices.SortFunc(found, func(a, b crm.Ref) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(found), nil
}

// Seeing are the records of an object type that see a record through associations: through are the types of records on the
// way, that of the record the last.
func (r reader) Seeing(ctx context.Context, ref crm.Ref, object string, through []string) ([]crm.Ref, error) {
	refs := []crm.Ref{ref}
	for i := len(through) - 1; i >= 0; i-- {
		nearer := object
		if i > 0 {
			nearer = through[i-1]
		}
		var found []crm.Ref
		for _, far := range refs {
			associated, err := r.Associated(ctx, far, nearer)
			if err != nil {
				return nil, err
			}
			for _, association := range associated {
				if !slices.Contains(found, association.Ref) {
					found = append(found, association.Ref)
				}
			}
		}
		refs = found
	}
	return refs, nil
}

// numbering is what those claim who have to know that what has a smaller number is committed; who numbers changes shares it.
const numbering = "numbering"

// mark writes a change that says nothing but that a workflow is published. Changes of smaller numbers are committed, others
// will have greater ones.
func (tx *Tx) mark(ctx context.Context, workflow string, now time.Time) (seq int64, err error) {
	if err := tx.claim(ctx, numbering); err != nil {
		return 0, err
	}
	err = tx.row(ctx, `INSERT INTO changes (record, what, name, detail, at, cause) VALUES ('', $1, $2, '', $3, '') RETURNING seq`,
		plan.ChangePublished, workflow, instant{now}).Scan(&seq)
	tx.decided = true
	return seq, err
}

// since makes the changes until now enroll nobody in a workflow, and tells the router that it has changed.
func (tx *Tx) since(ctx context.Context, workflow string, now time.Time) error {
	seq, err := tx.mark(ctx, workflow, now)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, `UPDATE workflows SET live_since = $1 WHERE workflow = $2`, seq, workflow)
	return err
}

// goLive makes the triggers of a workflow's newest revision live: changes so far enroll nobody, and who matches already
// does not start to (semantics §2.4). before is what was live until now under the catalog old, nil when nothing was. With
// existing, who matches is enrolled, which is decided here. It returns how many match filters that are new.
func (tx *Tx) goLive(ctx context.Context, revision plan.Revision, before *plan.Rules, old *crm.Catalog, existing bool, now time.Time) (matching int, err error) {
	defer wrap(&err, "making the triggers of %s live", revision.Workflow)
	catalog, err := tx.Catalog(ctx)
	if err != nil {
		return 0, err
	}
	account, err := tx.Account(ctx)
	if err != nil {
		return 0, err
	}
	if before == nil || string(before.Enroll) != string(rulesOf(revision.Plan).Enroll) {
		if err := tx.since(ctx, revision.Workflow, now); err != nil {
			return 0, err
		}
	}
	if before == nil {
		before = &plan.Rules{}
	}
	seedings, err := coming(revision.Plan, before, old, catalog, account, now)
	if err != nil || len(seedings) == 0 {
		return 0, err
	}
	live, err := edges(before, old)
	if err != nil {
		return 0, err
	}
	if err := tx.claim(ctx, numbering); err != nil {
		return 0, err
	}
	for _, one := range seedings {
		if err := tx.settle(ctx, one); err != nil {
			return 0, err
		}
		undecided, was := ``, ""
		if i := slices.IndexFunc(live, func(edge edge) bool { return string(edge.source) == string(one.source) }); i >= 0 {
			undecided, was = ` AND record NOT IN (SELECT record FROM changes)`, live[i].key
			if err := tx.leaveUndecided(ctx, one, was); err != nil {
				return 0, err
			}
		}
		if !one.enrolls {
			continue
		}
		if existing {
			if err := tx.enrollMatching(ctx, one, revision.Number, undecided); err != nil {
				return 0, err
			}
		}
		err := tx.row(ctx, `SELECT COUNT(*) FROM matches WHERE workflow = $1 AND filter = $2 AND matching`+undecided, one.workflow, one.key).Scan(&matching)
		if err != nil {
			return 0, err
		}
		if was != "" && rulesOf(revision.Plan).LeaveOnMiss {
			if err := tx.rememberMatching(ctx, one, was); err != nil {
				return 0, err
			}
		}
	}
	return matching, nil
}

// settle completes a seeding, or does all of it. Nobody else numbers a change until the transaction ends.
func (tx *Tx) settle(ctx context.Context, one seeding) error {
	mark, _, done, err := tx.seeded(ctx, one)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if done {
		refs, err := tx.free().concerned(ctx, one, mark)
		if err != nil {
			return err
		}
		if err := tx.answerAnew(ctx, one, refs); err != nil {
			return err
		}
	} else {
		for after, more := "", true; more; more = after != "" {
			if after, err = tx.seedAfter(ctx, one, after); err != nil {
				return err
			}
		}
	}
	return tx.unseed(ctx, one.workflow, one.key)
}

// leaveUndecided keeps what a filter said under another key of the records of which a change is not decided about: whether
// they start to match is the router's to say.
func (tx *Tx) leaveUndecided(ctx context.Context, one seeding, key string) error {
	const these = ` WHERE workflow = $1 AND filter = $2 AND record IN (SELECT record FROM changes)`
	if _, err := tx.exec(ctx, `DELETE FROM matches`+these, one.workflow, one.key); err != nil {
		return err
	}
	_, err := tx.exec(ctx, `INSERT INTO matches (workflow, filter, record, matching, look)
		SELECT workflow, CAST($3 AS TEXT), record, matching, look FROM matches`+these, one.workflow, key, one.key)
	return err
}

// rememberMatching has the router look at once at who matched under another key and does not now: they leave.
func (tx *Tx) rememberMatching(ctx context.Context, one seeding, key string) error {
	_, err := tx.exec(ctx, `INSERT INTO matches (workflow, filter, record, matching, look)
		SELECT workflow, CAST($3 AS TEXT), record, TRUE, CAST($4 AS BIGINT) FROM matches WHERE workflow = $1 AND filter = $2 AND matching
		AND record NOT IN (SELECT record FROM matches WHERE workflow = $1 AND filter = $3 AND matching)
		ON CONFLICT (workflow, filter, record) DO UPDATE SET matching = excluded.matching, look = excluded.look`,
		one.workflow, key, one.key, instant{one.now})
	return err
}

// enrollMatching decides to enroll who matches.
func (tx *Tx) enrollMatching(ctx context.Context, one seeding, revision int, undecided string) error {
	_, err := tx.exec(ctx, `INSERT INTO intents (`+intentColumns+`, due)
		SELECT '`+plan.ActEnroll+`', workflow, record, CAST($3 AS TEXT), '`+plan.WayExisting+`', '', '', '', '', 0, TRUE, 0, CAST($4 AS BIGINT), 0, '', 0
		FROM matches WHERE workflow = $1 AND filter = $2 AND matching`+undecided+` ORDER BY LENGTH(record), record ON CONFLICT DO NOTHING`,
		one.workflow, one.key, "matched revision "+strconv.Itoa(revision)+" already", instant{one.now})
	return err
}

// relist looks anew at whom the filters of workflows match that have no new revision, where they ask for lists that have
// another filter in the catalog than in the old one.
func (tx *Tx) relist(ctx context.Context, old *crm.Catalog, revised []plan.Revision, existing bool, now time.Time) (matching map[string]int, err error) {
	workflows, err := tx.Live(ctx)
	if err != nil {
		return nil, err
	}
	matching = map[string]int{}
	for _, one := range workflows {
		if slices.ContainsFunc(revised, func(revision plan.Revision) bool { return revision.Workflow == one.Workflow }) {
			continue
		}
		count, err := tx.goLive(ctx, one.Revision, rulesOf(one.Revision.Plan), old, existing && one.Switch.Refuses(now) == "", now)
		if err != nil {
			return nil, err
		}
		if count > 0 {
			matching[one.Workflow] = count
		}
	}
	return matching, nil
}

// Sweep forgets what filters say that are not live any more, a page in each transaction.
func (s *Store) Sweep(ctx context.Context) (err error) {
	defer wrap(&err, "forgetting what old filters said")
	type pair struct{ workflow, filter string }
	var old []pair
	err = s.View(ctx, func(view *View) error {
		catalog, err := view.Catalog(ctx)
		if err != nil {
			return err
		}
		live, err := view.Live(ctx)
		if err != nil {
			return err
		}
		var kept []pair
		for _, one := range live {
			rules := rulesOf(one.Revision.Plan)
			found, err := edges(rules, catalog)
			if err != nil {
				return err
			}
			for _, edge := range found {
				kept = append(kept, pair{one.Workflow, edge.key})
			}
			kept = append(kept, pair{one.Workflow, FilterKey(rules.Goal)}, pair{one.Workflow, FilterKey(rules.Suppress)})
		}
		old, err = collect(ctx, view.source, func(row scanner) (one pair, err error) { return one, row.Scan(&one.workflow, &one.filter) },
			`SELECT DISTINCT workflow, filter FROM matches WHERE TRUE`+ahead)
		old = slices.DeleteFunc(old, func(one pair) bool { return slices.Contains(kept, one) })
		return err
	})
	for _, one := range old {
		for more := true; more && err == nil; {
			err = s.Tx(ctx, func(tx *Tx) error {
				rows, err := tx.exec(ctx, `DELETE FROM matches WHERE workflow = $1 AND filter = $2 AND record IN
					(SELECT record FROM matches WHERE workflow = $1 AND filter = $2`+ahead+` ORDER BY record LIMIT 500)`, one.workflow, one.filter)
				more = rows > 0
				return err
			})
		}
	}
	return err
}
