package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// retention is how long a finished workflow is kept.
const retention = 30 * 24 * time.Hour

// register makes sure that the namespaces exist and have the search
// attributes. It waits for the server to serve.
func register(ctx context.Context, address string, namespaces []string, attributes map[string]enumspb.IndexedValueType) error {
	conn, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)),
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			return serviceerror.FromStatus(status.Convert(invoke(ctx, method, req, reply, cc, opts...)))
		}))
	if err != nil {
		return fmt.Errorf("connect to the Temporal server: %w", err)
	}
	defer conn.Close()
	for _, namespace := range namespaces {
		if err := registerNamespace(ctx, workflowservice.NewWorkflowServiceClient(conn), namespace); err != nil {
			return fmt.Errorf("register namespace %q: %w", namespace, err)
		}
		if err := registerSearchAttributes(ctx, conn, namespace, attributes); err != nil {
			return fmt.Errorf("register search attributes in namespace %q: %w", namespace, err)
		}
	}
	return nil
}

func registerNamespace(ctx context.Context, client workflowservice.WorkflowServiceClient, namespace string) error {
	_, err := client.RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace:                        namespace,
		WorkflowExecutionRetentionPeriod: durationpb.New(retention),
	})
	if err != nil && !errors.As(err, new(*serviceerror.NamespaceAlreadyExists)) {
		return err
	}
	return await(ctx, client, namespace, nil)
}

func registerSearchAttributes(ctx context.Context, conn *grpc.ClientConn, namespace string, wanted map[string]enumspb.IndexedValueType) error {
	if len(wanted) == 0 {
		return nil
	}
	operator := operatorservice.NewOperatorServiceClient(conn)
	existing, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return err
	}
	missing := map[string]enumspb.IndexedValueType{}
	for name, valueType := range wanted {
		switch found, ok := existing.CustomAttributes[name]; {
		case !ok:
			missing[name] = valueType
		case found != valueType:
			return fmt.Errorf("%s is a %s there, not a %s", name, found, valueType)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace:        namespace,
		SearchAttributes: missing,
	})
	if err != nil {
		return err
	}
	return await(ctx, workflowservice.NewWorkflowServiceClient(conn), namespace, missing)
}

// await returns once the server goes by a namespace and its search attributes.
func await(ctx context.Context, client workflowservice.WorkflowServiceClient, namespace string, attributes map[string]enumspb.IndexedValueType) error {
	for {
		// With weak consistency, the answer is what the server itself goes by.
		found, err := client.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace, WeakConsistency: true})
		switch {
		case errors.As(err, new(*serviceerror.NamespaceNotFound)):
		case err != nil:
			return err
		case hasAll(found.GetConfig().GetCustomSearchAttributeAliases(), attributes):
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// hasAll tells whether the search attributes are among those that fields go by.
func hasAll(aliases map[string]string, attributes map[string]enumspb.IndexedValueType) bool {
	known := slices.Collect(maps.Values(aliases))
	for name := range attributes {
		if !slices.Contains(known, name) {
			return false
		}
	}
	return true
}
