package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// Attributes are the search attributes that a namespace has to know. An upsert of one that it does not know
// would fail the workflow task and be retried for ever, so a worker does not start without them.
var Attributes = map[string]enums.IndexedValueType{
	plan.AttributeWorkflow: enums.INDEXED_VALUE_TYPE_KEYWORD,
	plan.AttributeRecord:   enums.INDEXED_VALUE_TYPE_KEYWORD,
	plan.AttributeObject:   enums.INDEXED_VALUE_TYPE_KEYWORD,
	plan.AttributeRevision: enums.INDEXED_VALUE_TYPE_INT,
	plan.AttributeTrigger:  enums.INDEXED_VALUE_TYPE_KEYWORD,
	plan.AttributeOutcome:  enums.INDEXED_VALUE_TYPE_KEYWORD,
}

// Check tells whether namespace, search attributes and store are ready. Its errors say how to mend what is not.
func Check(ctx context.Context, temporal client.Client, namespace string, books *store.Store) error {
	health, err := books.Health(ctx)
	if err != nil {
		return fmt.Errorf("checking the database: %w", err)
	}
	if health.Pending() {
		return fmt.Errorf("the database is at migration %d, this program needs %d: start it once with write access", health.Migration, health.Latest)
	}
	return CheckNamespace(ctx, temporal, namespace)
}

// CheckNamespace tells whether a namespace is there and knows our search attributes.
func CheckNamespace(ctx context.Context, temporal client.Client, namespace string) error {
	missing, err := Missing(ctx, temporal, namespace)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		var mend strings.Builder
		for _, name := range missing {
			fmt.Fprintf(&mend, " --name %s --type %s", name, Attributes[name])
		}
		return fmt.Errorf("namespace %s does not know the search attributes %s: run `temporal operator search-attribute create --namespace %s%s`",
			namespace, strings.Join(missing, ", "), namespace, mend.String())
	}
	return nil
}

// Missing lists the search attributes that a namespace does not know.
func Missing(ctx context.Context, temporal client.Client, namespace string) ([]string, error) {
	if _, err := temporal.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace}); err != nil {
		var unknown *serviceerror.NamespaceNotFound
		if errors.As(err, &unknown) {
			return nil, fmt.Errorf("the Temporal server has no namespace %q: run `temporal operator namespace create -n %s`", namespace, namespace)
		}
		return nil, fmt.Errorf("asking the Temporal server for namespace %s: %w", namespace, err)
	}
	known, err := temporal.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return nil, fmt.Errorf("asking the Temporal server for the search attributes of %s: %w", namespace, err)
	}
	var missing []string
	for name, kind := range Attributes {
		if known.GetCustomAttributes()[name] != kind {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return missing, nil
}

// AttributeTypes are the search attributes with their types by name, as a server is told at its start.
func AttributeTypes() map[string]string {
	types := make(map[string]string, len(Attributes))
	for name, kind := range Attributes {
		types[name] = kind.String()
	}
	return types
}
