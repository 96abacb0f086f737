// Package forgetest stands in for a forge that is not there: a server that
// expects certain requests in a certain order, checks all of each, and gives
// the answers that the forge is known to give.
package forgetest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/model-delivery/model-delivery/steps/forge"
)

// Exchange is a request that is expected and the answer to it.
type Exchange struct {
	Method string
	Path   string // escaped, with the query
	Body   string // JSON; empty: the request has no body
	Status int    // 0: 200
	Header map[string]string
	Answer string
}

// Script is what is expected.
type Script struct {
	t         testing.TB
	auth      string
	mu        sync.Mutex
	exchanges []Exchange
	next      int
}

// Serve expects the exchanges, one after the other, each with the header
// Authorization (or PRIVATE-TOKEN) that auth says. It returns the server's
// address. The test fails when another request comes, or one never does.
func Serve(t testing.TB, auth string, exchanges ...Exchange) string {
	t.Helper()
	s := &Script{t: t, auth: auth, exchanges: exchanges}
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		server.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, missing := range s.exchanges[s.next:] {
			t.Errorf("%s %s was never asked", missing.Method, missing.Path)
		}
	})
	return server.URL
}

// ServeHTTP implements [http.Handler].
func (s *Script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Errorf("reading the request: %v", err)
	}
	if s.next == len(s.exchanges) {
		s.t.Errorf("%s %s %s was not expected", r.Method, r.URL.RequestURI(), body)
		http.Error(w, "not expected", http.StatusTeapot)
		return
	}
	want := s.exchanges[s.next]
	s.next++
	if auth := r.Header.Get("Authorization") + r.Header.Get("PRIVATE-TOKEN"); auth != s.auth {
		s.t.Errorf("%s %s: authorization %q, want %q", r.Method, r.URL, auth, s.auth)
	}
	if r.Method != want.Method || !samePath(r.URL.RequestURI(), want.Path) {
		s.t.Errorf("asked %s %s\nwant  %s %s", r.Method, r.URL.RequestURI(), want.Method, want.Path)
	}
	if !sameJSON(body, want.Body) {
		s.t.Errorf("%s %s: body\n%s\nwant\n%s", r.Method, r.URL, body, want.Body)
	}
	for name, value := range want.Header {
		w.Header().Set(name, value)
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	if want.Status == 0 {
		want.Status = http.StatusOK
	}
	w.WriteHeader(want.Status)
	_, _ = io.WriteString(w, want.Answer)
}

// samePath compares paths as they were escaped, and queries in any order.
func samePath(got, want string) bool {
	a, errA := url.ParseRequestURI(got)
	b, errB := url.ParseRequestURI(want)
	return errA == nil && errB == nil && a.EscapedPath() == b.EscapedPath() && reflect.DeepEqual(a.Query(), b.Query())
}

func sameJSON(got []byte, want string) bool {
	if want == "" {
		return len(got) == 0
	}
	var a, b any
	return json.Unmarshal(got, &a) == nil && json.Unmarshal([]byte(want), &b) == nil && reflect.DeepEqual(a, b)
}

// Connect returns a client for the server at an address and a repository there
// that a clone URL names; in the clone URL SERVER is that address.
func Connect(t testing.TB, url, remote string) (forge.Repository, *http.Client) {
	t.Helper()
	httpClient, err := forge.NewHTTPClient(url, forge.HTTPOptions{})
	if err != nil {
		t.Fatal(err)
	}
	repository, err := forge.ParseRepository(strings.Replace(remote, "SERVER", url, 1))
	if err != nil {
		t.Fatal(err)
	}
	return repository, httpClient
}
