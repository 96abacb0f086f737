package forge

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Bounds of one request to a forge.
const (
	maxAttempts   = 5
	maxPause      = 2 * time.Minute // longer waits are for the next run
	maxAnswer     = 16 << 20        // bytes
	answerTimeout = time.Minute
)

// HTTPOptions say how a forge is reached.
type HTTPOptions struct {
	CAFile             string // certificates to trust besides the system's
	InsecureSkipVerify bool
	// Logf is told about waits; may be nil.
	Logf func(format string, args ...any)
}

// NewHTTPClient returns a client that talks to one origin only ("https://HOST"),
// so that a token cannot be led elsewhere, neither by a redirect nor by a link
// in an answer. It obeys rate limits and Retry-After, repeats reads that failed
// on the way, and bounds answers.
func NewHTTPClient(origin string, o HTTPOptions) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = answerTimeout
	if o.CAFile != "" || o.InsecureSkipVerify {
		config := &tls.Config{InsecureSkipVerify: o.InsecureSkipVerify, MinVersion: tls.VersionTLS12}
		if o.CAFile != "" {
			pem, err := os.ReadFile(o.CAFile)
			if err != nil {
				return nil, step.Invalidf("reading certificates: %w", err)
			}
			if config.RootCAs, err = x509.SystemCertPool(); err != nil {
				config.RootCAs = x509.NewCertPool()
			}
			if !config.RootCAs.AppendCertsFromPEM(pem) {
				return nil, step.Invalidf("there is no certificate in %s", o.CAFile)
			}
		}
		transport.TLSClientConfig = config
	}
	t := &patient{origin: strings.ToLower(origin), next: transport, logf: o.Logf, sleep: sleep, now: time.Now}
	if t.logf == nil {
		t.logf = func(string, ...any) {}
	}
	return &http.Client{Transport: t, CheckRedirect: t.redirect}, nil
}

// patient repeats requests that a busy forge turned away. A write that met a
// 500 may have happened and is not repeated.
type patient struct {
	origin string
	next   http.RoundTripper
	logf   func(format string, args ...any)
	sleep  func(context.Context, time.Duration) error
	now    func() time.Time
}

func (t *patient) redirect(r *http.Request, via []*http.Request) error {
	if err := t.check(r); err != nil {
		return err
	}
	if len(via) >= 3 {
		return fmt.Errorf("more than %d redirects", len(via))
	}
	return nil
}

func (t *patient) check(r *http.Request) error {
	if origin := strings.ToLower(r.URL.Scheme + "://" + r.URL.Host); origin != t.origin {
		return fmt.Errorf("the credentials of %s do not go to %s", t.origin, origin)
	}
	return nil
}

// RoundTrip implements [http.RoundTripper].
func (t *patient) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.check(r); err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		response, err := t.next.RoundTrip(r)
		pause, again := t.verdict(r, response, err, attempt)
		if !again || attempt == maxAttempts || pause > maxPause || r.Body != nil && r.GetBody == nil {
			if response != nil {
				response.Body = &bounded{ReadCloser: response.Body, left: maxAnswer}
			}
			return response, err
		}
		why := "no answer"
		if response != nil {
			why = response.Status
			// The connection can be used again once the answer was read.
			_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
			_ = response.Body.Close()
		}
		t.logf("%s: %s: asking again in %s", r.URL.Host, why, pause.Round(100*time.Millisecond))
		if err := t.sleep(r.Context(), pause); err != nil {
			return nil, err
		}
		if r.Body != nil {
			r = r.Clone(r.Context())
			if r.Body, err = r.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

// verdict says whether a request is to be repeated, and after which pause.
func (t *patient) verdict(r *http.Request, response *http.Response, err error, attempt int) (time.Duration, bool) {
	backoff := time.Duration(float64(100*time.Millisecond<<attempt) * (0.5 + rand.Float64()))
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	if err != nil {
		return backoff, read && r.Context().Err() == nil
	}
	asked, limited := t.asked(response.Header)
	if !limited && response.StatusCode == http.StatusForbidden && secondary(response) {
		asked, limited = time.Minute, true
	}
	switch {
	case response.StatusCode == http.StatusTooManyRequests, response.StatusCode == http.StatusServiceUnavailable,
		response.StatusCode == http.StatusForbidden && limited:
		return max(asked, backoff), true
	case response.StatusCode >= 500:
		return backoff, read
	}
	return 0, false
}

// asked reads how long the forge wants to be left alone: Retry-After in its
// two forms, or a rate limit that is used up and the time of its reset.
func (t *patient) asked(h http.Header) (time.Duration, bool) {
	if text := h.Get("Retry-After"); text != "" {
		if seconds, err := strconv.Atoi(text); err == nil {
			return time.Duration(seconds) * time.Second, true
		}
		if at, err := http.ParseTime(text); err == nil {
			return at.Sub(t.now()), true
		}
	}
	for _, prefix := range []string{"X-RateLimit-", "RateLimit-"} {
		if h.Get(prefix+"Remaining") != "0" {
			continue
		}
		if at, err := strconv.ParseInt(h.Get(prefix+"Reset"), 10, 64); err == nil {
			return time.Unix(at, 0).Sub(t.now()) + time.Second, true
		}
	}
	return 0, false
}

// secondary tells GitHub's limit on many requests at once, of which only the
// words of the answer tell, and after which it wants a minute of silence.
func secondary(response *http.Response) bool {
	head, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), response.Body), response.Body}
	return err == nil && bytes.Contains(head, []byte("secondary rate limit"))
}

// bounded fails when an answer is longer than anything a forge says.
type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}

// Pause waits longer with each attempt at something that a forge does in the
// background: one second, two, four, up to ten.
func Pause(ctx context.Context, attempt int) error {
	return sleep(ctx, min(time.Second<<max(attempt-1, 0), 10*time.Second))
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
