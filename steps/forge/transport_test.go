package forge

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// server gives the answers one after the other.
func server(t *testing.T, answers ...http.HandlerFunc) (string, *atomic.Int32) {
	t.Helper()
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(asked.Add(1))
		if n > len(answers) {
			t.Errorf("asked %d times", n)
			return
		}
		if r.Method == http.MethodPost {
			if body, err := io.ReadAll(r.Body); err != nil || string(body) != "body" {
				t.Errorf("time %d: body %q, %v", n, body, err)
			}
		}
		answers[n-1](w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, &asked
}

func status(code int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
	}
}

func says(code int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}
}

func cut(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

// When a request is repeated, after how long, and when not.
func TestPatience(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_800_000_000, 0)
	for _, tc := range []struct {
		name, method string
		answers      []http.HandlerFunc
		code, pauses int           // code 0: an error
		least        time.Duration // of the first pause
	}{
		{"all is well", "GET", []http.HandlerFunc{status(200)}, 200, 0, 0},
		{"a forge that restarts", "GET", []http.HandlerFunc{status(502), status(503), status(200)}, 200, 2, 0},
		{"an answer that was cut off", "GET", []http.HandlerFunc{cut, status(200)}, 200, 1, 0},
		{"a write that met a 500 may have happened", "POST", []http.HandlerFunc{status(500)}, 500, 0, 0},
		{"a write whose answer was cut off may have happened", "POST", []http.HandlerFunc{cut}, 0, 0, 0},
		{"a write that was turned away", "POST", []http.HandlerFunc{status(503), status(201)}, 201, 1, 0},
		{"a refusal", "GET", []http.HandlerFunc{status(404)}, 404, 0, 0},
		{"too many, in seconds", "POST", []http.HandlerFunc{status(429, "Retry-After", "7"), status(201)}, 201, 1, 7 * time.Second},
		{"too many, until a time", "GET", []http.HandlerFunc{status(429, "Retry-After", start.Add(90*time.Second).UTC().Format(http.TimeFormat)), status(200)}, 200, 1, 90 * time.Second},
		{"too many, for longer than a run", "GET", []http.HandlerFunc{status(429, "Retry-After", "3600")}, 429, 0, 0},
		{"a limit that is used up", "GET", []http.HandlerFunc{status(403, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1800000030"), status(200)}, 200, 1, 30 * time.Second},
		{"GitLab's limit", "GET", []http.HandlerFunc{status(429, "RateLimit-Remaining", "0", "RateLimit-Reset", "1800000010"), status(200)}, 200, 1, 10 * time.Second},
		{"not allowed", "GET", []http.HandlerFunc{status(403, "X-RateLimit-Remaining", "12", "X-RateLimit-Reset", "1800000030")}, 403, 0, 0},
		{"GitHub's second limit", "POST", []http.HandlerFunc{says(403, `{"message":"You have exceeded a secondary rate limit."}`), status(201)}, 201, 1, time.Minute},
		{"always too many", "GET", []http.HandlerFunc{status(429), status(429), status(429), status(429), status(429)}, 429, 4, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			url, asked := server(t, tc.answers...)
			client, err := NewHTTPClient(url, HTTPOptions{Logf: t.Logf})
			if err != nil {
				t.Fatal(err)
			}
			var pauses []time.Duration
			p := client.Transport.(*patient)
			p.now = func() time.Time { return start }
			p.sleep = func(_ context.Context, d time.Duration) error { pauses = append(pauses, d); return nil }
			r, err := http.NewRequestWithContext(t.Context(), tc.method, url, strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			response, err := client.Do(r)
			code := 0
			if err == nil {
				code = response.StatusCode
				if body, err := io.ReadAll(response.Body); err != nil {
					t.Errorf("body %q: %v", body, err)
				}
				_ = response.Body.Close()
			}
			if code != tc.code || len(pauses) != tc.pauses || int(asked.Load()) != len(tc.answers) || len(pauses) > 0 && pauses[0] < tc.least {
				t.Errorf("status %d, want %d; pauses %v, want %d; asked %d times; %v", code, tc.code, pauses, tc.pauses, asked.Load(), err)
			}
		})
	}
}

func TestTokenStaysWithItsHost(t *testing.T) {
	t.Parallel()
	other, asked := server(t)
	url, _ := server(t, status(302, "Location", other+"/x"), status(302, "Location", "/y"), status(200))
	client, err := NewHTTPClient(url, HTTPOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get(other); err == nil {
		t.Error("another host was asked")
	}
	if _, err := client.Get(url); err == nil || asked.Load() != 0 {
		t.Errorf("a redirect was followed elsewhere: %v", err)
	}
	response, err := client.Get(url)
	if err != nil {
		t.Fatalf("a redirect to the same host: %v", err)
	}
	_ = response.Body.Close()
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	url, _ := server(t, func(w http.ResponseWriter, _ *http.Request) {
		chunk := make([]byte, 1<<20)
		for range 20 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	client, err := NewHTTPClient(url, HTTPOptions{})
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if n, err := io.Copy(io.Discard, response.Body); err == nil || n > maxAnswer {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

func TestWaitingEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	cancel(stopped)
	if err := Pause(ctx, 5); !errors.Is(err, stopped) {
		t.Errorf("%v", err)
	}
}
