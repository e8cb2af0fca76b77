package testsuite_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/activities"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/provider/smtptest"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/internal/store/postgrestest"
	"github.com/millrace/millrace/worker"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
)

// cutter stands between a worker and PostgreSQL, and counts the commits: between two of them lies everything that a
// worker does, to the database all at once or not at all.
type cutter struct {
	listener net.Listener
	server   string
	commits  atomic.Int64
	at       int64 // the commit at which die is called; 0 = never
	after    bool  // the server has answered to it, and the worker does not hear it; else the server never gets it
	die      func()
}

// newCutter returns the url of a database with a cutter before it.
func newCutter(tb testing.TB, database string, c *cutter) string {
	tb.Helper()
	parsed, err := url.Parse(database)
	require.NoError(tb, err)
	c.server = parsed.Host
	c.listener, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = c.listener.Close() })
	go func() {
		for {
			client, err := c.listener.Accept()
			if err != nil {
				return
			}
			go c.connect(client)
		}
	}()
	parsed.Host = c.listener.Addr().String()
	return parsed.String()
}

func (c *cutter) connect(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.server)
	if err != nil {
		return
	}
	defer server.Close()
	var last atomic.Bool
	go func() {
		defer client.Close()
		answer := make([]byte, 64<<10)
		for {
			n, err := server.Read(answer)
			if n > 0 && last.Load() {
				c.die()
			}
			if _, failed := client.Write(answer[:n]); err != nil || failed != nil {
				return
			}
		}
	}()
	for message, err := readMessage(client, true); err == nil; message, err = readMessage(client, false) {
		if message[0] == 'Q' && string(message[5:]) == "commit\x00" && c.commits.Add(1) == c.at {
			if !c.after {
				c.die()
			}
			last.Store(true)
		}
		if _, err := server.Write(message); err != nil {
			return
		}
	}
}

// readMessage reads one message of PostgreSQL's protocol; the first on a connection has no type.
func readMessage(from io.Reader, first bool) ([]byte, error) {
	header := make([]byte, 5)
	if first {
		header = header[:4]
	}
	if _, err := io.ReadFull(from, header); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(header[len(header)-4:])
	if length < 4 || length > 1<<28 {
		return nil, errors.New("not PostgreSQL's protocol")
	}
	message := make([]byte, len(header)+int(length)-4)
	copy(message, header)
	_, err := io.ReadFull(from, message[len(header):])
	return message, err
}

const cut = "MILLRACE_TEST_CUT"

// TestWorkerThatIsCut is the worker process of TestEveryGapBetweenTwoWritesMayBeTheLast, which kills itself.
func TestWorkerThatIsCut(t *testing.T) {
	t.Parallel()
	if os.Getenv(cut) == "" {
		return // it is the process of the test below, which says where it is cut
	}
	c := &cutter{die: func() {
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Kill()
		}
		panic(fmt.Sprint("still alive: ", err))
	}}
	var queue string
	_, err := fmt.Sscan(os.Getenv(cut), &c.at, &c.after, &queue)
	require.NoError(t, err)
	books, err := store.Open(t.Context(), newCutter(t, os.Getenv("MILLRACE_DATABASE"), c))
	require.NoError(t, err)
	namespace := os.Getenv("TEMPORAL_NAMESPACE")
	server, err := client.Dial(client.Options{HostPort: os.Getenv("TEMPORAL_ADDRESS"), Namespace: namespace, Identity: queue, Logger: silent})
	require.NoError(t, err)
	require.NoError(t, worker.Run(t.Context(), worker.Options{
		Temporal: server, Namespace: namespace, Store: books, Kinds: activities.Kinds(), Queue: queue, Log: slog.New(slog.DiscardHandler),
	}))
}

// TestEveryGapBetweenTwoWritesMayBeTheLast kills -9 one worker just before each commit of a journey, and one just after
// each. What goes on afterwards repeats no message, loses no step, and calls unknown what nobody can know.
func TestEveryGapBetweenTwoWritesMayBeTheLast(t *testing.T) {
	t.Parallel()
	w := &world{mails: smtptest.Start(t, smtptest.Options{}), texts: startTexts(t)}
	workspace := strings.Replace(mailed(w.mails, everyKind(w.texts.url)), "time_zone: UTC\n", "time_zone: UTC\n"+throughHTTP, 1)
	w.stage = newStageAt(t, embedded(t).Address, postgrestest.Database(t), workspace)

	// Nobody is cut: how many commits are there?
	counting := &cutter{}
	counted, err := store.Open(t.Context(), newCutter(t, w.Database, counting))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, counted.Close()) })
	w.work(t, func(options *worker.Options) { options.Store, options.Queue = counted, "whole" })
	w.enter(t, "contact/0", "whole")
	w.leaves(t, "contact/0")
	require.Zero(t, w.arrived(t, "contact/0"))
	commits := int(counting.commits.Load())

	type gap struct{ record, queue string }
	var gaps []gap
	var victims []*process
	const atOnce = 6
	for number := range 2 * commits {
		g := gap{fmt.Sprintf("contact/%d", number+1), fmt.Sprintf("cut-%d", number+1)}
		w.enter(t, g.record, g.queue)
		executable, err := os.Executable()
		require.NoError(t, err)
		victim := &shell{program: executable, folder: t.TempDir(), env: append(os.Environ(),
			"TEMPORAL_ADDRESS="+w.Address, "TEMPORAL_NAMESPACE="+w.Namespace, "MILLRACE_DATABASE="+w.Database,
			fmt.Sprintf("%s=%d %t %s", cut, number/2+1, number%2 == 1, g.queue))}
		victims = append(victims, victim.start(t, "-test.run=^TestWorkerThatIsCut$", "-cache="+*cache))
		gaps = append(gaps, g)
		if len(victims) < atOnce && number+1 < 2*commits {
			continue
		}
		for i, victim := range victims {
			g := gaps[len(gaps)-len(victims)+i]
			select {
			case <-victim.done:
				require.NotContains(t, victim.said.String(), "FAIL", "it ends by being killed")
			case <-time.After(patience):
				require.Fail(t, "the worker was never cut", "%s: %s\n%s", g.queue, victim.said, w.events(t, "journey", g.record))
			}
			w.work(t, func(options *worker.Options) { options.Queue = g.queue })
		}
		victims = nil
	}
	unknown := 0
	for _, g := range gaps {
		w.leaves(t, g.record)
		unknown += w.arrived(t, g.record)
	}
	t.Logf("%d commits, %d workers killed, %d sends cut in the middle", commits, len(gaps), unknown)
	require.Positive(t, unknown)
}

// enter enrolls somebody on a queue, to whose mail there is a reply already.
func (w *world) enter(t *testing.T, record, queue string) {
	t.Helper()
	_, err := w.Books.Create(t.Context(), ref(record), map[string]string{"email": address(record)}, time.Now(), "test")
	require.NoError(t, err)
	_, _, err = w.Books.AddEvent(t.Context(), plan.Event{Type: "replied", Record: record, At: time.Now()})
	require.NoError(t, err)
	people := &enroll.Client{Temporal: w.Client, Store: w.Books, Queue: queue}
	_, err = people.Start(t.Context(), enroll.Request{Workflow: "journey", Record: ref(record)})
	require.NoError(t, err)
}

// leaves waits until an enrollment has ended.
func (w *world) leaves(t *testing.T, record string) {
	t.Helper()
	var exit plan.Exit
	require.NoError(t, w.GetWorkflow(t.Context(), plan.WorkflowID("journey", record), "").Get(t.Context(), &exit))
	require.Equal(t, plan.ExitCompleted, exit.Reason, exit.Detail)
}
