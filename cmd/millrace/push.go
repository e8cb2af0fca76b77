package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/action"
	"github.com/millrace/millrace/internal/definition"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/publish"
	"github.com/millrace/millrace/internal/schema"
	"github.com/millrace/millrace/internal/store"
	"github.com/spf13/cobra"
)

// pushed is the result of `millrace push`.
type pushed struct {
	Diagnostics schema.Diagnostics `json:"diagnostics"` // with errors, nothing was published
	Workflows   []pushedWorkflow   `json:"workflows"`
	DryRun      bool               `json:"dry_run"`
	Confirm     string             `json:"confirm"` // of a dry run that affects people: what --confirm takes

	publication store.Publication
	forecasts   []publish.Forecast // of a dry run
}

// pushedWorkflow is what came of one definition.
type pushedWorkflow struct {
	Workflow string `json:"workflow"`
	Revision int    `json:"revision"`
	Change   string `json:"change"` // new, revised or unchanged
	On       bool   `json:"on"`
	InFlight string `json:"in_flight"` // of a revised one: what people inside do, follow, pin or migrate
	Inside   int    `json:"inside"`    // open enrollments
	Told     int    `json:"told"`      // of these, how many were told of the revision
	Existing int    `json:"existing"`  // records that match a new filter trigger already
	Enrolled bool   `json:"enrolled"`  // of these, whether they are enrolled

	Deletes []string `json:"deletes"` // actions that delete the enrolled record, and did not in the revision before

	People []publish.Place `json:"people"` // of a dry run: what becomes of those inside
}

// Values of pushedWorkflow.Change.
const (
	changeNew       = "new"
	changeRevised   = "revised"
	changeUnchanged = "unchanged"
)

// What happens to records that match a new filter trigger already (semantics §2.4).
const (
	existingEnroll = "enroll"
	existingSkip   = "skip"
)

// pushing says how to push a workspace.
type pushing struct {
	dryRun   bool
	off      bool     // workflows that are published for the first time stay off
	inFlight string   // what people inside do; "" = follow
	mapped   []string // with migrate: where those who stand in an action go, FROM=TO
	confirm  string   // token of the dry run whose forecast holds
	yes      bool     // whatever it does to people

	seen     []publish.Forecast // what somebody agreed to; nil = nobody was asked
	existing string             // what happens to records that match a new filter trigger already
}

func newPush(a *app) *cobra.Command {
	how := pushing{existing: existingSkip}
	command := &cobra.Command{
		Use:   "push [WORKSPACE]",
		Short: "Publish what changed in a workspace",
		Long: `Check a workspace and publish it, all of it or nothing: definitions that changed
become new revisions. A workflow that is published for the first time is on.
Without WORKSPACE the one around the working directory is pushed.

People inside follow the new revision. With --in-flight pin they finish by the
revision that they are in. With --in-flight migrate they follow, but those who
stand in an action that --map names go on at the one that it names; "end" is
the end. It may name the workflow too: --map trial-nurture/week=offer.

--dry-run tells for each action how many go on, move, wake earlier, wait longer
or leave, and which messages they may now get twice or never. A push that does
any of that but let them go on, or deletes records where the revision before did
not, asks on a terminal. With --confirm and the token
of a dry run it is refused unless the same becomes of as many people, which is
for scripts. On the database of a running ` + "`millrace dev`" + ` nobody is asked.`,
		Example: "  millrace push examples/trial-nurture --in-flight migrate --map week=offer",
		Args:    arguments(0, 1),
		RunE: func(command *cobra.Command, args []string) error {
			if len(how.mapped) > 0 && how.inFlight == "" {
				how.inFlight = plan.InFlightMigrate
			}
			if given := len(how.mapped) > 0; given != (how.inFlight == plan.InFlightMigrate) {
				return usagef("--map and --in-flight %s belong together", plan.InFlightMigrate)
			}
			folder, err := a.workspaceArgument(args)
			if err != nil {
				return err
			}
			return a.push(command.Context(), folder, how)
		},
	}
	a.databaseFlag(command)
	command.Flags().BoolVar(&how.dryRun, "dry-run", false, "only tell what would be published")
	command.Flags().Var(&choice{&how.inFlight, []string{plan.InFlightFollow, plan.InFlightPin, plan.InFlightMigrate}}, "in-flight", "what people inside do (default follow)")
	command.Flags().StringArrayVar(&how.mapped, "map", nil, "`FROM=TO`, where those who stand in an action go; may be given several times")
	command.Flags().StringVar(&how.confirm, "confirm", "", "`token` of the dry run that shows what you agree to")
	command.Flags().BoolVar(&how.yes, "yes", false, "agree to whatever it does to people inside, and to what it deletes")
	command.Flags().Var(&choice{&how.existing, []string{existingEnroll, existingSkip}}, "existing", "what happens to records that match a new filter trigger already; --dry-run counts them")
	command.Flags().BoolVar(&how.off, "off", false, "leave workflows off that are published for the first time")
	return command
}

func (a *app) push(ctx context.Context, folder string, how pushing) (err error) {
	checked, err := a.readWorkspace(folder)
	if err != nil {
		return err
	}
	a.workspace = a.absolute(folder)
	books, err := a.createStore(ctx)
	if err != nil {
		return err
	}
	defer closing(books, &err)
	if err := a.admit(ctx, books); err != nil {
		return err
	}
	result, refusal, err := a.pushInto(ctx, books, checked, folder, how)
	if err != nil {
		return err
	}
	if a.output == outputText {
		result.Diagnostics.Print(a.Stderr, checked.Sources, a.color(a.Stderr))
	}
	if err := a.show(result, result.print); err != nil {
		return err
	}
	if result.Diagnostics.HasErrors() {
		refusal = tally(result.Diagnostics)
	}
	if refusal != "" {
		a.note("nothing was published: %s", refusal)
		return exitFailed
	}
	return nil
}

// pushInto publishes a checked workspace when nobody has to be asked what becomes of people, or has agreed. A
// refusal says why it did not.
func (a *app) pushInto(ctx context.Context, books *store.Store, checked *definition.Checked, folder string, how pushing) (result pushed, refusal string, err error) {
	look := how
	look.dryRun = true
	p, err := a.publish(ctx, books, checked, folder, look)
	if err != nil {
		return pushed{}, "", err
	}
	if !p.result.Diagnostics.HasErrors() {
		if err := p.foresee(ctx, books); err != nil {
			return pushed{}, "", err
		}
	}
	if how.dryRun || p.result.Diagnostics.HasErrors() {
		p.notes()
		return p.result, "", nil
	}
	if refusal := a.agree(p.result, how); refusal != "" {
		return p.result, refusal, nil
	}
	if !how.yes && affected(p.result.forecasts) > 0 {
		how.seen = p.result.forecasts
	}
	p, err = a.publish(ctx, books, checked, folder, how)
	var changed *changedMeanwhile
	if errors.As(err, &changed) {
		return p.result, changed.Error() + "; push again", nil
	}
	if err != nil {
		return pushed{}, "", err
	}
	p.notes()
	a.tellInside(ctx, &p.result, func() (*enroll.Client, func(), error) { return a.enrollments(ctx, books) })
	return p.result, "", nil
}

// foresee adds to a dry run what becomes of people.
func (p *publisher) foresee(ctx context.Context, books *store.Store) (err error) {
	if p.result.forecasts, err = p.app.foresee(ctx, books, p.result.publication); err != nil {
		return err
	}
	for i := range p.result.Workflows {
		p.result.Workflows[i].People = placesOf(p.result.forecasts, p.result.Workflows[i].Workflow)
	}
	if affected(p.result.forecasts) > 0 {
		p.result.Confirm = publish.Token(p.result.forecasts)
	}
	return nil
}

// print writes one line for each workflow.
func (p pushed) print(w io.Writer) {
	for _, one := range p.Workflows {
		switch {
		case one.Change == changeUnchanged:
			fmt.Fprintf(w, "%s: unchanged, revision %d", one.Workflow, one.Revision)
		case p.DryRun:
			fmt.Fprintf(w, "%s: would become revision %d", one.Workflow, one.Revision)
		default:
			fmt.Fprintf(w, "%s: new revision %d", one.Workflow, one.Revision)
		}
		if !one.On {
			fmt.Fprint(w, ", switched off")
		}
		switch {
		case one.Change != changeRevised || one.Inside == 0:
		case one.InFlight == plan.InFlightPin:
			fmt.Fprintf(w, ", %d inside finish by theirs", one.Inside)
		case !p.DryRun:
			fmt.Fprintf(w, ", %d of %d inside told", one.Told, one.Inside)
		default:
			fmt.Fprintf(w, ", %d inside", one.Inside)
		}
		switch {
		case one.Existing == 0:
		case one.Enrolled:
			fmt.Fprintf(w, ", %d that match already enter", one.Existing)
		default:
			fmt.Fprintf(w, ", %d that match already stay out (--existing enroll lets them in)", one.Existing)
		}
		fmt.Fprintln(w)
		for _, id := range one.Deletes {
			fmt.Fprintf(w, "  %s: deletes the record\n", id)
		}
		if one.InFlight != plan.InFlightPin {
			printPlaces(w, one.People)
		}
	}
	if p.Confirm != "" {
		fmt.Fprintf(w, "agree to this with: millrace push --confirm %s\n", p.Confirm)
	}
}

// errNothing rolls back a publication: a dry run, or one with errors.
var errNothing = errors.New("nothing is published")

// readWorkspace checks the workspace in a folder.
func (a *app) readWorkspace(folder string) (*definition.Checked, error) {
	checked, err := a.read(folder)
	if err == nil && checked.File != nil {
		return nil, usagef("%s is a file: push the folder with %s", folder, definition.WorkspaceFile)
	}
	return checked, err
}

// publish publishes a workspace when there is no error in it. The diagnostics of the result are all there are.
func (a *app) publish(ctx context.Context, books *store.Store, checked *definition.Checked, folder string, how pushing) (*publisher, error) {
	var p *publisher
	attempt := func(publish func(p *publisher, tx *store.Tx) error) error {
		err := books.Tx(ctx, func(tx *store.Tx) error {
			known := *checked
			known.Diagnostics = slices.Clone(checked.Diagnostics)
			p = &publisher{app: a, folder: folder, how: how, Checked: &known, result: pushed{Workflows: []pushedWorkflow{}, DryRun: how.dryRun}}
			return publish(p, tx)
		})
		if errors.Is(err, errNothing) {
			return nil
		}
		return err
	}
	err := attempt(func(p *publisher, tx *store.Tx) error { return cmp.Or(p.prepare(ctx, tx), errNothing) })
	if err == nil && !p.Diagnostics.HasErrors() {
		err = books.Seed(ctx, p.result.publication)
	}
	if err == nil {
		err = attempt(func(p *publisher, tx *store.Tx) error { return p.publish(ctx, tx) })
	}
	if err == nil && !how.dryRun {
		err = books.Sweep(ctx)
	}
	if err != nil {
		return p, err
	}
	p.Diagnostics.Sort()
	if p.Diagnostics.HasErrors() {
		p.result.Workflows = []pushedWorkflow{}
	}
	p.result.Diagnostics = list(p.Diagnostics)
	return p, nil
}

// notes tells what the author of a sound workspace should know beside.
func (p *publisher) notes() {
	if !p.result.Diagnostics.HasErrors() {
		p.noteElsewhere()
	}
}

// noteElsewhere tells which workflows are published that the workspace does not have: they stay, and come under its
// properties and settings.
func (p *publisher) noteElsewhere() {
	for _, one := range p.elsewhere {
		state, end := one.At(p.Now()), ""
		if state == plan.SwitchOn {
			end = fmt.Sprintf("; `millrace workflows off %s` ends its admission", one.Workflow)
		}
		p.note("note: still published and %s, but not in this workspace: %s; its properties and settings are those of this workspace now%s", state, one.Workflow, end)
	}
}

// publisher publishes one workspace in a transaction.
type publisher struct {
	*app
	*definition.Checked
	folder string
	how    pushing
	result pushed

	elsewhere []store.Overview      // published workflows that the workspace does not have
	latest    map[string]*plan.Plan // of the workspace's workflows
}

// prepare makes the publication.
func (p *publisher) prepare(ctx context.Context, tx *store.Tx) error {
	latest := map[string]*plan.Plan{}
	for _, file := range p.Workspace.Definitions {
		var err error
		if latest[file.Workflow.Text], err = p.compare(ctx, tx, file); err != nil {
			return err
		}
	}
	if p.Diagnostics.HasErrors() {
		return errNothing
	}
	publication, problems, err := publish.Workspace(p.Workspace, publish.Options{
		At: p.Now(), By: p.who.Name, InFlight: p.how.inFlight, Map: p.how.mapped,
		Latest: func(workflow string) (*plan.Plan, error) { return latest[workflow], nil },
	})
	if err != nil {
		return err
	}
	p.add(problems)
	if err := p.stillAsSeen(ctx, tx, latest); err != nil {
		return err
	}
	for i := range publication.Definitions {
		definition, one := &publication.Definitions[i], &p.result.Workflows[i]
		definition.On = !p.how.off
		one.Deletes = p.deletes(definition.Plan, latest[definition.Workflow])
		if before := latest[definition.Workflow]; before != nil && before.Hash != definition.Plan.Hash {
			one.Change, one.InFlight = changeRevised, cmp.Or(p.how.inFlight, plan.InFlightFollow)
			one.Revision++
		}
	}
	if p.elsewhere, err = tx.Workflows(ctx); err != nil {
		return err
	}
	p.elsewhere = slices.DeleteFunc(p.elsewhere, func(one store.Overview) bool { _, here := latest[one.Workflow]; return here })
	publication.Users, publication.Teams = list(publication.Users), list(publication.Teams) // those who left go
	publication.EnrollExisting = p.how.existing == existingEnroll
	p.latest, p.result.publication = latest, publication
	return p.mayPublish(ctx, tx, publication)
}

// deletes are the actions of a plan that delete the record, and did not in the plan before, which may be nil.
func (p *publisher) deletes(now, before *plan.Plan) []string {
	ids := []string{}
	for id, node := range now.Nodes {
		known := before != nil && before.Nodes[id].Kind == node.Kind
		if !known && slices.ContainsFunc(p.Kinds, func(kind action.Kind) bool { return kind.ID == node.Kind && kind.Deletes }) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (p *publisher) publish(ctx context.Context, tx *store.Tx) error {
	if err := p.prepare(ctx, tx); err != nil {
		return err
	}
	publication := p.result.publication
	files, err := tx.Assets(ctx)
	if err != nil {
		return err
	}
	published, err := tx.Publish(ctx, publication)
	if err != nil {
		return err
	}
	for i := range p.result.Workflows {
		one := &p.result.Workflows[i]
		one.Existing, one.Enrolled = published.Existing[one.Workflow], publication.EnrollExisting
	}
	if p.how.dryRun || p.Diagnostics.HasErrors() {
		return errNothing
	}
	return p.writeDown(ctx, tx, p.latest, files, published)
}

// changedMeanwhile says how what is there differs from what somebody agreed to.
type changedMeanwhile struct{ error }

// stillAsSeen fails when other people are inside, or another revision is there, than when somebody agreed.
func (p *publisher) stillAsSeen(ctx context.Context, tx *store.Tx, latest map[string]*plan.Plan) error {
	for _, forecast := range p.how.seen {
		places, err := tx.Inside(ctx, forecast.Workflow)
		if err != nil {
			return err
		}
		if changed := forecast.Changed(latest[forecast.Workflow], places); changed != "" {
			return &changedMeanwhile{errors.New(changed)}
		}
	}
	return nil
}

// compare notes how a definition's workflow stands in the store, reports what cannot be published over that, and
// returns the plan of its latest revision, if any.
func (p *publisher) compare(ctx context.Context, tx *store.Tx, file *definition.File) (*plan.Plan, error) {
	one := pushedWorkflow{Workflow: file.Workflow.Text, Revision: 1, Change: changeNew, On: !p.how.off, People: []publish.Place{}}
	latest, found, err := tx.LatestRevision(ctx, one.Workflow)
	if err != nil {
		return nil, err
	}
	if found {
		stands, err := tx.Switch(ctx, one.Workflow)
		if err != nil {
			return nil, err
		}
		open, err := tx.Enrollments(ctx, store.EnrollmentFilter{Workflow: one.Workflow, OpenOnly: true})
		if err != nil {
			return nil, err
		}
		one.Revision, one.Change, one.On, one.Inside = latest.Number, changeUnchanged, stands.At(p.Now()) == plan.SwitchOn, len(open)
		if file.Object.Text != "" && file.Object.Text != latest.Plan.Object {
			var problems schema.Diagnostics
			problems.Errorf(file.Object.Pos(), "object-changed", "the workflow was published for the object %s, which cannot be changed", latest.Plan.Object).
				Hint = "give the new workflow another id"
			p.add(problems)
		}
	}
	for i := range p.Diagnostics {
		if problem := &p.Diagnostics[i]; one.On && problem.Code == "placeholder" && problem.File == p.shown(file.Path()) {
			problem.Severity = schema.Error
		}
	}
	p.result.Workflows = append(p.result.Workflows, one)
	return latest.Plan, nil
}

// add adds diagnostics whose files are relative to the workspace.
func (p *publisher) add(problems schema.Diagnostics) {
	for _, problem := range problems {
		source := p.Workspace.Assets[problem.File]
		if problem.File == publish.MapFile {
			source = []byte(strings.Join(p.how.mapped, "\n"))
		}
		problem.File = p.shown(problem.File)
		p.Sources[problem.File] = source
		p.Diagnostics = append(p.Diagnostics, problem)
	}
}

// shown is a file of the workspace as diagnostics name it.
func (p *publisher) shown(file string) string {
	if file == publish.MapFile {
		return file
	}
	return filepath.Join(p.folder, filepath.FromSlash(file))
}

// tellInside tells the people inside of revised workflows to go on by the new revision. connect is asked for
// a client only when there is anybody. What fails is noted: they learn of it after their present wait.
func (a *app) tellInside(ctx context.Context, result *pushed, connect func() (*enroll.Client, func(), error)) {
	for i := range result.Workflows {
		one := &result.Workflows[i]
		if one.Change != changeRevised || one.Inside == 0 || one.InFlight == plan.InFlightPin {
			continue
		}
		client, done, err := connect()
		if err == nil {
			bar := a.progress("telling " + one.Workflow)
			one.Told, err = client.Published(ctx, one.Workflow, bar.at)
			bar.end()
			done()
		}
		if err != nil {
			a.note("people inside %s go on by the new revision after their present wait: they could not be told now: %s", one.Workflow, oneLine(err))
		}
	}
}
