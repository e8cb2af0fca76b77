package enroll

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"golang.org/x/sync/errgroup"
)

// jobsAtOnce is how many enrollments of a job are spoken to at once.
const jobsAtOnce = 16

// Expect tells from our books why an operation would be refused; "" = it would not, as far as they know.
func Expect(operation, argument string, at plan.Standing, followed *plan.Plan) string {
	waits := !at.Until.IsZero() || at.Awaits != ""
	switch operation {
	case plan.UpdateSkipWait:
		if !waits {
			return fmt.Sprintf("it does not wait: it is at %q", at.Node)
		}
	case plan.UpdateMove:
		if _, there := followed.Nodes[argument]; !there {
			return fmt.Sprintf("there is no action %q in the revision that it follows", argument)
		}
		if !waits {
			return fmt.Sprintf("it is in the middle of %q, unless it is paused", at.Node)
		}
	}
	return ""
}

// Carry does what is still to do of a job, at most rate enrollments a second, and writes down what came of each. An
// enrollment is asked under the job's name, so that one whose answer was lost when the job was cut does it once. It
// stops when ctx ends, and when nobody answers: what is not done then stays to do. step is called with how many of
// all are done.
func (c *Client) Carry(ctx context.Context, job store.Job, rate float64, now func() time.Time, step func(done, all int)) error {
	parts, err := c.Store.JobParts(ctx, job.ID, true)
	if err != nil {
		return err
	}
	pace := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer pace.Stop()
	group, running := errgroup.WithContext(ctx)
	group.SetLimit(jobsAtOnce)
	var mu sync.Mutex
	done := 0
	for i, part := range parts {
		if i > 0 {
			select {
			case <-running.Done():
			case <-pace.C:
			}
		}
		if running.Err() != nil {
			break
		}
		group.Go(func() error {
			part, err := c.carry(running, job, part)
			if err != nil {
				return err
			}
			part.Done = now()
			if err := c.Store.FinishPart(context.WithoutCancel(running), job.ID, part); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			step(done, len(parts))
			return nil
		})
	}
	return errors.Join(group.Wait(), ctx.Err())
}

// carry does a job to one enrollment. An error says that it has to be tried again.
func (c *Client) carry(ctx context.Context, job store.Job, part store.JobPart) (store.JobPart, error) {
	row, err := c.Store.Enrollment(ctx, part.Enrollment)
	if err != nil {
		return part, err
	}
	part.Result = store.PartLeft
	if !row.Closed.IsZero() {
		return part, nil
	}
	record, err := crm.ParseRef(row.Record)
	if err != nil {
		return part, err
	}
	if job.Operation == plan.UpdateUnenroll { // needs no worker
		err = c.Unenroll(ctx, row.Workflow, record, plan.Unenroll{Detail: job.Argument})
	} else {
		var arguments []any
		if job.Operation == plan.UpdateMove {
			arguments = []any{plan.Move{Node: job.Argument}}
		}
		err = c.update(ctx, updating{row.Workflow, record, row.FirstRun, fmt.Sprintf("job-%d", job.ID)}, job.Operation, arguments...)
	}
	var refused *refusedUpdate
	switch {
	case errors.Is(err, ErrNotInside):
	case errors.As(err, &refused):
		part.Result, part.Detail = store.PartRefused, refused.reason
	case err != nil:
		return part, err
	default:
		part.Result = store.PartDone
	}
	return part, nil
}
