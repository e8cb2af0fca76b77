package enroll

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

const (
	prunedAtOnce = 500 // things in a transaction
	prunesAtOnce = 50  // transactions in an activity
	pruneHour    = 3   // UTC
)

// SchedulePruning makes the schedule at Temporal that removes every night what is kept no longer, unless it is there.
func (c *Client) SchedulePruning(ctx context.Context) error {
	queue := cmp.Or(c.Queue, plan.TaskQueue)
	_, err := c.Temporal.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID:      "retention/" + queue,
		Spec:    client.ScheduleSpec{Calendars: []client.ScheduleCalendarSpec{{Hour: []client.ScheduleRange{{Start: pruneHour}}}}},
		Action:  &client.ScheduleWorkflowAction{ID: "pruning/" + queue, Workflow: plan.PruningType, TaskQueue: queue, Args: []any{plan.Pruning{}}},
		Overlap: enums.SCHEDULE_OVERLAP_POLICY_SKIP,
	})
	if err != nil && !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return fmt.Errorf("making the schedule that prunes at Temporal: %w", err)
	}
	return nil
}

// Prune removes some pages of what is kept no longer.
func (a *Activities) Prune(ctx context.Context, state plan.Pruning) (plan.Pruning, error) {
	for range prunesAtOnce {
		var err error
		if state, err = PrunePage(ctx, a.Store, state); err != nil || state.Done {
			return state, err
		}
	}
	return state, nil
}

// PrunePage removes a page of what is kept no longer by the account's settings, and tells where the next one begins.
func PrunePage(ctx context.Context, books *store.Store, state plan.Pruning) (plan.Pruning, error) {
	settings, err := books.Account(ctx)
	if err != nil {
		return state, err
	}
	var account crm.Account
	if err := json.Unmarshal(settings, &account); err != nil {
		return state, fmt.Errorf("reading the account's settings: %w", err)
	}
	keep := account.Retention.Kept()
	before := func(age time.Duration) time.Time { return state.At.Add(-age) }
	return books.Prune(ctx, store.Kept{
		Actions: before(keep.Actions), Enrollments: before(keep.Enrollments), Membership: before(keep.Membership), Records: before(crm.Restorable),
		Audit: before(keep.Audit), Rejected: before(keep.Rejected),
	}, state, prunedAtOnce)
}
