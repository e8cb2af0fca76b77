package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// FilterKey names a filter in the books, by its source.
func FilterKey(source json.RawMessage) string {
	sum := sha256.Sum256(source)
	return hex.EncodeToString(sum[:8])
}

// EdgeKey is the FilterKey of a filter that enrolls who starts to match. With an active list that is edited it is another
// filter.
func EdgeKey(source json.RawMessage, filter *crm.Filter, catalog *crm.Catalog) (string, error) {
	whole := slices.Clone(source)
	for _, one := range filter.Sources(catalog) {
		list, active := catalog.ActiveList(one.Name)
		if one.Kind != crm.SourceList || !active {
			continue
		}
		text, err := encode(list)
		if err != nil {
			return "", err
		}
		whole = append(whole, text...)
	}
	return FilterKey(whole), nil
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

// ahead leaves out the answers of filters that are not live yet.
const ahead = ` AND NOT EXISTS (SELECT 1 FROM seedings s WHERE s.workflow = matches.workflow AND s.filter = matches.filter)`

// Due returns the first answers of filters, at most so many, that have to be looked at again by now.
func (r reader) Due(ctx context.Context, now time.Time, limit int) (due []plan.Match, err error) {
	defer wrap(&err, "reading which filters to look at")
	return collect(ctx, r.source, scanMatch, `SELECT workflow, filter, record, matching, look FROM matches WHERE look <= $1`+ahead+` ORDER BY look LIMIT $2`, now.UnixMicro(), limit)
}

// NextLook is when the next answer of a filter has to be looked at again; zero = never.
func (r reader) NextLook(ctx context.Context) (at time.Time, err error) {
	defer wrap(&err, "reading when to look at filters")
	var look instant
	err = r.row(ctx, `SELECT MIN(look) FROM matches WHERE look IS NOT NULL`+ahead).Scan(&look)
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
		return nil, fmt.Errorf("%w: reading the account's settings: %w", crm.ErrInvalid, err)
	}
	return crm.LoadZone(settings.TimeZone)
}

// Live is what the router has to know of a workflow.
type Live struct {
	Workflow string
	Switch   plan.Switch
	Since    int64 // changes before this one enroll nobody
	Revision plan.Revision
	Held     []plan.Revision // earlier ones that people finish by, since the next is for those who come later
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
	if err != nil {
		return nil, err
	}
	held, err := r.held(ctx)
	for i := range workflows {
		one := &workflows[i]
		one.Held = held[one.Workflow]
		err = errors.Join(err, r.complete(ctx, &one.Revision))
	}
	return workflows, err
}

// held returns the revisions before those that were published for who comes later, by workflow, oldest first.
func (r reader) held(ctx context.Context) (map[string][]plan.Revision, error) {
	found, err := collect(ctx, r.source, func(row scanner) (revision plan.Revision, err error) {
		revision.Plan = &plan.Plan{}
		return revision, row.Scan(&revision.Workflow, &revision.Number, &revision.Plan.Hash)
	}, `SELECT b.workflow, b.number, b.hash FROM revisions l JOIN revisions b ON b.workflow = l.workflow AND b.number = l.number - 1
		WHERE l.in_flight = $1 ORDER BY b.workflow, b.number`, plan.InFlightPin)
	held := map[string][]plan.Revision{}
	for _, one := range found {
		err = errors.Join(err, r.complete(ctx, &one))
		held[one.Workflow] = append(held[one.Workflow], one)
	}
	return held, err
}
