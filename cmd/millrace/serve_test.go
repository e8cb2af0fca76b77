package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// spoken is output that may be read while it is written.
type spoken struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *spoken) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *spoken) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func TestServeTakesEventsThoughNoTemporalServerAnswers(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	key := strings.TrimSpace(term.run("keys", "create", "shop", "--role", "enroll").succeeds().stdout)
	a, _, _ := term.app("serve", "--listen", "127.0.0.1:0")
	said := &spoken{}
	a.Stderr = said
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, a) }()
	address := regexp.MustCompile(`address=(127\.0\.0\.1:\d+)`)
	require.Eventually(t, func() bool { return address.MatchString(said.String()) }, 20*time.Second, 5*time.Millisecond)
	url := "http://" + address.FindStringSubmatch(said.String())[1]
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/events", strings.NewReader(`{"record":"contact/51","type":"page_viewed","id":"a"}`))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+key)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.JSONEq(t, `{"stored":1,"duplicates":0,"rejected":0,"results":[{"id":"a","status":"stored","notes":["unknown-record"]}]}`, string(body))
	stop()
	require.Zero(t, <-ended, said.String())
	require.Contains(t, said.String(), "API stopped")
	require.Contains(t, term.run("events", "contact/51").succeeds().stdout, "page_viewed")
}

func TestServeSaysWhyItDoesNotStart(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	term.run("serve", "--rate", "0").fails(2, "--rate has to be more than nothing")
	term.run("serve", "--listen", "nowhere").fails(1, "choose another address with --listen")
}
