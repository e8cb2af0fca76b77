package importer

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/crm"
	"go.yaml.in/yaml/v3"
)

// workspace collects what the workflows of an import refer to, for the files beside them.
type workspace struct {
	read   func(path string) (content []byte, found bool)
	flows  map[string]string            // workflow ids by HubSpot's flow id
	shapes map[string]map[string]*usage // by object and property
	emails map[string]emailStub
	lists  map[string]listStub
	users  map[string]bool
	teams  map[string]bool

	theirs  map[[2]string]string // HubSpot's names by object and ours
	renamed set[Renamed]
	kept    []string
}

// usage is what all uses of a property told.
type usage struct {
	kind     crm.PropertyType // "" = nothing
	multiple bool
	seen     set[string]
}

type emailStub struct{ contentID, subject string }
type listStub struct{ listID, object string }

func newWorkspace(read func(string) ([]byte, bool)) *workspace {
	if read == nil {
		read = func(string) ([]byte, bool) { return nil, false }
	}
	return &workspace{
		read: read, flows: map[string]string{}, shapes: map[string]map[string]*usage{},
		emails: map[string]emailStub{}, lists: map[string]listStub{}, users: map[string]bool{}, teams: map[string]bool{},
		theirs: map[[2]string]string{},
	}
}

// use notes what a use tells about a property.
func (s *workspace) use(object, name string, told shape) {
	s.declare(object)
	known := s.shapes[object][name]
	if known == nil {
		known = &usage{}
		s.shapes[object][name] = known
	}
	if strength[told.kind] > strength[known.kind] {
		known.kind = told.kind
	}
	known.multiple = known.multiple || told.multiple
	for _, value := range told.values {
		if value != "" {
			known.seen.add(value)
		}
	}
}

// taken notes under which name HubSpot has a property, and returns another one of its properties that
// has our name already. Several that we know to be one are not others.
func (s *workspace) taken(object, theirs, ours string) (other string) {
	key := [2]string{object, ours}
	if earlier, named := s.theirs[key]; named && earlier != theirs && (earlier == ours || theirs == ours) {
		return earlier
	}
	s.theirs[key] = theirs
	if theirs != ours {
		s.renamed.add(Renamed{Object: object, HubSpot: theirs, Name: ours})
	}
	return ""
}

// declare notes that an object is used.
func (s *workspace) declare(object string) {
	if s.shapes[object] == nil {
		s.shapes[object] = map[string]*usage{}
	}
}

// strength says which of two types wins when a property is used as both: the one with more operators
// that no other type has.
var strength = map[crm.PropertyType]int{
	"": 0, crm.TypeString: 1, crm.TypeEnumeration: 2, crm.TypeBool: 3, crm.TypeNumber: 4, crm.TypeDatetime: 5,
}

// guess is the type that values suggest of which nothing else is known.
func guess(values []string) crm.PropertyType {
	found := crm.PropertyType("")
	for _, value := range values {
		kind := crm.Infer(value)
		if found != "" && kind != found {
			return crm.TypeString
		}
		found = kind
	}
	if found == "" {
		return crm.TypeString
	}
	return found
}

// files writes the files beside the workflows.
func (s *workspace) files(files map[string][]byte) error {
	if err := s.add(files, "millrace.yaml", account()); err != nil {
		return err
	}
	for _, object := range slices.Sorted(maps.Keys(s.shapes)) {
		declaration := s.object(object)
		if declaration == nil {
			continue
		}
		content, err := render(declaration)
		if err != nil {
			return err
		}
		files[s.objectFile(object, content)] = content
	}
	for name, stub := range s.emails {
		if there, _ := s.email(name); !there {
			files["emails/"+name+".md"] = stub.content()
		}
	}
	for name, stub := range s.lists {
		declaration := mapping(entry{"name", str("HubSpot list " + stub.listID)}, entry{"object", str(stub.object)})
		if err := s.add(files, "lists/"+name+".yaml", declaration); err != nil {
			return err
		}
	}
	if len(s.users)+len(s.teams) == 0 {
		return nil
	}
	return s.add(files, "users.yaml", s.people())
}

// objectFile is where a declaration goes: beside other declarations of the object, which add up. Of two for one
// property that of the file counts which is read later, and that is the one without a suffix.
func (s *workspace) objectFile(object string, content []byte) string {
	path := "objects/" + object + ".yaml"
	for n := 1; ; n++ {
		if there, found := s.read(path); !found || bytes.Equal(there, content) {
			return path
		}
		path = fmt.Sprintf("objects/%s-imported%s.yaml", object, strings.TrimPrefix(fmt.Sprintf("-%d", n), "-1"))
	}
}

// email tells whether an e-mail is there, and whether somebody has filled it in.
func (s *workspace) email(name string) (there, filled bool) {
	if content, found := s.read("emails/" + name + ".md"); found {
		return true, !bytes.Contains(content, []byte(s.emails[name].body()))
	}
	_, found := s.read("emails/" + name + ".html")
	return found, found
}

// add writes a file unless the workspace has it already.
func (s *workspace) add(files map[string][]byte, path string, node *yaml.Node) error {
	if _, found := s.read(path); found {
		s.kept = append(s.kept, path)
		return nil
	}
	content, err := render(node)
	files[path] = content
	return err
}

func account() *yaml.Node {
	node := mapping(entry{"time_zone", str("UTC")})
	node.HeadComment = comment("HubSpot counts times and days in the time zone of the account, which an export does not name.")
	return node
}

var builtin = crm.Builtin()

// object declares the properties of an object that are not built in, or are used as something else than
// they are built in as; nil when there are none.
func (s *workspace) object(name string) *yaml.Node {
	declared := mapping()
	for _, property := range slices.Sorted(maps.Keys(s.shapes[name])) {
		used := s.shapes[name][property]
		known, isBuiltin := builtin.Property(name, property)
		node := used.declaration()
		if isBuiltin && used.fits(known) || property == "id" {
			node = missing(known, used.seen.items)
		}
		if node != nil {
			declared.Content = append(declared.Content, str(property), node)
		}
	}
	if _, isBuiltin := builtin.Object(name); isBuiltin && len(declared.Content) == 0 {
		return nil
	}
	object := mapping(entry{"object", str(name)})
	if len(declared.Content) > 0 {
		object.Content = append(object.Content, str("properties"), declared)
	}
	return object
}

// fits tells whether a built-in property can be used as it is.
func (u *usage) fits(property crm.Property) bool {
	switch u.kind {
	case crm.TypeNumber, crm.TypeBool:
		return property.Type == u.kind
	case crm.TypeDatetime:
		return property.Type == crm.TypeDate || property.Type == crm.TypeDatetime
	}
	return property.Multiple || !u.multiple
}

// declaration declares a property from what its uses told. The options of an enumeration stay open: those
// that the flows use are not all there are.
func (u *usage) declaration() *yaml.Node {
	kind := u.kind
	switch {
	case u.multiple:
		kind = crm.TypeEnumeration
	case kind == "":
		kind = guess(u.seen.items)
	}
	node := mapping(entry{"type", str(string(kind))})
	if u.multiple {
		node.Content = append(node.Content, str("multiple"), boolean(true))
	}
	fold(node)
	if kind == crm.TypeEnumeration && len(u.seen.items) > 0 {
		node.LineComment = comment("options that are used: " + strings.Join(u.seen.items, ", "))
	}
	return node
}

// missing declares a built-in enumeration with the values that its options lack, nil when they lack none.
func missing(property crm.Property, values []string) *yaml.Node {
	if len(property.Options) == 0 {
		return nil
	}
	options := list()
	for _, option := range property.Options {
		options.Content = append(options.Content, str(option.Value))
		values = slices.DeleteFunc(slices.Clone(values), func(value string) bool { return value == option.Value })
	}
	if len(values) == 0 {
		return nil
	}
	for _, value := range values {
		options.Content = append(options.Content, str(value))
	}
	node := mapping(entry{"type", str(string(property.Type))}, entry{"options", options})
	fold(node)
	return node
}

// content is an e-mail that says what has to be filled in.
func (e emailStub) content() []byte {
	subject := e.subject
	if subject == "" {
		subject = "HubSpot e-mail " + e.contentID
	}
	front, _ := render(mapping(entry{"subject", str(subject)}))
	return fmt.Appendf(nil, "---\n%s---\n%s", front, e.body())
}

func (e emailStub) body() string {
	return fmt.Sprintf("Fill in the content of the HubSpot e-mail %s here, then take `placeholder: true` from the actions that send it.\n", e.contentID)
}

// people declares users and teams by their HubSpot ids.
func (s *workspace) people() *yaml.Node {
	var users, teams []*yaml.Node
	for _, id := range slices.Sorted(maps.Keys(s.users)) {
		users = append(users, mapping(entry{"id", str(id)}, entry{"name", str("HubSpot user " + id)}))
	}
	for _, id := range slices.Sorted(maps.Keys(s.teams)) {
		teams = append(teams, mapping(entry{"id", str(id)}, entry{"name", str("HubSpot team " + id)}))
	}
	node := mapping()
	for _, part := range []struct {
		key   string
		items []*yaml.Node
	}{{"users", users}, {"teams", teams}} {
		if len(part.items) > 0 {
			node.Content = append(node.Content, str(part.key), list(part.items...))
		}
	}
	node.HeadComment = comment("Fill in names, addresses and teams of these people.")
	return node
}
