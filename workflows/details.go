package workflows

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/plan"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Search attributes: ids only, never an address. They are set by who starts an enrollment, and here once when
// it was started by hand.
var (
	workflowKey = temporal.NewSearchAttributeKeyKeyword(plan.AttributeWorkflow)
	recordKey   = temporal.NewSearchAttributeKeyKeyword(plan.AttributeRecord)
	objectKey   = temporal.NewSearchAttributeKeyKeyword(plan.AttributeObject)
	revisionKey = temporal.NewSearchAttributeKeyInt64(plan.AttributeRevision)
	triggerKey  = temporal.NewSearchAttributeKeyKeyword(plan.AttributeTrigger)
	outcomeKey  = temporal.NewSearchAttributeKeyKeyword(plan.AttributeOutcome)
)

// describeAtStart sets the search attributes of an enrollment that was started without them.
func (e *enrollment) describeAtStart(ctx workflow.Context) error {
	if _, set := workflow.GetTypedSearchAttributes(ctx).GetKeyword(workflowKey); set {
		return nil
	}
	object, _, _ := strings.Cut(e.Record, "/")
	trigger := e.Trigger
	if trigger == "" {
		trigger = "manual"
	}
	return workflow.UpsertTypedSearchAttributes(ctx, workflowKey.ValueSet(e.Workflow), recordKey.ValueSet(e.Record),
		objectKey.ValueSet(object), revisionKey.ValueSet(int64(e.Revision)), triggerKey.ValueSet(trigger))
}

// describe shows in the Web UI where the enrollment stands. It costs no history event.
func (e *enrollment) describe(ctx workflow.Context) {
	standing := fmt.Sprintf("at **%s** since %s", e.title(), e.Arrived.UTC().Format(time.RFC3339))
	if e.Awaits != "" {
		standing += fmt.Sprintf(", waiting for `%s`", e.Awaits)
	}
	if !e.Until.IsZero() {
		standing += ", until " + e.Until.UTC().Format(time.RFC3339)
	}
	if e.Paused {
		standing += ", paused"
	}
	workflow.SetCurrentDetails(ctx, e.story(standing))
}

// story is Markdown: the path that was taken and how it stands.
func (e *enrollment) story(standing string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s, revision %d: %s\n", e.Workflow, e.Revision, standing)
	for _, visited := range e.Path {
		fmt.Fprintf(&text, "\n- %s `%s` → %s", visited.At.UTC().Format(time.RFC3339), visited.Node, visited.Port)
	}
	return text.String()
}

// onward says why a new revision moves somebody, and where to.
func onward(there bool, to string) string {
	why := "the action was deleted"
	if there {
		why = "the publisher's map sends its people away"
	}
	return why + "; on to " + cmp.Or(to, "the end")
}

// title is the present node in its author's words.
func (e *enrollment) title() string {
	if label := e.plan.Nodes[e.Node].Label; label != "" {
		return label
	}
	return e.Node
}
