package provider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"time"
)

const maxRedirects = 3

// NewHTTP returns HTTP that reaches the public internet, and of everything else only what egress opens.
func NewHTTP(egress Egress) (HTTP, error) {
	guard, err := newGuard(egress.Allow)
	if err != nil {
		return nil, err
	}
	return newWeb(guard, egress.HTTP, 3*time.Second, 30*time.Second), nil
}

func newWeb(guard guard, plain bool, connect, whole time.Duration) *web {
	dialer := &net.Dialer{Timeout: connect, Control: guard.control}
	return &web{
		plain: plain, whole: whole,
		client: &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				Proxy: nil, DialContext: dialer.DialContext, TLSHandshakeTimeout: connect,
				MaxResponseHeaderBytes: MaxResponse, MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second,
			},
		},
	}
}

// web is HTTP over the network.
type web struct {
	plain  bool          // http is allowed beside https
	whole  time.Duration // for the call with its redirects, until the last byte is read
	client *http.Client
}

func (w *web) Do(ctx context.Context, request Request) (Response, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, w.whole)
	defer cancel()
	target, err := url.Parse(request.URL)
	if err != nil {
		return Response{}, &Refused{Reason: "invalid-url", Err: errors.New("the URL cannot be read")}
	}
	if len(request.Secret) > 0 {
		target.RawQuery = joinQuery(target.RawQuery, request.Secret.Encode())
	}
	header := http.Header{}
	for name, values := range request.Header {
		header[name] = values
	}
	header.Set("Idempotency-Key", request.Key)
	header.Set("User-Agent", "millrace")
	hop := hop{method: request.Method, target: target, header: header, body: request.Body}
	for redirects := 0; ; redirects++ {
		response, err := w.once(ctx, hop, redirects == 0)
		if err != nil {
			return Response{}, err
		}
		next, follow := hop.redirect(response)
		if !follow || redirects == maxRedirects {
			response.Took = time.Since(began)
			return response, nil
		}
		hop = next
	}
}

func joinQuery(query, more string) string {
	if query == "" {
		return more
	}
	return query + "&" + more
}

// hop is one request on the way through redirects.
type hop struct {
	method string
	target *url.URL
	header http.Header
	body   []byte
}

// once makes one request without following redirects. Errors name the host only: a URL may carry secrets.
func (w *web) once(ctx context.Context, hop hop, first bool) (Response, error) {
	host := hop.target.Host
	if err := openScheme(hop.target, w.plain); err != nil {
		return Response{}, err
	}
	connected := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected = true }})
	request, err := http.NewRequestWithContext(ctx, hop.method, hop.target.String(), bytes.NewReader(hop.body))
	if err != nil {
		return Response{}, &Refused{Reason: "invalid-url", Err: errors.New("the request cannot be made: bad method or URL")}
	}
	request.Header = hop.header
	answer, err := w.client.Do(request)
	if err != nil {
		if refused, ok := AsRefused(err); ok {
			return Response{}, &Refused{Reason: refused.Reason, Err: fmt.Errorf("%s: %w", host, refused.Err)}
		}
		err = fmt.Errorf("%s: %w", host, withoutURL(err))
		if !connected && first {
			return Response{}, &Refused{Reason: lineReason("unreachable", err), Temporary: true, Err: err}
		}
		return Response{}, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, MaxResponse+1))
	if err != nil {
		return Response{}, fmt.Errorf("%s: read the answer: %w", host, err)
	}
	return Response{
		Status: answer.StatusCode, Header: answer.Header,
		Body: body[:min(len(body), MaxResponse)], Truncated: len(body) > MaxResponse,
	}, nil
}

// openScheme refuses what is neither https nor, where that is opened, http.
func openScheme(target *url.URL, plain bool) error {
	if target.Scheme == "https" || target.Scheme == "http" && plain {
		return nil
	}
	return denied(fmt.Errorf("scheme %q is not allowed: only https, and http where millrace.yaml says egress.http", target.Scheme))
}

func withoutURL(err error) error {
	var full *url.Error
	if errors.As(err, &full) {
		return full.Err
	}
	return err
}

// redirect returns the request that an answer asks for. To another origin go neither the caller's
// headers nor its body; a redirect that would need the body there is not followed.
func (h hop) redirect(answer Response) (hop, bool) {
	if !slices.Contains([]int{301, 302, 303, 307, 308}, answer.Status) {
		return hop{}, false
	}
	target, err := h.target.Parse(answer.Header.Get("Location"))
	if err != nil || answer.Header.Get("Location") == "" {
		return hop{}, false
	}
	next := hop{method: h.method, target: target, header: h.header.Clone(), body: h.body}
	if answer.Status <= 303 && h.method != http.MethodGet && h.method != http.MethodHead {
		next.method, next.body = http.MethodGet, nil
		next.header.Del("Content-Type")
	}
	if origin(h.target) != origin(target) {
		if len(next.body) > 0 {
			return hop{}, false
		}
		next.header = http.Header{"User-Agent": {"millrace"}}
		if accept := h.header.Get("Accept"); accept != "" {
			next.header.Set("Accept", accept)
		}
	}
	return next, true
}

func origin(u *url.URL) string {
	if port := u.Port(); port == "80" && u.Scheme == "http" || port == "443" && u.Scheme == "https" {
		return u.Scheme + "://" + strings.ToLower(u.Hostname())
	}
	return u.Scheme + "://" + strings.ToLower(u.Host)
}
