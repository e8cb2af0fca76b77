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
}

// Published is what came of a publication.
type Published struct {
	Revisions []plan.Revision `json:"revisions"` // the new ones
	Unchanged []string        `json:"unchanged"` // workflows whose newest revision has the same plan
}

// Overview is a published workflow at a glance.
type Overview struct {
	Workflow  string    `json:"workflow"`
	Switch    string    `json:"switch"`
	Revision  int       `json:"revision"` // the newest
	Published time.Time `json:"published"`
}

const (
	settingAccount = "account"
	settingCatalog = "catalog"
)

// Publish writes a publication, all of it or nothing. Errors: crm.ErrInvalid.
func (tx *Tx) Publish(ctx context.Context, p Publication) (published Published, err error) {
	defer wrap(&err, "publishing")
	if p.At.IsZero() {
		return Published{}, fmt.Errorf("%w: a publication needs a time", crm.ErrInvalid)
	}
	if p.Assets != nil {
		if err := tx.setAssets(ctx, p.Assets, p.At); err != nil {
			return Published{}, err
		}
	}
	if p.Account != nil {
		if err := tx.setSetting(ctx, settingAccount, p.Account); err != nil {
			return Published{}, err
		}
	}
	if p.Catalog != nil {
		if err := tx.setSetting(ctx, settingCatalog, listed(p.Catalog)); err != nil {
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
	for _, definition := range p.Definitions {
		definition.Published, definition.By = stored(p.At), p.By
		revision, isNew, err := tx.addRevision(ctx, definition)
		switch {
		case err != nil:
			return Published{}, err
		case isNew:
			published.Revisions = append(published.Revisions, revision)
		default:
			published.Unchanged = append(published.Unchanged, revision.Workflow)
		}
	}
	return published, nil
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
	Open    bool         `json:"open,omitempty"`
	Objects []crm.Object `json:"objects"`
}

func listed(catalog *crm.Catalog) objects {
	list := objects{Open: catalog.Open}
	for _, name := range catalog.Objects() {
		object, _ := catalog.Object(name)
		list.Objects = append(list.Objects, object)
	}
	return list
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

// addRevision adds a revision unless the newest one has the same plan.
func (tx *Tx) addRevision(ctx context.Context, revision plan.Revision) (_ plan.Revision, isNew bool, err error) {
	if revision.Plan == nil || revision.Plan.Workflow == "" || revision.Plan.Hash == "" {
		return plan.Revision{}, false, fmt.Errorf("%w: a definition needs a plan with a workflow and a hash", crm.ErrInvalid)
	}
	compiled := *revision.Plan
	revision.Plan, revision.Workflow = &compiled, compiled.Workflow
	if err := checkNames(revision.Workflow, revision.Plan.Hash); err != nil {
		return plan.Revision{}, false, err
	}
	latest, found, err := tx.LatestRevision(ctx, revision.Workflow)
	if err != nil {
		return plan.Revision{}, false, err
	}
	if found && latest.Plan.Hash == compiled.Hash {
		return latest, false, nil
	}
	revision.Number = latest.Number + 1
	compiled.Revision = revision.Number
	if revision.InFlight == "" {
		revision.InFlight = plan.InFlightFollow
	}
	if revision.On, err = tx.switchFirst(ctx, revision.Workflow, revision.On); err != nil {
		return plan.Revision{}, false, err
	}
	text, err := encode(compiled)
	if err != nil {
		return plan.Revision{}, false, err
	}
	_, err = tx.exec(ctx, `INSERT INTO revisions (workflow, number, hash, plan, source, in_flight, published, published_by, switched_on)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, revision.Workflow, revision.Number, compiled.Hash, text,
		legible(revision.Source), revision.InFlight, instant{revision.Published}, legible(revision.By), revision.On)
	return revision, true, err
}

// switchFirst sets the switch of a workflow that has none and tells whether it is on.
func (tx *Tx) switchFirst(ctx context.Context, workflow string, on bool) (bool, error) {
	mode := plan.SwitchOff
	if on {
		mode = plan.SwitchOn
	}
	_, err := tx.exec(ctx, `INSERT INTO workflows (workflow, mode) VALUES ($1, $2) ON CONFLICT DO NOTHING`, workflow, mode)
	if err != nil {
		return false, err
	}
	mode, err = tx.Switch(ctx, workflow)
	return mode == plan.SwitchOn, err
}

// Publish is Tx.Publish in a transaction of its own.
func (s *Store) Publish(ctx context.Context, p Publication) (published Published, err error) {
	err = s.Tx(ctx, func(tx *Tx) error { published, err = tx.Publish(ctx, p); return err })
	return published, err
}

// Asset returns the current version of a workspace file.
func (r reader) Asset(ctx context.Context, path string) (content []byte, found bool, err error) {
	defer wrap(&err, "reading %s", path)
	err = r.source.row(ctx, `SELECT b.content FROM blobs b
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
	err = r.source.row(ctx, `SELECT content FROM settings WHERE name = $1`, settingAccount).Scan(&content)
	if errors.Is(err, sql.ErrNoRows) {
		return json.RawMessage("{}"), nil
	}
	return json.RawMessage(content), err
}

// Catalog returns the object types and properties that are declared; before the first publication the
// built-in ones, open to others. It is shared: do not change it.
func (r reader) Catalog(ctx context.Context) (catalog *crm.Catalog, err error) {
	defer wrap(&err, "reading the catalog")
	var hash string
	err = r.source.row(ctx, `SELECT hash FROM settings WHERE name = $1`, settingCatalog).Scan(&hash)
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
		err := r.source.row(ctx, `SELECT hash, content FROM settings WHERE name = $1`, settingCatalog).Scan(&hash, document[objects]{&list})
		if err != nil {
			return nil, err
		}
		catalog = crm.NewCatalog(list.Objects...)
		catalog.Open = list.Open
	}
	r.memory.mu.Lock()
	defer r.memory.mu.Unlock()
	r.memory.catalog, r.memory.hash = catalog, hash
	return catalog, nil
}

// maxPlans bounds how many plans are kept in memory.
const maxPlans = 1000

// PlanByHash returns a published plan with its configs and rules. Plans never change, so they are kept in
// memory and shared: do not change it. When equal plans were published several times, its Workflow, Revision
// and Moved are those of one of them. Errors: crm.ErrNotFound.
func (r reader) PlanByHash(ctx context.Context, hash string) (found *plan.Plan, err error) {
	defer wrap(&err, "reading plan %s", hash)
	return r.plan(ctx, hash, `SELECT plan FROM revisions WHERE hash = $1 ORDER BY published DESC, number DESC LIMIT 1`, hash)
}

// plan returns the plan that is kept under key, or else the one that a query finds.
func (r reader) plan(ctx context.Context, key, text string, args ...any) (*plan.Plan, error) {
	r.memory.mu.Lock()
	known := r.memory.plans[key]
	r.memory.mu.Unlock()
	if known != nil {
		return known, nil
	}
	found := &plan.Plan{}
	err := r.source.row(ctx, text, args...).Scan(document[plan.Plan]{found})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, crm.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	r.memory.mu.Lock()
	defer r.memory.mu.Unlock()
	if len(r.memory.plans) >= maxPlans {
		clear(r.memory.plans)
	}
	r.memory.plans[key] = found
	return found, nil
}

const revisionColumns = `workflow, number, hash, source, in_flight, published, published_by, switched_on`

// scanRevision reads a revision whose plan has nothing but its hash yet.
func scanRevision(row scanner) (revision plan.Revision, err error) {
	var published instant
	revision.Plan = &plan.Plan{}
	err = row.Scan(&revision.Workflow, &revision.Number, &revision.Plan.Hash, &revision.Source, &revision.InFlight,
		&published, &revision.By, &revision.On)
	revision.Published = published.Time
	return revision, err
}

// complete gives a revision its plan.
func (r reader) complete(ctx context.Context, revision *plan.Revision) (err error) {
	key := fmt.Sprintf("%s/%d/%s", revision.Workflow, revision.Number, revision.Plan.Hash)
	revision.Plan, err = r.plan(ctx, key, `SELECT plan FROM revisions WHERE workflow = $1 AND number = $2`, revision.Workflow, revision.Number)
	return err
}

// revision reads the revision that a query finds first.
func (r reader) revision(ctx context.Context, where string, args ...any) (_ plan.Revision, found bool, err error) {
	revision, err := scanRevision(r.source.row(ctx, `SELECT `+revisionColumns+` FROM revisions WHERE `+where, args...))
	if errors.Is(err, sql.ErrNoRows) {
		return plan.Revision{}, false, nil
	}
	if err != nil {
		return plan.Revision{}, false, err
	}
	err = r.complete(ctx, &revision)
	return revision, err == nil, err
}

// Revision returns a revision by its number. Its plan is shared: do not change it. Errors:
// crm.ErrNotFound.
func (r reader) Revision(ctx context.Context, workflow string, number int) (revision plan.Revision, err error) {
	defer wrap(&err, "reading revision %d of %s", number, workflow)
	revision, found, err := r.revision(ctx, `workflow = $1 AND number = $2`, workflow, number)
	if err == nil && !found {
		err = crm.ErrNotFound
	}
	return revision, err
}

// LatestRevision returns the newest revision of a workflow, if any was published; see Revision.
func (r reader) LatestRevision(ctx context.Context, workflow string) (revision plan.Revision, found bool, err error) {
	defer wrap(&err, "reading the newest revision of %s", workflow)
	return r.revision(ctx, `workflow = $1 ORDER BY number DESC LIMIT 1`, workflow)
}

// Revisions returns all revisions of a workflow, oldest first; see Revision.
func (r reader) Revisions(ctx context.Context, workflow string) ([]plan.Revision, error) {
	return r.RevisionsAfter(ctx, workflow, 0)
}

// RevisionsAfter returns the revisions of a workflow with a greater number, oldest first; see Revision.
func (r reader) RevisionsAfter(ctx context.Context, workflow string, number int) (revisions []plan.Revision, err error) {
	defer wrap(&err, "reading the revisions of %s", workflow)
	revisions, err = collect(ctx, r.source, scanRevision, `SELECT `+revisionColumns+` FROM revisions
		WHERE workflow = $1 AND number > $2 ORDER BY number`, workflow, number)
	if err != nil {
		return nil, err
	}
	for i := range revisions {
		if err := r.complete(ctx, &revisions[i]); err != nil {
			return nil, err
		}
	}
	return revisions, nil
}

// Workflows returns all published workflows, by id.
func (r reader) Workflows(ctx context.Context) (overviews []Overview, err error) {
	defer wrap(&err, "listing the workflows")
	return collect(ctx, r.source, func(row scanner) (overview Overview, err error) {
		var published instant
		err = row.Scan(&overview.Workflow, &overview.Switch, &overview.Revision, &published)
		overview.Published = published.Time
		return overview, err
	}, `SELECT w.workflow, w.mode, r.number, r.published FROM workflows w JOIN revisions r ON r.workflow = w.workflow
		WHERE r.number = (SELECT MAX(number) FROM revisions l WHERE l.workflow = w.workflow) ORDER BY w.workflow`)
}

// Switch returns the mode of a workflow's switch: plan.SwitchOn or plan.SwitchOff. Errors: crm.ErrNotFound.
func (r reader) Switch(ctx context.Context, workflow string) (mode string, err error) {
	defer wrap(&err, "reading the switch of %s", workflow)
	err = r.source.row(ctx, `SELECT mode FROM workflows WHERE workflow = $1`, workflow).Scan(&mode)
	if errors.Is(err, sql.ErrNoRows) {
		return "", crm.ErrNotFound
	}
	return mode, err
}

// SetSwitch sets the mode of a workflow's switch. Errors: crm.ErrNotFound, crm.ErrInvalid.
func (tx *Tx) SetSwitch(ctx context.Context, workflow, mode string) (err error) {
	defer wrap(&err, "switching %s %s", workflow, mode)
	if mode != plan.SwitchOn && mode != plan.SwitchOff {
		return fmt.Errorf("%w: a switch is %s or %s", crm.ErrInvalid, plan.SwitchOn, plan.SwitchOff)
	}
	rows, err := tx.exec(ctx, `UPDATE workflows SET mode = $1 WHERE workflow = $2`, mode, workflow)
	if err == nil && rows == 0 {
		return crm.ErrNotFound
	}
	return err
}

// SetSwitch is Tx.SetSwitch in a transaction of its own.
func (s *Store) SetSwitch(ctx context.Context, workflow, mode string) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.SetSwitch(ctx, workflow, mode) })
}
