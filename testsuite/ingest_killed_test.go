package testsuite_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/internal/store/postgrestest"
)

var eventsSent = flag.Int("events", 2000, "events that are sent while what takes them is killed")

// entered is a workspace in which an event enrolls.
const entered = `
-- millrace.yaml --
time_zone: UTC
%s
-- workflows/viewed.yaml --
workflow: viewed
object: contact
enroll: {on: [{event: page_viewed}]}
actions:
  - {id: seen, delay_set_amount: {for: 30d}}
`

// intake is ` + "`millrace serve`" + ` while it is killed again and again, with a database in which events are decided about.
type intake struct {
	*shell
	books   *store.Store
	serving *process
	url     string
	mu      sync.RWMutex // of url, which nobody reads while there is none
}

// newIntake has as many contacts as events will come, each for one of them, and two routers that decide what follows.
func newIntake(t *testing.T, database, sources string) *intake {
	t.Helper()
	in := &intake{shell: newShell(t, fmt.Sprintf(entered, sources), "MILLRACE_DATABASE="+database, "TEMPORAL_ADDRESS=127.0.0.1:1")}
	in.ok(t, "push")
	var err error
	in.books, err = store.OpenExisting(t.Context(), database)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, in.books.Close()) })
	for numbers := range slices.Chunk(slices.Collect(upTo(*eventsSent)), 1000) {
		require.NoError(t, in.books.Tx(t.Context(), func(tx *store.Tx) error {
			for _, number := range numbers {
				if _, err := tx.Create(t.Context(), contactOf(number), nil, time.Now().Add(-time.Hour), "test"); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	var routers sync.WaitGroup
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(func() { stop(); routers.Wait() })
	for range 2 {
		router := &enroll.Router{Client: enroll.Client{Store: in.books}, Log: slog.New(slog.DiscardHandler)}
		routers.Go(func() {
			for ctx.Err() == nil {
				if count, err := router.Decide(ctx); count == 0 || err != nil { // the database may be away
					select {
					case <-ctx.Done():
					case <-time.After(5 * time.Millisecond):
					}
				}
			}
		})
	}
	in.serving, in.url = in.serve(t)
	return in
}

func upTo(count int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range count {
			if !yield(i) {
				return
			}
		}
	}
}

func contactOf(number int) crm.Ref { return crm.Ref{Object: "contact", ID: fmt.Sprint(number + 1)} }

// serve starts the API with a rate that nobody reaches.
func (in *intake) serve(t *testing.T) (*process, string) {
	t.Helper()
	return in.shell.serve(t, "--rate", "1000000000")
}

// dies is killed, and starts again.
func (in *intake) dies(t *testing.T) {
	t.Helper()
	in.mu.Lock()
	defer in.mu.Unlock()
	in.serving.kill(t)
	in.serving, in.url = in.serve(t)
}

func (in *intake) at() string {
	in.mu.RLock()
	defer in.mu.RUnlock()
	return in.url
}

// taken is how many events there are.
func (in *intake) taken(t *testing.T) int {
	t.Helper()
	var pending, decided int
	require.NoError(t, in.books.View(t.Context(), func(view *store.View) (err error) {
		if pending, _, err = view.Pending(t.Context()); err == nil {
			decided, _, _, err = view.Undone(t.Context())
		}
		return err
	}))
	return pending + decided - 1 // what push wants to have scheduled
}

// settles waits until everything is decided about, and asserts that each event is there once and enrolls once.
func (in *intake) settles(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	require.Eventually(t, func() bool {
		count, _, err := in.books.Pending(ctx)
		if err != nil || count > 0 {
			return false
		}
		intents, err := in.books.Intents(ctx, time.Now(), 10**eventsSent)
		intents = slices.DeleteFunc(intents, func(one plan.Intent) bool { return one.Act != plan.ActEnroll })
		return err == nil && len(intents) >= *eventsSent
	}, convalescence, 50*time.Millisecond, "%s", in)
	for number := range *eventsSent {
		events, err := in.books.EventsOf(ctx, contactOf(number), 0)
		require.NoError(t, err)
		require.Len(t, events, 1, contactOf(number))
	}
	intents, err := in.books.Intents(ctx, time.Now(), 10**eventsSent)
	require.NoError(t, err)
	enrolls := map[string]int{}
	for _, intent := range intents {
		if intent.Act == plan.ActEnroll {
			enrolls[intent.Record]++
		}
	}
	require.Len(t, enrolls, *eventsSent)
	for record, times := range enrolls {
		require.Equal(t, 1, times, record)
	}
	rejected, err := in.books.RejectedEvents(ctx, 0, 0)
	require.NoError(t, err)
	require.Empty(t, rejected)
}

// String tells how far it came.
func (in *intake) String() string {
	ctx := context.Background()
	pending, _, _ := in.books.Pending(ctx)
	intents, err := in.books.Intents(ctx, time.Now(), 10**eventsSent)
	missing := []int{}
	for number := range *eventsSent {
		if events, _ := in.books.EventsOf(ctx, contactOf(number), 0); len(events) == 0 {
			missing = append(missing, number)
		}
	}
	return fmt.Sprintf("%d changes, %d intents (%v), events that are missing: %v\n%s", pending, len(intents), err, missing, in.serving.said)
}

// after draws when somebody is killed, by how many events have got through.
func after(draw *rand.Rand, times int) []int {
	moments := make([]int, times)
	for i := range moments {
		moments[i] = draw.IntN(*eventsSent * 9 / 10)
	}
	slices.Sort(moments)
	return moments
}

// TestServeKilledAgainAndAgainKeepsWhatItAnswered sends events at the fastest pace, in requests of one and of many, and sends
// anew what was not answered. Whoever serves is killed -9 meanwhile, and PostgreSQL as well.
func TestServeKilledAgainAndAgainKeepsWhatItAnswered(t *testing.T) {
	t.Parallel()
	draw := chance(t)
	for _, database := range []string{"sqlite", "postgres"} {
		draw := rand.New(rand.NewPCG(draw.Uint64(), 1))
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			url, victims := "sqlite://"+filepath.Join(t.TempDir(), "millrace.db"), []func(*intake){func(in *intake) { in.dies(t) }}
			if database == "postgres" {
				server := postgrestest.Start(t)
				url = server.Database(t)
				victims = append(victims, func(*intake) { server.Kill(t); server.Restart(t) })
			}
			in := newIntake(t, url, "")
			key := strings.TrimSpace(in.ok(t, "keys", "create", "sender", "--role", "enroll"))
			var answered atomic.Int64
			var senders sync.WaitGroup
			began := time.Now()
			const abreast = 16
			for sender := range abreast {
				draw := rand.New(rand.NewPCG(draw.Uint64(), 2))
				senders.Go(func() { in.send(t, key, sender, abreast, draw, &answered) })
			}
			for _, moment := range after(draw, *kills/3) {
				require.Eventually(t, func() bool { return answered.Load() >= int64(moment) }, convalescence, time.Millisecond)
				victims[draw.IntN(len(victims))](in)
			}
			senders.Wait()
			t.Logf("%d events in %s with %d kills", answered.Load(), time.Since(began).Round(time.Millisecond), *kills/3)
			in.settles(t)
		})
	}
}

// send sends every so manieth event until it is answered.
func (in *intake) send(t *testing.T, key string, first, step int, draw *rand.Rand, answered *atomic.Int64) {
	web := &http.Client{Transport: &http.Transport{}}
	for next := first; next < *eventsSent; {
		var events []string
		for size := draw.IntN(40); len(events) <= size && next < *eventsSent; next += step {
			events = append(events, fmt.Sprintf(`{"record":%q,"type":"page_viewed","id":"%d"}`, contactOf(next), next))
		}
		for t.Context().Err() == nil {
			kept, err := in.accepted(t.Context(), web, key, events)
			if err == nil {
				answered.Add(int64(kept))
				break
			}
		}
	}
}

// accepted sends events once, and returns how many are stored.
func (in *intake) accepted(ctx context.Context, web *http.Client, key string, events []string) (kept int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, in.at()+"/v1/events", bytes.NewReader([]byte("["+strings.Join(events, ",")+"]")))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	answer, err := web.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	var told struct{ Stored, Duplicates, Rejected int }
	body, err := io.ReadAll(answer.Body)
	if err == nil {
		err = json.Unmarshal(body, &told)
	}
	if answer.StatusCode != http.StatusOK || told.Stored+told.Duplicates != len(events) {
		return 0, errors.Join(err, fmt.Errorf("%s: %s", answer.Status, body))
	}
	return len(events), err
}

// TestConsumersKilledAgainAndAgainLoseNothing has events in a stream, which say no id of their own, and kills -9 who takes them.
func TestConsumersKilledAgainAndAgainLoseNothing(t *testing.T) {
	t.Parallel()
	draw := chance(t)
	body := func(number int) []byte {
		return fmt.Appendf(nil, `{"record":%q,"type":"page_viewed"}`, contactOf(number))
	}
	for _, stream := range []struct {
		name  string
		start func(t *testing.T) (sources string, produce func(number int))
	}{
		{"nats", func(t *testing.T) (string, func(int)) {
			t.Helper()
			embedded, err := natsserver.NewServer(&natsserver.Options{Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true})
			require.NoError(t, err)
			embedded.Start()
			t.Cleanup(func() { embedded.Shutdown(); embedded.WaitForShutdown() })
			require.True(t, embedded.ReadyForConnections(patience))
			connection, err := nats.Connect(embedded.ClientURL())
			require.NoError(t, err)
			t.Cleanup(connection.Close)
			js, err := jetstream.New(connection)
			require.NoError(t, err)
			_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "EVENTS", Subjects: []string{"events.*"}})
			require.NoError(t, err)
			return fmt.Sprintf("sources: {nats: {url: %q, stream: EVENTS}}", embedded.ClientURL()), func(number int) {
				_, err := js.Publish(t.Context(), "events.shop", body(number))
				require.NoError(t, err)
			}
		}},
		{"kafka", func(t *testing.T) (string, func(int)) {
			t.Helper()
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "events"))
			require.NoError(t, err)
			t.Cleanup(cluster.Close)
			client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic("events"))
			require.NoError(t, err)
			t.Cleanup(client.Close)
			return fmt.Sprintf("sources: {kafka: {brokers: [%q], topics: [events]}}", cluster.ListenAddrs()[0]), func(number int) {
				require.NoError(t, client.ProduceSync(t.Context(), &kgo.Record{Value: body(number)}).FirstErr())
			}
		}},
	} {
		draw := rand.New(rand.NewPCG(draw.Uint64(), 1))
		t.Run(stream.name, func(t *testing.T) {
			t.Parallel()
			sources, produce := stream.start(t)
			in := newIntake(t, "sqlite://"+filepath.Join(t.TempDir(), "millrace.db"), sources)
			var producer sync.WaitGroup
			producer.Go(func() {
				for number := range *eventsSent {
					produce(number)
				}
			})
			for _, moment := range after(draw, max(1, *kills/10)) {
				require.Eventually(t, func() bool { return in.taken(t) > moment }, convalescence, time.Millisecond, "%s", in)
				in.dies(t)
			}
			producer.Wait()
			in.settles(t)
		})
	}
}
