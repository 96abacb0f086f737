package forge

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

const (
	maxAttempts   = 5
	maxRetryAfter = time.Minute
)

// retrying repeats requests that a busy forge turned away: 429 and 503 as it
// asks by Retry-After, and reads also after other server errors. A write that
// met a 500 may have happened and is not repeated.
type retrying struct {
	host string
	next http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t *retrying) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != t.host {
		return nil, fmt.Errorf("request to %s with the credentials of %s", r.URL.Host, t.host)
	}
	for attempt := 1; ; attempt++ {
		response, err := t.next.RoundTrip(r)
		pause, again := retryAfter(r, response, err, attempt)
		if !again || attempt == maxAttempts || r.Body != nil && r.GetBody == nil {
			return response, err
		}
		if response != nil {
			io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
			response.Body.Close()
		}
		if r.Body != nil {
			if r.Body, err = r.GetBody(); err != nil {
				return nil, err
			}
		}
		if err := sleep(r.Context(), pause); err != nil {
			return nil, err
		}
	}
}

func retryAfter(r *http.Request, response *http.Response, err error, attempt int) (time.Duration, bool) {
	backoff := time.Duration(float64(200*time.Millisecond) * float64(int(1)<<attempt) * (0.5 + rand.Float64()))
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	if err != nil {
		return backoff, read && r.Context().Err() == nil
	}
	asked, parseErr := strconv.Atoi(response.Header.Get("Retry-After"))
	switch {
	case response.StatusCode == http.StatusTooManyRequests, response.StatusCode == http.StatusServiceUnavailable,
		response.StatusCode == http.StatusForbidden && parseErr == nil:
		if parseErr == nil {
			return min(time.Duration(asked)*time.Second, maxRetryAfter), true
		}
		return backoff, true
	case response.StatusCode >= 500:
		return backoff, read
	}
	return 0, false
}
