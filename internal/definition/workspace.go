package definition

import (
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/schema"
)

// WorkspaceFile is the file that makes a folder a workspace; it holds the account's settings.
const WorkspaceFile = "millrace.yaml"

// Workspace is the folder that authors keep in git (language §1), read and checked as far as it can be
// without its definitions.
type Workspace struct {
	Account     crm.Account
	Catalog     *crm.Catalog
	Definitions []*File // by path
	Emails      map[string]*crm.Email
	Messages    map[string]*Message
	Lists       map[string]*List
	Calendars   map[string]*Calendar
	Extensions  map[string]*crm.Extension
	Users       []crm.User
	Teams       []string
	Connections map[string]Connection
	Sequences   []string
	Assets      map[string][]byte // every file, by its path with slashes
}

// maxAsset is how many bytes one file of a workspace may have.
const maxAsset = 5 << 20

// FindWorkspace returns the nearest folder above a file, or the folder itself, that holds a workspace.
func FindWorkspace(from string) (dir string, found bool) {
	absolute, err := filepath.Abs(from)
	if err != nil {
		return "", false
	}
	for dir = absolute; ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(filepath.Join(dir, WorkspaceFile)); err == nil && info.Mode().IsRegular() {
			return dir, true
		}
		if dir == filepath.Dir(dir) {
			return "", false
		}
	}
}

// ReadWorkspace reads a workspace and reports everything that is wrong in it, definitions included.
// Paths in diagnostics are relative to the folder, with slashes. The error is about reading files.
func ReadWorkspace(folder fs.FS, kinds []action.Kind) (*Workspace, schema.Diagnostics, error) {
	r := newWorkspaceReader(kinds)
	if err := r.load(folder); err != nil {
		return nil, nil, err
	}
	if _, found := r.Assets[WorkspaceFile]; !found {
		return nil, nil, fmt.Errorf("no workspace: %s is missing", WorkspaceFile)
	}
	return r.Workspace, r.readAll(), nil
}

// ReadAssets is ReadWorkspace of files that were read before, as those that are published.
func ReadAssets(assets map[string][]byte, kinds []action.Kind) (*Workspace, schema.Diagnostics) {
	r := newWorkspaceReader(kinds)
	r.Assets = assets
	return r.Workspace, r.readAll()
}

func newWorkspaceReader(kinds []action.Kind) *workspaceReader {
	return &workspaceReader{kinds: kinds, Workspace: &Workspace{
		Catalog: crm.Builtin(), Emails: map[string]*crm.Email{}, Messages: map[string]*Message{}, Lists: map[string]*List{}, Calendars: map[string]*Calendar{}, Extensions: map[string]*crm.Extension{},
		Connections: map[string]Connection{}, Assets: map[string][]byte{},
	}}
}

// readAll reads the files, and returns everything that is wrong in them.
func (r *workspaceReader) readAll() schema.Diagnostics {
	w := r.Workspace
	for _, name := range w.paths() { // what definitions refer to, before the definitions
		r.read(name)
	}
	w.Catalog.FiscalYear = time.Month(w.Account.Fiscal)
	w.Catalog.CheckCalculations(&r.found)
	for _, email := range w.Emails {
		r.checkTokens(email.Tokens())
	}
	for _, message := range w.Messages {
		r.checkTokens(message.Text.Tokens())
	}
	r.checkWorkflowIDs()
	r.checkLists()
	for _, file := range w.Definitions {
		r.found = append(r.found, file.Check(w)...)
	}
	r.found.Sort()
	return r.found
}

func (w *Workspace) paths() []string { return slices.Sorted(maps.Keys(w.Assets)) }

// Definition returns the definition of a workflow, or nil.
func (w *Workspace) Definition(workflow string) *File {
	for _, file := range w.Definitions {
		if file.Workflow.Text == workflow {
			return file
		}
	}
	return nil
}

// catalog is what definitions are checked against; outside a workspace (nil) it is open.
func (w *Workspace) catalog() *crm.Catalog {
	if w != nil {
		return w.Catalog
	}
	catalog := crm.Builtin()
	catalog.Open = true
	return catalog
}

// zone is the account's time zone; outside a workspace (nil) there is none.
func (w *Workspace) zone() string {
	if w == nil {
		return ""
	}
	return w.Account.TimeZone
}

// names returns what exists of a kind of thing, and whether the workspace lists such things at all.
func (w *Workspace) names(kind string) (names []string, listed bool) {
	switch kind {
	case "email":
		return slices.Sorted(maps.Keys(w.Emails)), true
	case "message":
		return slices.Sorted(maps.Keys(w.Messages)), true
	case "list":
		return slices.Sorted(maps.Keys(w.Lists)), true
	case "calendar":
		return slices.Sorted(maps.Keys(w.Calendars)), true
	case "extension":
		return slices.Sorted(maps.Keys(w.Extensions)), true
	case "connection":
		return slices.Sorted(maps.Keys(w.Connections)), true
	case "ads-account":
		return slices.Sorted(maps.Keys(w.Account.Providers.Ads)), true
	case "assistant":
		return slices.Sorted(maps.Keys(w.Account.AI.Assistants)), true
	case "sequence":
		return w.Sequences, true
	case "team":
		return w.Teams, true
	case "user":
		for _, user := range w.Users {
			names = append(names, user.ID)
			if user.Email != "" {
				names = append(names, user.Email)
			}
		}
		return names, true
	case "workflow":
		for _, file := range w.Definitions {
			names = append(names, file.Workflow.Text)
		}
		return names, true
	}
	return nil, false
}

// tokens returns the tokens of an e-mail or message; there are none outside a workspace.
func (w *Workspace) tokens(kind, name string) []crm.Token {
	if w == nil {
		return nil
	}
	if email := w.Emails[name]; kind == "email" && email != nil {
		return email.Tokens()
	}
	if message := w.Messages[name]; kind == "message" && message != nil {
		return message.Text.Tokens()
	}
	return nil
}

// workspaceReader reads the files of a workspace.
type workspaceReader struct {
	*Workspace
	kinds []action.Kind
	found schema.Diagnostics
}

// folders are the places for files with a meaning.
var folders = []string{"objects", "workflows", "emails", "messages", "lists", "calendars", "sequences", "actions", "tests"}

// load reads every file that is not hidden.
func (r *workspaceReader) load(folder fs.FS) error {
	return fs.WalkDir(folder, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(path.Base(name), ".") && name != ".":
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			if near := schema.Suggest(name, folders); near != "" && !slices.Contains(folders, name) {
				r.found.Warningf(schema.Pos{File: name}, "unknown-folder", "the folder is not read").Hint = fmt.Sprintf("did you mean %q?", near)
			}
			return nil
		case !entry.Type().IsRegular():
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Size() > maxAsset {
			r.found.Errorf(schema.Pos{File: name}, "too-large", "the file has %d bytes; at most %d are allowed", info.Size(), maxAsset)
			return nil
		}
		content, err := fs.ReadFile(folder, name)
		r.Assets[name] = content
		return err
	})
}

// read reads one file by its place.
func (r *workspaceReader) read(name string) {
	dir, base := path.Split(name)
	ending := path.Ext(base)
	stem := strings.TrimSuffix(base, ending)
	isYAML := ending == ".yaml" || ending == ".yml"
	extension, extends := crm.ExtensionFile(name)
	switch {
	case name == WorkspaceFile:
		r.readAccount(name)
	case name == "users.yaml":
		r.readUsers(name)
	case name == "connections.yaml":
		r.decode(name, &r.Connections)
	case dir == "objects/" && isYAML:
		r.readObject(name)
	case dir == "lists/" && isYAML:
		r.readList(name, stem)
	case dir == "calendars/" && isYAML:
		calendar := &Calendar{}
		r.decode(name, calendar)
		r.Calendars[stem] = calendar
	case dir == "messages/" && isYAML:
		message := &Message{}
		r.decode(name, message)
		r.Messages[stem] = message
	case dir == "sequences/" && isYAML:
		_, problems := schema.Parse(name, r.Assets[name])
		r.found = append(r.found, problems...)
		r.Sequences = append(r.Sequences, stem)
	case dir == "emails/" && (ending == ".md" || ending == ".html"):
		if r.Emails[stem] != nil {
			r.found.Errorf(schema.Pos{File: name, Line: 1, Column: 1}, "duplicate-email", "there is another e-mail %q with another ending", stem)
		}
		email, problems := crm.ReadEmail(name, r.Assets[name])
		r.found = append(r.found, problems...)
		r.Emails[stem] = email
	case extends:
		if r.Extensions[extension] != nil {
			r.found.Errorf(schema.Pos{File: name, Line: 1, Column: 1}, "duplicate-extension", "there is another definition of %q with another ending", extension)
		}
		read, problems := crm.ReadExtension(name, r.Assets[name])
		r.found = append(r.found, problems...)
		r.Extensions[extension] = read
	case dir == "workflows/" && (isYAML || ending == ".json"):
		file, problems := Read(name, r.Assets[name], r.kinds)
		r.found = append(r.found, problems...)
		r.Definitions = append(r.Definitions, file)
	}
}

// decode reads a file into a value by its tags, and returns its tree.
func (r *workspaceReader) decode(name string, into any) *schema.Node {
	node, problems := schema.Parse(name, r.Assets[name])
	r.found = append(r.found, problems...)
	if node != nil {
		r.found = append(r.found, schema.Decode(node, into)...)
	}
	return node
}

func (r *workspaceReader) readAccount(name string) {
	node := r.decode(name, &r.Account)
	if node == nil {
		return
	}
	if zone := node.Get("time_zone"); zone != nil && zone.Kind == schema.String {
		checkZone(zone, &r.found)
	}
	if egress := node.Get("egress"); egress != nil && egress.Get("allow") != nil {
		for _, network := range egress.Get("allow").Items {
			if _, err := netip.ParsePrefix(network.Value); err != nil {
				r.found.Errorf(network.Pos, "wrong-value", "%s is not a network", network.What()).Hint = "write it as 10.0.0.0/8"
			}
		}
	}
	r.checkSecret(node, "providers", "smtp", "password")
	r.checkSecret(node, "providers", "openai", "api_key")
	r.checkSecret(node, "providers", "anthropic", "api_key")
	r.checkSecret(node, "providers", "enrichment", "api_key")
	r.checkAds(node)
	r.checkSecret(node, "sources", "kafka", "password")
	r.checkSecret(node, "sources", "nats", "token")
	if quotas := node.Get("quotas"); quotas != nil {
		r.checkQuotas(quotas)
	}
	if retention := node.Get("retention"); retention != nil {
		for _, field := range retention.Fields {
			if _, err := crm.ParseDuration(field.Value.Value); err != nil && field.Value.IsScalar() {
				r.found.Errorf(field.Value.Pos, "wrong-value", "%s is not a duration", field.Value.What()).Hint = "write it as 90d"
			}
		}
	}
}

// checkQuotas reports limits of channels that no kind of action has, and those that let nothing pass.
func (r *workspaceReader) checkQuotas(quotas *schema.Node) {
	channels := map[string]bool{}
	for _, kind := range r.kinds {
		if kind.Channel != "" {
			channels[kind.Channel] = true
		}
	}
	for _, field := range quotas.Fields {
		if !channels[field.Key.Value] {
			r.found.UnknownKey(field.Key, slices.Sorted(maps.Keys(channels)))
		}
		if quota, read := r.Account.Quotas[field.Key.Value]; read && quota.Limit > 0 && quota.Per.IsZero() && field.Value.Get("per") != nil {
			r.found.Errorf(field.Value.Get("per").Pos, "out-of-range", "the time has to be longer than nothing")
		}
	}
}

// checkAds reports accounts of advertising networks that lack what their network needs.
func (r *workspaceReader) checkAds(node *schema.Node) {
	for name, account := range r.Account.Providers.Ads {
		r.checkSecret(node, "providers", "ads", name, "token")
		r.checkSecret(node, "providers", "ads", name, "client_secret")
		if account.Network == "google" && (account.ClientID == "" || account.ClientSecret == "") {
			r.found.Errorf(node.Get("providers").Get("ads").Get(name).Pos, "missing-key", "an account of Google needs client_id and client_secret beside the token")
		}
	}
}

// checkSecret reports a secret that is written as itself, at a path of keys.
func (r *workspaceReader) checkSecret(node *schema.Node, path ...string) {
	for _, key := range path {
		if node = node.Get(key); node == nil {
			return
		}
	}
	if node.IsScalar() && node.Value != "" && !strings.HasPrefix(node.Value, "secret://") {
		r.found.Errorf(node.Pos, "wrong-value", "a %s is written as secret://NAME, never as itself", path[len(path)-1])
	}
}

func (r *workspaceReader) readObject(name string) {
	var object crm.Object
	if r.decode(name, &object); object.Name != "" {
		r.Catalog.Add(object)
	}
}

func (r *workspaceReader) readList(name, stem string) {
	list := &List{path: name}
	node := r.decode(name, list)
	r.Lists[stem] = list
	if list.List != "" && list.List != stem {
		r.found.Errorf(node.Get("list").Pos, "wrong-name", "this is the file of the list %q, not of %q", stem, list.List).
			Hint = "leave `list` out, or rename the file"
	}
	if list.Filter != nil {
		r.Catalog.AddList(crm.ActiveList{Name: stem, Object: list.Object.Text, Filter: *list.Filter})
	}
}

// checkLists reports names in the filters of active lists that do not exist, and lists that depend on themselves.
func (r *workspaceReader) checkLists() {
	for _, name := range slices.Sorted(maps.Keys(r.Lists)) {
		list := r.Lists[name]
		c := &checker{file: &File{Object: list.Object}, in: r.Workspace, catalog: r.Catalog, flow: newFlow(nil)}
		c.walk(list, "", nil)
		if cycle := r.Catalog.ListCycle(name); cycle != nil {
			c.found.Errorf(list.Filter.Pos(), "list-cycle", "who is on the list %q depends on who is on it: %s", name, strings.Join(cycle, " → ")).
				Hint = "take one of these lists out of the filter of the one before"
		}
		r.found = append(r.found, c.found...)
	}
}

// checkTokens reports tokens of e-mails and messages that resolve in no workflow.
func (r *workspaceReader) checkTokens(tokens []crm.Token) {
	c := &checker{file: &File{}, in: r.Workspace, catalog: r.Catalog, flow: newFlow(nil)}
	for _, token := range tokens {
		if !ofSender(token) {
			c.token(token, nil)
		}
	}
	r.found = append(r.found, c.found...)
}

// checkWorkflowIDs reports definitions with the id of another.
func (r *workspaceReader) checkWorkflowIDs() {
	first := map[string]*File{}
	for _, file := range r.Definitions {
		id := file.Workflow.Text
		if id == "" {
			continue
		}
		if earlier := first[id]; earlier != nil {
			r.found.Errorf(file.Workflow.Pos(), "duplicate-workflow", "the workflow %q is already defined in %s", id, earlier.Path())
			continue
		}
		first[id] = file
	}
}
