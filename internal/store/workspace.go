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
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
)

// Publication is what a workspace publishes at once. What is nil stays as it is in the store.
type Publication struct {
	At      time.Time
	By      string
	Assets  map[string][]byte // the workspace's files by path; one that is missing is removed
	Account json.RawMessage   // crm.Account
	Catalog *crm.Catalog
	Users   []crm.User
	Teams   []string
	Lists   []string // static lists that are declared; others stay
	// Definitions give Plan, Source, InFlight ("" = follow) and On, which sets the switch of a workflow that
	// is published for the first time; later it is the operator's (SetSwitch).
	Definitions []plan.Revision
	// EnrollExisting enrolls who matches a filter trigger that is new; otherwise only who starts to match it.
	EnrollExisting bool
}

// Published is what came of a publication.
type Published struct {
	Revisions []plan.Revision `json:"revisions"` // the new ones
	Unchanged []string        `json:"unchanged"` // workflows whose newest revision has the same plan
	Existing  map[string]int  `json:"existing"`  // by workflow: records that match a filter trigger that is new
}

// publication is what publishers claim: they take turns.
const publication = "publication"

const (
	settingAccount = "account"
	settingCatalog = "catalog"
	settingQueues  = "queues"
)

// Publish writes a publication, all of it or nothing. Errors: crm.ErrInvalid.
func (tx *Tx) Publish(ctx context.Context, p Publication) (published Published, err error) {
	defer wrap(&err, "publishing")
	if p.At.IsZero() {
		return Published{}, fmt.Errorf("%w: a publication needs a time", crm.ErrInvalid)
	}
	if err := tx.claim(ctx, publication); err != nil {
		return Published{}, err
	}
	if p.Assets != nil {
		if err := tx.setAssets(ctx, p.Assets, p.At); err != nil {
			return Published{}, err
		}
	}
	if p.Account != nil {
		if err := tx.setAccount(ctx, p.Account, p.At); err != nil {
			return Published{}, err
		}
	}
	old, err := tx.Catalog(ctx)
	if err != nil {
		return Published{}, err
	}
	if p.Catalog != nil {
		if err := tx.setCatalog(ctx, old, p.Catalog, p.At); err != nil {
			return Published{}, err
		}
	}
	if p.Users != nil || p.Teams != nil {
		if err := tx.SetUsers(ctx, p.Users, p.Teams); err != nil {
			return Published{}, err
		}
	}
	for _, list := range p.Lists {
		if err := tx.declareList(ctx, list); err != nil {
			return Published{}, err
		}
	}
	if err := tx.addQueues(ctx, p.Definitions); err != nil {
		return Published{}, err
	}
	var before []*plan.Plan // of the new revisions
	for _, definition := range p.Definitions {
		definition.Published, definition.By = stored(p.At), p.By
		latest, err := tx.newest(ctx, definition.Plan)
		if err != nil {
			return Published{}, err
		}
		revision, isNew, err := tx.addRevision(ctx, definition)
		switch {
		case err != nil:
			return Published{}, err
		case isNew:
			published.Revisions, before = append(published.Revisions, revision), append(before, latest)
			if err := tx.reschedule(ctx, revision.Workflow, p.At); err != nil {
				return Published{}, err
			}
		default:
			published.Unchanged = append(published.Unchanged, revision.Workflow)
		}
	}
	// Comes last, since nobody else numbers changes from now on.
	for i, revision := range published.Revisions {
		var rules *plan.Rules
		if before[i] != nil {
			rules = rulesOf(before[i])
		}
		existing, err := tx.goLive(ctx, revision, rules, old, p.EnrollExisting && revision.On, p.At)
		if err != nil {
			return Published{}, err
		}
		published.match(revision.Workflow, existing)
	}
	relisted, err := tx.relist(ctx, old, published.Revisions, p.EnrollExisting, p.At)
	for workflow, existing := range relisted {
		published.match(workflow, existing)
	}
	return published, err
}

// setAccount writes the account's settings. Who waits until an instant is told when the time zone is another: the wall
// clock that they wait for may be (semantics §4.7).
func (tx *Tx) setAccount(ctx context.Context, account json.RawMessage, now time.Time) error {
	before, err := tx.Zone(ctx, nil)
	if err != nil {
		return err
	}
	if err := tx.setSetting(ctx, settingAccount, account); err != nil {
		return err
	}
	after, err := tx.Zone(ctx, nil)
	if err != nil || after.String() == before.String() {
		return err
	}
	told, err := tx.exec(ctx, `INSERT INTO intents (`+intentColumns+`, due)
		SELECT '`+plan.ActChanged+`', workflow, record, '', '', id, '', '', '', 0, TRUE, 0, CAST($1 AS BIGINT), 0, '', 0
		FROM enrollments WHERE closed IS NULL AND until IS NOT NULL ORDER BY seq`, instant{now})
	tx.decided = tx.decided || told > 0
	return err
}

// match counts who matches a new filter trigger of a workflow.
func (p *Published) match(workflow string, existing int) {
	if existing == 0 {
		return
	}
	if p.Existing == nil {
		p.Existing = map[string]int{}
	}
	p.Existing[workflow] = existing
}

// addQueues remembers the task queues that plans name.
func (tx *Tx) addQueues(ctx context.Context, definitions []plan.Revision) error {
	before, err := tx.Queues(ctx)
	if err != nil {
		return err
	}
	all := slices.Clone(before)
	for _, definition := range definitions {
		if definition.Plan == nil {
			continue // addRevision says so
		}
		for _, node := range definition.Plan.Nodes {
			if node.Queue != "" {
				all = append(all, node.Queue)
			}
		}
	}
	slices.Sort(all)
	if all = slices.Compact(all); len(all) == len(before) {
		return nil
	}
	return tx.setSetting(ctx, settingQueues, all)
}

// newest is the plan of a workflow's newest revision, nil when there is none.
func (tx *Tx) newest(ctx context.Context, published *plan.Plan) (*plan.Plan, error) {
	if published == nil {
		return nil, nil // refused later
	}
	latest, _, err := tx.LatestRevision(ctx, published.Workflow)
	return latest.Plan, err
}

// setAssets makes files the current version of the workspace; earlier versions stay.
func (tx *Tx) setAssets(ctx context.Context, files map[string][]byte, at time.Time) error {
	current, err := tx.assets(ctx)
	if err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		hash := digest(files[path])
		if current[path] == hash {
			continue
		}
		if err := tx.addBlob(ctx, hash, files[path]); err != nil {
			return err
		}
		if err := tx.addAsset(ctx, path, sql.NullString{String: hash, Valid: true}, at); err != nil {
			return err
		}
	}
	for _, path := range slices.Sorted(maps.Keys(current)) {
		if _, kept := files[path]; kept {
			continue
		}
		if err := tx.addAsset(ctx, path, sql.NullString{}, at); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) addBlob(ctx context.Context, hash string, content []byte) error {
	if content == nil {
		content = []byte{} // nil is NULL
	}
	_, err := tx.exec(ctx, `INSERT INTO blobs (hash, content) VALUES ($1, $2) ON CONFLICT DO NOTHING`, hash, content)
	return err
}

func (tx *Tx) addAsset(ctx context.Context, path string, hash sql.NullString, at time.Time) error {
	if err := checkNames(path); err != nil {
		return err
	}
	_, err := tx.exec(ctx, `INSERT INTO assets (path, hash, published) VALUES ($1, $2, $3)`, path, hash, instant{at})
	return err
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// objects is a catalog as it is stored.
type objects struct {
	Open    bool             `json:"open,omitempty"`
	Fiscal  time.Month       `json:"fiscal_year,omitempty"`
	Objects []crm.Object     `json:"objects"`
	Lists   []crm.ActiveList `json:"lists,omitempty"`
}

func listed(catalog *crm.Catalog) objects {
	list := objects{Open: catalog.Open, Fiscal: catalog.FiscalYear, Lists: catalog.ActiveLists()}
	for _, name := range catalog.Objects() {
		object, _ := catalog.Object(name)
		list.Objects = append(list.Objects, object)
	}
	return list
}

// setCatalog makes records fit a catalog. Errors: crm.ErrTaken.
func (tx *Tx) setCatalog(ctx context.Context, old, catalog *crm.Catalog, at time.Time) error {
	if asksMore(old, catalog) {
		if err := tx.claim(ctx, catalogue); err != nil { // nobody writes by the old one meanwhile
			return err
		}
	}
	before, err := encode(old.ActiveLists())
	if err != nil {
		return err
	}
	after, err := encode(catalog.ActiveLists())
	if err != nil {
		return err
	}
	if before != after {
		if err := tx.claim(ctx, router); err != nil { // nobody decides by the old lists meanwhile
			return err
		}
	}
	if err := tx.setSetting(ctx, settingCatalog, listed(catalog)); err != nil {
		return err
	}
	if err := tx.rebuild(ctx, catalog); err != nil {
		return err
	}
	return tx.adopt(ctx, old, catalog, at)
}

func (tx *Tx) setSetting(ctx context.Context, name string, value any) error {
	content, err := encode(value)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	_, err = tx.exec(ctx, `INSERT INTO settings (name, hash, content) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET hash = excluded.hash, content = excluded.content`,
		name, digest([]byte(content)), content)
	return err
}

// Publish is Tx.Publish in a transaction of its own, between Seed and Sweep.
func (s *Store) Publish(ctx context.Context, p Publication) (published Published, err error) {
	if err := s.Seed(ctx, p); err != nil {
		return Published{}, err
	}
	if err := s.Tx(ctx, func(tx *Tx) error { published, err = tx.Publish(ctx, p); return err }); err != nil {
		return Published{}, err
	}
	return published, s.Sweep(ctx)
}

// Asset returns the current version of a workspace file.
func (r reader) Asset(ctx context.Context, path string) (content []byte, found bool, err error) {
	defer wrap(&err, "reading %s", path)
	err = r.row(ctx, `SELECT b.content FROM blobs b
		WHERE b.hash = (SELECT a.hash FROM assets a WHERE a.path = $1 ORDER BY a.seq DESC LIMIT 1)`, path).Scan(&content)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return content, err == nil, err
}

// Assets returns the SHA-256 hashes of the workspace's files by path.
func (r reader) Assets(ctx context.Context) (hashes map[string]string, err error) {
	defer wrap(&err, "listing the workspace's files")
	return r.assets(ctx)
}

func (r reader) assets(ctx context.Context) (map[string]string, error) {
	type asset struct{ path, hash string }
	assets, err := collect(ctx, r.source, func(row scanner) (a asset, err error) {
		return a, row.Scan(&a.path, &a.hash)
	}, `SELECT path, hash FROM assets WHERE seq IN (SELECT MAX(seq) FROM assets GROUP BY path) AND hash IS NOT NULL`)
	hashes := make(map[string]string, len(assets))
	for _, asset := range assets {
		hashes[asset.path] = asset.hash
	}
	return hashes, err
}

// Account returns the account's settings: crm.Account as JSON, {} before the first publication.
func (r reader) Account(ctx context.Context) (account json.RawMessage, err error) {
	defer wrap(&err, "reading the account's settings")
	var content string
	err = r.row(ctx, `SELECT content FROM settings WHERE name = $1`, settingAccount).Scan(&content)
	if errors.Is(err, sql.ErrNoRows) {
		return json.RawMessage("{}"), nil
	}
	return json.RawMessage(content), err
}

// Queues are the task queues that plans name beside Temporal's default, in order: those of all revisions, since calls
// may wait there for years.
func (r reader) Queues(ctx context.Context) (queues []string, err error) {
	defer wrap(&err, "reading the task queues")
	err = r.row(ctx, `SELECT content FROM settings WHERE name = $1`, settingQueues).Scan(document[[]string]{&queues})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return queues, err
}

// Catalog returns the object types and properties that are declared; before the first publication the
// built-in ones, open to others. It is shared: do not change it.
func (r reader) Catalog(ctx context.Context) (catalog *crm.Catalog, err error) {
	defer wrap(&err, "reading the catalog")
	var hash string
	err = r.row(ctx, `SELECT hash FROM settings WHERE name = $1`, settingCatalog).Scan(&hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	r.memory.mu.Lock()
	catalog = r.memory.catalog
	known := catalog != nil && r.memory.hash == hash
	r.memory.mu.Unlock()
	if known {
		return catalog, nil
	}
	if hash == "" {
		catalog = crm.Builtin()
		catalog.Open = true
	} else {
		var list objects
		err := r.row(ctx, `SELECT hash, content FROM settings WHERE name = $1`, settingCatalog).Scan(&hash, document[objects]{&list})
		if err != nil {
			return nil, err
		}
		catalog = crm.NewCatalog(list.Objects...)
		catalog.Open, catalog.FiscalYear = list.Open, list.Fiscal
		for _, active := range list.Lists {
			catalog.AddList(active)
		}
	}
	r.memory.mu.Lock()
	defer r.memory.mu.Unlock()
	r.memory.catalog, r.memory.hash = catalog, hash
	return catalog, nil
}
