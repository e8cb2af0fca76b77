package store_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
)

// bulkOf begins a job that enrolls so many contacts.
func bulkOf(t *testing.T, s *store.Store, people int, rate float64) store.Bulk {
	t.Helper()
	job := store.Bulk{Job: store.Job{Workflow: "welcome", Selection: "--file x", By: "ann", Began: noon}, Rate: rate}
	require.NoError(t, s.Tx(t.Context(), func(tx *store.Tx) (err error) {
		if job, err = tx.AddBulk(t.Context(), job); err != nil {
			return err
		}
		refs := make([]crm.Ref, people)
		for i := range refs {
			refs[i] = contact(i + 1)
		}
		return tx.AddPeople(t.Context(), job, refs, "", true)
	}))
	return job
}

func reread(t *testing.T, s *store.Store, job store.Bulk) store.Bulk {
	t.Helper()
	job, err := s.Bulk(t.Context(), job.ID)
	require.NoError(t, err)
	return job
}

// mostIn is the greatest number of instants that lie in one time of a length.
func mostIn(instants []time.Time, length time.Duration) (most int) {
	slices.SortFunc(instants, time.Time.Compare)
	for first, i := 0, 0; i < len(instants); i++ {
		for !instants[first].After(instants[i].Add(-length)) {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

var bulks = map[string]func(t *testing.T, s *store.Store){
	"a bulk keeps whom it is about and what came of them": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		job := bulkOf(t, s, 120, 50)
		require.NoError(t, s.AddPeople(ctx, job, []crm.Ref{contact(7), contact(121)}, "", true), "who is named twice is one")
		require.Equal(t, 121, reread(t, s, job).People)
		first, err := s.Many(ctx, job.ID, 0, noon, 100)
		require.NoError(t, err)
		require.Len(t, first, 100)
		next, err := s.Many(ctx, job.ID, first[99].Seq, noon, 100)
		require.NoError(t, err)
		require.Len(t, next, 21)
		require.Equal(t, plan.Intent{
			Seq: first[0].Seq, Act: plan.ActEnroll, Workflow: "welcome", Record: "contact/1", Trigger: job.Trigger(), Bulk: true, Job: job.ID, At: noon,
		}, first[0])
		other, err := s.Many(ctx, 0, 0, noon, 100)
		require.NoError(t, err)
		require.Empty(t, other, "they belong to the job")
		_, found, err := s.Intent(ctx, "welcome", "contact/121", job.Trigger())
		require.NoError(t, err)
		require.True(t, found, "admission believes the trigger")

		const reason = "already-enrolled: the record is in the workflow already"
		done := []store.Done{{Intent: first[0]}, {Intent: first[1], Refused: reason}, {Intent: first[2], Error: errors.New("away"), Again: noon.Add(time.Minute)}}
		for range 2 { // somebody was cut and did it again
			require.NoError(t, s.Finish(ctx, done, noon))
		}
		now := reread(t, s, job)
		require.Equal(t, []int{121, 1, 1, 119}, []int{now.People, now.Begun, now.Refused, now.ToDo()})
		failing, why, err := s.Failing(ctx, job)
		require.NoError(t, err)
		require.Equal(t, "1 away", fmt.Sprint(failing, " ", why))
		finished, err := s.FinishBulk(ctx, job.ID, noon)
		require.NoError(t, err)
		require.False(t, finished)

		rest, err := s.Many(ctx, job.ID, 0, noon.Add(time.Minute), 1000)
		require.NoError(t, err)
		require.Len(t, rest, 119)
		done = nil
		for _, intent := range rest {
			done = append(done, store.Done{Intent: intent})
		}
		require.NoError(t, s.Finish(ctx, done, noon))
		finished, err = s.FinishBulk(ctx, job.ID, noon)
		require.NoError(t, err)
		require.True(t, finished)
		open, err := s.OpenBulks(ctx)
		require.NoError(t, err)
		require.Empty(t, open)
		require.Equal(t, noon, reread(t, s, job).Finished)

		for i, refused := range []bool{false, true, true} {
			e := entering("welcome", contact(i+3), "run")
			e.Trigger, e.Detail = job.Trigger(), "suppressed: it is"
			if refused {
				require.NoError(t, s.RefuseEnrollment(ctx, e))
				continue
			}
			_, err := s.OpenEnrollment(ctx, e)
			require.NoError(t, err)
		}
		admitted, err := s.Admitted(ctx, job)
		require.NoError(t, err)
		require.Equal(t, 1, admitted)
		reasons, err := s.Reasons(ctx, job)
		require.NoError(t, err)
		require.Equal(t, map[string]int{reason: 1, "suppressed: it is": 2}, reasons)
		refusals, err := s.Refusals(ctx, job, "", 2)
		require.NoError(t, err)
		require.Equal(t, []store.Refusal{{"contact/2", reason}, {"contact/4", "suppressed: it is"}}, refusals)
		refusals, err = s.Refusals(ctx, job, "contact/4", 2)
		require.NoError(t, err)
		require.Equal(t, []store.Refusal{{"contact/5", "suppressed: it is"}}, refusals)
	},
	"a bulk is stopped, goes on, and has a number of its own among the jobs": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		operated, err := s.AddJob(ctx, store.Job{Workflow: "welcome", Operation: plan.UpdatePause, Began: noon}, nil)
		require.NoError(t, err)
		_, err = s.Bulk(ctx, operated.ID)
		require.ErrorIs(t, err, crm.ErrNotFound)
		job := bulkOf(t, s, 3, 50)
		require.Greater(t, job.ID, operated.ID)
		require.NoError(t, s.StopBulk(ctx, job.ID, noon))
		require.Equal(t, noon, reread(t, s, job).Stopped)
		slots, err := s.Slots(ctx, job.ID, time.Second, noon)
		require.NoError(t, err)
		require.Zero(t, slots.Count)
		open, err := s.OpenBulks(ctx)
		require.NoError(t, err)
		require.Empty(t, open)
		require.NoError(t, s.StopBulk(ctx, job.ID, time.Time{}))
		open, err = s.OpenBulks(ctx)
		require.NoError(t, err)
		require.Equal(t, []int64{job.ID}, open)
	},
	"slots are never more than the rate says, whoever asks and whoever dies": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		random := rand.New(rand.NewPCG(1, 2))
		for _, rate := range []float64{0.4, 2.5, 3, 7, 100, 10_000} {
			job := bulkOf(t, s, 0, rate)
			length := max(time.Second, time.Duration(float64(time.Second)/rate))
			most := int(math.Ceil(rate))
			var used []time.Time
			now := noon
			for range 40 { // four workers, which ask whenever they like; some are killed before they use what they got
				now = now.Add(time.Duration(random.Int64N(int64(length / 3))))
				slots, err := s.Slots(ctx, job.ID, time.Duration(random.Int64N(int64(length/2))), now)
				require.NoError(t, err)
				require.Positive(t, slots.Count)
				require.False(t, slots.First.Before(now), "time in which nobody asked is not made up for")
				if random.IntN(4) == 0 {
					continue
				}
				for i := range min(slots.Count, 3*most) {
					used = append(used, slots.First.Add(time.Duration(i)*slots.Every))
				}
			}
			require.LessOrEqual(t, mostIn(used, length), most, "%v in a second", rate)
		}
	},
	"several who ask at once share one rate": func(t *testing.T, s *store.Store) {
		job := bulkOf(t, s, 0, 10)
		var group errgroup.Group
		got := make(chan store.Slots, 24)
		for range 24 {
			group.Go(func() error {
				slots, err := s.Slots(t.Context(), job.ID, 300*time.Millisecond, noon)
				got <- slots
				return err
			})
		}
		require.NoError(t, group.Wait())
		close(got)
		var used []time.Time
		for slots := range got {
			for i := range slots.Count {
				used = append(used, slots.First.Add(time.Duration(i)*slots.Every))
			}
		}
		require.Len(t, used, 72)
		require.Equal(t, 10, mostIn(used, time.Second))
		require.Equal(t, noon.Add(7100*time.Millisecond), used[71], "and none is wasted")
	},
	"another rate holds from the next slots on": func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		job := bulkOf(t, s, 0, 100)
		take := func(after time.Duration) (instants []time.Time) {
			slots, err := s.Slots(ctx, job.ID, 200*time.Millisecond, noon.Add(after))
			require.NoError(t, err)
			for i := range slots.Count {
				instants = append(instants, slots.First.Add(time.Duration(i)*slots.Every))
			}
			return instants
		}
		require.Len(t, take(0), 20)
		require.NoError(t, s.SetRate(ctx, job.ID, 5))
		var slower []time.Time
		for i := range 20 {
			slower = append(slower, take(time.Duration(i)*100*time.Millisecond)...)
		}
		require.Equal(t, noon.Add(200*time.Millisecond), slower[0])
		require.Equal(t, 5, mostIn(slower, time.Second))
		require.NoError(t, s.SetRate(ctx, job.ID, 1000))
		require.Equal(t, 200, mostIn(take(time.Hour), time.Second))
	},
	"so many enter in a time, whoever is killed and however the rate changes": func(t *testing.T, s *store.Store) {
		random := rand.New(rand.NewPCG(3, 4))
		q := newQueue(t, s)
		q.per.Limit, q.per.Per = 5, 10*time.Minute
		entered := map[int][]time.Time{} // by the limit that held
		waiting, next := map[string]int{}, 0
		for minute := 0; minute < 400 && len(entered[5])+len(entered[2])+len(entered[8]) < 120; minute++ {
			if minute == 60 || minute == 120 {
				q.per.Limit = map[int]int{60: 2, 120: 8}[minute]
			}
			for range random.IntN(4) {
				waiting[strconv.Itoa(next)], next = minute, next+1
			}
			for name, at := range waiting {
				if minute < at || random.IntN(8) == 0 { // its worker was killed, it asks later
					continue
				}
				open := minute%30 < 20 // a window
				switch answer := q.ask(minute, name, func(who *plan.Queueing) { who.Open = open }); answer {
				case "":
					require.True(t, open)
					entered[q.per.Limit] = append(entered[q.per.Limit], noon.Add(time.Duration(minute)*time.Minute))
					delete(waiting, name)
				default:
					due, err := strconv.ParseFloat(answer, 64)
					require.NoError(t, err)
					waiting[name] = max(minute+1, int(due))
				}
			}
		}
		for limit, instants := range entered {
			require.NotEmpty(t, instants)
			require.LessOrEqual(t, mostIn(instants, 10*time.Minute), limit)
		}
		require.Len(t, entered, 3)
	},
}
