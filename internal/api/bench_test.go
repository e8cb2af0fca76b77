package api

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/enroll"
	"github.com/millrace/millrace/internal/ingest"
	"github.com/millrace/millrace/internal/plan"
	"github.com/millrace/millrace/internal/store"
	"github.com/millrace/millrace/internal/store/postgrestest"
)

// BenchmarkEvents sends events over HTTP, each in a request of its own and each answered after its commit, from 128
// senders, and the same in batches of 100. One operation is one request.
func BenchmarkEvents(b *testing.B) {
	for _, database := range []struct {
		name string
		url  func() string
	}{
		{"sqlite", func() string { return "sqlite://" + filepath.Join(b.TempDir(), "millrace.db") }},
		{"postgres", func() string { return postgrestest.Database(b) }},
	} {
		for _, size := range []int{1, 100} {
			b.Run(fmt.Sprintf("%s/%d", database.name, size), func(b *testing.B) { sendEvents(b, database.url(), size) })
		}
	}
}

func sendEvents(b *testing.B, url string, size int) {
	b.Helper()
	books, err := store.Open(b.Context(), url)
	require.NoError(b, err)
	defer books.Close()
	var key string
	require.NoError(b, books.Tx(b.Context(), func(tx *store.Tx) error {
		_, key, err = tx.CreateKey(b.Context(), store.Key{Name: "bench", Roles: []crm.Role{crm.RoleEnroll}, Created: noon})
		return err
	}))
	silent := slog.New(slog.DiscardHandler)
	web := httptest.NewServer(Handler(Options{
		People: &enroll.Client{Store: books}, Door: ingest.NewDoor(books, time.Now, silent), Now: time.Now, Rate: 1e9, Log: silent,
		MayOpen:  mayOpenAll,
		Complete: func(plan.Revision) error { return nil },
	}))
	defer web.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	var number atomic.Int64
	b.SetParallelism(64) // times GOMAXPROCS
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			body := []byte("[")
			for i := range size {
				if i > 0 {
					body = append(body, ',')
				}
				n := number.Add(1)
				body = fmt.Appendf(body, `{"record":"contact/%d","type":"page_viewed","id":"%d","properties":{"url":"/pricing"}}`, n%1000+1, n)
			}
			request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, web.URL+"/v1/events", bytes.NewReader(append(body, ']')))
			require.NoError(b, err)
			request.Header.Set("Authorization", "Bearer "+key)
			answer, err := client.Do(request)
			if err != nil || answer.StatusCode != http.StatusOK {
				b.Errorf("%v %v", answer, err)
				return
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		}
	})
	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "events/s")
}
