package enroll

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"
)

const (
	bulkMost    = 64      // enrollments that are begun at once
	bulkPage    = 1000    // records that are read or added at once
	bulkFound   = 100_000 // records that are looked for at once: a filter costs its whole set each time
	bulkWritten = 200     // results that are written together
	bulkLook    = time.Second
	bulkAhead   = 200 * time.Millisecond // for which slots are taken at once
	bulkLate    = 5 * time.Millisecond   // beyond which a slot is lost
	bulkBacklog = 30 * time.Second       // age of a worker's oldest task, beyond which nobody more is begun
)

// BulkLease is the lease of the one Bulk that works.
const BulkLease = "bulk"

// Bulk begins the enrollments that come in numbers: those of jobs, of the time of a schedule, of a publication. It begins fewer at
// once while the Temporal server refuses for want of resources, none while workers are behind, and those of a job no faster
// than its rate. It may be killed at any time: who was begun is not begun again.
type Bulk struct {
	Client
	log  *slog.Logger
	open *window
}

// NewBulk makes a Bulk for the enrollments of a client.
func NewBulk(people Client, log *slog.Logger) *Bulk {
	return &Bulk{Client: people, log: log, open: newWindow(bulkMost)}
}

// Run carries out what there is until ctx ends. Of several on one database one works and the others stand by.
func (b *Bulk) Run(ctx context.Context) { lead(ctx, b.Store, BulkLease, b.log, b.lanes) }

// lanes gives each job a lane of its own, and one to all that belong to none.
func (b *Bulk) lanes(ctx context.Context) {
	var lanes errgroup.Group
	defer func() { _ = lanes.Wait() }()
	ended := make(chan int64)
	busy := map[int64]bool{}
	for ctx.Err() == nil {
		jobs, err := b.Store.OpenBulks(ctx)
		if err != nil && ctx.Err() == nil {
			b.log.Error("looking which jobs enroll; it is tried again", "error", err)
		}
		for _, job := range append(jobs, 0) {
			if busy[job] {
				continue
			}
			busy[job] = true
			lanes.Go(func() error {
				if err := b.Lane(ctx, job); err != nil && ctx.Err() == nil {
					b.log.Error("enrolling many; it is tried again", "job", job, "error", err)
				}
				select {
				case ended <- job:
				case <-ctx.Done():
				}
				return nil
			})
		}
		look := time.NewTimer(bulkLook)
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				waiting = false
			case job := <-ended:
				delete(busy, job)
			case <-look.C:
				waiting = false
			}
		}
		look.Stop()
		b.open.hold(b.behind(ctx))
	}
}

// behind tells whether workers are. Who cannot be asked is not.
func (b *Bulk) behind(ctx context.Context) (behind bool) {
	described, err := b.Temporal.DescribeTaskQueueEnhanced(ctx, client.DescribeTaskQueueEnhancedOptions{
		TaskQueue: cmp.Or(b.Queue, plan.TaskQueue), TaskQueueTypes: []client.TaskQueueType{client.TaskQueueTypeWorkflow}, ReportStats: true,
	})
	if err != nil {
		return false
	}
	for _, version := range described.VersionsInfo { //nolint:staticcheck // the SDK tells the age of a backlog nowhere else
		if stats := version.TypesInfo[client.TaskQueueTypeWorkflow].Stats; stats != nil {
			behind = behind || stats.ApproximateBacklogAge > bulkBacklog
		}
	}
	return behind
}

// Lane begins what there is of a job, or (0) of none, and returns when nothing is to do at present or something fails.
func (b *Bulk) Lane(ctx context.Context, id int64) error {
	if id > 0 {
		job, err := b.Store.Bulk(ctx, id)
		if err != nil {
			return err
		}
		if err := b.find(ctx, job); err != nil {
			return err
		}
	}
	slots := pace{books: b.Store, job: id}
	results := make(chan store.Done, bulkWritten)
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return b.write(running, results) })
	group.Go(func() error {
		defer close(results)
		begun, beginning := errgroup.WithContext(running)
		for behind := int64(0); ; {
			intents, err := b.Store.Many(beginning, id, behind, b.now(), bulkPage)
			if err != nil || len(intents) == 0 {
				return cmp.Or(begun.Wait(), err)
			}
			for _, intent := range intents {
				if err := b.open.acquire(beginning); err != nil {
					return cmp.Or(begun.Wait(), err)
				}
				if goesOn, err := slots.wait(beginning); err != nil || !goesOn {
					b.open.release(false)
					return cmp.Or(begun.Wait(), err)
				}
				begun.Go(func() error { return b.begin(running, intent, results) })
			}
			behind = intents[len(intents)-1].Seq
		}
	})
	if err := group.Wait(); err != nil || id == 0 {
		return err
	}
	_, err := b.Store.FinishBulk(ctx, id, b.now())
	return err
}

// find looks for whom a job is about, from where it has come on.
func (b *Bulk) find(ctx context.Context, job store.Bulk) error {
	for !job.Found {
		revision, _, err := b.Store.LatestRevision(ctx, job.Workflow)
		if err != nil {
			return err
		}
		filter, err := crm.ReadFilter(job.Filter)
		if err != nil {
			return fmt.Errorf("reading whom job %d is about: %w", job.ID, err)
		}
		zone, err := b.Store.Zone(ctx, nil)
		if err != nil {
			return err
		}
		refs, err := b.Store.Matching(ctx, store.Query{Object: revision.Plan.Object, Filter: *filter, Now: job.Began, Zone: zone}, job.Cursor, bulkFound)
		if err != nil {
			return err
		}
		for page := range slices.Chunk(refs, bulkPage) {
			job.Cursor = page[len(page)-1].ID
			if err := b.Store.AddPeople(ctx, job, page, job.Cursor, false); err != nil {
				return err
			}
		}
		if len(refs) < bulkFound {
			if err := b.Store.AddPeople(ctx, job, nil, job.Cursor, true); err != nil {
				return err
			}
		}
		if job, err = b.Store.Bulk(ctx, job.ID); err != nil || !job.Stopped.IsZero() {
			return err
		}
	}
	return nil
}

// begin begins one enrollment, as often as the server wants to be asked. An error says that the lane had better rest.
func (b *Bulk) begin(ctx context.Context, intent plan.Intent, results chan<- store.Done) error {
	for {
		done := store.Done{Intent: intent}
		done.Refused, done.Error = b.enroll(ctx, intent)
		var exhausted *serviceerror.ResourceExhausted
		busy := errors.As(done.Error, &exhausted)
		b.open.release(busy)
		if !busy {
			if ctx.Err() != nil {
				return ctx.Err() // whoever goes on finds what was begun
			}
			done.Again = again(intent, b.now())
			select {
			case results <- done:
			case <-ctx.Done():
			}
			return done.Error
		}
		if err := b.open.acquire(ctx); err != nil {
			return err
		}
	}
}

// enroll begins the enrollment of an intent, unless that was done before. Where many are only told something, that is done.
func (b *Bulk) enroll(ctx context.Context, intent plan.Intent) (refused string, err error) {
	if intent.Act != plan.ActEnroll {
		return "", b.do(ctx, intent, b.now())
	}
	request, err := b.carryIn(ctx, intent)
	if intent.Job > 0 && errors.Is(err, ErrInside) {
		_, err = b.startedBy(ctx, request)
	}
	var other *Refused
	if errors.As(err, &other) {
		return other.Reason + ": the record is in the workflow already", nil
	}
	return "", ignore(err, ErrInside)
}

// write writes down what came of records, many together.
func (b *Bulk) write(ctx context.Context, results <-chan store.Done) error {
	for more := true; more; {
		var done []store.Done
		one, open := <-results
		for more = open; open; {
			if done = append(done, one); len(done) == bulkWritten {
				break
			}
			select {
			case one, open = <-results:
				more = open
				continue
			default:
			}
			break
		}
		if len(done) > 0 {
			if err := b.Store.Finish(context.WithoutCancel(ctx), done, b.now()); err != nil {
				return err
			}
		}
	}
	return nil
}

// pace lets one go after the other, each in a slot of its job. The slots of no job are all times.
type pace struct {
	books *store.Store
	job   int64
	store.Slots
}

// wait waits for the next slot; goesOn is false when the job does not go on.
func (p *pace) wait(ctx context.Context) (goesOn bool, err error) {
	for p.job > 0 {
		if p.Count == 0 {
			if p.Slots, err = p.books.Slots(ctx, p.job, bulkAhead, time.Now()); err != nil || p.Count == 0 {
				return false, err
			}
		}
		slot := p.First
		p.First, p.Count = slot.Add(p.Every), p.Count-1
		until := time.Until(slot)
		if until < -max(p.Every, bulkLate) {
			continue
		}
		if until > 0 {
			rest(ctx, nil, until)
		}
		return true, ctx.Err()
	}
	return true, ctx.Err()
}

// window lets so many work at once: one more after each time that all of them came through, half as many when the server has
// had enough, none while it is held.
type window struct {
	mu      sync.Mutex
	turn    chan struct{} // closed and made anew when something changes
	size    float64
	most    float64
	working int
	held    bool
}

func newWindow(most int) *window {
	return &window{turn: make(chan struct{}), size: float64(most), most: float64(most)}
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
