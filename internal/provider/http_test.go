package provider

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	_ "github.com/millrace/millrace/internal/golden" // knows -update
	"github.com/stretchr/testify/require"
)

// open returns the production client with this machine opened to it, and with plain http.
func open(t *testing.T) *web {
	t.Helper()
	guard, err := newGuard([]string{"127.0.0.0/8"})
	require.NoError(t, err)
	return newWeb(guard, true, 5*time.Second, 5*time.Second)
}

func TestCallCarriesKeyAndAgent(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Seen", strings.Join([]string{r.Method, r.URL.String(), r.Header.Get("Idempotency-Key"), r.Header.Get("User-Agent"), r.Header.Get("X-Key"), string(body)}, " "))
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, `{"a":1}`)
	}))
	defer server.Close()
	response, err := open(t).Do(t.Context(), Request{
		Key: "w/contact/1/1/hook/1", Method: "PUT", URL: server.URL + "/in?a=b", Secret: url.Values{"key": {"s e"}},
		Header: http.Header{"X-Key": {"k"}}, Body: []byte("hi"),
	})
	require.NoError(t, err, "every status is an answer")
	require.Equal(t, http.StatusTeapot, response.Status)
	require.JSONEq(t, `{"a":1}`, string(response.Body))
	require.Equal(t, "PUT /in?a=b&key=s+e w/contact/1/1/hook/1 millrace k hi", response.Header.Get("Seen"))
	require.False(t, response.Truncated)
	require.Positive(t, response.Took)
}

func TestCallAnswerIsCapped(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, strings.Repeat("x", MaxResponse+1))
	}))
	defer server.Close()
	response, err := open(t).Do(t.Context(), Request{Method: "GET", URL: server.URL})
	require.NoError(t, err)
	require.Len(t, response.Body, MaxResponse)
	require.True(t, response.Truncated)
}

func TestCallRedirects(t *testing.T) {
	t.Parallel()
	seen := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, strings.Join([]string{r.Method, r.Header.Get("X-Key"), r.Header.Get("Idempotency-Key"), string(body)}, "|"))
	}
	other := httptest.NewServer(http.HandlerFunc(seen))
	defer other.Close()
	var server *httptest.Server
	mux := http.NewServeMux()
	mux.HandleFunc("/see", seen)
	redirect := func(path, to string, status int) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, status) })
	}
	redirect("/303", "/see", 303)
	redirect("/307", "/see", 307)
	redirect("/away303", other.URL, 303)
	redirect("/away307", other.URL, 307)
	redirect("/loop", "/loop", 302)
	redirect("/file", "file:///etc/passwd", 302)
	redirect("/inside", "http://10.0.0.1/", 302)
	server = httptest.NewServer(mux)
	defer server.Close()
	call := func(path string) (Response, error) {
		return open(t).Do(t.Context(), Request{Key: "key", Method: "POST", URL: server.URL + path, Header: http.Header{"X-Key": {"k"}}, Body: []byte("body")})
	}
	for path, want := range map[string]string{
		"/303": "GET|k|key|", "/307": "POST|k|key|body", "/away303": "GET|||",
	} {
		response, err := call(path)
		require.NoError(t, err)
		require.Equal(t, want, string(response.Body), path)
	}
	response, err := call("/away307")
	require.NoError(t, err)
	require.Equal(t, 307, response.Status, "the body goes to no other origin")
	response, err = call("/loop")
	require.NoError(t, err)
	require.Equal(t, 302, response.Status, "three redirects are enough")

	for _, path := range []string{"/file", "/inside"} {
		_, err := call(path)
		requireRefused(t, err, "egress-denied", false)
	}
}

func TestCallDenied(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	closed, err := NewHTTP(Egress{HTTP: true})
	require.NoError(t, err)
	secure, err := NewHTTP(Egress{Allow: []string{"127.0.0.0/8"}})
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	for _, address := range []string{server.URL, "http://localhost:" + port, "http://[::ffff:127.0.0.1]:" + port, "http://169.254.169.254/latest"} {
		_, err := closed.Do(t.Context(), Request{Method: "GET", URL: address})
		requireRefused(t, err, "egress-denied", false)
	}
	for _, address := range []string{server.URL, "ftp://example.com", "example.com"} {
		_, err := secure.Do(t.Context(), Request{Method: "GET", URL: address})
		requireRefused(t, err, "egress-denied", false)
	}
	_, err = NewHTTP(Egress{Allow: []string{"10.0.0.1"}})
	require.ErrorContains(t, err, "CIDR")
}

func TestCallThatCannotArrive(t *testing.T) {
	t.Parallel()
	address := "http://" + closedPort(t).String() + "/?token=hush"
	_, err := open(t).Do(t.Context(), Request{Method: "POST", URL: address})
	requireRefused(t, err, "connection-refused", true)
	require.NotContains(t, err.Error(), "hush", "a URL may carry secrets")

	_, err = open(t).Do(t.Context(), Request{Method: "POST", URL: "http://hook.invalid/"})
	requireRefused(t, err, "dns", true)

	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = nil
	defer untrusted.Close()
	_, err = open(t).Do(t.Context(), Request{Method: "POST", URL: untrusted.URL})
	requireRefused(t, err, "tls", true)

	for _, bad := range []string{"http://%", "http://127.0.0.1:x/"} {
		_, err = open(t).Do(t.Context(), Request{Method: "GET", URL: bad})
		requireRefused(t, err, "invalid-url", false)
	}
	_, err = open(t).Do(t.Context(), Request{Method: "G T", URL: "http://127.0.0.1/"})
	requireRefused(t, err, "invalid-url", false)
}

func TestCallThatMayHaveArrivedIsUnknown(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/cut":
			conn, _, _ := w.(http.Hijacker).Hijack()
			conn.Close()
		case "/short":
			w.Header().Set("Content-Length", "10")
			fmt.Fprint(w, "short")
		case "/silent":
			<-release
		}
	}))
	defer server.Close()
	defer close(release)
	for _, path := range []string{"/cut", "/short", "/silent"} {
		client := open(t)
		if path == "/silent" {
			client.whole = 100 * time.Millisecond
		}
		_, err := client.Do(t.Context(), Request{Key: "k", Method: "POST", URL: server.URL + path + "?token=hush"})
		require.Error(t, err, path)
		_, refused := AsRefused(err)
		require.False(t, refused, "%s: %v", path, err)
		require.NotContains(t, err.Error(), "hush")
	}
}

func TestCallOverTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }))
	defer server.Close()
	client := open(t)
	client.plain = false
	client.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	response, err := client.Do(t.Context(), Request{Method: "GET", URL: server.URL})
	require.NoError(t, err)
	require.Equal(t, "ok", string(response.Body))
}

func TestGuard(t *testing.T) {
	t.Parallel()
	closed, err := newGuard(nil)
	require.NoError(t, err)
	for _, address := range []string{
		"0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.9.9.9", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.168.1.1",
		"192.0.0.192", "198.18.0.1", "224.0.0.1", "255.255.255.255", "168.63.129.16", "100.100.100.200",
		"::", "::1", "::7f00:1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
		"64:ff9b::a00:1", "64:ff9b:1::1", "2002:7f00:1::1", "2001::1", "2001:db8::1", "100::1",
	} {
		require.False(t, closed.allows(netip.MustParseAddr(address)), address)
	}
	for _, address := range []string{"1.1.1.1", "172.32.0.1", "192.169.0.1", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"} {
		require.True(t, closed.allows(netip.MustParseAddr(address)), address)
	}
	opened, err := newGuard([]string{"10.1.2.3/16", "fd12::/16"})
	require.NoError(t, err)
	for address, want := range map[string]bool{
		"10.1.9.9": true, "::ffff:10.1.0.1": true, "64:ff9b::a01:1": true, "fd12::5": true, "10.2.0.1": false, "fd13::5": false,
	} {
		require.Equal(t, want, opened.allows(netip.MustParseAddr(address)), address)
	}
}
