package testsuite_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/devserver"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider/smtptest"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/internal/store/postgrestest"
	"github.com/millrace/millrace/worker"
	"github.com/stretchr/testify/require"
)

var (
	seed  = flag.Uint64("seed", 0, "`number` that the random kills follow from; 0 is a new one, which is printed")
	kills = flag.Int("kills", 30, "random kills -9 of the chaos test")
)

// chance draws what a test leaves to it, and says how to have the same again.
func chance(t *testing.T) *rand.Rand {
	t.Helper()
	from := *seed
	if from == 0 {
		from = rand.Uint64()
	}
	t.Logf("go test ./testsuite -run %s -seed %d", t.Name(), from)
	return rand.New(rand.NewPCG(from, from))
}

// convalescence is the longest that a test waits for what goes on by itself after a crash.
const convalescence = 3 * time.Minute

// world is a stage of which every part is a process of its own that a test may kill -9: the worker, the Temporal
// server with its database, and with -postgres PostgreSQL under both.
type world struct {
	*stage
	whole    testing.TB // whose end is the world's
	options  devserver.Options
	temporal *devserver.Server
	postgres *postgrestest.Server // nil on SQLite
	shell    *shell
	worker   *process
	mails    *smtptest.Server
	texts    *texts
	people   []string // records
	told     map[string]bool
}

// texts stands for a provider of text messages behind a webhook, which sends once per idempotency key.
type texts struct {
	url  string
	mu   sync.Mutex
	keys map[string][]string // recipient → idempotency keys
}

func startTexts(tb testing.TB) *texts {
	tb.Helper()
	sent := &texts{keys: map[string][]string{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		key := r.Header.Get("Idempotency-Key")
		if err != nil || key == "" || len(body) == 0 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		sent.mu.Lock()
		defer sent.mu.Unlock()
		if to := string(body); !slices.Contains(sent.keys[to], key) {
			sent.keys[to] = append(sent.keys[to], key)
		}
	}))
	tb.Cleanup(server.Close)
	sent.url = server.URL
	return sent
}

// sent is how many messages a recipient got.
func (t *texts) sent(to string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.keys[fmt.Sprintf(`{"to":%q}`, to)])
}

// everyKind is a journey of twelve steps: mails, a text message, edits of our own store, delays, a branch, a task and
// a wait for an event.
func everyKind(url string) string {
	return fmt.Sprintf(`workflow: journey
object: contact
actions:
  - {id: mail-1, send_email: {email: first}}
  - {id: add-1, adjust_number_property: {property: annual_score, by: 1}}
  - {id: pause-1, delay_set_amount: {for: 1s}}
  - {id: text, send_webhook: {url: %q, body: {to: "{{ contact.email }}"}}}
  - {id: size, branch_and_or: {branches: [{name: known, when: {property: email, known: true}}]}}
  - {id: mail-2, send_email: {email: second}}
  - id: reply
    delay_until_event: {event: replied, max_wait: 30d, look_back: 1h}
    then:
      timeout: [{end: {}}]
  - {id: call, create_task: {title: Call}}
  - {id: add-2, adjust_number_property: {property: annual_score, by: 1}}
  - {id: pause-2, delay_set_amount: {for: 1s}}
  - {id: mail-3, send_email: {email: third}}
  - {id: done, edit_record: {set: {lead_status: open}}}
-- objects/contact.yaml --
object: contact
properties: [{name: annual_score, type: number}]
`, url)
}

const throughHTTP = "egress: {allow: [127.0.0.0/8], http: true}\n"

func newWorld(tb testing.TB) *world {
	tb.Helper()
	binary, err := devserver.Find(tb.Context(), os.Stderr, false)
	require.NoError(tb, err)
	w := &world{whole: tb, options: devserver.Options{Binary: binary}, mails: smtptest.Start(tb, smtptest.Options{Script: slowly}), texts: startTexts(tb), told: map[string]bool{}}
	database := "sqlite://" + filepath.Join(tb.TempDir(), "millrace.db")
	if *onPostgres {
		w.postgres = postgrestest.Start(tb)
		w.options.Postgres, database = temporalDatabase(tb, binary, w.postgres), w.postgres.Database(tb)
	} else {
		w.options.Database = filepath.Join(tb.TempDir(), "temporal.db")
	}
	w.startTemporal(tb)
	tb.Cleanup(func() { require.NoError(tb, w.temporal.Stop()) })
	workspace := strings.Replace(mailed(w.mails, everyKind(w.texts.url)), "time_zone: UTC\n", "time_zone: UTC\n"+throughHTTP, 1)
	w.stage = newStageAt(tb, w.temporal.Address, database, workspace)
	w.shell = w.stage.shell(tb, "")
	w.worker = w.shell.start(tb, "worker")
	return w
}

// slowly is a mail server that takes its time over every message, so that kills find sends in their middle.
func slowly(at, _ string) string {
	if at == smtptest.Dot {
		<-time.After(300 * time.Millisecond)
	}
	return ""
}

func (w *world) startTemporal(tb testing.TB) {
	tb.Helper()
	server, err := devserver.Start(tb.Context(), w.options)
	require.NoError(tb, err)
	w.temporal = server
	if w.options.Port == 0 { // the next one listens where this one did
		_, port, err := net.SplitHostPort(server.Address)
		require.NoError(tb, err)
		w.options.Port, err = strconv.Atoi(port)
		require.NoError(tb, err)
	}
}

// victim is a part of a world.
type victim struct {
	name          string
	kill, restart func(testing.TB)
}

func (w *world) victims() []victim {
	victims := []victim{
		{
			"worker",
			func(tb testing.TB) { w.worker.kill(tb) },
			func(tb testing.TB) {
				again(tb, func() error { return worker.CheckNamespace(tb.Context(), w.Client, w.Namespace) }) // it may be at its own recovery
				w.worker = w.shell.start(w.whole, "worker")
			},
		},
		{
			"temporal",
			func(tb testing.TB) {
				w.settled(tb)
				require.NoError(tb, w.temporal.Kill())
				require.NoError(tb, w.temporal.Stop()) // removes what it left
			},
			w.startTemporal,
		},
	}
	if w.postgres != nil {
		victims = append(victims, victim{
			"postgresql",
			func(tb testing.TB) {
				w.settled(tb)
				w.postgres.Kill(tb)
			},
			w.postgres.Restart,
		})
	}
	return victims
}

// settled waits until the worker has begun to work: before, it ends when what it needs is not there.
func (w *world) settled(tb testing.TB) {
	tb.Helper()
	w.worker.says(tb, "Started Worker")
}

// admit enrolls somebody new, whatever is being restarted.
func (w *world) admit(tb testing.TB) {
	tb.Helper()
	record := fmt.Sprintf("contact/%d", len(w.people)+1)
	w.people = append(w.people, record)
	again(tb, func() error {
		if _, err := w.Books.Get(tb.Context(), ref(record)); err == nil {
			return nil
		}
		_, err := w.Books.Create(tb.Context(), ref(record), map[string]string{"email": address(record)}, time.Now(), "test")
		return err
	})
	again(tb, func() error {
		_, err := w.People.Start(tb.Context(), enroll.Request{Workflow: "journey", Record: ref(record)})
		if errors.Is(err, enroll.ErrInside) {
			return nil // the answer to an earlier try was lost
		}
		return err
	})
}

func address(record string) string {
	return "person-" + strings.TrimPrefix(record, "contact/") + "@example.com"
}

// reply tells what everybody waits for, as a sender does: under the same id until it is taken.
func (w *world) reply(tb testing.TB, record string) error {
	limited, cancel := context.WithTimeout(tb.Context(), time.Second) // the client tries for longer to reach a server
	defer cancel()
	_, err := w.People.Deliver(limited, plan.Event{ID: "reply-" + record, Type: "replied", Record: record}, time.Now())
	w.told[record] = w.told[record] || err == nil
	return err
}

// again does something until it succeeds.
func again(tb testing.TB, do func() error) {
	tb.Helper()
	var last error
	require.Eventually(tb, func() bool { last = do(); return last == nil }, convalescence, 50*time.Millisecond, "%v", &last)
}

// progress is how far everybody who is inside has come, by record. It is nil while the database is away.
func (w *world) progress(tb testing.TB) map[string]int {
	inside, err := w.Books.Enrollments(tb.Context(), store.EnrollmentFilter{OpenOnly: true})
	if err != nil {
		return nil
	}
	steps := map[string]int{}
	for _, enrollment := range inside {
		entries, err := w.Books.Journal(tb.Context(), enrollment.ID)
		if err != nil {
			return nil
		}
		steps[enrollment.Record] = len(entries)
	}
	return steps
}

// recovered waits until everybody who was inside has taken a step or left, and returns after how long the last one had.
// Those who wait for a reply get it.
func (w *world) recovered(tb testing.TB, before map[string]int, since time.Time) time.Duration {
	tb.Helper()
	require.Eventually(tb, func() bool {
		for record := range before {
			if !w.told[record] && w.reply(tb, record) != nil {
				return false
			}
		}
		now := w.progress(tb)
		if now == nil {
			return false
		}
		for record, steps := range before {
			if at, inside := now[record]; inside && at <= steps {
				return false
			}
		}
		return true
	}, convalescence, 20*time.Millisecond)
	return time.Since(since)
}

// TestRandomKillsLoseNothingAndRepeatNoMessage kills -9 whatever runs, at random moments of many journeys.
func TestRandomKillsLoseNothingAndRepeatNoMessage(t *testing.T) {
	t.Parallel()
	draw := chance(t)
	w := newWorld(t)
	victims := w.victims()
	killed := map[string]int{}
	var before map[string]int
	var restarted time.Time
	for range *kills {
		w.admit(t)
		w.admit(t)
		moment := time.After(time.Duration(draw.IntN(1500)) * time.Millisecond) // any line
		if who := w.people[draw.IntN(len(w.people))]; !w.told[who] {
			again(t, func() error { return w.reply(t, who) })
		}
		<-moment
		victim := victims[draw.IntN(len(victims))]
		before = w.progress(t)
		victim.kill(t)
		_ = w.reply(t, w.people[draw.IntN(len(w.people))]) // lost on the way, perhaps: it is told again
		victim.restart(t)
		restarted = time.Now()
		killed[victim.name]++
	}
	longest := w.recovered(t, before, restarted)
	for _, record := range w.people {
		again(t, func() error { return w.reply(t, record) })
	}
	require.Eventually(t, func() bool { return len(w.progress(t)) == 0 }, convalescence, 100*time.Millisecond)
	t.Logf("%d people, killed %v; after the last kill everybody went on within %s", len(w.people), killed, longest.Round(time.Millisecond))
	unknown := 0
	for _, record := range w.people {
		unknown += w.arrived(t, record)
	}
	t.Logf("%d sends were cut in the middle", unknown)
}

// arrived checks that a record went through every step of the journey once, and returns how many of its mails are unknown.
func (w *world) arrived(tb testing.TB, record string) (unknown int) {
	tb.Helper()
	enrollments, err := w.Books.Enrollments(tb.Context(), store.EnrollmentFilter{Workflow: "journey", Record: record})
	require.NoError(tb, err)
	require.Len(tb, enrollments, 1, record)
	require.Equal(tb, plan.ExitCompleted, enrollments[0].Exit, "%s: %s", record, enrollments[0].Detail)
	entries, err := w.Books.Journal(tb.Context(), enrollments[0].ID)
	require.NoError(tb, err)
	ends := map[string]string{} // node → how it ended
	for _, entry := range entries {
		switch entry.Event {
		case plan.JournalSucceeded, plan.JournalUnknown, plan.JournalDelayEnded, plan.JournalBranch, plan.JournalFailed:
			require.Empty(tb, ends[entry.Node], "%s ended twice for %s", entry.Node, record)
			ends[entry.Node] = entry.Event + " " + entry.Port
		}
	}
	for number, subject := range []string{"First", "Second", "Third"} {
		delivered, mail := 0, fmt.Sprintf("mail-%d", number+1)
		for _, message := range w.mails.Messages() {
			if slices.Equal(message.To, []string{address(record)}) && message.Header.Get("Subject") == subject {
				delivered++
			}
		}
		require.LessOrEqual(tb, delivered, 1, "%s reached %s twice", subject, record)
		if ends[mail] == plan.JournalUnknown+" failed" {
			unknown++
		} else {
			require.Equal(tb, plan.JournalSucceeded+" next", ends[mail], "%s of %s", mail, record)
			require.Equal(tb, 1, delivered, "%s reached %s", subject, record)
		}
		delete(ends, mail)
	}
	require.Equal(tb, 1, w.texts.sent(address(record)), "text messages to %s", record)
	require.Equal(tb, map[string]string{
		"add-1": "action_succeeded next", "pause-1": "delay_ended next", "text": "action_succeeded next", "size": "branch_taken known",
		"reply": "delay_ended event", "call": "action_succeeded next", "add-2": "action_succeeded next", "pause-2": "delay_ended next", "done": "action_succeeded next",
	}, ends, record)
	found, err := w.Books.Get(tb.Context(), ref(record))
	require.NoError(tb, err)
	require.Equal(tb, "2", found.Properties["annual_score"], "every edit of %s happened once", record)
	require.Equal(tb, "open", found.Properties["lead_status"])
	return unknown
}

// BenchmarkRecovery is how long it takes, from the restart of what was killed, until everybody inside has gone on. The
// metrics are those of the slowest of all people in all turns, and of the slowest person in the middle turn.
func BenchmarkRecovery(b *testing.B) {
	w := newWorld(b)
	for _, victim := range w.victims() {
		b.Run(victim.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				for range 10 {
					w.admit(b)
				}
				require.Eventually(b, func() bool { return len(w.progress(b)) >= 10 }, convalescence, time.Millisecond)
				before := w.progress(b)
				victim.kill(b)
				victim.restart(b)
				took = append(took, w.recovered(b, before, time.Now()))
				require.Eventually(b, func() bool { return len(w.progress(b)) == 0 }, convalescence, 100*time.Millisecond)
			}
			slices.Sort(took)
			b.ReportMetric(took[len(took)-1].Seconds(), "s/longest")
			b.ReportMetric(took[len(took)/2].Seconds(), "s/median")
			b.ReportMetric(0, "ns/op")
		})
	}
}
