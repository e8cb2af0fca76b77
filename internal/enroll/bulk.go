package enroll

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"
)

// OperationEnroll is the operation of a job whose parts are records to enroll.
const OperationEnroll = "enroll"

const (
	bulkMost    = 64   // enrollments that are begun at once
	bulkPage    = 1000 // parts of a job that are read at once
	bulkWritten = 200  // results that are written together
	bulkLook    = time.Second
	bulkLeased  = 5 * time.Second  // after which another one may go on
	bulkBacklog = 30 * time.Second // age of a worker's oldest task, beyond which nobody more is enrolled
)

// BulkTrigger is what enrolls the records of a job: nobody enters twice by it.
func BulkTrigger(job int64) string { return fmt.Sprintf("bulk %d", job) }

// CarryBulk enrolls whom a job is about and who is still to do, at most rate in a second, and writes down what came of each.
// It begins fewer at once while the Temporal server refuses for want of resources, and none while workers are behind. It may be
// killed at any time and run again: who was enrolled by the job before is not enrolled again. step is called with how many more
// are done.
func (c *Client) CarryBulk(ctx context.Context, job store.Job, rate float64, step func(more int)) error {
	holder := uuid.NewString()
	if err := c.bulkLease(ctx, job, holder); err != nil {
		return err
	}
	defer func() { _ = c.Store.Release(context.WithoutCancel(ctx), BulkTrigger(job.ID), holder) }() // it runs out by itself
	pace := newPacer(rate)
	defer pace.stop()
	open := newWindow(bulkMost)
	group, running := errgroup.WithContext(ctx)
	results := make(chan store.JobPart, bulkWritten)
	group.Go(func() error { return c.bulkResults(running, job, results, step) })
	group.Go(func() error { return c.bulkBrake(running, job, holder, open) })
	group.Go(func() error {
		defer open.close()
		defer close(results)
		begun, running := errgroup.WithContext(running)
		for behind := 0; ; {
			parts, err := c.Store.NextParts(running, job.ID, behind, bulkPage)
			if err != nil || len(parts) == 0 {
				return errors.Join(err, begun.Wait())
			}
			for _, part := range parts {
				if pace.wait(running) != nil || open.acquire(running) != nil {
					return cmp.Or(begun.Wait(), context.Cause(running))
				}
				begun.Go(func() error { return c.bulkOne(running, job, part, open, results) })
			}
			behind = parts[len(parts)-1].Part
		}
	})
	return group.Wait()
}

// bulkLease makes this the only one who carries out a job, for a while.
func (c *Client) bulkLease(ctx context.Context, job store.Job, holder string) error {
	now := time.Now()
	held, err := c.Store.Lease(ctx, BulkTrigger(job.ID), holder, now, now.Add(bulkLeased))
	if err == nil && !held {
		err = fmt.Errorf("job %d is being carried out elsewhere, or was until %s ago: try again then", job.ID, bulkLeased)
	}
	return err
}

// bulkOne enrolls one record, as often as the server wants to be asked.
func (c *Client) bulkOne(ctx context.Context, job store.Job, part store.JobPart, open *window, results chan<- store.JobPart) error {
	for {
		done, err := c.bulkStart(ctx, job, part)
		var exhausted *serviceerror.ResourceExhausted
		busy := errors.As(err, &exhausted)
		open.release(busy)
		if !busy {
			if err == nil {
				select {
				case results <- done:
				case <-ctx.Done(): // the next one to carry out the job finds that it is enrolled
				}
			}
			return err
		}
		if err := open.acquire(ctx); err != nil {
			return err
		}
	}
}

// bulkStart enrolls one record, unless the job did before. An error says that it has to be tried again.
func (c *Client) bulkStart(ctx context.Context, job store.Job, part store.JobPart) (store.JobPart, error) {
	part.Result = store.PartDone
	record, err := crm.ParseRef(part.Enrollment)
	if err != nil {
		part.Result, part.Detail = store.PartRefused, err.Error()
		return part, nil
	}
	request := Request{Workflow: job.Workflow, Record: record, Trigger: BulkTrigger(job.ID)}
	known, err := c.Store.Enrollments(ctx, store.EnrollmentFilter{Workflow: job.Workflow, Record: part.Enrollment, Limit: 10})
	if err != nil {
		return part, err
	}
	for _, one := range known {
		if one.Trigger == request.Trigger {
			return part, nil
		}
	}
	_, err = c.Start(ctx, request)
	if errors.Is(err, ErrInside) {
		_, err = c.startedBy(ctx, request)
	}
	var refused *Refused
	if errors.As(err, &refused) {
		part.Result, part.Detail, err = store.PartRefused, refused.Reason, nil
	}
	return part, err
}

// bulkResults writes down what came of records, many together.
func (c *Client) bulkResults(ctx context.Context, job store.Job, results <-chan store.JobPart, step func(more int)) error {
	for more := true; more; {
		var parts []store.JobPart
		part, open := <-results
		for more = open; open; {
			part.Done = c.now()
			if parts = append(parts, part); len(parts) == bulkWritten {
				break
			}
			select {
			case part, open = <-results:
				more = open
				continue
			default:
			}
			break
		}
		if len(parts) > 0 {
			if err := c.Store.FinishParts(context.WithoutCancel(ctx), job.ID, parts); err != nil {
				return err
			}
			step(len(parts))
		}
	}
	return nil
}

// bulkBrake holds the window shut while workers are behind, until it is closed.
// It also keeps others from carrying out the same job: together they would exceed the rate.
func (c *Client) bulkBrake(ctx context.Context, job store.Job, holder string, open *window) error {
	look := time.NewTicker(bulkLook)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-open.closed:
			return nil
		case <-look.C:
		}
		if err := c.bulkLease(ctx, job, holder); err != nil {
			return err
		}
		described, err := c.Temporal.DescribeTaskQueueEnhanced(ctx, client.DescribeTaskQueueEnhancedOptions{
			TaskQueue: cmp.Or(c.Queue, plan.TaskQueue), TaskQueueTypes: []client.TaskQueueType{client.TaskQueueTypeWorkflow}, ReportStats: true,
		})
		if err != nil { // who cannot be asked does not hold
			continue
		}
		behind := false
		for _, version := range described.VersionsInfo { //nolint:staticcheck // the SDK tells the age of a backlog nowhere else
			if stats := version.TypesInfo[client.TaskQueueTypeWorkflow].Stats; stats != nil {
				behind = behind || stats.ApproximateBacklogAge > bulkBacklog
			}
		}
		open.hold(behind)
	}
}

// window lets so many work at once: one more after each time that all of them came through, half as many when the server has
// had enough, none while it is held.
type window struct {
	mu      sync.Mutex
	turn    chan struct{} // closed and made anew when something changes
	closed  chan struct{}
	size    float64
	most    float64
	working int
	held    bool
}

func newWindow(most int) *window {
	return &window{turn: make(chan struct{}), closed: make(chan struct{}), size: float64(most), most: float64(most)}
}

func (w *window) acquire(ctx context.Context) error {
	for {
		w.mu.Lock()
		if !w.held && w.working < int(w.size) {
			w.working++
			w.mu.Unlock()
			return nil
		}
		turn := w.turn
		w.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-turn:
		}
	}
}

func (w *window) release(busy bool) {
	w.change(func() {
		w.working--
		if busy {
			w.size = max(1, w.size/2)
		} else {
			w.size = min(w.most, w.size+1/w.size)
		}
	})
}

func (w *window) hold(held bool) { w.change(func() { w.held = held }) }

func (w *window) change(how func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	how()
	close(w.turn)
	w.turn = make(chan struct{})
}

func (w *window) close() { close(w.closed) }

// pacer lets one go after the other, never closer together than the rate says, and saves nothing up.
type pacer struct {
	every  time.Duration
	ticker *time.Ticker
}

func newPacer(rate float64) pacer {
	every := max(time.Microsecond, time.Duration(float64(time.Second)/rate))
	return pacer{every, time.NewTicker(every)}
}

func (p pacer) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.ticker.C:
		return nil
	}
}

func (p pacer) stop() { p.ticker.Stop() }
